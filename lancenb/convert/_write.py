"""The write path: record batches in, one atomic Lance commit out.

Data files are written first and belong to no version; the commit that makes them visible is a
single put-if-absent of a manifest. Whatever happens before it (an error, a cancel, a kill)
leaves the previous version as the head. Files of a failed write are removed.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from lancenb.errors import AlreadyExists, Conflict
from lancenb.progress import CancelToken, ProgressCallback, Tracker

from ._base import StaleLabels, resolve_uri, storage_options, storage_version
from ._cleanup import remove_uncommitted
from ._extend import check_same_fields, extend
from ._facts import storable, version_properties
from ._once import once_properties
from ._plan import Existing, Plan
from ._report import ConvertReport
from ._schema import check_append
from ._shown import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.store import Store

_RETRIES = 40


def write_plan(
    plan: Plan,
    uri: Any,
    *,
    mode: str,
    existing: Existing | None,
    store: Store | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    message: str = "",
    lineage: Mapping[str, Any] | None = None,
    converter: str = "",
    check: Callable[[Plan], None] | None = None,
) -> ConvertReport:
    """Write what ``plan`` describes and commit it as one version; see :class:`Plan`."""
    start = time.monotonic()
    full = resolve_uri(uri, store)
    if store is not None:
        store.require_writable()
    tracker = Tracker(progress, cancel, total_rows=plan.total_rows, total_bytes=plan.total_bytes)
    marks = once_properties()  # now, in the caller's thread; Lance has threads of its own

    def facts() -> dict[str, Any]:
        # Hashes of the files are known only after they were streamed, so this is asked late.
        return shown(storable({**plan.properties, **dict(lineage or {})}))

    def properties() -> dict[str, str]:
        return {**version_properties(plan, mode, converter, facts(), message), **marks}

    try:
        plan.schema = _stamp(plan)
        if check is not None:
            check(plan)
        if mode == "append" and existing is not None:
            check_append(existing.schema, plan.schema, full)
        tracker.enter("write")
        if plan.commit is not None:
            version, rows, nbytes = plan.commit(
                plan, full, existing, mode, store, properties(), tracker
            )
        else:
            version, rows, nbytes = _write(plan, full, existing, mode, store, properties, tracker)
    finally:
        if plan.on_close is not None:
            plan.on_close()
    tracker.enter("done")
    return ConvertReport(
        uri=full,
        version=version,
        rows=rows,
        bytes=nbytes,
        seconds=time.monotonic() - start,
        skipped=shown(plan.skipped),
        schema=plan.schema,
        kind=plan.kind,
        converter=converter,
        mode=mode,
        lineage=facts(),
        notes=plan.notes,
    )


def _write(
    plan: Plan,
    uri: str,
    existing: Existing | None,
    mode: str,
    store: Store | None,
    properties: Callable[[], dict[str, str]],
    tracker: Tracker,
) -> tuple[int, int, int]:
    fragments: list[Any] = []
    try:
        if plan.write is not None:
            plan.write(uri, existing, store, tracker, fragments)
        else:
            fragments += write_fragments(plan, uri, existing, store, tracker)
        tracker.enter("commit")
        version = commit(plan, uri, existing, mode, store, fragments, properties())
    except BaseException:
        remove_uncommitted(uri, store, fragments, fresh=existing is None)
        raise
    return version, sum(f.physical_rows for f in fragments), tracker.bytes


def write_fragments(
    plan: Plan, uri: str, existing: Existing | None, store: Store | None, tracker: Tracker
) -> list[Any]:
    """Stream the plan's batches into data files that no version refers to yet."""
    import pyarrow as pa

    from lancenb.store import lance_errors
    from lancenb.store._lance import lance_module

    lance = lance_module()
    failure: list[BaseException] = []
    guard = _guard(plan, tracker, failure)
    reader = pa.RecordBatchReader.from_batches(plan.schema, guard)
    append = existing is not None and existing.mode == "append"
    try:
        with lance_errors(uri, store):
            return list(
                lance.fragment.write_fragments(
                    reader,
                    uri,
                    mode="append" if append else "overwrite",
                    data_storage_version=storage_version(existing),
                    storage_options=storage_options(uri, store),
                    **plan.write_options,
                )
            )
    except BaseException as error:
        # Lance reports an exception of our generator as text only; give back the original.
        if failure and failure[0] is not error:
            raise failure[0] from None
        raise
    finally:
        # A write that fails inside Lance leaves the generator half-way: it has to end here, not
        # wherever it is collected (a thread of its own pool cannot wait for itself).
        with contextlib.suppress(ValueError):
            guard.close()


