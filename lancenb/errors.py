"""Every error a user of lancenb can meet.

One class per situation, one stable ``code`` per class. An error says what went wrong in one
sentence (naming the file, row, field or artefact) and what to do about it (``hint``). The same
class, code and hint travel unchanged through panels, the command line and remote engines, so an
error can be rebuilt from its dictionary form.

>>> from lancenb.errors import ArtifactNotFound, from_dict
>>> error = ArtifactNotFound("there is no artefact 'resnet'", hint="dm.list() shows what there is")
>>> error.code
'artifact_not_found'
>>> print(error)
there is no artefact 'resnet'
  hint: dm.list() shows what there is
>>> type(from_dict(error.to_dict())).__name__
'ArtifactNotFound'
"""

from __future__ import annotations

from ._error import LancenbError as LancenbError
from ._error import from_dict as from_dict


class InvalidArgument(LancenbError, ValueError):
    """An argument has a value that cannot work."""

    code = "invalid_argument"


class InvalidName(InvalidArgument):
    """A name for an artefact, tag or column breaks the naming rules."""

    code = "invalid_name"


class InvalidFilter(InvalidArgument):
    """A filter or SQL expression cannot be understood."""

    code = "invalid_filter"


class UnknownOption(InvalidArgument):
    """An option that nothing here understands (a typing mistake, usually)."""

    code = "unknown_option"


class NotFound(LancenbError, LookupError):
    """Something that was asked for by name does not exist."""

    code = "not_found"


class SourceNotFound(NotFound):
    """The input path, pattern or address does not exist."""

    code = "source_not_found"


class ArtifactNotFound(NotFound):
    """The catalogue has no artefact of that name."""

    code = "artifact_not_found"


class VersionNotFound(NotFound):
    """The artefact has no such version (never had, or it was cleaned up)."""

    code = "version_not_found"


class TagNotFound(NotFound):
    """The artefact has no such tag."""

    code = "tag_not_found"


class ColumnNotFound(NotFound):
    """A filter, projection or key names a column that the table does not have."""

    code = "column_not_found"


class AlreadyExists(LancenbError):
    """The name or location is taken."""

    code = "already_exists"


class Conflict(LancenbError):
    """Another writer changed the same thing first; nothing was lost, try again."""

    code = "conflict"


class PreconditionFailed(Conflict):
    """The entry is not what it was when the caller looked at it (``If-Match``)."""

    code = "precondition_failed"


class Protected(LancenbError):
    """A tagged version or a parent of others would be destroyed."""

    code = "protected"


class ConfirmationRequired(LancenbError):
    """A destructive call needs an explicit confirmation."""

    code = "confirmation_required"


class UnsupportedFormat(LancenbError):
    """The content is of a kind no converter reads."""

    code = "unsupported_format"


class CorruptInput(LancenbError):
    """The content is damaged, truncated or not what it claims to be."""

    code = "corrupt_input"


class EmptyInput(CorruptInput):
    """The input holds nothing that could be converted."""

    code = "empty_input"


class UnsafeInput(LancenbError):
    """The input would run code, escape its folder or unpack to an absurd size."""

    code = "unsafe_input"


class SchemaMismatch(LancenbError):
    """New rows do not fit the columns of the table they are meant for."""

    code = "schema_mismatch"


class TypeConflict(SchemaMismatch):
    """A value does not fit the type of its column."""

    code = "type_conflict"


class WeightsMismatch(LancenbError):
    """Stored weights and the model disagree about names or shapes."""

    code = "weights_mismatch"


class StoreError(LancenbError):
    """The storage behind a store refused or failed."""

    code = "store_error"


class StoreUnreachable(StoreError):
    """No answer from the storage endpoint."""

    code = "store_unreachable"


class BucketNotFound(StoreError):
    """The bucket does not exist."""

    code = "bucket_not_found"


class AccessDenied(StoreError):
    """The storage knows us too well or not at all: wrong key, secret or permission."""

    code = "access_denied"


class StoreNotWritable(StoreError):
    """The root cannot be written to."""

    code = "store_not_writable"


class OutOfSpace(StoreError):
    """The disk or quota is full."""

    code = "out_of_space"


class UnsafeStore(StoreError):
    """The storage cannot commit safely (it ignores put-if-absent)."""

    code = "unsafe_store"


class DownloadFailed(LancenbError):
    """A download could not be completed."""

    code = "download_failed"


class ChecksumMismatch(DownloadFailed):
    """The bytes received are not the bytes promised."""

    code = "checksum_mismatch"


class Offline(DownloadFailed):
    """A network source was asked for and no network answers."""

    code = "offline"


class Cancelled(LancenbError):
    """The work was cancelled; nothing of it remains."""

    code = "cancelled"


class MissingDependency(LancenbError, ImportError):
    """An optional package is not installed; the hint is the pip line that installs it."""

    code = "missing_dependency"


class Unauthorized(LancenbError):
    """The server wants a token, and got none or one it does not know (any more)."""

    code = "unauthorized"


class Forbidden(LancenbError):
    """The token is known, and what was asked for is not in its scope."""

    code = "forbidden"


class RequestTooLarge(LancenbError):
    """A request is larger than the server takes."""

    code = "request_too_large"


class Busy(LancenbError):
    """The server has as much to do as it takes on; nothing was changed, try again."""

    code = "busy"


class TimedOut(LancenbError):
    """The time allowed for a request is over."""

    code = "timed_out"


class ServerUnreachable(LancenbError):
    """No answer from the server, or the connection broke off in the middle of one."""

    code = "server_unreachable"


class ServerError(LancenbError):
    """The server failed in a way it did not expect; its log tells more."""

    code = "server_error"


class LocalOnly(LancenbError):
    """Something that works only where the files are, not over a connection."""

    code = "local_only"
