"""Take secrets out of text before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MASK = "***"

# A scheme is looked for a few letters back only: a long word would be gone through from each of
# its letters.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]{0,30}://"
# user:password@ in any URI; the greedy class up to '@' keeps passwords that contain ':'.
_USERINFO = re.compile(rf"(?P<scheme>{_SCHEME})[^\s/@'\"<>]+@")
# The query and fragment of a URI: signatures, tokens and one-time keys live there.
_QUERY = re.compile(rf"(?P<base>{_SCHEME}[^\s?#'\"<>]*)(?P<rest>[?#][^\s'\"<>)\]}},]+)?")
# name=value, "name": "value", name='value': first any name, then whether it usually holds a secret,
# so that a long text is gone through once.
_NAME = re.compile(
    r"""(?ix) (?: ["'] | (?<![a-z0-9_.\-]) )  # only from where a word begins
    (?P<word> [a-z0-9_.\-]++ ) ["']? \s*+ [=:] \s*+
    """
)
_SECRET = re.compile(
    r"""(?ix) (?:
          (?: secret | passw(?:or)?d | passwd ) (?: [_\-][a-z0-9_\-]+ )?
        | (?:access|api|account|shared|customer|private)[_\-]?key (?: [_\-]?(?:id|base64|md5))?
        | token ) \Z
    """
)
_WORD_END = 300
# Hints name arguments without a value ("pass token= if ..."): a small word after the gap is none.
_VALUE = re.compile(
    r"""(?ix)
    (?! (?<=[=]\s) (?:and|for|if|in|instead|or|to|when|where|with)\b )
    (?: "[^"]*" | '[^']*' | [^\s,;&'"<>)\]}]+ )
    """
)
_SIGNED = re.compile(r"(?i)\b((?:x-amz-)?(?:signature|credential)=)[^\s,;&'\"<>]+")
_HEADER = re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?)(?:[a-z0-9\-]+\s+)?[^\"'\n]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=\-]{8,}")
_XML = re.compile(
    r"(?is)<(AWSAccessKeyId|OSSAccessKeyId|StringToSign\w*|SignatureProvided|CanonicalRequest\w*)>"
    r".*?</\1>"
)
# Keys that can be told by their shape: AWS key ids, Hugging Face and GitHub tokens.
_SHAPES = re.compile(
    r"\b(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,})\b"
)


def redact(text: object) -> str:
    """Return ``text`` without credentials.

    Removed are: user names and passwords in URIs, query strings and fragments of URIs, values of
    names such as ``secret_key``, ``token`` or ``password``, ``Authorization`` headers, the parts
    of S3 error documents that repeat key ids and signatures, and keys known by their shape. The
    rest of the text is unchanged, and a text without secrets comes back as it was.

    Args:
        text: a URI, message or any object (its ``str`` is taken).

    >>> redact("https://me:pa55@host/data.bin?X-Amz-Signature=0123")
    'https://***@host/data.bin?***'
    >>> redact("s3://bucket/plain.lance")
    's3://bucket/plain.lance'
    >>> redact("retry with secret_key='abc def' and timeout=3")
    'retry with secret_key=*** and timeout=3'
    """
    out = str(text)
    out = _XML.sub(lambda m: f"<{m.group(1)}>{_MASK}</{m.group(1)}>", out)
    out = _USERINFO.sub(lambda m: f"{m.group('scheme')}{_MASK}@", out)
    out = _QUERY.sub(lambda m: m.group("base") + (f"?{_MASK}" if m.group("rest") else ""), out)
    out = _HEADER.sub(lambda m: f"{m.group(1)}{_MASK}", out)
    out = _BEARER.sub(lambda m: f"{m.group(1)} {_MASK}", out)
    out = _SIGNED.sub(lambda m: f"{m.group(1)}{_MASK}", out)
    return _SHAPES.sub(_MASK, _without_named(out))


def _without_named(text: str) -> str:
    parts, begin, place = [], 0, 0
    while found := _NAME.search(text, place):
        place = found.end()
        if not _SECRET.search(found["word"][-_WORD_END:]):
            continue
        if value := _VALUE.match(text, place):
            parts += [text[begin:place], _MASK]
            begin = place = value.end()
    return "".join([*parts, text[begin:]])


def redact_facts(value: Any, key: str = "") -> Any:
    """Return a JSON value without credentials, wherever in it they are; see :func:`redact`.

    >>> redact_facts({"token": "x", "where": ["https://me:pw@host/a?b=c"]})
    {'token': '***', 'where': ['https://***@host/a?***']}
    """
    if isinstance(value, Mapping):
        return {redact(k): redact_facts(item, str(k)) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_facts(item, key) for item in value]
    if isinstance(value, str):
        probe = f"{key}=x"
        return "***" if key and redact(probe) != probe else redact(value)
    return value
