"""Hints written for Python, said in the words of the shell."""

from __future__ import annotations

import re
from collections.abc import Callable

_NAME = r"'([\w.\-]+)'"
_WORDS = (
    (r"connect\(\.\.\., ca='ca\.pem'\)", "--ca ca.pem"),
    (r"\bas ca=", "with --ca"),
    (r"give connect\(\) the token or set (\w+) \([^)]*\)", r"set \1, or give --token TOKEN"),
    (
        rf"dm\.delete\({_NAME}, confirm='[\w.\-]+', force=True\)",
        r"lancenb delete \1 --confirm \1 --force",
    ),
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


def _as_options(match: re.Match[str]) -> str:
    names = [name for name in match[1].split(", ") if name != "token"]
    return "these take: " + ", ".join(f"--{name}" for name in names)


_DOWNLOAD: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"these take: ([\w, ]+)", _as_options),
    (r"\bpass token=, set HF_TOKEN", "set HF_TOKEN"),
    (r"1 or more, None for all", "1 or more; leave it out for all"),
    (r"\boffline=False, HF_HUB_OFFLINE", "without --offline, HF_HUB_OFFLINE"),
    (r"clear the cache: kind='(\w+)'", r"lancenb cache clear --kind \1"),
    (r"\bregistry\.check\('(\w+)', folder\)", r"lancenb download \1 --verify --to FOLDER"),
    (r"\bdownload\('([^']+)'\)", r"lancenb download \1"),
    (r"\bconvert\(folder\)", "lancenb convert FOLDER NAME"),
    (r"mode='repo'", "hf:dataset:ID without --split and --limit"),
    (r"mode='arrow'", "a dataset by its name"),
    (r"\boffline=True", "--offline"),
    (r"\boffline=False", "leaving out --offline"),
    (r"\bhub_engine='(\w+)'", r"--engine \1"),
    (r"\bhub_engine=", "--engine "),
    (r"\bpass token= instead", "set HF_TOKEN instead"),
    (r"\btoken=(?!=)", "HF_TOKEN"),
    (r"\bsha256=False", "(in Python) sha256=False"),
    (r"\b(split|revision|to|cache|allow|ignore|limit|sha256|variant)='([^']*)'", r"--\1 \2"),
    (r"\b(limit)=(-?\d+)", r"--\1 \2"),
    (r"(?<!\) )\b(split|revision|to|cache|allow|ignore|limit|sha256|variant)=(?![=\w])", r"--\1"),
)
_CACHE = (
    (r"\bcache\.entries\(\) lists all", "lancenb cache --all lists all"),
    (r"\bcache\.revisions\(\)", "lancenb cache ls --kind hub"),
    (r"\bverify\(repair=True\)", "lancenb cache verify --repair"),
    (r"\bclear\('(\w+)'\)", r"lancenb cache clear --kind \1"),
    (r"\bclear\(leftovers=True\)", "lancenb cache clear --leftovers"),
    (r"\bclear\('(\w+)', name='([^']+)', revision='([^']+)'\)",
     r"lancenb cache clear --kind \1 --name \2 --revision \3"),
)  # fmt: skip
_SERVE = (
    (r"\bport 0 takes any free one", "--http 0 and --grpc 0 take any free one"),
    (r"\bhttp= or grpc=", "--http or --grpc"),
    (r"\b0 takes a free port", "a port, or 0 for a free one"),
    (r"\bcertificate= and key=", "--cert and --key"),
)
_OF_COMMAND = {"download": _DOWNLOAD, "cache": _CACHE, "serve": _SERVE}


def in_shell_words(text: str, command: str = "") -> str:
    """Replace calls and arguments of Python by the commands and options that do the same.

    Args:
        text: a message or hint.
        command: the command that it is an answer of; some words are those of one only.

    >>> in_shell_words('use mode="overwrite" for a next version')
    'use --mode overwrite for a next version'
    >>> in_shell_words("undo: dm.rollback('people', 9)")
    'undo: lancenb rollback people 9'
    """
    for pattern, words in (*_OF_COMMAND.get(command, ()), *_WORDS):
        text = re.sub(pattern, words, text)
    return text
