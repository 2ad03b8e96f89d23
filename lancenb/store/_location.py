"""Where a store is: parsing of root URIs and the rules for names below a root."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lancenb.errors import InvalidArgument, InvalidName

from ._redact import redact

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]+):(//)?")  # two letters or more: C: is a drive
_BUCKET = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._\-]{1,61}[A-Za-z0-9]$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Lance reads an S3 address as a URL: these characters would mean something else there.
_URL_ACTIVE = re.compile(r"[?#%\\]")
_REASONS = {
    "s3a": "write s3:// (the name of the protocol; s3a is Hadoop's name for its own client)",
    "s3n": "write s3:// (the name of the protocol; s3n is Hadoop's name for its own client)",
    "http": "a lancenb server: lancenb.connect(url); "
    "MinIO and the like: s3://bucket/prefix with endpoint='http://host:9000'",
    "https": "a lancenb server: lancenb.connect(url); "
    "MinIO and the like: s3://bucket/prefix with endpoint='https://host'",
    "hf": "download it first (lancenb.download), then keep it in a local or s3:// store",
}
_REMOTE = ("s3", "memory", *_REASONS)
_OTHER = (
    "lancenb checks, lists and cleans the stores it writes to, and does so for local folders and "
    "S3-compatible storage only (AWS, MinIO, Ceph, ...; many clouds offer an S3 endpoint)"
)


@dataclass(frozen=True)
class Location:
    """A parsed root: ``uri`` is what Lance is given, without a slash at the end."""

    uri: str
    scheme: str  # "file", "s3" or "memory"
    bucket: str = ""
    prefix: str = ""


def parse_root(root: str | os.PathLike[str]) -> Location:
    """Parse a root URI or folder.

    Raises:
        InvalidArgument: no path, empty, with credentials or a query in it, or of a scheme that
            is not kept.
    """
    text = os.fspath(root) if isinstance(root, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise InvalidArgument(
            f"{root!r:.60} cannot be a store", hint="give a folder or s3://bucket/prefix"
        )
    if not text.strip():
        raise InvalidArgument(
            "the root of a store is empty", hint="give a folder or s3://bucket/prefix"
        )
    if _CONTROL.search(text):
        raise InvalidArgument(f"the root {text!r} holds a control character")
    match = _SCHEME.match(text)
    if match and not match.group(2) and match.group(1).lower() in _REMOTE:
        meant = f"{match.group(1)}://{text[match.end() :].lstrip('/')}"
        raise InvalidArgument(
            f"{redact(text)!r} lacks slashes after its scheme",
            hint=f"did you mean {redact(meant)!r}? for a folder of that name write './' before it",
        )
    if match is None or not match.group(2):
        return Location(uri=_absolute(text), scheme="file")
    scheme = match.group(1).lower()
    if scheme == "file":
        return Location(uri=_absolute(_file_path(text)), scheme="file")
    if scheme == "s3":
        return _s3(text)
    if scheme in ("memory", "shared-memory"):
        return _memory(text)
    raise InvalidArgument(
        f"{redact(text)!r} cannot be a store: the scheme {scheme!r} is not one of "
        "a local folder, s3:// or memory://",
        hint=_REASONS.get(scheme, _OTHER),
    )


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _file_path(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise InvalidArgument(
            f"{redact(uri)!r} names a file on another machine", hint="use file:///absolute/path"
        )
    if not parts.path:
        raise InvalidArgument(f"{redact(uri)!r} names no folder", hint="use file:///absolute/path")
    return unquote(parts.path)


def _s3(text: str) -> Location:
    rest = text.split("://", 1)[1]
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or ":" in bucket:
        raise InvalidArgument(
            f"{redact(text)!r} holds more than a bucket name before the first slash",
            hint="credentials and endpoints are options: Store('s3://bucket/prefix', "
            "endpoint=..., access_key=..., secret_key=...)",
        )
    if not _BUCKET.match(bucket) or ".." in bucket:
        raise InvalidArgument(
            f"{bucket!r} is not a bucket name",
            hint="3 to 63 letters, digits, dots and hyphens, as in s3://my-bucket/prefix",
        )
    clean = "/".join(check_parts((prefix.strip("/"),), remote=True)) if prefix.strip("/") else ""
    uri = f"s3://{bucket}/{clean}" if clean else f"s3://{bucket}"
    return Location(uri=uri, scheme="s3", bucket=bucket, prefix=clean)


def _memory(text: str) -> Location:
    rest = text.split("://", 1)[1].strip("/")
    name, _, prefix = rest.partition("/")
    if not name or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._\-]*", name):
        raise InvalidArgument(
            f"{redact(text)!r} has no usable name", hint="name it, as in memory://scratch"
        )
    clean = "/".join(check_parts((prefix,), remote=True)) if prefix else ""
    uri = f"shared-memory://{name}/{clean}" if clean else f"shared-memory://{name}"
    return Location(uri=uri, scheme="memory", bucket=name, prefix=clean)


def as_text(part: str | os.PathLike[str]) -> str:
    """Return a path as text.

    Raises:
        InvalidName: it is none.
    """
    text = os.fspath(part) if isinstance(part, (str, os.PathLike)) else part
    if not isinstance(text, str):
        raise InvalidName(f"a path below a store must be text, not {type(text).__name__}")
    return text


def check_parts(parts: tuple[str | os.PathLike[str], ...], *, remote: bool) -> list[str]:
    """Split ``parts`` at slashes and check every piece.

    Args:
        parts: relative path pieces; each may hold several, separated by ``/``.
        remote: also refuse what means something in a URL (``?``, ``#``, ``%``, backslash).

    Raises:
        InvalidName: absolute, empty, ``.`` or ``..``, control characters, longer than 255 bytes.
    """
    pieces: list[str] = []
    for part in parts:
        text = as_text(part)
        if text.startswith(("/", "~/")) or "://" in text or Path(text).is_absolute():
            raise InvalidName(
                f"{redact(text)!r} is not relative", hint="name something below the store's root"
            )
        pieces.extend(text.rstrip("/").split("/"))
    for piece in pieces:
        if piece in ("", ".", ".."):
            raise InvalidName(
                f"the path {'/'.join(pieces)!r} holds {piece!r}", hint="use plain names between '/'"
            )
        if _CONTROL.search(piece):
            raise InvalidName(f"the name {piece!r} holds a control character")
        if len(piece.encode("utf-8", "surrogatepass")) > 255:
            raise InvalidName(f"the name {piece[:40]!r}... is longer than 255 bytes")
        if remote and _URL_ACTIVE.search(piece):
            raise InvalidName(
                f"the name {piece!r} holds one of ? # % or a backslash",
                hint="these mean something else in an address; use letters, digits, - _ . and =",
            )
    return pieces
