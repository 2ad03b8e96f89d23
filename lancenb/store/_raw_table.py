"""The texts of pylance 14 and what each of them means to a user of lancenb."""

from __future__ import annotations

import re
from collections.abc import Callable

from lancenb import errors as e

from ._redact import redact

_LOCATION = re.compile(r",?\s*(?:location: )?(?:/[\w.\-]+)+\.rs:\d+:\d+")
RETRY = "nothing was lost: read the table again and repeat the change"
_REACH = "store.check() tells what the endpoint answers; check its address and the network"
_KEYS = "check access_key, secret_key and session_token (or AWS_* variables, or the profile)"


def named(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""


def plain(text: str) -> str:
    """Return the part of a Lance message that a reader can use, on one line."""
    line = _LOCATION.sub("", redact(text)).strip().split("\n", 1)[0]
    line = re.sub(r"^(?:External error: |Invalid user input: |LanceError\(\w+\): )+", "", line)
    return line[:300].rstrip(" ,.")


def _version(text: str) -> str:
    digits = re.search(r"_versions/(\d+)\.manifest", text)
    if digits:
        number = int(digits.group(1))
        # New tables count manifests down from 2**64 - 1 so that the head sorts first.
        return str(number if number < 1 << 63 else (1 << 64) - 1 - number)
    return named(r"version (?:\w+:)?(\d+) does not exist", text) or "like it"


def _column(text: str) -> str:
    return named(
        r"(?:No field named|Column|Field) ['\"`]?([^\s'\"`,]+?)['\"`]?(?:\.? |\.?,|\.?$| not)", text
    )


def _valid_fields(text: str) -> str:
    names = named(r"Valid fields are (.*?)\.(?:,|\s|$)", text)
    shown = [n for n in names.split(", ") if n and not n.startswith("_row")]
    return f"columns: {', '.join(shown)}" if shown else ""


# (pattern, what to raise): the first that matches wins, so the special come before the general.
_Make = Callable[[str, str], e.LancenbError]
TABLE: list[tuple[str, _Make]] = [
    (
        r"No space left on device|os error 28\b|[Qq]uota exceeded|os error 122\b|StorageFull",
        lambda u, t: e.OutOfSpace(
            f"the disk that holds {u} is full", hint="free some space, then try again"
        ),
    ),
    (
        r"Read-only file system|os error 30\b",
        lambda u, t: e.StoreNotWritable(
            f"{u} cannot be written to: the file system is read-only", hint="choose another folder"
        ),
    ),
    (
        r"Permission denied|os error 13\b|Operation not permitted|os error 1\)",
        lambda u, t: e.StoreNotWritable(
            f"no permission for {u}", hint="choose a folder of your own, or change its permissions"
        ),
    ),
    (
        r"Not a directory|os error 20\b",
        lambda u, t: e.StoreError(
            f"{u} is not a folder, or a part of it is a file", hint="choose another path"
        ),
    ),
    (
        r"File name too long|os error 36\b",
        lambda u, t: e.InvalidName(f"{u} is too long for this file system"),
    ),
    (
        r"NoSuchBucket",
        lambda u, t: e.BucketNotFound(
            f"the bucket of {u} does not exist", hint="Store(...).create() makes it"
        ),
    ),
    (
        r"SignatureDoesNotMatch",
        lambda u, t: e.AccessDenied(f"the secret key for {u} is wrong", hint=_KEYS),
    ),
    (
        r"InvalidAccessKeyId|InvalidClientTokenId",
        lambda u, t: e.AccessDenied(f"the access key for {u} is not known there", hint=_KEYS),
    ),
    (
        r"ExpiredToken|TokenRefreshRequired|InvalidToken",
        lambda u, t: e.AccessDenied(f"the session token for {u} has expired", hint=_KEYS),
    ),
    (
        r"RequestTimeTooSkewed",
        lambda u, t: e.AccessDenied(
            f"the clock of this machine is too far from that of {u}", hint="set the clock"
        ),
    ),
    (
        r"CredentialsNotLoaded|no providers in chain|CredentialsError",
        lambda u, t: e.AccessDenied(f"there are no credentials for {u}", hint=_KEYS),
    ),
    (
        r"AccessDenied|403 Forbidden|401 Unauthorized|UnauthorizedAccess",
        lambda u, t: e.AccessDenied(f"access to {u} was denied", hint=_KEYS),
    ),
    (
        r"conditional put is disabled",
        lambda u, t: e.StoreNotWritable(
            f"the store of {u} was opened read-only", hint="open it without read_only=True"
        ),
    ),
    (
        r"Received non-partial response|Received redirect without LOCATION",
        lambda u, t: e.UnsafeStore(
            f"the endpoint of {u} does not speak S3 well enough for tables (ranges, redirects)",
            hint="check region= and the endpoint; rclone serve s3, for one, cannot be used",
        ),
    ),
    (
        r"builder error|error sending request|HTTP error|Connection refused|dns error"
        r"|operation timed out|connection closed|retry_timeout: [\d.]+s",
        lambda u, t: e.StoreUnreachable(f"no answer from the storage of {u}", hint=_REACH),
    ),
    (
        r"Too many concurrent writers|[Cc]ommit conflict|CommitConflict|Incompatible transaction"
        r"|preempted by concurrent|TooMuchWriteContention|Ref conflict error: .*concurrent",
        lambda u, t: e.Conflict(f"another writer changed {u} at the same time", hint=RETRY),
    ),
    (
        r"Ref not found error: tag|tag .* does not exist|Ref is invalid",
        lambda u, t: e.TagNotFound(
            f"{u} has no tag {named(r'tag (.+?) does not exist', t)!r}".replace(" ''", " like it")
        ),
    ),
    (
        r"Ref conflict error: (?:tag|branch) .* already exists",
        lambda u, t: e.AlreadyExists(
            f"{u} has the {named(r'error: ((?:tag|branch) .+?) already', t)} already",
            hint="move the tag instead of making it again",
        ),
    ),
    (
        r"Version not found error|_versions/\d+\.manifest was not found|VersionNotFound"
        r"|Not found: \S*_versions/\d+\.manifest",
        lambda u, t: e.VersionNotFound(
            f"{u} has no version {_version(t)}", hint="versions() lists those that exist"
        ),
    ),
    (
        r"Dataset already exists|TableAlreadyExists|DatasetAlreadyExists",
        lambda u, t: e.AlreadyExists(
            f"{u} exists already", hint='use mode="append" or mode="overwrite", or another name'
        ),
    ),
    (
        r"tagged version|has been tagged|referenced by tags",
        lambda u, t: e.Protected(
            f"a tagged version of {u} would be removed", hint="delete the tag first"
        ),
    ),
    (
        r"Dataset at path .* was not found|DatasetNotFound|not a dataset root|_versions, ",
        lambda u, t: e.NotFound(
            f"there is no table at {u}", hint="check the path; a table is a folder with _versions"
        ),
    ),
    (
        r"No field named|Column \S+ not found|Field .* not found|FieldNotFound",
        lambda u, t: e.ColumnNotFound(f"{u} has no column {_column(t)!r}", hint=_valid_fields(t)),
    ),
    (
        r"Append with different schema|SchemaMismatch|fields did not match",
        lambda u, t: e.SchemaMismatch(
            f"the new rows do not fit the columns of {u}: {plain(t)}",
            hint="give the same columns and types, or write a new table",
        ),
    ),
    (
        r"sql parser error|ParserError|Error during planning|type_coercion"
        r"|could not convert to literal",
        lambda u, t: e.InvalidFilter(f"the filter on {u} cannot be understood: {plain(t)}"),
    ),
    (
        r"does not have sufficient data|Invalid range .* for object of size|corrupt|magic number"
        r"|failed to decode Protobuf|invalid wire type|DecodeError|Generic N/A error: Not found"
        r"|Not found: .*/data/",
        lambda u, t: e.CorruptInput(
            f"the table {u} is damaged: {plain(t)}",
            hint="an older version may be whole: open it with version=",
        ),
    ),
]
