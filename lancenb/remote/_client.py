"""The catalogue behind a server: verbs made from the table of operations."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lancenb import _html
from lancenb.catalog import DataManager
from lancenb.catalog._edges import (
    check_age,
    check_count,
    check_labels,
    check_lineage,
    check_metadata,
    check_mode,
    check_text,
    check_version,
)
from lancenb.catalog._names import check_name, check_tag
from lancenb.catalog._rows import check_names
from lancenb.catalog.artifact import Artifact, Artifacts
from lancenb.errors import LancenbError, NotFound

from ._asking import Asking
from ._codec import dump_any
from ._far_artifact import RemoteArtifact, no_dataset
from ._far_data import FarData
from ._models import ArtifactFacts, ArtifactList, Head
from ._op import JOB, OPS, UNARY, Op
from ._ops import OPS as _ALL
from ._typed import load
from .protocol import Manager

if TYPE_CHECKING:
    from ._models import About, JobFacts
    from ._transport import Transport

assert _ALL is OPS


class RemoteManager(FarData, Asking, Manager):
    """A catalogue behind a server, with the verbs of :class:`~lancenb.DataManager`.

    Made by :func:`lancenb.connect`. Can be used from several threads, and pickled for other
    processes; a child made by a bare fork should connect anew (over gRPC it has to). Reads are
    tried again when the connection breaks, writes too: each carries a key under which the server
    does it once.

    Args:
        transport: carries calls.
    """

    def __init__(self, transport: Transport):
        self._transport = transport

    if TYPE_CHECKING:  # these, too, are made from the table of operations

        def about(self) -> About: ...
        def jobs(self) -> Sequence[JobFacts]: ...
        def job(self, job: str) -> JobFacts: ...
        def cancel_job(self, job: str) -> JobFacts: ...

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._transport.reach.url

    def __getitem__(self, name: str | Artifact) -> Artifact:
        return DataManager.__getitem__(self, name)  # type: ignore[arg-type]

    def __contains__(self, name: object) -> bool:
        text = getattr(name, "name", name)
        if not isinstance(text, str):
            return False
        try:
            return self.get(text) is not None
        except (NotFound, ValueError):
            return False

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __bool__(self) -> bool:
        return True

    def _ipython_key_completions_(self) -> Sequence[str]:
        try:
            return self.list().names
        except LancenbError:
            return []

    def dataset(self, name: str | Artifact, version: int | str | None = None) -> Any:
        """Raise: a Lance dataset opens only where its files are.

        Raises:
            LocalOnly: always.
        """
        raise no_dataset(str(getattr(name, "name", name)))

    def preview(self, name: str | Artifact, **options: Any) -> Any:
        """Return a picture of an artefact for notebooks; see :func:`lancenb.preview`."""
        return self.get(name).preview(**options)

    def watch(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Follow what is written through the server, by whomever.

        Args:
            after: number of the last event seen; from now on when ``None``.

        Yields:
            ``{"seq", "op", "name", "who", "before", "after", "time"}``: version before and after.
        """
        for event in self._follow(OPS["watch"], {"after": after} if after is not None else {}):
            if event["event"] == "write":
                yield {"seq": event["seq"], **event["data"]}

    def close(self) -> None:
        """Close the connections; another call opens new ones."""
        self._transport.close()

    def __enter__(self) -> RemoteManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _head_of(self, name: str) -> Head:
        return self._ask(OPS["head"], {"name": name})

    def _hash_of(self, name: str) -> str | None:
        return self._ask(OPS["content_hash"], {"name": name})

    def _wrap(self, value: Any) -> Any:
        if isinstance(value, ArtifactFacts):
            return RemoteArtifact(self, value)
        if isinstance(value, ArtifactList):
            return Artifacts((RemoteArtifact(self, each) for each in value.items), value.note)
        return value

    def _loaded(self, op: Op, data: Any) -> Any:
        return self._wrap(load(op.result, data))

    def __repr__(self) -> str:
        try:
            listed = self.list()
        except LancenbError as error:
            return f"<RemoteManager {self.url}: {error.message}>"
        kinds = Counter(artifact.kind for artifact in listed)
        parts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        counted = _html.count(len(listed), "artefact")
        return f"<RemoteManager {self.url}: {counted}{f' ({parts})' if parts else ''}>"

    def _repr_html_(self) -> str:
        title = f"RemoteManager {self.url}"
        try:
            listed = self.list()
        except LancenbError as error:
            return _html.facts(title, [("problem", error.message)])
        if not listed:
            return _html.facts(title, [("empty", "dm.convert(source, name) adds something")])
        return _html.facts(title, []) + listed._repr_html_()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteManager) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> Any:
        from ._connect import reconnect

        return reconnect, (self._transport.reach,)


