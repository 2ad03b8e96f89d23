"""The same rows in the format of each peer, as its documentation shows it."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.benchmarks._peers_cells import load

SHARDS = 8


def write_files(source: Path, out: Path) -> None:
    """One file per row, in a folder of its own: ImageFolder gives its row number as label."""
    for cell, label in zip(*load(source, "files"), strict=True):
        kind = "png" if cell[:1] == b"\x89" else "jpg"
        path = out / f"{label:06d}" / f"{label:06d}.{kind}"
        path.parent.mkdir(parents=True)
        path.write_bytes(cell)


def write_lance(source: Path, out: Path) -> None:
    """The table that lancenb makes of a folder of pictures."""
    import lancenb as lnb

    files = out.parent / f"{out.name}-files"
    write_files(source, files)
    lnb.convert(str(files), str(out / "t.lance"))
    shutil.rmtree(files)


def write_lance_raw(source: Path, out: Path) -> None:
    """Raw pixels as a fixed-size list."""
    import lance

    truth = np.load(source / "truth.npy")
    width = int(np.prod(truth.shape[1:]))
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(truth.reshape(-1)), width)
    table = pa.table({"image": pixels, "label": pa.array(range(len(truth)))})
    lance.write_dataset(table, str(out / "t.lance"), data_storage_version="2.1")


def write_lance_cells(source: Path, out: Path) -> None:
    """Bytes and label, not compressed once more."""
    import lance

    cells, labels = load(source)
    kind = pa.field("cell", pa.large_binary(), metadata={"lance-encoding:compression": "none"})
    schema = pa.schema([kind, pa.field("label", pa.int64())])
    table = pa.table({"cell": pa.array(cells, pa.large_binary()), "label": labels}, schema=schema)
    lance.write_dataset(table, str(out / "t.lance"), data_storage_version="2.1")


def write_mds(source: Path, out: Path, cells: str = "cells") -> None:
    """MosaicML's shards."""
    from streaming import MDSWriter

    with MDSWriter(out=str(out), columns={"cell": "bytes", "label": "int"}) as sink:
        for cell, label in zip(*load(source, cells), strict=True):
            sink.write({"cell": cell, "label": label})


def write_wds(source: Path, out: Path, name: str = "cells") -> None:
    """WebDataset's tar files: the rows in turns over the shards, so that all are of one size."""
    import webdataset as wds

    out.mkdir()
    cells, labels = load(source, name)
    for shard in range(SHARDS):
        with wds.TarWriter(str(out / f"{shard:03d}.tar")) as sink:
            for row in range(shard, len(cells), SHARDS):
                sink.write({"__key__": f"{row:08d}", "cell": cells[row], "cls": labels[row]})


def _row(row: tuple[bytes, int]) -> dict[str, Any]:
    return {"cell": row[0], "label": row[1]}


def write_litdata(source: Path, out: Path, cells: str = "cells") -> None:
    """litdata's chunks."""
    import litdata

    rows = list(zip(*load(source, cells), strict=True))
    litdata.optimize(_row, rows, str(out), chunk_bytes="16MB", num_workers=1, verbose=False)
    assert json.loads((out / "index.json").read_text())["chunks"]


def write_hf(source: Path, out: Path) -> None:
    """Hugging Face's Arrow files, bytes and label."""
    from datasets import Dataset

    cells, labels = load(source)
    Dataset.from_dict({"cell": cells, "label": labels}).save_to_disk(str(out))


def write_hf_array(source: Path, out: Path) -> None:
    """Hugging Face's Arrow files with pixels as an array."""
    from datasets import Array3D, Dataset, Features, Value

    truth = np.load(source / "truth.npy")
    features = Features(
        {"image": Array3D(tuple(truth.shape[1:]), "uint8"), "label": Value("int64")}
    )
    made = Dataset.from_dict({"image": list(truth), "label": range(len(truth))}, features)
    made.save_to_disk(str(out))


WRITERS = {
    "files": (write_files, ""),
    "lance": (write_lance, ""),
    "lance_raw": (write_lance_raw, ""),
    "lance_cells": (write_lance_cells, ""),
    "mds": (write_mds, "streaming"),
    "wds": (write_wds, "webdataset"),
    "litdata": (write_litdata, "litdata"),
    "mds_png": (partial(write_mds, cells="files"), "streaming"),
    "wds_png": (partial(write_wds, name="files"), "webdataset"),
    "litdata_png": (partial(write_litdata, cells="files"), "litdata"),
    "hf": (write_hf, ""),
    "hf_array": (write_hf_array, ""),
}
