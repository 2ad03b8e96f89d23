"""``mistakes``: the surest wrong answers of an evaluation, as pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ... import _hooks
from ...data.dataset import LanceTorchDataset
from ...errors import EmptyInput, InvalidArgument, LancenbError
from ...store import lance_module
from .._evaluation import Evaluation
from .._inputs import as_dataset
from ._pictures import as_batch, shown
from ._shown import Look, Tile

#: Longest side of a picture that goes to the live gallery, in pixels.
_SIDE = 512
_numbers = count(1)


@dataclass(repr=False)
class Mistakes(Look):
    """Wrong answers and their pictures, the surest first.

    Attributes:
        table: the rows of :attr:`lancenb.train.Evaluation.mistakes` that are shown.
        pictures: uint8 ``(h, w, 3)`` of each; None where a picture cannot be read.
        wrong: wrong answers between the classes asked for.
        rows: rows of the evaluation.
        class_names: names in id order.
        among: wrong answers in all, of every kind.
        asked: the kind asked for, in words; empty for all.
    """

    table: pa.Table
    pictures: list[np.ndarray | None]
    wrong: int
    rows: int
    class_names: list[str]
    among: int = 0
    asked: str = ""

    _across = 6

    def live(self) -> Any:
        """A :class:`lancenb.Gallery` of them: filter by class or by any condition, select, enlarge.

        Its table has ``image, label, predicted, probability, loss, row`` and lives in memory.

        Raises:
            EmptyInput: there is nothing to show.
        """
        readable = [i for i, picture in enumerate(self.pictures) if picture is not None]
        if not readable:
            raise EmptyInput("there are no pictures of mistakes to show")
        return _hooks.call("preview", self._in_memory(readable), live=True)

    def _in_memory(self, readable: list[int]) -> Any:
        kept = self.table.take(readable)
        cells = [_png(self.pictures[i]) for i in readable]
        features = {
            "image": {"_type": "Image"},
            "label": {"_type": "ClassLabel", "names": self.class_names},
        }
        schema = {
            b"huggingface": json.dumps({"info": {"features": features}}).encode(),
            b"lancenb.kind": b"images",
        }
        table = pa.table(
            {
                "image": pa.array(cells, pa.binary()),
                **{n: kept[n] for n in ("label", "predicted", "probability", "loss", "row")},
            }
        ).replace_schema_metadata(schema)
        uri = f"memory://look-{next(_numbers)}/mistakes.lance"
        return lance_module().write_dataset(table, uri, data_storage_version="2.2")

    def __repr__(self) -> str:
        if self.wrong or not self.among:
            return super().__repr__()
        return f"<{self._headline()}: {self._facts()}>"

    def _headline(self) -> str:
        if self.wrong:
            return "Mistakes"
        return "No such mistakes" if self.among else "No mistakes"

    def _facts(self) -> str:
        if not self.wrong and self.among:
            return f"none of the {self.among:,} is {self.asked}"
        if not self.wrong:
            return f"all {self.rows:,} rows are right"
        few = len(self.pictures) < self.wrong
        which = f"the {len(self.pictures):,} surest of " if few else ""
        return f"{which}{self.wrong:,} in {self.rows:,} rows"

    def _tiles(self) -> Sequence[Tile]:
        return [
            _tile(item, picture)
            for item, picture in zip(self.table.to_pylist(), self.pictures, strict=True)
        ]


def _tile(item: dict[str, Any], picture: np.ndarray | None) -> Tile:
    said = f"{item['predicted']} {item['probability']:.1%}"
    words = f"row {item['row']}: labelled {item['true']}, taken for {said}"
    if picture is None:
        words = f"row {item['row']} cannot be read"
    return Tile(picture, f"{said}\nlabel: {item['true']}\nrow {item['row']:,}", words)


def mistakes(
    evaluation: Evaluation,
    data: Any = None,
    n: int = 24,
    *,
    true: str | None = None,
    predicted: str | None = None,
    manager: Any = None,
    live: bool = False,
) -> Any:
    """The surest wrong answers of an evaluation, as pictures.

    Args:
        evaluation: what :func:`lancenb.evaluate` returned.
        data: the data set it was made on (name, artefact, URI or data set); default: the very one.
        n: pictures, at most as many as the evaluation keeps (``evaluate(..., mistakes=100)``).
        true: only pictures of this class.
        predicted: only pictures taken for this class.
        manager: catalogue for a name.
        live: a :class:`lancenb.Gallery` to filter, select and enlarge in, instead of a picture.

    Returns:
        :class:`Mistakes`, which a notebook draws; with ``live``, the gallery.

    Raises:
        InvalidArgument: other data than the evaluation's, an unknown class, or an evaluation that
            kept no mistakes.
        EmptyInput: ``live``, and there are none.

    >>> found = lnb.evaluate(model, "cifar10-test", manager=dm)  # doctest: +SKIP
    >>> mistakes(found, n=12, true="cat")  # doctest: +SKIP
    <Mistakes, the 12 surest of 431 in 10,000 rows>
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InvalidArgument(f"n must be a whole number >= 1, not {n!r}")
    if evaluation.wrong and not evaluation.mistakes.num_rows:
        raise InvalidArgument(
            "the evaluation kept none of its mistakes", hint="evaluate(..., mistakes=100)"
        )
    table = evaluation.mistakes
    for column, name in (("true", true), ("predicted", predicted)):
        if name is None:
            continue
        if name not in evaluation.class_names:
            known = ", ".join(evaluation.class_names[:12])
            raise InvalidArgument(f"there is no class {name!r}", hint=f"there is {known}")
        table = table.filter(pc.field(column) == name)
    table = table.slice(0, n)
    dataset = _dataset(evaluation, data, manager) if table.num_rows else None
    found = Mistakes(
        table,
        _pictures(dataset, table["row"].to_pylist()),
        _wrong(evaluation, true, predicted),
        evaluation.rows,
        evaluation.class_names,
        evaluation.wrong,
        _asked(true, predicted),
    )
    return found.live() if live else found


