"""The one verb: look at the source, choose the converter, write the table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, UnknownOption

from ._base import Converter, ConvertReport, check_mode, location_text
from ._fetch import fetched
from ._sniff import sniff

if TYPE_CHECKING:
    from lancenb.progress import CancelToken, ProgressCallback
    from lancenb.store import Store

KINDS = ("weights", "images", "text", "table")
# what every conversion takes, here or through a catalogue
_COMMON = ("mode", "kind", "progress", "cancel", "message", "lineage", "store", "manager")
_COMMON += ("tags", "description")


def converter_class(kind: str) -> type[Converter]:
    """Return the converter for a kind of content (``"weights"``, ``"images"``, ...)."""
    if kind == "weights":
        from .weights import TensorConverter

        return TensorConverter
    if kind == "images":
        from .images import PngConverter

        return PngConverter
    if kind == "text":
        from .text import TextConverter

        return TextConverter
    if kind == "table":
        from .tables import ParquetConverter

        return ParquetConverter
    raise InvalidArgument(
        f"kind={kind!r} is not one of {', '.join(KINDS)}",
        hint="leave it out, and the content decides",
    )


def make_converter(source: Any, kind: str | None = None, **options: Any) -> Converter:
    """Choose the converter for ``source`` and build it with ``options``.

    Raises:
        UnknownOption: the converter for this kind has no such option.
    """
    import inspect

    from ._lance import LanceConverter, kind_of_table, table_of

    table = table_of(source)
    if table is not None:
        if options:
            raise UnknownOption(
                f"copying a Lance table has no option {next(iter(options))!r}",
                hint="leave it out; its rows and columns are taken as they are",
            )
        return LanceConverter(kind or kind_of_table(table))
    chosen = kind or sniff(source).kind
    cls = converter_class(chosen)
    known = [p for p in inspect.signature(cls).parameters if p != "self"]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), [*known, *_COMMON], 1, 0.6)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UnknownOption(
                f"converting {chosen} has no option {name!r}",
                hint=f"{meant}{cls.__name__} takes: {', '.join(known)}",
            )
    return cls(**options)


def convert(
    source: Any,
    target: Any,
    *,
    mode: str = "create",
    kind: str | None = None,
    manager: Any = None,
    store: Store | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    message: str = "",
    lineage: Mapping[str, Any] | None = None,
    **options: Any,
) -> ConvertReport:
    r"""Convert files, folders, archives, datasets or tensors to a Lance table.

    The kind of content is found by looking at it; the suffix is only a hint. The result is one
    atomic version: a failure or a cancel leaves things as they were.

    Args:
        source: path, list of paths, pattern, folder, download result, ``datasets`` dataset,
            Arrow table, data frame, state dict or module; a Lance table, whose rows are copied;
            or what only :func:`lancenb.download` understands (``hf:model:ID``, ``https://...``),
            which is downloaded first.
        target: where the table goes: a path or URI such as ``"./flowers.lance"`` or
            ``"s3://bucket/flowers.lance"``; with ``manager`` a name in its catalogue.
        mode: ``"create"``, ``"overwrite"`` or ``"append"``.
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"`` to overrule the look.
        manager: a :class:`~lancenb.DataManager`; the table is then registered as ``target``.
        store: credentials and base for a URI target.
        progress: callable for progress events, or ``True`` for a text bar.
        cancel: token to stop the work.
        message: free text stored with the version.
        lineage: extra facts about the origin.
        **options: options of the converter chosen, see
            :class:`~lancenb.convert.weights.TensorConverter`,
            :class:`~lancenb.convert.images.PngConverter`,
            :class:`~lancenb.convert.text.TextConverter` and
            :class:`~lancenb.convert.tables.ParquetConverter`.

    Returns:
        A :class:`ConvertReport`: where it went, version, rows, what was skipped and why.

    Raises:
        LancenbError: one typed error that names the file, row or field.

    >>> import tempfile, pathlib, lancenb
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("x,y\n1,one\n2,two\n")
    >>> lancenb.convert(folder / "a.csv", folder / "a.lance").rows
    2
    """
    check_mode(mode)
    if manager is not None:
        return manager.convert(
            source,
            target,
            mode=mode,
            kind=kind,
            progress=progress,
            cancel=cancel,
            message=message,
            lineage=lineage,
            **options,
        )
    _require_location(target, store)
    source = fetched(source, progress, cancel)
    converter = make_converter(source, kind, **options)
    return converter.convert(
        source,
        target,
        mode=mode,
        store=store,
        progress=progress,
        cancel=cancel,
        message=message,
        lineage=lineage,
    )


def _require_location(target: Any, store: Store | None) -> None:
    text = location_text(target)
    if store is None and not any(c in text for c in "/\\") and not text.endswith(".lance"):
        raise InvalidArgument(
            f"{text!r} is a name, and names live in a catalogue",
            hint=f"use DataManager(root).convert(source, {text!r}), or give a location "
            f"such as './{text}.lance'",
        )