def _guard(
    plan: Plan, tracker: Tracker, failure: list[BaseException]
) -> Generator[pa.RecordBatch, None, None]:
    batches = plan.batches(tracker)
    try:
        yield from batches
    except GeneratorExit:
        raise
    except BaseException as error:
        failure.append(error)
        raise
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def commit(
    plan: Plan,
    uri: str,
    existing: Existing | None,
    mode: str,
    store: Store | None,
    fragments: list[Any],
    properties: dict[str, str],
) -> int:
    """Make written fragments the next version; exactly one of several creators wins."""
    from lancenb.store._lance import lance_module

    operation = lance_module().LanceOperation
    whole = operation.Overwrite(plan.schema, fragments)
    if existing is None:
        return _commit_create(plan, uri, store, whole, properties)
    if mode == "overwrite":
        return commit_retrying(uri, store, lambda _head: whole, properties)
    if plan.schema_metadata_updates:
        return commit_retrying(
            uri, store, lambda head: extend(head, existing, plan, fragments, operation), properties
        )

    def append(head: Any) -> Any:
        check_same_fields(head, existing)
        return operation.Append(fragments)

    return commit_retrying(uri, store, append, properties)


def _commit_create(
    plan: Plan, uri: str, store: Store | None, operation: Any, properties: dict[str, str]
) -> int:
    from lancenb.errors import NotFound
    from lancenb.store import lance_errors
    from lancenb.store._lance import lance_module

    lance = lance_module()
    options = storage_options(uri, store)
    try:
        with lance_errors(uri, store):
            transaction = lance.Transaction(0, operation, transaction_properties=properties)
            dataset = lance.LanceDataset.commit(
                uri, transaction, max_retries=0, storage_options=options
            )
    except (AlreadyExists, Conflict, NotFound):
        # "manifest 0 was not found" is how Lance says that somebody else committed version 1.
        raise AlreadyExists(
            f"another writer created {uri} first",
            hint='use mode="append" or mode="overwrite" to work with what it made',
        ) from None
    return int(dataset.version)


def commit_retrying(uri: str, store: Store | None, make: Any, properties: dict[str, str]) -> int:
    """Commit ``make(head)`` on top of the newest version, again and again until it is accepted.

    ``make`` receives the newest dataset and returns a Lance operation; it may raise to give up.
    """
    from lancenb.store import lance_errors, open_table
    from lancenb.store._lance import lance_module

    lance = lance_module()
    options = storage_options(uri, store)
    for attempt in range(_RETRIES):
        head = open_table(uri, store)
        transaction = lance.Transaction(head.version, make(head), transaction_properties=properties)
        try:
            with lance_errors(uri, store):
                done = lance.LanceDataset.commit(
                    uri, transaction, max_retries=0, storage_options=options
                )
            return int(done.version)
        except StaleLabels:
            raise
        except Conflict:
            time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
    raise Conflict(
        f"{uri} was changed by other writers {_RETRIES} times in a row",
        hint="nothing was lost; run it again when fewer writers are busy",
    )


def _stamp(plan: Plan) -> pa.Schema:
    extra = {key.encode(): value.encode() for key, value in (plan.metadata or {}).items()}
    kind = {b"lancenb.kind": plan.kind.encode()}
    return plan.schema.with_metadata({**(plan.schema.metadata or {}), **extra, **kind})
