"""Converting many files with Ray: every task writes a share, one commit makes it a version."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..convert._share import Share
from ..errors import InvalidArgument
from ._catalogue import Facts, convert_into, local_manager
from ._ray import own_errors, running
from ._share import Part, limit, not_shared, write_share

if TYPE_CHECKING:
    from ..convert import Converter, ConvertReport, Existing, Plan
    from ..progress import CancelToken, ProgressCallback, Tracker
    from ..store import Store

_KINDS = ("images", "text", "table")


def convert(
    source: Any,
    target: Any,
    *,
    tasks: int | None = None,
    mode: str = "create",
    kind: str | None = None,
    manager: Any = None,
    store: Store | None = None,
    description: str = "",
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    parents: Sequence[Any] = (),
    message: str = "",
    lineage: Mapping[str, Any] | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> ConvertReport:
    """Convert files to a Lance table with several workers of Ray.

    The table is the one that :func:`lancenb.convert` makes: the same rows in the same order, the
    same schema, class names and lineage, committed as one version. Files are the unit: tasks take
    neighbouring files, of about as many bytes each.

    Ray is started for the time of the call when it does not run yet. On several machines all
    workers have to see the files under the same paths, and the table in an object store.

    Args:
        source: files: a folder, a pattern, a path or a list of paths.
        target: path or URI of the table; with ``manager`` a name in its catalogue.
        tasks: shares; as many as Ray has processors by default.
        mode: ``"create"``, ``"overwrite"`` or ``"append"``.
        kind: ``"images"``, ``"text"`` or ``"table"`` to overrule the look.
        manager: a :class:`~lancenb.DataManager`; the table is then registered as ``target``.
        store: credentials and base for a URI target.
        description: free text for the catalogue.
        tags: labels for the catalogue.
        metadata: JSON-able facts for the catalogue.
        parents: what it was made from, for the catalogue.
        message: free text stored with the version.
        lineage: extra facts about the origin.
        progress: callable for progress events, or ``True`` for a text bar.
        cancel: token to stop; nothing remains then.
        **options: options of the converter, as for :func:`lancenb.convert`.

    Raises:
        MissingDependency: Ray or lance-ray is not installed.
        InvalidArgument: a source that cannot be shared out: weights, an archive, rows in memory.
        LancenbError: as :func:`lancenb.convert`, naming the file, row or field.

    >>> convert("photos/*.jpg", "photos", manager=dm, tasks=8)  # doctest: +SKIP
    """
    from ..convert import make_converter
    from ..convert._base import check_mode
    from ..convert._convert import _require_location

    check_mode(mode)
    if manager is None:
        _require_location(target, store)
    if tasks is not None and (isinstance(tasks, bool) or not isinstance(tasks, int) or tasks < 1):
        raise InvalidArgument(f"tasks must be a whole number >= 1, not {tasks!r:.60}")
    converter = make_converter(_files(source), kind, **options)
    if converter.kind not in _KINDS or type(converter).__name__ == "LanceConverter":
        raise not_shared()
    with running() as ray:
        most = tasks or max(1, int(ray.cluster_resources().get("CPU", 1)))
        converter._before_write = _Tasks(ray, converter, source, most).take
        if manager is None:
            common: dict[str, Any] = {"message": message, "lineage": lineage, "store": store}
            return converter.convert(
                source, target, mode=mode, progress=progress, cancel=cancel, **common
            )
        facts = Facts(description, tags, metadata, parents, message, lineage)
        return convert_into(
            local_manager(manager), target, converter, source, mode=mode, facts=facts,
            progress=progress, cancel=cancel,
        )  # fmt: skip


def _files(source: Any) -> Any:
    """Return the source if it is made of paths.

    Raises:
        InvalidArgument: it is not.
    """
    if isinstance(source, (str, os.PathLike)) and "://" not in os.fspath(source):
        return source
    if isinstance(source, (list, tuple)) and source:
        return [_files(item) for item in source]
    raise InvalidArgument(
        f"a {type(source).__name__} cannot be shared out; files can",
        hint="give a folder, a pattern or a list of paths; from_ray takes a Ray data set",
    )


class _Tasks:
    """Has the plans of a converter written by tasks.

    Args:
        ray: Ray, running.
        converter: the converter of the whole.
        source: the whole source.
        most: how many tasks at the most.
    """

    def __init__(self, ray: Any, converter: Converter, source: Any, most: int):
        self._ray = ray
        self._converter = converter
        self._source = source
        self._most = most

    def take(self, plan: Plan) -> None:
        """Have a plan written by tasks instead of this process."""
        units = limit(plan, Share(0, 1))
        plan.write = functools.partial(self._write, plan, min(self._most, units))

    def _write(
        self,
        plan: Plan,
        count: int,
        uri: str,
        existing: Existing | None,
        store: Store | None,
        tracker: Tracker,
        fragments: list[Any],
    ) -> None:
        """Write a plan by ``count`` tasks; see :attr:`~lancenb.convert.Plan.write`."""
        parts: list[Part] = []
        try:
            self._run(count, uri, existing, store, tracker, parts)
        finally:
            fragments += [fragment for part in parts for fragment in part.fragments]
        self._check(parts)
        _gather(plan, parts)

    def _run(
        self,
        count: int,
        uri: str,
        existing: Existing | None,
        store: Store | None,
        tracker: Tracker,
        parts: list[Part],
    ) -> None:
        target = None if existing is None else (existing.mode, existing.version)
        task = self._ray.remote(max_retries=0)(write_share)
        place = uri if "://" in uri else os.path.abspath(uri)
        plain = copy.copy(self._converter)
        plain._before_write = None  # tasks write by themselves
        waiting = [
            task.remote(plain, self._source, os.getcwd(), place, target, store, Share(index, count))
            for index in range(count)
        ]
        ordered, done = list(waiting), {}
        try:
            while waiting:
                ready, waiting = self._ray.wait(waiting, timeout=0.2)
                for reference in ready:
                    with own_errors():
                        done[reference] = self._ray.get(reference)
                    tracker.advance(done[reference].rows, done[reference].nbytes)
                tracker.advance()
        finally:
            done |= self._ended(waiting)
            parts += [done[reference] for reference in ordered if reference in done]

    def _ended(self, running: list[Any]) -> dict[Any, Part]:
        """Let go of tasks that are not needed any more, and return what they had written."""
        for reference in running:
            self._ray.cancel(reference)
        found = {}
        for reference in running:
            try:
                found[reference] = self._ray.get(reference)
            except Exception:  # noqa: S112 - it was cancelled, or failed as another one did
                continue
        return found

    def _check(self, parts: list[Part]) -> None:
        """Ask for a new plan after a surprise; refuse a table without a row.

        Raises:
            PlanAgain: a task met what changes the plan; the converter has learned it.
        """
        from ..convert.text import TextConverter

        learned = [part.learned for part in parts if part.learned is not None]
        if learned:
            assert isinstance(self._converter, TextConverter)
            raise self._converter._learn(learned)
        if parts and all(part.empty is not None for part in parts):
            error = parts[0].empty
            assert error is not None
            raise error


def _gather(plan: Plan, parts: list[Part]) -> None:
    """Bring what the tasks found out into the plan."""
    for item in [item for part in parts for item in part.skipped]:
        if item not in plan.skipped:
            plan.skipped.append(item)
    hashes = {file["path"]: file for part in parts for file in part.files}
    for file in plan.properties.get("files", []):
        file.update(hashes.get(file["path"], {}))
