"""Names: of files that servers propose, of addresses in messages, hashes inside names."""

from __future__ import annotations

import hashlib
import posixpath
import re
import unicodedata
from email.message import Message
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import InvalidArgument

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[^/]*$")
_BAD_CHARS = re.compile(r'[<>:"|?*]')
# control, direction marks and other invisible signs, halves of characters, line ends
_BAD_KINDS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # part of words and emoji
_PARAMETER = re.compile(r';\s*([\w*!-]+)\s*=\s*(?:("(?:[^"\\]|\\.)*")|([^;]*))')
_EXTENDED = re.compile(r"\s*\"?([\w-]+)'[^']*'([^\"]*)\"?\s*")
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_MAX_NAME = 200


def safe_name(name: str, default: str = "download") -> str:
    """Turn a proposed file name into one that can only land in its folder.

    >>> safe_name("../../etc/passwd"), safe_name("..%2F..%2Fevil"), safe_name("con.txt")
    ('passwd', 'evil', '_con.txt')
    >>> safe_name(".."), safe_name("a<b>.png"), safe_name(".bashrc")
    ('download', 'a_b_.png', '_.bashrc')
    """
    name = unicodedata.normalize("NFC", unquote(name)).replace("\\", "/")
    name = posixpath.basename(name.rstrip("/"))
    name = "".join(
        "_" if unicodedata.category(char) in _BAD_KINDS and char not in _JOINERS else char
        for char in name
    )
    name = _BAD_CHARS.sub("_", name).rstrip(". ").strip()
    if not name or set(name) <= {"."}:
        return default
    if name.startswith(".") or _RESERVED.match(name):
        name = "_" + name
    if len(name.encode()) > _MAX_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        stem, suffix = posixpath.splitext(name)
        suffix = suffix if len(suffix.encode()) <= 16 else ""
        keep = stem.encode()[: _MAX_NAME - len(suffix.encode()) - 13].decode(errors="ignore")
        name = f"{keep}-{digest}{suffix}"
    return name


def name_from_disposition(header: str | None) -> str | None:
    r"""Read the file name of a ``Content-Disposition`` header (RFC 6266, ``filename*`` first).

    >>> name_from_disposition("attachment; filename=a.txt; filename*=UTF-8''%e2%82%ac.txt")
    '€.txt'
    >>> name_from_disposition('attachment; filename="a \\"b\\"; c.txt"')
    'a "b"; c.txt'
    """
    if not header:
        return None
    given = {}
    for key, quoted, plain in _PARAMETER.findall(f";{header}"):
        value = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted else plain.strip()
        given.setdefault(key.lower(), value)
    extended = _EXTENDED.fullmatch(given.get("filename*", ""))
    if extended:
        # RFC 8187 knows UTF-8; the other one is of its predecessor
        latin = extended[1].lower() in ("iso-8859-1", "latin-1")
        return unquote(extended[2], encoding="latin-1" if latin else "utf-8") or None
    if not given.get("filename"):
        continued = Message()  # filename*0= and so on, from mail
        continued["content-disposition"] = header
        return continued.get_filename()
    try:  # sent as raw UTF-8, which the protocol reads as Latin-1
        return given["filename"].encode("latin-1").decode("utf-8")
    except UnicodeError:
        return given["filename"]


def name_from_url(url: str) -> str:
    """Return the safe name of the last part of an address.

    >>> name_from_url("https://download.pytorch.org/models/resnet18-f37072fd.pth?x=1")
    'resnet18-f37072fd.pth'
    """
    return safe_name(urlsplit(url).path)


def hash_in_name(name: str) -> str | None:
    """Return the sha256 prefix that torch-style names carry, ``None`` when there is none.

    At least 8 hex digits, and not a date (torch's own pattern takes ``model-2024.pth``).

    >>> hash_in_name("resnet18-f37072fd.pth"), hash_in_name("model-2024.pth")
    ('f37072fd', None)
    >>> hash_in_name("data-20240131.csv") is None
    True
    """
    match = _HASH_IN_NAME.search(name)
    if not match:
        return None
    digits = match.group(1)
    return None if digits.isdigit() and _looks_like_date(digits) else digits


def _looks_like_date(digits: str) -> bool:
    if len(digits) not in (8, 10, 12, 14):
        return False
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    if 1900 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= 31:
        return True
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:8])
    return 1900 <= year <= 2199 and (
        (1 <= month <= 12 and 1 <= day <= 31) or (1 <= day <= 12 and 1 <= month <= 31)
    )


def public_url(url: str) -> str:
    """Drop credentials, query and fragment: what may be shown, logged and stored.

    >>> public_url("https://me:pw@a.example:8/x?X-Amz-Signature=1#y")
    'https://a.example:8/x'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/]*@", "//", url.split("?", 1)[0])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_token(token: str | None) -> str | None:
    """Return a token fit for a header; the line end of a token file is dropped.

    Raises:
        InvalidArgument: it is no text, or holds characters no token has (it is not shown).
    """
    if token is None:
        return None
    clean = token.strip() if isinstance(token, str) else ""
    if not clean or not all("!" <= char <= "~" for char in clean):
        raise InvalidArgument(
            "token= is not a token: it is empty, or holds spaces or other characters none has",
            hint="pass the token as text, as its page shows it",
        )
    return clean


def url_key(url: str) -> str:
    """Return the 16 hex digits under which an address is cached."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]
