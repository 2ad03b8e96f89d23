from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("seq", "event", "data_json")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    DATA_JSON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    event: str
    data_json: str
    def __init__(self, seq: _Optional[int] = ..., event: _Optional[str] = ..., data_json: _Optional[str] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("kind", "tag", "extra_json")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    kind: str
    tag: str
    extra_json: str
    def __init__(self, kind: _Optional[str] = ..., tag: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ArtifactList
    extra_json: str
    def __init__(self, value: _Optional[_Union[ArtifactList, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("text", "where", "kind", "tag", "limit", "extra_json")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    text: str
    where: str
    kind: str
    tag: str
    limit: int
    extra_json: str
    def __init__(self, text: _Optional[str] = ..., where: _Optional[str] = ..., kind: _Optional[str] = ..., tag: _Optional[str] = ..., limit: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ArtifactList
    extra_json: str
    def __init__(self, value: _Optional[_Union[ArtifactList, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ArtifactFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[ArtifactFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class HeadRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class HeadResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Head
    extra_json: str
    def __init__(self, value: _Optional[_Union[Head, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ContentHashRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ContentHashResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: str
    extra_json: str
    def __init__(self, value: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("name", "uri", "kind", "description", "tags", "metadata_json", "parents_json", "replace", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    uri: str
    kind: str
    description: str
    tags: Strings
    metadata_json: str
    parents_json: str
    replace: bool
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., uri: _Optional[str] = ..., kind: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Union[Strings, _Mapping]] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., replace: _Optional[bool] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ArtifactFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[ArtifactFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("name", "description", "tags", "metadata_json", "parents_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    tags: Strings
    metadata_json: str
    parents_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Union[Strings, _Mapping]] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UpdateResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ArtifactFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[ArtifactFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RenameRequest(_message.Message):
    __slots__ = ("name", "new", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    new: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., new: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RenameResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ArtifactFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[ArtifactFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("name", "dry_run", "confirm", "force", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    dry_run: bool
    confirm: str
    force: bool
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., dry_run: _Optional[bool] = ..., confirm: _Optional[str] = ..., force: _Optional[bool] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Deletion
    extra_json: str
    def __init__(self, value: _Optional[_Union[Deletion, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class LineageRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class LineageResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Lineage
    extra_json: str
    def __init__(self, value: _Optional[_Union[Lineage, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ExamineRequest(_message.Message):
    __slots__ = ("uri", "extra_json")
    URI_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    uri: str
    extra_json: str
    def __init__(self, uri: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ExamineResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Examined
    extra_json: str
    def __init__(self, value: _Optional[_Union[Examined, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class VersionsRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class VersionsResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: _containers.RepeatedCompositeFieldContainer[Version]
    extra_json: str
    def __init__(self, value: _Optional[_Iterable[_Union[Version, _Mapping]]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class TagsRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class TagsResponse(_message.Message):
    __slots__ = ("value_json", "extra_json")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value_json: str
    extra_json: str
    def __init__(self, value_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class TagHistoryRequest(_message.Message):
    __slots__ = ("name", "tag", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    tag: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., tag: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class TagHistoryResponse(_message.Message):
    __slots__ = ("value_json", "extra_json")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value_json: str
    extra_json: str
    def __init__(self, value_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class TagRequest(_message.Message):
    __slots__ = ("name", "tag", "version_json", "move", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    tag: str
    version_json: str
    move: bool
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., tag: _Optional[str] = ..., version_json: _Optional[str] = ..., move: _Optional[bool] = ..., extra_json: _Optional[str] = ...) -> None: ...

class TagResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: int
    extra_json: str
    def __init__(self, value: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UntagRequest(_message.Message):
    __slots__ = ("name", "tag", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    tag: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., tag: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UntagResponse(_message.Message):
    __slots__ = ("extra_json",)
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    extra_json: str
    def __init__(self, extra_json: _Optional[str] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("name", "version_json", "message", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    version_json: str
    message: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., version_json: _Optional[str] = ..., message: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Rollback
    extra_json: str
    def __init__(self, value: _Optional[_Union[Rollback, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ForwardRequest(_message.Message):
    __slots__ = ("name", "version_json", "message", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    version_json: str
    message: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., version_json: _Optional[str] = ..., message: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ForwardResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Rollback
    extra_json: str
    def __init__(self, value: _Optional[_Union[Rollback, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("name", "v1_json", "v2_json", "key_json", "samples", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    V1_JSON_FIELD_NUMBER: _ClassVar[int]
    V2_JSON_FIELD_NUMBER: _ClassVar[int]
    KEY_JSON_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    v1_json: str
    v2_json: str
    key_json: str
    samples: int
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., v1_json: _Optional[str] = ..., v2_json: _Optional[str] = ..., key_json: _Optional[str] = ..., samples: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DiffResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class GetRowRequest(_message.Message):
    __slots__ = ("name", "key", "value_json", "version_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: str
    value_json: str
    version_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[str] = ..., value_json: _Optional[str] = ..., version_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class GetRowResponse(_message.Message):
    __slots__ = ("value_json", "extra_json")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value_json: str
    extra_json: str
    def __init__(self, value_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RowHistoryRequest(_message.Message):
    __slots__ = ("name", "key", "value_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: str
    value_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[str] = ..., value_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class RowHistoryResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: _containers.RepeatedCompositeFieldContainer[RowChange]
    extra_json: str
    def __init__(self, value: _Optional[_Iterable[_Union[RowChange, _Mapping]]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DeleteRowsRequest(_message.Message):
    __slots__ = ("name", "where_json", "dry_run", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WHERE_JSON_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    where_json: str
    dry_run: bool
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., where_json: _Optional[str] = ..., dry_run: _Optional[bool] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DeleteRowsResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: int
    extra_json: str
    def __init__(self, value: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class OptimizeRequest(_message.Message):
    __slots__ = ("name", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class OptimizeResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class CleanupRequest(_message.Message):
    __slots__ = ("name", "keep", "older_than", "dry_run", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    OLDER_THAN_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    keep: int
    older_than: float
    dry_run: bool
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., keep: _Optional[int] = ..., older_than: _Optional[float] = ..., dry_run: _Optional[bool] = ..., extra_json: _Optional[str] = ...) -> None: ...

class CleanupResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("name", "version_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    version_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., version_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class FsckRequest(_message.Message):
    __slots__ = ("repair", "grace", "extra_json")
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    repair: bool
    grace: float
    extra_json: str
    def __init__(self, repair: _Optional[bool] = ..., grace: _Optional[float] = ..., extra_json: _Optional[str] = ...) -> None: ...

class FsckResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("name", "where_json", "columns", "limit", "offset", "order_by_json", "version_json", "batch_rows", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WHERE_JSON_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_JSON_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    BATCH_ROWS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    where_json: str
    columns: Strings
    limit: int
    offset: int
    order_by_json: str
    version_json: str
    batch_rows: int
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., where_json: _Optional[str] = ..., columns: _Optional[_Union[Strings, _Mapping]] = ..., limit: _Optional[int] = ..., offset: _Optional[int] = ..., order_by_json: _Optional[str] = ..., version_json: _Optional[str] = ..., batch_rows: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("extra_json",)
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    extra_json: str
    def __init__(self, extra_json: _Optional[str] = ...) -> None: ...

class ReadPiece(_message.Message):
    __slots__ = ("head", "arrow")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    head: ReadResponse
    arrow: bytes
    def __init__(self, head: _Optional[_Union[ReadResponse, _Mapping]] = ..., arrow: _Optional[bytes] = ...) -> None: ...

class ReadWeightsRequest(_message.Message):
    __slots__ = ("name", "only", "version_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    VERSION_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    only: Strings
    version_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., only: _Optional[_Union[Strings, _Mapping]] = ..., version_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ReadWeightsResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Stored
    extra_json: str
    def __init__(self, value: _Optional[_Union[Stored, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ReadWeightsPiece(_message.Message):
    __slots__ = ("head", "arrow")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    head: ReadWeightsResponse
    arrow: bytes
    def __init__(self, head: _Optional[_Union[ReadWeightsResponse, _Mapping]] = ..., arrow: _Optional[bytes] = ...) -> None: ...

class PrepareRequest(_message.Message):
    __slots__ = ("name", "mode", "description", "tags", "metadata_json", "parents_json", "message", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    mode: str
    description: str
    tags: Strings
    metadata_json: str
    parents_json: str
    message: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., mode: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Union[Strings, _Mapping]] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., message: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class PrepareResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: bool
    extra_json: str
    def __init__(self, value: _Optional[bool] = ..., extra_json: _Optional[str] = ...) -> None: ...

class WriteRequest(_message.Message):
    __slots__ = ("name", "mode", "kind", "description", "tags", "metadata_json", "parents_json", "message", "lineage_json", "options_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    mode: str
    kind: str
    description: str
    tags: Strings
    metadata_json: str
    parents_json: str
    message: str
    lineage_json: str
    options_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., mode: _Optional[str] = ..., kind: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Union[Strings, _Mapping]] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., message: _Optional[str] = ..., lineage_json: _Optional[str] = ..., options_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class WriteResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: ConvertReport
    extra_json: str
    def __init__(self, value: _Optional[_Union[ConvertReport, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class WritePiece(_message.Message):
    __slots__ = ("request", "piece", "end")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    request: WriteRequest
    piece: bytes
    end: bool
    def __init__(self, request: _Optional[_Union[WriteRequest, _Mapping]] = ..., piece: _Optional[bytes] = ..., end: _Optional[bool] = ...) -> None: ...

class UpsertRequest(_message.Message):
    __slots__ = ("name", "key_json", "create", "message", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_JSON_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    key_json: str
    create: bool
    message: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., key_json: _Optional[str] = ..., create: _Optional[bool] = ..., message: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UpsertResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Upsert
    extra_json: str
    def __init__(self, value: _Optional[_Union[Upsert, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UpsertPiece(_message.Message):
    __slots__ = ("request", "piece", "end")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    request: UpsertRequest
    piece: bytes
    end: bool
    def __init__(self, request: _Optional[_Union[UpsertRequest, _Mapping]] = ..., piece: _Optional[bytes] = ..., end: _Optional[bool] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("label", "extra_json")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    label: str
    extra_json: str
    def __init__(self, label: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: Upload
    extra_json: str
    def __init__(self, value: _Optional[_Union[Upload, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class UploadPiece(_message.Message):
    __slots__ = ("request", "piece", "end")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    request: UploadRequest
    piece: bytes
    end: bool
    def __init__(self, request: _Optional[_Union[UploadRequest, _Mapping]] = ..., piece: _Optional[bytes] = ..., end: _Optional[bool] = ...) -> None: ...

class ConvertRequest(_message.Message):
    __slots__ = ("name", "source", "mode", "kind", "description", "tags", "metadata_json", "parents_json", "message", "lineage_json", "options_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    mode: str
    kind: str
    description: str
    tags: Strings
    metadata_json: str
    parents_json: str
    message: str
    lineage_json: str
    options_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., mode: _Optional[str] = ..., kind: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Union[Strings, _Mapping]] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., message: _Optional[str] = ..., lineage_json: _Optional[str] = ..., options_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ConvertResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("source", "options_json", "extra_json")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    source: str
    options_json: str
    extra_json: str
    def __init__(self, source: _Optional[str] = ..., options_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class DownloadResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class SaveWeightsRequest(_message.Message):
    __slots__ = ("name", "source", "mode", "extras_json", "description", "tags", "metadata_json", "parents_json", "message", "options_json", "extra_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_JSON_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    mode: str
    extras_json: str
    description: str
    tags: Strings
    metadata_json: str
    parents_json: str
    message: str
    options_json: str
    extra_json: str
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., mode: _Optional[str] = ..., extras_json: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Union[Strings, _Mapping]] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., message: _Optional[str] = ..., options_json: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class SaveWeightsResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class JobsRequest(_message.Message):
    __slots__ = ("extra_json",)
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    extra_json: str
    def __init__(self, extra_json: _Optional[str] = ...) -> None: ...

class JobsResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: _containers.RepeatedCompositeFieldContainer[JobFacts]
    extra_json: str
    def __init__(self, value: _Optional[_Iterable[_Union[JobFacts, _Mapping]]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class JobRequest(_message.Message):
    __slots__ = ("job", "extra_json")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    job: str
    extra_json: str
    def __init__(self, job: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class JobResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class JobEventsRequest(_message.Message):
    __slots__ = ("job", "after", "extra_json")
    JOB_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    job: str
    after: int
    extra_json: str
    def __init__(self, job: _Optional[str] = ..., after: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job", "extra_json")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    job: str
    extra_json: str
    def __init__(self, job: _Optional[str] = ..., extra_json: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: JobFacts
    extra_json: str
    def __init__(self, value: _Optional[_Union[JobFacts, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after", "extra_json")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    after: int
    extra_json: str
    def __init__(self, after: _Optional[int] = ..., extra_json: _Optional[str] = ...) -> None: ...

class AboutRequest(_message.Message):
    __slots__ = ("extra_json",)
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    extra_json: str
    def __init__(self, extra_json: _Optional[str] = ...) -> None: ...

class AboutResponse(_message.Message):
    __slots__ = ("value", "extra_json")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    value: About
    extra_json: str
    def __init__(self, value: _Optional[_Union[About, _Mapping]] = ..., extra_json: _Optional[str] = ...) -> None: ...

class ArtifactFacts(_message.Message):
    __slots__ = ("id", "name", "kind", "uri", "description", "tags", "aliases_json", "metadata_json", "parents_json", "columns", "created", "updated", "history_json")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ALIASES_JSON_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PARENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    HISTORY_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    kind: str
    uri: str
    description: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    aliases_json: str
    metadata_json: str
    parents_json: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    created: str
    updated: str
    history_json: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., uri: _Optional[str] = ..., description: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., aliases_json: _Optional[str] = ..., metadata_json: _Optional[str] = ..., parents_json: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., created: _Optional[str] = ..., updated: _Optional[str] = ..., history_json: _Optional[str] = ...) -> None: ...

class ArtifactList(_message.Message):
    __slots__ = ("items", "note")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ArtifactFacts]
    note: str
    def __init__(self, items: _Optional[_Iterable[_Union[ArtifactFacts, _Mapping]]] = ..., note: _Optional[str] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("version", "rows", "nbytes", "schema")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NBYTES_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    version: int
    rows: int
    nbytes: int
    schema: bytes
    def __init__(self, version: _Optional[int] = ..., rows: _Optional[int] = ..., nbytes: _Optional[int] = ..., schema: _Optional[bytes] = ...) -> None: ...

class Deletion(_message.Message):
    __slots__ = ("name", "uri", "versions", "rows", "bytes", "tags_json", "dependants", "erased", "dry_run")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TAGS_JSON_FIELD_NUMBER: _ClassVar[int]
    DEPENDANTS_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    name: str
    uri: str
    versions: int
    rows: int
    bytes: int
    tags_json: str
    dependants: _containers.RepeatedScalarFieldContainer[str]
    erased: bool
    dry_run: bool
    def __init__(self, name: _Optional[str] = ..., uri: _Optional[str] = ..., versions: _Optional[int] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ..., tags_json: _Optional[str] = ..., dependants: _Optional[_Iterable[str]] = ..., erased: _Optional[bool] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class Edge(_message.Message):
    __slots__ = ("child", "parent", "relation", "version")
    CHILD_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    child: str
    parent: str
    relation: str
    version: int
    def __init__(self, child: _Optional[str] = ..., parent: _Optional[str] = ..., relation: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SourceFile(_message.Message):
    __slots__ = ("path", "sha256", "size")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    path: str
    sha256: str
    size: int
    def __init__(self, path: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("version", "time", "converter", "mode", "format", "reader", "addresses", "files", "download_json", "options_json", "kind")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CONVERTER_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    version: int
    time: str
    converter: str
    mode: str
    format: str
    reader: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    files: _containers.RepeatedCompositeFieldContainer[SourceFile]
    download_json: str
    options_json: str
    kind: str
    def __init__(self, version: _Optional[int] = ..., time: _Optional[str] = ..., converter: _Optional[str] = ..., mode: _Optional[str] = ..., format: _Optional[str] = ..., reader: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., files: _Optional[_Iterable[_Union[SourceFile, _Mapping]]] = ..., download_json: _Optional[str] = ..., options_json: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("name", "root", "nodes_json", "edges", "origins")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    NODES_JSON_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    name: str
    root: str
    nodes_json: str
    edges: _containers.RepeatedCompositeFieldContainer[Edge]
    origins: _containers.RepeatedCompositeFieldContainer[Origin]
    def __init__(self, name: _Optional[str] = ..., root: _Optional[str] = ..., nodes_json: _Optional[str] = ..., edges: _Optional[_Iterable[_Union[Edge, _Mapping]]] = ..., origins: _Optional[_Iterable[_Union[Origin, _Mapping]]] = ...) -> None: ...

class Examined(_message.Message):
    __slots__ = ("uri", "kind", "version", "rows", "columns", "content_hash", "registered", "same_json")
    URI_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    SAME_JSON_FIELD_NUMBER: _ClassVar[int]
    uri: str
    kind: str
    version: int
    rows: int
    columns: _containers.RepeatedScalarFieldContainer[str]
    content_hash: str
    registered: str
    same_json: str
    def __init__(self, uri: _Optional[str] = ..., kind: _Optional[str] = ..., version: _Optional[int] = ..., rows: _Optional[int] = ..., columns: _Optional[_Iterable[str]] = ..., content_hash: _Optional[str] = ..., registered: _Optional[str] = ..., same_json: _Optional[str] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("version", "time", "rows", "message", "tags", "properties_json", "bytes", "current", "rows_added", "rows_removed", "bytes_added", "bytes_removed")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    ROWS_ADDED_FIELD_NUMBER: _ClassVar[int]
    ROWS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    BYTES_ADDED_FIELD_NUMBER: _ClassVar[int]
    BYTES_REMOVED_FIELD_NUMBER: _ClassVar[int]
    version: int
    time: str
    rows: int
    message: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    properties_json: str
    bytes: int
    current: bool
    rows_added: int
    rows_removed: int
    bytes_added: int
    bytes_removed: int
    def __init__(self, version: _Optional[int] = ..., time: _Optional[str] = ..., rows: _Optional[int] = ..., message: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., properties_json: _Optional[str] = ..., bytes: _Optional[int] = ..., current: _Optional[bool] = ..., rows_added: _Optional[int] = ..., rows_removed: _Optional[int] = ..., bytes_added: _Optional[int] = ..., bytes_removed: _Optional[int] = ...) -> None: ...

class Rollback(_message.Message):
    __slots__ = ("name", "restored_from", "old_head", "new_head")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FROM_FIELD_NUMBER: _ClassVar[int]
    OLD_HEAD_FIELD_NUMBER: _ClassVar[int]
    NEW_HEAD_FIELD_NUMBER: _ClassVar[int]
    name: str
    restored_from: int
    old_head: int
    new_head: int
    def __init__(self, name: _Optional[str] = ..., restored_from: _Optional[int] = ..., old_head: _Optional[int] = ..., new_head: _Optional[int] = ...) -> None: ...

class JobFacts(_message.Message):
    __slots__ = ("job", "op", "name", "state", "events", "started", "ended")
    JOB_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    job: str
    op: str
    name: str
    state: str
    events: int
    started: str
    ended: str
    def __init__(self, job: _Optional[str] = ..., op: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[str] = ..., events: _Optional[int] = ..., started: _Optional[str] = ..., ended: _Optional[str] = ...) -> None: ...

class RowChange(_message.Message):
    __slots__ = ("version", "time", "action", "row_json")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ROW_JSON_FIELD_NUMBER: _ClassVar[int]
    version: int
    time: str
    action: str
    row_json: str
    def __init__(self, version: _Optional[int] = ..., time: _Optional[str] = ..., action: _Optional[str] = ..., row_json: _Optional[str] = ...) -> None: ...

class Stored(_message.Message):
    __slots__ = ("uri", "version", "metadata_json")
    URI_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    uri: str
    version: int
    metadata_json: str
    def __init__(self, uri: _Optional[str] = ..., version: _Optional[int] = ..., metadata_json: _Optional[str] = ...) -> None: ...

class ConvertReport(_message.Message):
    __slots__ = ("uri", "version", "rows", "bytes", "seconds", "skipped_json", "schema", "kind", "converter", "mode", "name", "lineage_json", "notes")
    URI_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_JSON_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONVERTER_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    uri: str
    version: int
    rows: int
    bytes: int
    seconds: float
    skipped_json: str
    schema: bytes
    kind: str
    converter: str
    mode: str
    name: str
    lineage_json: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, uri: _Optional[str] = ..., version: _Optional[int] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ..., seconds: _Optional[float] = ..., skipped_json: _Optional[str] = ..., schema: _Optional[bytes] = ..., kind: _Optional[str] = ..., converter: _Optional[str] = ..., mode: _Optional[str] = ..., name: _Optional[str] = ..., lineage_json: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class Upsert(_message.Message):
    __slots__ = ("name", "inserted", "updated", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    inserted: int
    updated: int
    version: int
    def __init__(self, name: _Optional[str] = ..., inserted: _Optional[int] = ..., updated: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("upload", "files", "bytes")
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    upload: str
    files: int
    bytes: int
    def __init__(self, upload: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class About(_message.Message):
    __slots__ = ("version", "root", "who", "scope", "operations", "limits_json")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_JSON_FIELD_NUMBER: _ClassVar[int]
    version: str
    root: str
    who: str
    scope: str
    operations: _containers.RepeatedScalarFieldContainer[str]
    limits_json: str
    def __init__(self, version: _Optional[str] = ..., root: _Optional[str] = ..., who: _Optional[str] = ..., scope: _Optional[str] = ..., operations: _Optional[_Iterable[str]] = ..., limits_json: _Optional[str] = ...) -> None: ...

class Strings(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[str]] = ...) -> None: ...
