"""Where Lance tables lie on the Hub: addresses, revisions, files."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..errors import InvalidArgument, SourceNotFound

if TYPE_CHECKING:
    from ._records import Record

_TABLE = re.compile(
    r"(?:hf://)?(?P<kind>datasets|models)/(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?:@(?P<inner>[^/@]+))?"
    r"/(?P<path>[^@]+?)/?(?:@(?P<outer>[^@]+))?"
)


@dataclass(frozen=True)
class HubTable:
    """Where a table lies on the Hub.

    Attributes:
        repo_type: ``"dataset"`` or ``"model"``.
        repo_id: ``owner/name``.
        path: folder of the table in the repository.
        revision: branch, tag or commit; ``None`` for ``main``.
    """

    repo_type: str
    repo_id: str
    path: str
    revision: str | None = None

    @property
    def uri(self) -> str:
        """The address as Lance takes it, without a revision."""
        return f"hf://{self.repo_type}s/{self.repo_id}/{self.path}"

    def pinned(self, commit: str) -> str:
        """Return the address with a commit in it; :func:`open_lance` takes it back."""
        return f"hf://{self.repo_type}s/{self.repo_id}@{commit}/{self.path}"


def parse_table(uri: str) -> HubTable:
    """Understand ``hf://datasets/owner/name/table.lance``.

    The revision may stand behind the repository (``owner/name@v1/t.lance``) or at the end
    (``t.lance@v1``).

    Raises:
        InvalidArgument: it is not the address of a table.

    >>> parse_table("hf://datasets/acme/birds/t.lance@v1")
    HubTable(repo_type='dataset', repo_id='acme/birds', path='t.lance', revision='v1')
    """
    match = _TABLE.fullmatch(uri.strip()) if isinstance(uri, str) else None
    steps = match["path"].split("/") if match else []
    if match is None or not all(re.fullmatch(r"[\w][\w. +-]*", step) for step in steps):
        from ..store import redact

        raise InvalidArgument(
            f"{redact(uri)!r} is not the address of a Lance table on the Hub",
            hint="hf://datasets/owner/name/table.lance, with @revision behind",
        )
    inner = unquote(match["inner"]) if match["inner"] else None
    if inner and match["outer"]:
        raise InvalidArgument(f"{uri!r} names two revisions", hint="give one of them")
    return HubTable(match["kind"][:-1], match["repo"], match["path"], inner or match["outer"])


def table_files(table: HubTable, record: Record) -> list[str]:
    """Return the files of a table at a commit.

    Raises:
        SourceNotFound: there is no table at that path; the hint names those that are.
    """
    names = [name for name in record.tree if name.startswith(f"{table.path}/")]
    if any(name.startswith(f"{table.path}/_versions/") for name in names):
        return names
    known = sorted({name.split("/_versions/")[0] for name in record.tree if "/_versions/" in name})
    close = difflib.get_close_matches(table.path, known, 1, 0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"its tables: {', '.join(known) or 'none'}"
    raise SourceNotFound(
        f"hf:{table.repo_type}:{table.repo_id} has no Lance table at {table.path!r} "
        f"(revision {table.revision or 'main'})",
        hint=hint,
    )


def with_revision(table: HubTable, revision: str | None) -> HubTable:
    """Return the table at a revision that is named beside its address.

    Raises:
        InvalidArgument: the address names another one.
    """
    if revision is None:
        return table
    if table.revision is not None and table.revision != revision:
        raise InvalidArgument(
            f"{table.uri} is asked for at {table.revision!r} and at {revision!r}",
            hint="give one revision",
        )
    return replace(table, revision=revision)
