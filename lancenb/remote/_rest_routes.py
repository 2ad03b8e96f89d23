"""Which route of the namespace is which operation, and the scope it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _rest_query as query
from . import _rest_rows as rows
from . import _rest_spaces as spaces
from . import _rest_tables as tables
from . import _rest_versions as versions
from ._limits import CALL, STREAM
from ._rest_wire import unsupported


@dataclass(frozen=True)
class Operation:
    """One operation of the specification.

    Attributes:
        name: as the audit log has it.
        method: HTTP method.
        path: its route.
        scope: the scope a token needs.
        handler: ``handler(space, asked)``; runs in a thread, returns JSON data, an Arrow file, or
            ``None`` for an answer without content.
        arrow: whether the body is an Arrow stream.
    """

    name: str
    method: str
    path: str
    scope: str
    handler: Callable[..., Any]
    arrow: bool = False

    @property
    def queue(self) -> str:
        """In which queue of the gate it waits: streams of rows never keep short calls waiting."""
        return STREAM if self.arrow or self.name == "query_table" else CALL

    @property
    def paths(self) -> tuple[str, ...]:
        """Its routes; the list of all tables is asked for with and without a slash."""
        return (self.path, f"{self.path}/") if self.path.endswith("/table") else (self.path,)


def _post(path: str, handler: Callable[..., Any], scope: str = "read", **more: Any) -> Operation:
    return Operation(handler.__name__, "POST", f"/v1/{path}", scope, handler, **more)


def _not_done(path: str, what: str, hint: str = "") -> Operation:
    def refuse(space: Any, asked: Any) -> Any:
        raise unsupported(what, hint)

    return Operation("unsupported", "POST", f"/v1/{path}", "read", refuse)


_INDEX = "optimizing a table in the catalogue brings its indices up to date"
_BRANCH = "tags name versions of the one line there is"
_COMMIT = "insert, merge_insert, update and delete each make one version"
_COLUMNS = "create the table anew with mode=overwrite; older versions stay"

OPERATIONS = (
    Operation("list_namespaces", "GET", "/v1/namespace/{id}/list", "read", spaces.list_namespaces),
    Operation("list_tables", "GET", "/v1/namespace/{id}/table/list", "read", spaces.list_tables),
    Operation("list_all_tables", "GET", "/v1/table", "read", spaces.list_tables),
    _post("namespace/{id}/describe", spaces.describe_namespace),
    _post("namespace/{id}/exists", spaces.namespace_exists),
    _post("namespace/{id}/create", spaces.create_namespace, "write"),
    _post("namespace/{id}/drop", spaces.drop_namespace, "write"),
    _post("table/{id}/describe", tables.describe_table),
    _post("table/{id}/exists", tables.table_exists),
    _post("table/{id}/declare", tables.declare_table, "write"),
    _post("table/{id}/register", tables.register_table, "write"),
    _post("table/{id}/deregister", tables.deregister_table, "write"),
    _post("table/{id}/drop", tables.drop_table, "write"),
    _post("table/{id}/rename", tables.rename_table, "write"),
    _post("table/{id}/stats", tables.table_stats),
    _post("table/{id}/index/list", tables.list_indices),
    _post("table/{id}/schema_metadata/update", tables.update_schema_metadata, "write"),
    _post("table/{id}/create", rows.create_table, "write", arrow=True),
    _post("table/{id}/insert", rows.insert_into_table, "write", arrow=True),
    _post("table/{id}/merge_insert", rows.merge_insert, "write", arrow=True),
    _post("table/{id}/update", rows.update_rows, "write"),
    _post("table/{id}/delete", rows.delete_rows, "write"),
    _post("table/{id}/count_rows", query.count_rows),
    _post("table/{id}/query", query.query_table),
    _post("table/{id}/explain_plan", query.explain_plan),
    _post("table/{id}/analyze_plan", query.analyze_plan),
    _post("table/{id}/version/list", versions.list_versions),
    _post("table/{id}/version/describe", versions.describe_version),
    _post("table/{id}/restore", versions.restore_table, "write"),
    _post("table/{id}/tags/list", versions.list_tags),
    _post("table/{id}/tags/version", versions.tag_version),
    _post("table/{id}/tags/create", versions.create_tag, "write"),
    _post("table/{id}/tags/update", versions.update_tag, "write"),
    _post("table/{id}/tags/delete", versions.delete_tag, "write"),
    _post("transaction/{id}/describe", versions.describe_transaction),
    _not_done("transaction/{id}/alter", "keep transactions open", _COMMIT),
    _not_done("table/batch-commit", "commit to several tables at once", _COMMIT),
    _not_done("table/version/batch-create", "take versions from clients", _COMMIT),
    _not_done("table/{id}/version/create", "take versions from clients", _COMMIT),
    _not_done(
        "table/{id}/version/delete", "remove single versions", "cleaning up keeps the newest"
    ),
    _not_done("table/{id}/create_index", "build indices", _INDEX),
    _not_done("table/{id}/create_scalar_index", "build indices", _INDEX),
    _not_done("table/{id}/index/{index_name}/drop", "drop indices", _INDEX),
    _not_done("table/{id}/index/{index_name}/stats", "measure indices", "index/list tells most"),
    _not_done("table/{id}/branches/create", "keep branches", _BRANCH),
    _not_done("table/{id}/branches/delete", "keep branches", _BRANCH),
    _not_done("table/{id}/branches/list", "keep branches", _BRANCH),
    _not_done("table/{id}/add_columns", "add columns", _COLUMNS),
    _not_done("table/{id}/alter_columns", "change columns", _COLUMNS),
    _not_done("table/{id}/drop_columns", "drop columns", _COLUMNS),
    _not_done("table/{id}/backfill_column", "compute columns", _COLUMNS),
    _not_done("table/{id}/update_field_metadata", "change the metadata of fields", _COLUMNS),
    _not_done("materialized_view/{id}/create", "keep materialized views"),
    _not_done("materialized_view/{id}/refresh", "keep materialized views"),
)
