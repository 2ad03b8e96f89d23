"""Data sets that lancenb draws itself: no network, equal on every machine, learnable.

* ``images``: ten coloured shapes (circle, star, stripes, ...) at random size, place and angle on
  noisy grounds, 32 x 32 by default; hue gives half of the class away, shape the rest.
* ``text``: short sentences on four topics.
* ``table``: measurements with a group and a target that depends on them.

Any row is a pure function of (seed, split, index). Splits draw from different streams.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgument, SourceNotFound
from ..progress import CancelToken, Tracker
from . import _shapes
from ._classes import CLASSES
from ._dice import Dice
from ._files import disk_errors
from ._kept import keep
from ._parquet import write_parquet
from .arrow import check_rows
from .cache import Cache
from .result import Download

if TYPE_CHECKING:
    import pyarrow as pa

TOPICS = ("food", "music", "sport", "weather")
SPLITS = {"train": 5000, "test": 1000, "validation": 1000}
#: What can be drawn.
SETS = ("images", "text", "table")
#: Raised when the drawings change, so that caches and lineage tell them apart.
GENERATION = 1
_BATCH = 250
_SUBJECTS = ("The visitor", "My neighbour", "The report", "Everybody", "The old guide", "She")
_VERBS = ("talked about", "enjoyed", "could not forget", "wrote about", "waited for", "liked")
_THINGS = {
    "food": ("the bread", "a soup", "fresh noodles", "the kitchen", "ripe fruit", "the recipe"),
    "music": ("a melody", "the violin", "the concert", "a drum", "the choir", "an old song"),
    "sport": ("the match", "a goal", "the race", "the team", "a record jump", "the final"),
    "weather": ("the rain", "a storm", "the sunshine", "thick fog", "the snow", "a warm wind"),
}
_PLACES = ("in the evening", "on Monday", "near the river", "with friends", "again", "at last")


def images(
    split: str, start: int, stop: int, *, seed: int = 0, size: int = 32
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, Any]]:
    """Draw rows ``start .. stop-1``.

    Args:
        split: ``train``, ``test`` or ``validation``.
        start: first row.
        stop: one past the last row.
        seed: another seed is another data set.
        size: width and height in pixels, 8 to 512.

    Returns:
        Pixels ``[n, size, size, 3]`` uint8 and labels ``[n]`` int64 (indices into ``CLASSES``).

    >>> pixels, labels = images("train", 0, 20)
    >>> pixels.shape, sorted(labels.tolist()) == sorted([*range(10)] * 2)
    ((20, 32, 32, 3), True)
    """
    _check(split, seed)
    if not 8 <= size <= 512:
        raise InvalidArgument(f"size={size} is not between 8 and 512 pixels", hint="size=32")
    if not 0 <= start <= stop:
        raise InvalidArgument(f"rows {start} to {stop} do not exist", hint="0 <= start <= stop")
    pixels, labels = _shapes.draw(seed, _split_number(split), start, stop, size)
    return pixels, labels.astype(np.int64)


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Encode one image ``[h, w, 3]`` uint8 as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def image_schema() -> pa.Schema:
    """Return the schema of the image set: ``image`` (bytes, path) and ``label`` with its names."""
    import pyarrow as pa

    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return _described(
        pa.schema([("image", struct), ("label", pa.int64())]),
        {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}},
    )


def image_tables(split: str, count: int, *, seed: int = 0, size: int = 32) -> Iterator[pa.Table]:
    """Draw ``count`` rows as tables of :func:`image_schema`."""
    import pyarrow as pa

    schema = image_schema()
    for start in range(0, count, _BATCH):
        pixels, labels = images(split, start, min(count, start + _BATCH), seed=seed, size=size)
        cells = [
            {"bytes": png(picture), "path": f"{split}-{start + i:06d}.png"}
            for i, picture in enumerate(pixels)
        ]
        yield pa.table({"image": pa.array(cells, schema.field(0).type), "label": labels}, schema)


def write_folder(
    folder: Path | str, split: str, count: int, *, seed: int = 0, size: int = 32,
    tracker: Tracker | None = None,
) -> int:  # fmt: skip
    """Write ``count`` images as ``folder/<class>/<split>-000000.png``; return the bytes."""
    folder, total = Path(folder), 0
    tracker = tracker or Tracker()
    with disk_errors(folder):
        for name in CLASSES:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for start in range(0, count, _BATCH):
            pixels, labels = images(split, start, min(count, start + _BATCH), seed=seed, size=size)
            for i, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
                path = folder / CLASSES[label] / f"{split}-{start + i:06d}.png"
                total += path.write_bytes(png(picture))
            tracker.advance(len(labels))
    return total


def text_tables(split: str, count: int, *, seed: int = 0) -> Iterator[pa.Table]:
    """Yield sentences: ``text`` and ``label`` (index into ``TOPICS``)."""
    import pyarrow as pa

    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": list(TOPICS), "_type": "ClassLabel"},
    }
    schema = _described(pa.schema([("text", pa.string()), ("label", pa.int64())]), features)
    for start in range(0, count, 1000):
        dice = Dice(seed, _split_number(split) + 200, start, min(count, start + 1000))
        topics = dice.below(0, len(TOPICS))
        picks = np.stack([dice.below(1 + i, 6) for i in range(4)], axis=1).tolist()
        texts = [
            f"{_SUBJECTS[a]} {_VERBS[b]} {_THINGS[TOPICS[topic]][c]} {_PLACES[d]}."
            for topic, (a, b, c, d) in zip(topics.tolist(), picks, strict=True)
        ]
        yield pa.table({"text": texts, "label": topics}, schema)


def table_tables(split: str, count: int, *, seed: int = 0) -> Iterator[pa.Table]:
    """Yield rows ``id, height, width, weight, group, target`` (target: heavy for its area)."""
    import pyarrow as pa

    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("height", pa.float64()),
            ("width", pa.float64()),
            ("weight", pa.float64()),
            ("group", pa.string()),
            ("target", pa.int64()),
        ]
    )
    for start in range(0, count, 1000):
        stop = min(count, start + 1000)
        dice = Dice(seed, _split_number(split) + 300, start, stop)
        height, width = dice.between(0, 100, 999), dice.between(1, 100, 999)
        weight = height * width // 100 + dice.between(2, -1500, 1500)
        group = [("north", "east", "south", "west")[i] for i in dice.below(3, 4).tolist()]
        columns = [
            np.arange(start, stop), height / 10, width / 10, weight / 10, group,
            (weight > height * width // 100).astype(np.int64),
        ]  # fmt: skip
        yield pa.table(dict(zip(schema.names, columns, strict=True)), schema)


def synthetic_dataset(
    name: str = "images",
    *,
    split: str | None = None,
    limit: int | None = None,
    mode: str = "arrow",
    seed: int = 0,
    size: int = 32,
    to: Path | None = None,
    force: bool = False,
    cache: Cache,
    tracker: Tracker,
    cancel: CancelToken | None = None,
) -> Download:
    """Make one split and keep it in the cache.

    Args:
        name: ``images``, ``text`` or ``table``.
        split: default ``train``.
        limit: rows; default all of the split (5,000 train, 1,000 test and validation); more
            than that is possible.
        mode: ``arrow`` gives Parquet, ``repo`` (images only) a folder per class with PNG files.
        seed: another seed is another data set.
        size: pixels per side of an image.
        to: copy the folder here.
        force: draw again.
        cache: where to keep it.
        tracker: progress, in rows.
        cancel: stops it.
    """
    split = split or "train"
    check_rows(split, limit)
    _check(split, seed)
    makers: dict[str, Callable[[int], Iterator[pa.Table]]] = {
        "images": lambda count: image_tables(split, count, seed=seed, size=size),
        "text": lambda count: text_tables(split, count, seed=seed),
        "table": lambda count: table_tables(split, count, seed=seed),
    }
    if name not in makers:
        raise SourceNotFound(
            f"there is no synthetic dataset {name!r}", hint=f"one of {', '.join(makers)}"
        )
    if mode == "repo" and name != "images":
        raise InvalidArgument(f"synthetic:{name} has no files of its own", hint="mode='arrow'")
    count = limit or SPLITS[split]
    key = key_of(name, split, limit, mode=mode, seed=seed, size=size)

    def build(path: Path) -> dict[str, Any]:
        tracker.enter("draw", f"synthetic:{name} {split}")
        tracker.total_rows = count
        if mode == "repo":
            write_folder(path, split, count, seed=seed, size=size, tracker=tracker)
        else:
            tables = makers[name](count)
            first = next(tables)
            write_parquet(path, first.schema, _chain(first, tables), tracker)
        facts = {"source": f"synthetic:{name}", "generation": GENERATION, "seed": seed}
        if name == "images":
            facts["size"] = size
        return {**facts, "split": split, "limit": limit, "rows": count, "license": "CC0-1.0"}

    return keep(cache, "synthetic", key, split, build, to=to, force=force, cancel=cancel)


def key_of(
    name: str, split: str, limit: int | None, *, mode: str = "arrow", seed: int = 0, size: int = 32
) -> str:
    """Return the name under which :func:`synthetic_dataset` keeps these rows.

    >>> key_of("text", "test", 20)
    'text-test-20-seed0-arrow-g1'
    """
    sized = f"-{size}px" if name == "images" else ""
    count = limit or SPLITS[split]
    return f"{name}{sized}-{split}-{count}-seed{seed}-{mode}-g{GENERATION}"


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _described(schema: pa.Schema, features: dict[str, Any]) -> pa.Schema:
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _split_number(split: str) -> int:
    return list(SPLITS).index(split)


def _check(split: str, seed: int) -> None:
    if split not in SPLITS:
        raise SourceNotFound(
            f"the synthetic datasets have no split {split!r}", hint=f"one of {', '.join(SPLITS)}"
        )
    if not 0 <= seed < 1 << 63:
        raise InvalidArgument(f"seed={seed} is not between 0 and 2**63", hint="seed=0")
