"""Plans for the Hub: models, data sets, Lance tables, rows of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import CorruptInput, Offline
from ..progress import CancelToken, Tracker
from ._endpoint import is_offline
from ._headers import PlannedTensor, read_local_tensors, read_tensors
from ._hub_bodies import trusting
from ._plan_kinds import file_kind, notes_on, with_room
from ._records import Record
from ._request import Request
from ._shards import missing_shard, no_such_shard, weight_map
from ._snapshot import Snapshot
from .choose import choose_files, is_index, is_unsafe
from .errors import DownloadDenied
from .fetch import Fetcher
from .plan import DownloadPlan, PlannedFile

if TYPE_CHECKING:
    from .lance_repo import HubTable

_HEADERS_AT_ONCE = 8


def repository(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan the files of a repository."""
    look = _Look(request, request.source.name, request.kind, cancel)
    safe = [name for name in look.record.tree if not is_unsafe(name)]
    choice = choose_files(
        safe, request.kind, request.allow, request.ignore, variant=request.variant,
        source=look.source.source,
    )  # fmt: skip
    tensors: tuple[PlannedTensor, ...] = ()
    is_open = look.is_open(choice.names[0])
    if request.kind == "model" and is_open:
        try:
            if choice.automatic:
                look.check_indexes(choice.names)
            tensors = look.tensors(choice.names)
        except Offline:
            look.notes.append("the tensors of files that are not here are not known offline")
    return look.plan(request.kind, choice.names, tensors)


def table(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan one Lance table of a repository."""
    from .lance_repo import parse_table, table_files

    where: HubTable = parse_table(request.source.name)
    look = _Look(request, where.repo_id, where.repo_type, cancel)
    names = table_files(where, look.record)
    return look.plan("lance", names, (), source=where.uri)


def rows(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan rows of a data set: the files that they come from."""
    from . import _plan_rows

    if _plan_rows.is_local(request):
        return _plan_rows.local(request)
    look = _Look(request, request.source.name, "dataset", cancel)
    unseen = look.offline or not look.is_open(next(iter(look.record.tree), ""))
    names, facts, notes = _plan_rows.of_hub(request, look.source, look.record, unseen)
    cached = _plan_rows.is_kept(request, look.record.facts["commit"])
    look.notes += notes
    return look.plan("dataset", names, (), card=facts, all_cached=cached)


class _Look:
    """One look at a repository."""

    def __init__(self, request: Request, repo_id: str, repo_type: str, cancel: CancelToken | None):
        self.request, self.cancel = request, cancel
        self.source = Snapshot(
            repo_id, repo_type, revision=request.revision, token=request.token,
            cache=request.cache, tracker=Tracker(None, cancel), cancel=cancel,
            policy=request.policy, hub_engine=request.hub_engine,
        )  # fmt: skip
        self.offline = request.offline or is_offline()
        self.record: Record = self.source.resolve(offline=self.offline)
        self.commit: str = self.record.facts["commit"]
        self.notes: list[str] = []
        self._fetcher = Fetcher(trusting(request.policy, self.source.endpoint))

    def is_open(self, name: str) -> bool:
        """Whether the files of a gated repository may be read; note why not."""
        if not self.record.facts.get("gated") or self.offline:
            return True
        try:
            self.source.check_access(self.commit, name)
        except DownloadDenied as error:
            self.notes.append(f"its files cannot be read yet: {error.hint}")
            return False
        return True

    def check_indexes(self, names: Sequence[str]) -> None:
        """Refuse sharded weights with missing shards."""
        for name in names:
            if is_index(name):
                listed = weight_map(self._content(name), name, self.source.source)
                shard = missing_shard(listed, self.record.tree)
                if shard is not None:
                    raise no_such_shard(self.source.source, name, shard)

    def tensors(self, names: Sequence[str]) -> tuple[PlannedTensor, ...]:
        """Read the headers of all safetensors files, several at a time."""
        wanted = [name for name in names if name.endswith(".safetensors")]
        if not wanted:
            return ()
        with ThreadPoolExecutor(min(_HEADERS_AT_ONCE, len(wanted)), "lancenb-plan") as pool:
            found = list(pool.map(self._header, wanted))
        return tuple(tensor for part in found for tensor in part)

    def plan(
        self,
        kind: str,
        names: Sequence[str],
        tensors: tuple[PlannedTensor, ...],
        *,
        source: str | None = None,
        card: dict[str, Any] | None = None,
        all_cached: bool = False,
    ) -> DownloadPlan:
        """Put together what was seen."""
        facts, record = self.record.facts, self.record
        of_dataset = kind != "model"
        files = tuple(
            PlannedFile(
                name,
                promise.get("size"),
                promise.get("sha256"),
                None if promise.get("sha256") else promise.get("oid"),
                file_kind(name, of_dataset),
                all_cached or self.source.layout.has(name, self.commit, promise),
            )
            for name in names
            for promise in [record.tree[name]]
        )
        made = DownloadPlan(
            spec=self.request.spec,
            kind=kind,
            source=source or self.source.source,
            files=files,
            revision=self.source.revision or "main",
            commit=self.commit,
            license=_text(facts.get("license")),
            gated=bool(facts.get("gated")),
            private=bool(facts.get("private")),
            card={**_known(record), **(card or {})},
            tensors=tensors,
            notes=(*self._about(), *self.notes, *notes_on(files)),
            request=self.request,
        )
        return with_room(made, self.source.home)

    def _about(self) -> list[str]:
        notes, facts = [], self.record.facts
        page = self.source.page
        if not self.source.revalidated:
            notes.append("the Hub does not answer: this is what was known of it last")
        if facts.get("gated"):
            notes.append(f"it is gated: its owner wants the terms at {page} accepted first")
        if facts.get("private"):
            notes.append("it is private: whoever gets the bytes from you needs the owner's consent")
        unsafe = [name for name in self.record.tree if is_unsafe(name)]
        if unsafe:
            notes.append(
                f"it holds {len(unsafe)} files whose names could land outside their folder, such "
                f"as {unsafe[0]!r}: they are never downloaded"
            )
        return notes

    def _header(self, name: str) -> tuple[PlannedTensor, ...]:
        try:
            path = self._local(name)
            if path is not None:
                return read_local_tensors(path, name)
            return read_tensors(partial(self._range, name), name, self._size(name))
        except CorruptInput as error:
            self.notes.append(error.message)
            return ()

    def _content(self, name: str) -> bytes:
        path = self._local(name)
        return path.read_bytes() if path else self._range(name, 0, self._size(name) or 0)

    def _local(self, name: str) -> Any:
        layout, promise = self.source.layout, self.record.tree[name]
        blob = layout.blob(promise)
        for path in (layout.snapshot(self.commit) / name, blob):
            if path is not None and path.is_file() and path.stat().st_size == promise.get("size"):
                return path
        if self.offline:
            raise Offline(f"{name} is not here", hint="offline=False reads it from the Hub")
        return None

    def _range(self, name: str, start: int, length: int) -> bytes:
        url = f"{self.source.page}/resolve/{self.commit}/{quote(name)}"
        token = self.source.known_token()
        return self._fetcher.read_range(url, start, length, token=token, cancel=self.cancel)

    def _size(self, name: str) -> int | None:
        return self.record.tree[name].get("size")


def _known(record: Record) -> dict[str, Any]:
    facts = {**record.card, "tags": record.facts.get("tags") or []}
    facts.pop("license", None)
    return {key: value for key, value in facts.items() if value}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
