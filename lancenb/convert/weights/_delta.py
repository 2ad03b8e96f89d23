"""The next version of a weights table: only what changed is written, as one commit.

New payloads go to a new fragment, rows they replace are marked deleted, and both become visible
together with the new metadata in a single transaction against the version that was compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from lancenb.errors import Conflict, LancenbError

from .._base import Existing, Plan
from .._cleanup import remove_path, remove_uncommitted
from .._write import commit, commit_retrying, write_fragments
from ._compare import Changes, compare
from ._fragments import group_rows, kept_fragments
from ._pages import PageDropper
from ._rows import Row, is_weights, stored_size, weights_schema
from ._writer import FragmentWriter

if TYPE_CHECKING:
    from lancenb.progress import Tracker
    from lancenb.store import Store

_ATTEMPTS = 8


class _Moved(LancenbError):
    """Somebody committed another version since the comparison."""

    code = "moved"


@dataclasses.dataclass
class _Job:
    """What every step of a commit needs to know."""

    rows: list[Row]
    regions: list[tuple[int, int]]
    hashed: bool
    plan: Plan
    uri: str
    mode: str
    store: Store | None
    properties: dict[str, str]
    tracker: Tracker

    def write(self, number: int, rows: list[Row]) -> Any:
        """Write rows as a fragment of that id."""
        writer = FragmentWriter(self.uri, self.store, number, self.plan.schema)
        try:
            with PageDropper(self.regions):
                return writer.write(rows, self.tracker, hashed=self.hashed)
        except BaseException:
            _remove_files(self.uri, self.store, [f"data/{writer.path}"])
            raise


def commit_rows(
    rows: list[Row],
    regions: list[tuple[int, int]],
    hashed: bool,
    plan: Plan,
    uri: str,
    existing: Existing | None,
    mode: str,
    store: Store | None,
    properties: dict[str, str],
    tracker: Tracker,
) -> tuple[int, int, int]:
    """Make ``rows`` a new table or the next version; the commit hook of a weights plan.

    Returns:
        Version, tensors written and bytes written. When nothing changed there is no new version:
        the present one is returned and ``plan.skipped`` says so.
    """
    job = _Job(rows, regions, hashed, plan, uri, mode, store, properties, tracker)
    if existing is None or not is_weights(existing.schema):
        return _whole(job, existing)
    for _ in range(_ATTEMPTS):
        tracker.enter("compare")
        with PageDropper(regions):
            changes = compare(rows, existing.dataset, hashed, tracker)
        if not changes.any and _same_metadata(existing, plan):
            plan.skipped.append(("(everything)", "unchanged; no new version was needed"))
            return existing.version, 0, 0
        total = sum(stored_size(row.item) for row in rows)
        tracker.enter("write")
        groups = None if 2 * changes.nbytes > total else group_rows(changes, existing.dataset)
        if groups is None or not _regular(existing.dataset):
            return _whole(job, existing)
        tracker.total_rows, tracker.total_bytes = len(changes.write), changes.nbytes
        try:
            version = _part(job, existing, changes, groups)
            return version, len(changes.write), changes.nbytes
        except _Moved:
            existing = _reopen(existing, uri, store)
    raise Conflict(
        f"{uri} was changed by other writers {_ATTEMPTS} times in a row",
        hint="nothing was lost; run it again when fewer writers are busy",
    )


def _same_metadata(existing: Existing, plan: Plan) -> bool:
    old, new = existing.schema.metadata or {}, plan.schema.metadata or {}
    return all(old.get(key) == value for key, value in new.items())


def _regular(dataset: Any) -> bool:
    """Tell whether rows can be added to the table as it is.

    A commit that changes metadata takes a plain schema, in which Lance numbers the columns anew;
    a table whose columns were dropped and added by hand is written as a whole instead, and so is
    one with a column of somebody else's that may not be null.
    """
    from lance.schema import LanceSchema

    ours = weights_schema().names
    if dataset.schema.names[: len(ours)] != ours or dataset.data_storage_version != "2.2":
        return False
    if any(not field.nullable for field in dataset.schema if field.name not in ours):
        return False
    fresh = LanceSchema.from_pyarrow(dataset.schema).fields()
    return [f.id() for f in fresh] == [f.id() for f in dataset.lance_schema.fields()]


def _reopen(existing: Existing, uri: str, store: Store | None) -> Existing:
    from lancenb.store import open_table

    dataset = open_table(uri, store)
    return Existing(uri, dataset.version, dataset.schema, dataset, existing.mode)


def _whole(job: _Job, existing: Existing | None) -> tuple[int, int, int]:
    """Write every row, as a new table or in place of the old content."""
    fragments: list[Any] = []
    try:
        if not _has_file_session(job.uri):
            fragments = write_fragments(job.plan, job.uri, existing, job.store, job.tracker)
        elif job.rows:
            fragments = [job.write(0, job.rows)]
        job.tracker.enter("commit")
        version = commit(
            job.plan, job.uri, existing, job.mode, job.store, fragments, job.properties
        )
    except BaseException:
        paths = [f"data/{file.path}" for fragment in fragments for file in fragment.files]
        _remove_files(job.uri, job.store, paths)
        if existing is None:
            remove_uncommitted(job.uri, job.store, [])
        raise
    return version, len(job.rows), job.tracker.bytes


def _has_file_session(uri: str) -> bool:
    return "://" not in uri or uri.startswith(("s3://", "file://"))


def _part(
    job: _Job, existing: Existing, changes: Changes, groups: list[tuple[int, list[Row]]]
) -> int:
    """Write what changed and commit it together with marks on what it replaces."""
    added: list[Any] = []
    kept: list[Any] = []
    try:
        for number, rows in groups:
            added.append(job.write(number, rows))
        replaced = {fragment.id for fragment in added}
        kept = kept_fragments(changes, existing.dataset, replaced)
        job.tracker.enter("commit")
        return _commit(job, kept + added, existing)
    except BaseException:
        _discard(job, existing.dataset, kept, added)
        raise


def _commit(job: _Job, fragments: list[Any], existing: Existing) -> int:
    from lancenb.store import lance_module

    lance = lance_module()
    from lance.schema import LanceSchema

    def make(head: Any) -> Any:
        if head.version != existing.version:
            raise _Moved(f"{job.uri} has a newer version")
        schema = head.schema.with_metadata(
            {**(head.schema.metadata or {}), **(job.plan.schema.metadata or {})}
        )
        return lance.LanceOperation.Merge(fragments, LanceSchema.from_pyarrow(schema))

    return commit_retrying(job.uri, job.store, make, job.properties)


def _discard(job: _Job, dataset: Any, kept: list[Any], added: list[Any]) -> None:
    """Remove what a failed attempt wrote; what cannot be removed is found by ``fsck``."""
    old = {f.fragment_id: f.metadata for f in dataset.get_fragments()}
    files = [file for fragment in added for file in fragment.files]
    marks = []
    for fragment in kept:
        before = old[fragment.id]
        known = {file.path for file in before.files}
        files += [file for file in fragment.files if file.path not in known]
        mark = fragment.deletion_file
        if mark is not None and mark != before.deletion_file:
            marks.append(mark.path(fragment.id))
    _remove_files(job.uri, job.store, [f"data/{file.path}" for file in files] + marks)


def _remove_files(uri: str, store: Store | None, paths: list[str]) -> None:
    """Remove files by name, and the blobs of data files; other writers may be at work beside."""
    folders = [path.removesuffix(".lance") for path in paths if path.startswith("data/")]
    for path in [*folders, *paths]:
        with contextlib.suppress(Exception):
            remove_path(f"{uri}/{path}", store)
