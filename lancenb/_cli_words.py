"""Hints written for Python, said in the words of the shell."""

from __future__ import annotations

import re

_NAME = r"'([\w.\-]+)'"
_WORDS = (
    (rf"dm\.delete\({_NAME}, confirm='[\w.\-]+'\)", r"lancenb delete \1 --confirm \1"),
    (rf"dm\.(rollback|diff)\({_NAME}, ([\w.\-]+)\)", r"lancenb \1 \2 \3"),
    (r"dm\.versions\(name\)", "lancenb versions NAME"),
    (r"dm\.list\(kind='(\w+)'\)", r"lancenb ls --kind \1"),
    (r"dm\.list\(\)", "lancenb ls"),
    (r'\bmode="(\w+)"', r"--mode \1"),
    (r"\bdry_run=True", "--dry-run"),
    (r"\bforce=True", "--force"),
    (r"\bkind=(?!=)", "--kind "),
    (r"\bendpoint=(?!=)", "--s3-endpoint "),
    (r"\baccess_key=(?!=)", "--aws-access-key "),
    (r"\bsecret_key=(?!=)", "--aws-secret-key "),
)


def in_shell_words(text: str) -> str:
    """Replace calls and arguments of Python by the commands and options that do the same.

    >>> in_shell_words('use mode="overwrite" for a next version')
    'use --mode overwrite for a next version'
    >>> in_shell_words("undo: dm.rollback('people', 9)")
    'undo: lancenb rollback people 9'
    """
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text
