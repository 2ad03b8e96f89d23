"""Tables, pictures and tensors with everything in them that could get lost on a wire."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

PARIS = ZoneInfo("Europe/Paris")
MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999999)
TEXTS = ["o'x; -- \"", "\u00e9 \N{PILE OF POO} \u202e", None, ""]


def points(start: int = 0, count: int = 5) -> pa.Table:
    """``id``, ``x`` and ``name`` of rows numbered from ``start``."""
    ids = list(range(start, start + count))
    return pa.table({"id": ids, "x": [i * 0.5 for i in ids], "name": [f"row-{i}" for i in ids]})


def everything() -> pa.Table:
    """Four rows with a column of every type, nulls among the values."""
    inf, nan = float("inf"), float("nan")
    pair = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])
    columns: dict[str, pa.Array] = {
        "id": pa.array([1, 2, 3, 4]),
        "i8": pa.array([-128, 127, None, 0], pa.int8()),
        "u64": pa.array([2**64 - 1, 0, None, 2**63], pa.uint64()),
        "i64": pa.array([-(2**63), 2**63 - 1, None, 2**53 + 1], pa.int64()),
        "f16": pa.array([np.float16(0.5), np.float16(nan), None, np.float16(-0.0)], pa.float16()),
        "f32": pa.array([1 / 3, inf, None, nan], pa.float32()),
        "f64": pa.array([5e-324, -inf, None, nan]),
        "flag": pa.array([True, False, None, True]),
        "text": pa.array(TEXTS),
        "long": pa.array(TEXTS, pa.large_string()),
        "raw": pa.array([b"\x00\xff", b"", None, b"'"]),
        "six": pa.array([b"123456", b"\x00" * 6, None, b"abcdef"], pa.binary(6)),
        "day": pa.array([date(1969, 12, 31), date(9999, 12, 31), None, date(1, 1, 1)]),
        "clock": pa.array([time(23, 59, 59, 999999), time(), None, time(1)], pa.time64("us")),
        "span": pa.array([timedelta(days=-1), timedelta(), None, timedelta(1)], pa.duration("us")),
        "at": pa.array([MOMENT, datetime(1900, 1, 1), None, MOMENT], pa.timestamp("us")),
        "nano": pa.array([1, -1, None, 2**62], pa.timestamp("ns")),
        "zoned": pa.array([MOMENT.replace(tzinfo=UTC), None, None, MOMENT.replace(tzinfo=PARIS)],
                          pa.timestamp("us", "Europe/Paris")),
        "money": pa.array([Decimal("12345678901234567890.01"), Decimal("-0.01"), None, Decimal()],
                          pa.decimal128(38, 2)),
        "words": pa.array(["cat", "dog", None, "cat"]).dictionary_encode(),
        "ints": pa.array([[1, None], [], None, [2**40]], pa.list_(pa.int64())),
        "vector": pa.array([[0.5, nan, inf]] * 2 + [None, [1, 2, 3]], pa.list_(pa.float32(), 3)),
        "pair": pa.array([{"a": 1, "b": ["x", None]}, {"a": None, "b": []}, None,
                          {"a": 3, "b": None}], pair),
        "pairs": pa.array([[{"a": 1, "b": ["\N{PILE OF POO}"]}], [], None, [None]],
                          pa.list_(pair)),
    }  # fmt: skip
    return pa.table(columns)


def picture(colour: int = 0, size: int = 8) -> bytes:
    """A PNG of one colour."""
    from PIL import Image

    target = io.BytesIO()
    Image.new("RGB", (size, size), (colour, 255 - colour, 7)).save(target, "PNG")
    return target.getvalue()


def picture_folder(root: Path, *classes: str, count: int = 2) -> Path:
    """A folder of pictures with a folder per class."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            (root / name / f"{index}.png").write_bytes(picture(number * 60 + index))
    return root


def state() -> dict[str, Any]:
    """Tensors of all sorts: tied, empty, without dimensions, in short floats, not contiguous."""
    import torch

    torch.manual_seed(7)
    shared = torch.randn(4, 3)
    return {
        "tied.a": shared,
        "tied.b": shared,
        "half": torch.randn(2, 2).to(torch.bfloat16),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 4),
        "count": torch.tensor([2**62, -1]),
        "mask": torch.tensor([True, False]),
        "turned": torch.arange(6.0).reshape(2, 3).t(),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
    }