def _asked(true: str | None, predicted: str | None) -> str:
    """The kind of mistake asked for, in words."""
    claim = "" if predicted is None else f"taken for {predicted}"
    return " ".join(part for part in (true, claim) if part)


def _wrong(evaluation: Evaluation, true: str | None, predicted: str | None) -> int:
    """Number of wrong answers between the classes asked for."""
    counts = evaluation.confusion.copy()
    np.fill_diagonal(counts, 0)
    names = evaluation.class_names
    rows = slice(None) if true is None else names.index(true)
    columns = slice(None) if predicted is None else names.index(predicted)
    return int(counts[rows, columns].sum())


def _dataset(evaluation: Evaluation, data: Any, manager: Any) -> Any:
    """The data that was evaluated, at the version that was evaluated."""
    if data is None:
        data = evaluation.source
    if data is None:
        raise InvalidArgument(
            "the evaluation does not hold its data any more",
            hint="look.mistakes(evaluation, 'cifar10-test', manager=dm)",
        )
    name, version = evaluation.data or (None, None)
    given = isinstance(data, LanceTorchDataset)
    dataset = as_dataset(data, manager, version=None if given else version)
    own = (getattr(dataset, "name", None), getattr(dataset, "version", None))
    if version is not None and own != (name, version):
        raise InvalidArgument(
            f"the evaluation is of {name} version {version}, the data is {own[0]} version {own[1]}",
            hint="give the data set that was evaluated, or leave it out",
        )
    return dataset


def _pictures(dataset: Any, rows: list[int]) -> list[np.ndarray | None]:
    if not isinstance(dataset, LanceTorchDataset):
        return [_picture(dataset[row]) if row >= 0 else None for row in rows]
    numbers = dataset.rows
    places = {row: row for row in rows}
    if numbers is not None:
        where = {int(row): place for place, row in enumerate(numbers)}
        places = {row: where[row] for row in rows if row in where}
    if len(places) < len(set(rows)):
        raise InvalidArgument(
            "the data has not all rows of the evaluation", hint="give it without the filter"
        )
    plain = dataset.with_transform(None)
    return [_fetched(plain, places[row]) for row in rows]


def _fetched(dataset: LanceTorchDataset, place: int) -> np.ndarray | None:
    try:
        found = dataset.fetch([place])
    except LancenbError:  # the others are still worth a look
        return None
    return _picture(found[0][dataset.plan.image_key]) if found else None


def _picture(sample: Any) -> np.ndarray:
    """The picture of a sample: itself, the first of a pair, or the entry ``image``."""
    if isinstance(sample, dict):
        sample = sample["image"]
    elif isinstance(sample, tuple | list):
        sample = sample[0]
    return shown(as_batch(sample))[0]


def _png(pixels: np.ndarray | None) -> bytes:
    from PIL import Image

    picture = Image.fromarray(np.asarray(pixels))
    picture.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
