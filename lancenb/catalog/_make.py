"""Making artefacts and new versions of them: converting, saving and loading weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lancenb._events import done_last
from lancenb.errors import (
    ArtifactNotFound,
    InvalidArgument,
    InvalidName,
    SchemaMismatch,
    SourceNotFound,
)

from ._edges import (
    check_labels,
    check_lineage,
    check_metadata,
    check_mode,
    check_text,
    resolve_parents,
)
from ._names import a_kind, check_name
from ._slots import Slots, taken

if TYPE_CHECKING:
    from lancenb.convert import Converter, ConvertReport, Plan
    from lancenb.progress import CancelToken, ProgressCallback

    from ._entry import Entry
    from .artifact import Artifact


def _check_kind(entry: Entry, source: Any, plan: Plan) -> None:
    """Raise rather than turn an artefact into one of another kind."""
    if plan.kind != entry.kind:
        path = isinstance(source, (str, os.PathLike))
        given = os.path.basename(os.fspath(source)) or source if path else "what was given"
        raise SchemaMismatch(
            f"{entry.name!r} holds {a_kind(entry.kind)}, {given} is {a_kind(plan.kind)}",
            hint="choose another name, or delete it first: "
            f"dm.delete({entry.name!r}, confirm={entry.name!r})",
        )


class Making(Slots):
    """Creating artefacts and adding versions to them."""

    def convert(
        self,
        source: Any,
        name: str,
        *,
        mode: str = "create",
        kind: str | None = None,
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
        """Convert files, folders, datasets or tensors to an artefact of the catalogue.

        Args:
            source: anything :func:`lancenb.convert` reads.
            name: the artefact.
            mode: ``"create"`` a new artefact; ``"overwrite"`` or ``"append"`` make the next
                version of an existing one (overwrite also creates).
            kind: ``"weights"``, ``"images"``, ``"text"``, ``"table"``; by content when ``None``.
            description: free text; with an existing artefact replaces the old one if not empty.
            tags: labels, added to those there are.
            metadata: JSON-able facts, merged into those there are.
            parents: what it was made from: names, ``"name@version"``, artefacts, URIs, or dicts
                with ``name`` or ``uri``, ``version``, ``relation``.
            message: free text stored with the version.
            lineage: further facts stored with the version.
            progress: callable for events, or ``True`` for a text bar.
            cancel: token to stop; nothing remains then.
            **options: options of the converter.

        Raises:
            AlreadyExists: the name is taken, or is being taken at this moment.
            ArtifactNotFound: ``mode="append"`` and there is no such artefact.
            SchemaMismatch: the artefact is of another kind, or appended rows do not fit.
            LancenbError: anything wrong with the source; the catalogue is as before.
        """
        from lancenb.convert import make_converter
        from lancenb.convert._fetch import fetched

        ready = self._prepare(name, mode, description, tags, metadata, parents, message)
        source = fetched(source, progress, cancel)
        converter = make_converter(source, kind, **options)
        common: dict[str, Any] = {"progress": progress, "cancel": cancel, "message": message}
        common["lineage"] = check_lineage(lineage)
        return self._convert_by(converter, source, name, mode, description, ready, common)

    def _convert_by(
        self,
        converter: Converter,
        source: Any,
        name: str,
        mode: str,
        description: str,
        ready: tuple[bool, Any, Any, Any],
        common: dict[str, Any],
    ) -> ConvertReport:
        """Convert with a converter that was made already, after :meth:`_prepare`."""
        exists, edges, labels, extra = ready
        common["lineage"] = {**common["lineage"], **self._facts(name, edges)}
        common["store"] = self.store
        with done_last(common["progress"]) as common["progress"]:
            if exists:
                with self._writing(name) as entry:
                    same = partial(_check_kind, entry, source)
                    report = converter.convert(
                        source, self._uri(entry), mode=mode, check=same, **common
                    )
                    if mode == "overwrite" or description or labels or extra or edges:
                        self._refresh(entry, description, labels, extra, edges)
            else:
                with self._creating(name, converter.kind) as slot:
                    report = converter.convert(source, self._uri(slot), mode="create", **common)
                    made = replace(slot, kind=report.kind, description=description, tags=labels)
                    self._publish(replace(made, metadata=extra, parents=edges))
        report.name = name
        return report

    def _prepare(
        self,
        name: str,
        mode: str,
        description: str,
        tags: Sequence[str],
        metadata: Mapping[str, Any] | None,
        parents: Sequence[Any],
        message: str,
    ) -> tuple[bool, Any, Any, Any]:
        """Check all that can be known before the source is looked at; see :meth:`convert`."""
        check_name(name)
        check_mode(mode)
        edges = resolve_parents(self, parents)
        labels, extra = check_labels(tags), check_metadata(metadata)
        check_text(description, "description")
        check_text(message, "message")
        exists = name in {entry.name for entry in self._entries()}
        if mode == "append" and not exists:
            self._missing_for_append(name)
        if mode == "create" and exists:
            raise taken(name)
        return exists, edges, labels, extra

    def _missing_for_append(self, name: str) -> None:
        try:
            self._entry(name)
        except ArtifactNotFound as error:
            raise ArtifactNotFound(
                f"there is no artefact {name!r} to append to",
                hint=f'mode="create" makes it; {error.hint}',
            ) from None

    def _facts(self, name: str, edges: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        facts: dict[str, Any] = {"name": name, "actor": self.actor}
        if edges:
            facts["parents"] = [dict(edge) for edge in edges]
        return facts

    def save_weights(
        self,
        name: str,
        state: Any,
        *,
        mode: str = "auto",
        extras: Mapping[str, Any] | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] = (),
        message: str = "",
        **options: Any,
    ) -> ConvertReport:
        """Save a module or state dict as an artefact or as its next version.

        Args:
            name: the artefact.
            state: ``nn.Module`` or ``dict[str, Tensor]``.
            mode: ``"auto"`` creates it, or adds a version that stores only the tensors that
                changed; ``"create"`` and ``"overwrite"`` as in :meth:`convert`.
            extras: JSON-able facts of the checkpoint (epoch, metrics), stored with it.
            description: free text.
            tags: labels.
            metadata: JSON-able facts for the catalogue.
            parents: what it was made from, see :meth:`convert`.
            message: free text stored with the version.
            **options: passed to :func:`lancenb.convert.weights.save_weights`.

        Raises:
            AlreadyExists: ``mode="create"`` and the name is taken.
        """
        from lancenb.convert.weights import save_weights

        if not isinstance(name, str) and (isinstance(state, str) or callable(name)):
            raise InvalidName(
                f"the name of an artefact is text, not {type(name).__name__}",
                hint="the name comes first: dm.save_weights(name, model)",
            )
        check_name(name)
        if isinstance(state, str) and not os.path.exists(state):
            raise SourceNotFound(
                f"there is no file or folder {state!r} with weights",
                hint="give the module, its state_dict(), or the path of a checkpoint",
            )
        if mode not in ("auto", "create", "overwrite"):
            raise InvalidArgument(
                f"mode={mode!r} is not one of auto, create, overwrite",
                hint="auto creates the artefact or adds its next version",
            )
        edges = resolve_parents(self, parents)
        labels, extra = check_labels(tags), check_metadata(metadata)
        check_text(description, "description")
        check_text(message, "message")
        exists = name in {entry.name for entry in self._entries()}
        if exists and mode == "create":
            raise taken(name)
        common: dict[str, Any] = {
            "store": self.store,
            "extras": dict(extras or {}),
            "message": message,
            "lineage": self._facts(name, edges),
            **options,
        }
        if exists:
            with self._writing(name) as entry:
                if entry.kind != "weights":
                    raise InvalidArgument(
                        f"{name!r} holds {a_kind(entry.kind)}, not weights",
                        hint="choose another name",
                    )
                report = save_weights(state, self._uri(entry), mode=mode, **common)
                self._refresh(entry, description, labels, extra, edges)
        else:
            with self._creating(name, "weights") as slot:
                report = save_weights(state, self._uri(slot), mode="create", **common)
                ready = replace(slot, description=description, tags=labels)
                self._publish(replace(ready, metadata=extra, parents=edges))
        report.name = name
        return report

    def load_weights(
        self,
        name: str | Artifact,
        into: Any = None,
        *,
        version: int | str | None = None,
        only: Sequence[str] | None = None,
        strict: str = "exact",
        strip: Sequence[str] = (),
        device: Any = "cpu",
    ) -> Any:
        """Load stored weights, into a module if one is given.

        Returns:
            ``WeightsLoad`` with ``state_dict``, ``loaded``, ``missing``, ``unexpected``,
            ``mismatched``; see :func:`lancenb.convert.weights.load_weights`.

        Raises:
            WeightsMismatch: names or shapes disagree more than ``strict`` allows.
            InvalidArgument: the artefact holds no weights.
        """
        entry = self._entry(name)
        if entry.kind != "weights":
            raise InvalidArgument(
                f"{entry.name!r} holds {a_kind(entry.kind)}, not weights",
                hint="dm.list(kind='weights') shows the models",
            )
        from lancenb.convert.weights import load_weights

        dataset = self._open(entry, version)
        return load_weights(
            dataset,
            into,
            only=only,
            strict=strict,
            strip=strip if isinstance(strip, str) else tuple(strip),
            device=device,
        )