def _counted(name: str, least: int = 0) -> Callable[[Any], int]:
    return lambda value: check_count(name, value, least)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "new": check_name,
    "tags": lambda value: list(check_labels(value)),
    "metadata": check_metadata,
    "lineage": check_lineage,
    "description": lambda value: check_text(value, "description"),
    "message": lambda value: check_text(value, "message"),
    "limit": _counted("limit"),
    "offset": _counted("offset"),
    "samples": _counted("samples"),
    "batch_rows": _counted("batch_rows", least=1),
    "keep": _counted("keep", least=1),
    "older_than": check_age,
    "version": check_version,
    "v1": check_version,
    "v2": check_version,
}
_LISTS = (tuple, set, frozenset)


def wire_argument(op: Op, name: str, value: Any) -> Any:
    """Return an argument as JSON data, checked by the rules of the local verb where it has any."""
    if name == "name":
        return check_name(getattr(value, "name", value))
    if name == "tag" and op.path_params:
        return check_tag(value)
    if name == "mode" and op.name != "save_weights":
        return check_mode(value)
    if value is not None and name in _CHECKS:
        value = _CHECKS[name](value)
    if name == "parents" and value is not None:
        single = isinstance(value, (str, Mapping)) or not isinstance(value, Iterable)
        value = [value] if single else list(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if name == "columns" and value is not None:
        value = check_names(value)
    if "list[str]" in str(op.hints[name]) and isinstance(value, _LISTS):
        value = list(value)
    if name == "uri" or (name == "confirm" and value is not None):
        return str(value)
    return dump_any(value)


def _refused(op: Op, template: Any, args: Any, kwargs: Any, error: TypeError) -> TypeError:
    """Return what Python says to such a call of the local verb."""
    try:
        if template is not None:
            template(*args, **kwargs)  # it has the same signature: this ends at once
    except TypeError as told:
        return TypeError(str(told).replace("DataManager.", "RemoteManager.", 1))
    return TypeError(f"RemoteManager.{op.name}(): {error}")


def _verb(op: Op) -> Callable[..., Any]:
    """Make the method for an operation, with the signature of the local one."""
    template = getattr(DataManager, op.name, None)
    if template is None:
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        signature = inspect.Signature([first, *op.params.values()])
    else:
        signature = inspect.signature(template)

    def verb(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise _refused(op, template, args, kwargs, error) from None
        manager = given.pop("self")
        more = {key: given.pop(key) for key in ("progress", "cancel") if key in given}
        sent = {key: wire_argument(op, key, value) for key, value in given.items()}
        return manager._ask(op, sent, **more)

    functools.update_wrapper(verb, template or op.signature)
    verb.__qualname__ = f"RemoteManager.{op.name}"
    verb.__name__ = op.name
    verb.__module__ = __name__
    verb.__signature__ = signature  # type: ignore[attr-defined]
    return verb


def _derive() -> None:
    """Give the class a verb for every operation it has no method of its own for."""
    for op in OPS.values():
        own = any(op.name in vars(cls) for cls in (RemoteManager, FarData, Asking))
        if not own and op.shape in (UNARY, JOB):
            setattr(RemoteManager, op.name, _verb(op))
    for cls in (FarData, Asking):
        for name, member in vars(cls).items():
            if not name.startswith("_") and inspect.isfunction(member):
                member.__qualname__ = f"RemoteManager.{name}"


_derive()
