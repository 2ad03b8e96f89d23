"""Parquet files and ``datasets`` objects, one part for each file or split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.convert._datasets import DatasetRows
from lancenb.convert._folder import hidden, walk
from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound

from ._layout import SPLIT_ORDER, SPLITS
from ._listing import natural_key
from ._schema import features_of
from ._source import Source
from ._tables import Part, table_source

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import CancelToken

PARQUET = (".parquet", ".pq")
_SHARD = re.compile(r"^(.+?)-\d{4,}-of-\d{4,}")
_SPLIT_WORD = re.compile(
    rf"(?:^|[-._ /0-9])({'|'.join(sorted(SPLITS, key=len, reverse=True))})(?=$|[-._ /0-9])"
)


def split_of(name: str) -> str | None:
    """Return the split a file of a dataset folder belongs to, by its relative path.

    >>> split_of("data/train-00000-of-00002.parquet"), split_of("plain_text/val/0000.parquet")
    ('train', 'validation')
    >>> split_of("data/unsupervised-00000-of-00001.parquet"), split_of("everything.parquet")
    ('unsupervised', None)
    """
    stem = name.rpartition("/")[2]
    shard = _SHARD.match(stem)
    if shard:
        return SPLITS.get(shard[1].lower(), shard[1])
    found = _SPLIT_WORD.search(name.rsplit(".", 1)[0].lower())
    return SPLITS[found[1]] if found else None


def parquet_files(folder: str) -> list[str]:
    """Return the Parquet files below a folder, hidden ones left out."""
    return [
        entry.path
        for _, entry in walk(folder)
        if entry.name.lower().endswith(PARQUET) and not hidden(entry.name)
    ]


def parquet_source(
    paths: Sequence[str], where: str, base: str, *, image: str | None, label: Any, split: str | None
) -> Source:
    """Make a source of Parquet files with an image column; splits come from file names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    named = [(os.path.relpath(p, base).replace(os.sep, "/"), p) for p in paths]
    splits = {name: split_of(name) for name, _ in named}
    named = pick_split(named, [splits[n] for n, _ in named], split, where)
    named.sort(key=lambda n: (SPLIT_ORDER.get(splits[n[0]] or "", 9), natural_key(n[0])))
    parts = []
    for name, path in named:
        try:
            with pq.ParquetFile(path) as file:
                meta, schema = file.metadata, file.schema_arrow
                groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
        except (pa.ArrowException, OSError, ValueError) as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CorruptInput(
                f"{path} is not a readable Parquet file: {text}", hint="fetch the file again"
            ) from None
        nbytes = sum(g.total_byte_size for g in groups)
        batches, root = _parquet_batches(path), os.path.abspath(base)
        parts.append(Part(path, splits[name], schema, meta.num_rows, batches, nbytes, root=root))
    features = features_of(parts[0].schema) or card_features(base)
    return table_source("parquet", where, parts, features, image=image, label=label)


def _parquet_batches(path: str) -> Any:
    def batches(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        # pre_buffer would read whole row groups ahead, an unbuffered stream whole column chunks.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield from file.iter_batches(rows, columns=list(columns), use_threads=False)

    return batches


def pick_split(
    items: list[Any], splits: Sequence[str | None], split: str | None, where: str
) -> Any:
    """Return the items of one split, all when ``split`` is ``None``."""
    if split is None:
        return list(items)
    wanted = SPLITS.get(split.lower(), split)
    chosen = [i for i, s in zip(items, splits, strict=True) if s in (split, wanted)]
    if not chosen:
        known = sorted({s for s in splits if s})
        raise SourceNotFound(
            f"{where} has no split {split!r}",
            hint=f"it has: {', '.join(known)}" if known else "it has no splits",
        )
    return chosen


def card_features(folder: str) -> dict[str, Any]:
    """Return the features a dataset card (``README.md``) declares: images and class labels."""
    path = os.path.join(folder, "README.md")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(1 << 20)
    except (OSError, UnicodeDecodeError):
        return {}
    match = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    if not match:
        return {}
    try:
        import yaml

        info = yaml.safe_load(match[1]).get("dataset_info") or {}
        info = info[0] if isinstance(info, list) else info
        declared = info.get("features") or []
        out: dict[str, Any] = {}
        for feature in declared:
            kind = feature.get("dtype")
            if kind == "image":
                out[feature["name"]] = {"_type": "Image"}
            elif isinstance(kind, Mapping) and "class_label" in kind:
                out[feature["name"]] = {"_type": "ClassLabel", **kind["class_label"]}
    except Exception:  # a card is prose: nothing in it may stop the data
        return {}
    return out


def dataset_source(
    source: Any,
    where: str,
    *,
    image: str | None,
    label: Any,
    split: str | None,
    root: str | None = None,
) -> Source:
    """Make a source of a ``Dataset``, ``IterableDataset`` or a dictionary of them.

    Rows come in the order the dataset shows them: ``shuffle``, ``select`` and ``filter`` count.
    Of one that came from a folder on disk (``root``) only files in that folder are read.
    """
    if isinstance(source, Mapping):
        named: list[tuple[str | None, Any]] = [(str(k), v) for k, v in source.items()]
        named = pick_split(named, [k for k, _ in named], split, where)
        if not named:
            raise EmptyInput(f"{where} has no splits")
    else:
        name = str(source.split) if getattr(source, "split", None) is not None else None
        named = pick_split([(name, source)], [name], split, where)
    every = [
        (name, DatasetRows(dataset, where if name is None else f"{where} [{name}]", root))
        for name, dataset in named
    ]
    parts = [_dataset_part(rows, name) for name, rows in every]
    features = every[0][1].features.to_dict()
    made = table_source("dataset", where, parts, features, image=image, label=label)

    def watch(cancel: CancelToken | None) -> None:
        for _, rows in every:
            rows.cancel = cancel

    made.watch = watch
    return made


def _dataset_part(rows: DatasetRows, split: str | None) -> Part:
    def batches(columns: Sequence[str], count: int) -> Iterator[pa.RecordBatch]:
        # the first column is that of the pictures, whose missing files are refused row by row
        return rows.batches(columns, count, leave=columns[:1])

    return Part(
        rows.where, split, rows.schema, rows.rows, batches, rows.nbytes, rows.streams, rows.root
    )
