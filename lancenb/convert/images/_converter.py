"""``PngConverter``: images of any kind to an image table."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lancenb.convert._base import Converter, Existing, Plan
from lancenb.errors import CorruptInput, InvalidArgument, SchemaMismatch

from ._info import DEFAULT_MAX_PIXELS, Refusal
from ._inspect import check_verify
from ._labels import check_names, merge_names, translation
from ._open import open_source
from ._pipeline import default_threads, ordered_map
from ._rows import RowMaker
from ._schema import HF_KEY, class_names, image_schema, with_names
from ._source import Source, check_metadata

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.convert.archive import Limits
    from lancenb.progress import Tracker

ON_ERROR = ("skip", "raise")
_BY_FOLDER = ("folder", "files", "archive")


class PngConverter(Converter):
    """Converts images to a table of their original bytes, labels, size, mode, format and hash.

    Sources: a folder (class per folder, or flat), one file, a list, a glob pattern, a zip or tar
    archive, Parquet with a column of images, a folder in the layout of a Hub dataset, a folder
    made by ``save_to_disk``, a ``datasets`` dataset, an Arrow table. Also what the makers of
    CIFAR (Python batches or binary), MNIST and its kin (idx) and COCO publish, packed or not:
    bare pixels become PNG files of the same pixels, annotations a column ``objects`` (see
    :mod:`lancenb.convert.coco`).

    The bytes are stored as they are: CMYK, 16-bit, palette, float and EXIF orientation survive.
    Columns: ``image`` (binary), ``label`` (int64, where there are labels), ``width``, ``height``
    (int32, as stored, before any EXIF rotation), ``mode``, ``format`` (Pillow's names), ``path``,
    ``sha256``, then further columns of the source (``source_`` is put before names taken above).

    Classes: in a folder or archive the first folder below the common top is the class, as in
    torchvision's ``ImageFolder``; folders below it belong to it. If all first folders are named
    like splits (``train``, ``val``, ``test`` ...), they go to a ``split`` column. Names are sorted;
    a table that is appended to keeps its ids and gets new names at the end. Identical files give
    separate rows.

    Args:
        label: ``"folder"``: the class folder, or the label column of a table; ``None``: no
            labels; the name of a label column; a mapping from relative path, file name or class
            folder to a class name or id; a function from relative path to a class name or id.
        classes: the class names in the order of their ids; others are refused.
        image: name of the image column of a table, when it cannot be found.
        split: take only this split; by default all, told apart by a ``split`` column.
        on_error: ``"skip"`` lists damaged files in the report, ``"raise"`` stops at the first.
        verify: ``"auto"`` proves JPEG and PNG files whole by their structure and decodes the
            rest, ``"full"`` decodes every picture, ``"header"`` only reads headers.
        reencode: ``"png"`` stores every picture as PNG instead (first frame, 8 or 16 bit).
        header: make the columns ``width``, ``height``, ``mode`` and ``format``.
        sha256: make the column ``sha256`` of the stored bytes.
        max_pixels: pictures with more pixels are refused as decompression bombs.
        limits: what an archive may unpack to.
        threads: threads that read, check and hash ahead of the writer.
        annotations: file of annotations in COCO's form for a folder or zip file of pictures;
            ``False`` takes the pictures of a folder without the annotations in it.

    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("ant", "bee"):
    ...     (folder / "in" / name).mkdir(parents=True)
    ...     Image.new("RGB", (4, 3)).save(folder / "in" / name / "1.png")
    >>> report = PngConverter().convert(folder / "in", folder / "out.lance")
    >>> report.rows, class_names(report.schema)
    (2, ['ant', 'bee'])
    """

    kind: ClassVar[str] = "images"

    def __init__(
        self,
        *,
        label: str | Mapping[str, Any] | Callable[[str], Any] | None = "folder",
        classes: Sequence[str] | None = None,
        image: str | None = None,
        split: str | None = None,
        on_error: str = "skip",
        verify: str = "auto",
        reencode: str | None = None,
        header: bool = True,
        sha256: bool = True,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        limits: Limits | None = None,
        threads: int | None = None,
        annotations: str | os.PathLike[str] | bool | None = None,
    ):
        check_verify(verify)
        if on_error not in ON_ERROR:
            raise InvalidArgument(
                f"on_error={on_error!r} is not one of {', '.join(ON_ERROR)}",
                hint="skip damaged images and list them, or raise at the first",
            )
        if reencode not in (None, "png"):
            raise InvalidArgument(
                f"reencode={reencode!r} is not known", hint='leave it out, or use reencode="png"'
            )
        if classes is not None:
            check_names(classes)
        for name, number in (("max_pixels", max_pixels), ("threads", threads)):
            if number is not None and not isinstance(number, int):
                raise InvalidArgument(f"{name}={number!r:.60} is not a whole number")
        if split is not None and not isinstance(split, str):
            raise InvalidArgument(f"split={split!r:.60} is not the name of a split")
        if max_pixels < 1 or (threads is not None and threads < 1):
            raise InvalidArgument("max_pixels and threads must be at least 1")
        self.label = label
        self.classes = None if classes is None else list(classes)
        self.image = image
        self.split = split
        self.on_error = on_error
        self.verify = verify
        self.reencode = reencode
        self.header = header
        self.sha256 = sha256
        self.max_pixels = max_pixels
        self.limits = limits
        self.annotations = annotations
        self.threads = threads or default_threads()

    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """List the source and fix schema and label ids; pictures are read when it is written.

        Raises:
            SourceNotFound: a path does not exist, or the split is not there.
            EmptyInput: there is no image in the source.
            UnsupportedFormat: a table without a column of images.
            SchemaMismatch: classes or labels do not fit ``classes=`` or the existing table.
            UnsafeInput: an archive that would escape its folder or unpack to an absurd size.
        """
        opened = open_source(
            source, label=self.label, image=self.image, split=self.split, limits=self.limits,
            annotations=self.annotations,
        )  # fmt: skip
        try:
            return self._plan(opened, existing)
        except BaseException:
            if opened.close is not None:
                opened.close()
            raise

    def _plan(self, source: Source, existing: Existing | None) -> Plan:
        table = existing.schema if existing is not None and existing.mode == "append" else None
        if source.faults and self.on_error == "raise":
            raise source.faults[0][1].raised(source.faults[0][0])
        check_metadata(source, table)
        names, translate = self._names(source, table)
        has = (lambda name, _default: table.get_field_index(name) >= 0) if table else _keep
        schema = image_schema(
            label=source.labelled or (table is not None and has("label", False)),
            names=names,
            header=has("width", self.header),
            sha256=has("sha256", self.sha256),
            extras=source.extras,
            features=source.features,
        )
        maker = RowMaker(
            schema,
            translate,
            verify=self.verify,
            max_pixels=self.max_pixels,
            reencode=self.reencode,
            stop=self.on_error == "raise" or source.single,
            title=source.title,
        )
        skipped = [*source.skipped, *((item, fault.reason) for item, fault in source.faults)]
        plan = Plan(
            self.kind,
            schema,
            functools.partial(_batches, source, maker, skipped, self.threads),
            skipped=skipped,
            total_rows=source.rows,
            total_bytes=source.nbytes,
            metadata={**source.metadata, **({} if table is not None else source.origin)} or None,
            properties={
                "source": source.where,
                "format": source.form,
                "options": self._options(source),
            },
            # Small column buffers stay in the processor's cache; larger ones cost time and memory.
            write_options={"data_cache_bytes": len(schema) << 19},
            limit=source.limit if source.apart else None,
            on_close=source.close,
        )
        if table is not None and names is not None and names != class_names(table):
            plan.schema_metadata_updates = {HF_KEY.decode(): with_names(table, names).decode()}
        return plan

    def _names(
        self, source: Source, table: pa.Schema | None
    ) -> tuple[list[str] | None, list[int] | None]:
        """Return class names of the table and the translation of the source's label ids."""
        old = class_names(table) if table is not None else None
        if not source.labelled:
            return (old if table is not None else self.classes), None
        if source.names is None or (source.guessed and (old or self.classes)):  # bare ids
            return (old or self.classes), list(range(len(old or self.classes or ()))) or None
        if table is not None and old is None and table.get_field_index("label") >= 0:
            raise SchemaMismatch(
                f"the labels of the table are bare numbers, those of {source.where} have names",
                hint="pass label= with a mapping from class to id, or make another table",
            )
        names = merge_names(source.names, existing=old, given=self.classes, ordered=source.ordered)
        return names, translation(source.names, names)

    def _options(self, source: Source) -> dict[str, Any]:
        label = self.label if self.label is None or isinstance(self.label, str) else "custom"
        if label == "folder" and not (source.labelled and source.form in _BY_FOLDER):
            label = None  # the default, which meant nothing here
        options = {
            "label": label,
            "classes": self.classes,
            "image": self.image,
            "annotations": None if self.annotations is None else str(self.annotations),
            "split": self.split,
            "verify": self.verify,
            "reencode": self.reencode,
        }
        return {key: value for key, value in options.items() if value is not None}


def _keep(_name: str, default: bool) -> bool:
    return default


def _batches(
    source: Source, maker: RowMaker, skipped: list[tuple[str, str]], threads: int, tracker: Tracker
) -> Iterator[pa.RecordBatch]:
    rows = 0
    first: tuple[str, Refusal] | None = None
    for item, refusal in source.prepare(tracker) if source.prepare is not None else ():
        if maker.stop:
            raise refusal.raised(item)
        skipped.append((item, refusal.reason))
    if source.watch is not None:
        source.watch(tracker.token)
    work = ordered_map(lambda read: maker.make(read()), source.chunks(), threads)
    try:
        for made in work:
            for item, refusal in made.refused:
                first = first or (item, refusal)
                skipped.append((item, refusal.reason))
            tracker.advance(made.batch.num_rows, made.nbytes)
            if made.batch.num_rows:
                rows += made.batch.num_rows
                yield made.batch
    finally:
        work.close()
    if not rows:
        if first is None:
            raise CorruptInput(f"{source.where} gave no image at all")
        if len(skipped) == 1:
            raise first[1].raised(source.title(first[0]))
        raise CorruptInput(
            f"none of the {len(skipped):,} files in {source.where} is a readable image; "
            f"the first is {os.path.basename(first[0])}: {first[1].reason}",
            hint=first[1].hint,
            details={"skipped": skipped[:100]},
        )
