"""Weights as a stream of batches, and back: bit for bit, tied, checked, a tensor at a time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from lancenb import DataManager
from lancenb.convert.weights import load_tensors, load_weights, save_weights, tensor_index
from lancenb.convert.weights._items import on_device
from lancenb.convert.weights.load import fit_weights, stored_only
from lancenb.convert.weights.stream import (
    choose_names,
    stream_schema,
    tensors_from_batches,
    weights_batches,
)
from lancenb.errors import (
    ChecksumMismatch,
    CorruptInput,
    InvalidArgument,
    LancenbError,
    NotFound,
    SchemaMismatch,
    WeightsMismatch,
)

from .weights.helpers import assert_same, raw


def sent(uri: Any, only: Any = None) -> Iterator[pa.RecordBatch]:
    """The batches as they come out of an Arrow IPC stream on the other side."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, stream_schema(uri)) as writer:
        for batch in weights_batches(uri, only):
            writer.write_batch(batch)
    sink.seek(0)
    yield from pa.ipc.open_stream(sink)


def every_type() -> dict[str, torch.Tensor]:
    """A tensor of every plain element type of this torch, with all sorts of bits in it."""
    state = {}
    bits = torch.randint(0, 256, (48,), dtype=torch.uint8, generator=torch.Generator())
    for name in sorted(vars(torch)):
        kind = getattr(torch, name)
        if not isinstance(kind, torch.dtype) or str(kind) != f"torch.{name}":
            continue
        if name.startswith(("q", "bits")) or kind == torch.bool:
            continue
        try:
            state[name] = bits.clone().view(kind).reshape(2, -1)
        except (RuntimeError, TypeError):
            continue
    state["bool"] = torch.tensor([True, False, True])
    return state


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "m.lance")


def test_every_element_type_comes_out_bit_for_bit(uri: str):
    state = every_type()
    assert len(state) > 20
    assert {"bfloat16", "float8_e4m3fn", "complex64", "uint64"} <= set(state)
    save_weights(state, uri)
    assert_same(state, tensors_from_batches(sent(uri)))
    assert_same(state, tensors_from_batches(sent(uri), copy=True))


def test_scalars_empty_ones_and_odd_bits(uri: str):
    state = {
        "scalar": torch.tensor(7),
        "half": torch.tensor(-0.0, dtype=torch.float16),
        "empty": torch.empty(0, 3),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0]),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "ünïcode.ключ": torch.ones(1),
        "byte": torch.tensor([1], dtype=torch.uint8),
    }
    save_weights(state, uri)
    assert_same(state, tensors_from_batches(sent(uri)))


def test_rows_are_those_of_the_table_in_its_order(uri: str):
    state = {"b": torch.ones(3, dtype=torch.int8), "a": torch.ones(2), "c": torch.zeros(0)}
    save_weights(state, uri, extras={"epoch": 3})
    dataset = DataManager(Path(uri).parent).register("m", "m.lance").dataset()
    table = pa.Table.from_batches(list(sent(dataset)))
    assert table.schema.equals(stream_schema(dataset), check_metadata=True)
    assert table.schema.metadata == dataset.schema.metadata
    columns = [name for name in dataset.schema.names if name != "data"]
    assert table.select(columns).to_pylist() == dataset.to_table(columns=columns).to_pylist()
    payloads = dict(zip(*(table.column(n).to_pylist() for n in ("name", "data")), strict=True))
    assert payloads == {name: raw(tensor) for name, tensor in state.items()}


def test_columns_of_others_travel_too(uri: str):
    save_weights({"a": torch.ones(2), "b": torch.zeros(2)}, uri)
    from lancenb.store import open_table

    open_table(uri).add_columns({"twice": "nbytes * 2"})
    [batch] = sent(uri)
    assert batch.column("twice").to_pylist() == [16, 16]
    assert list(tensors_from_batches([batch])) == ["a", "b"]


def test_versions_of_changed_tensors_come_out_whole(uri: str):
    state = {f"layer{i}": torch.full((100,), float(i)) for i in range(20)}
    state["tied"] = state["layer3"]
    save_weights(state, uri)
    state = {**state, "layer3": torch.ones(100), "layer7": torch.zeros(100)}
    state["tied"] = state["layer3"]
    save_weights(state, uri, mode="overwrite")
    found = tensors_from_batches(sent(uri))
    assert_same(state, found)
    assert found["tied"].data_ptr() == found["layer3"].data_ptr()


@pytest.mark.parametrize("size", [10, 1 << 20])
@pytest.mark.parametrize("copy", [False, True])
def test_tied_tensors_stay_tied(uri: str, size: int, copy: bool):
    weight = torch.randn(size)
    state = {"a": weight, "b": weight, "c": weight.view(2, -1), "d": weight.clone()}
    save_weights(state, uri)
    found = tensors_from_batches(sent(uri), copy=copy)
    assert_same(state, found)
    assert found["a"].data_ptr() == found["b"].data_ptr() == found["c"].data_ptr()
    assert found["d"].data_ptr() != found["a"].data_ptr()
    found["a"][0] = 5
    assert found["c"][0, 0] == 5


def test_the_first_chosen_of_tied_tensors_brings_the_payload(uri: str):
    weight = torch.randn(10)
    state = {"a": weight, "b": weight, "c": weight.view(2, 5), "d": torch.ones(3)}
    save_weights(state, uri)
    batches = list(sent(uri, ["c", "b"]))
    found = tensors_from_batches(batches)
    assert_same({"b": weight, "c": weight.view(2, 5)}, found)
    assert found["b"].data_ptr() == found["c"].data_ptr()
    rows = pa.Table.from_batches(batches).to_pylist()
    assert [(r["name"], r["alias_of"], len(r["data"])) for r in rows] == [
        ("b", None, 40),
        ("c", "b", 0),
    ]
    assert_same({"a": weight}, tensors_from_batches(sent(uri, "a")))


@pytest.mark.parametrize("only", [None, "a.*", ["a.w", "b.?"], "*[wb]", ["b.w", "b.w"]])
def test_patterns_choose_as_in_a_load(uri: str, only: Any):
    state = {f"{m}.{p}": torch.randn(3) for m in "cab" for p in "wbx"}
    save_weights({**state, "tied": state["a.w"]}, uri)
    here = load_tensors(uri, only=only)
    assert choose_names(tensor_index(uri), only) == list(here)
    assert_same(here, tensors_from_batches(sent(uri, only)))
    assert_same(here, tensors_from_batches(sent(uri, choose_names(tensor_index(uri), only))))


@pytest.mark.parametrize("only", ["a.q", ["a.w", "z*"], [3]])
def test_a_pattern_that_fits_nothing_is_told_before_the_first_batch(uri: str, only: Any):
    save_weights({"a.w": torch.ones(1), "a.b": torch.ones(1)}, uri)
    with pytest.raises((NotFound, InvalidArgument)) as loaded:
        load_tensors(uri, only=only)
    with pytest.raises((NotFound, InvalidArgument)) as streamed:
        weights_batches(uri, only)
    with pytest.raises((NotFound, InvalidArgument)) as chosen:
        choose_names(tensor_index(uri), only, uri)
    assert streamed.value.to_dict() == loaded.value.to_dict() == chosen.value.to_dict()


def test_large_tensors_take_over_the_memory_of_their_batch(uri: str):
    state = {"big": torch.randn(1 << 20), "small": torch.randn(10), "also": torch.randn(10)}
    save_weights(state, uri)
    batches = list(sent(uri))
    ends = [b.column("data").buffers()[2] for b in batches]
    spans = [(buffer.address, buffer.address + buffer.size) for buffer in ends]

    def inside(tensor: torch.Tensor) -> bool:
        return any(start <= tensor.data_ptr() < end for start, end in spans)

    found = tensors_from_batches(batches)
    assert [inside(found[name]) for name in state] == [True, False, False]
    copied = tensors_from_batches(batches, copy=True)
    assert not any(inside(tensor) for tensor in copied.values())
    del batches, ends
    for tensor in (*found.values(), *copied.values()):
        tensor.add_(1)
    assert_same({name: tensor + 1 for name, tensor in state.items()}, found)
    assert_same(found, copied)


def test_writing_to_a_streamed_tensor_never_reaches_the_table(uri: str):
    save_weights({"big": torch.zeros(1 << 20)}, uri)
    tensors_from_batches(weights_batches(uri))["big"].fill_(7)
    assert load_tensors(uri)["big"].sum() == 0


def test_batches_hold_eight_megabytes_or_one_tensor(uri: str):
    state = {f"s{i}": torch.randn(100_000) for i in range(60)}
    state |= {"big": torch.randn(4 << 20), **{f"t{i}": torch.ones(1) for i in range(5000)}}
    save_weights(state, uri, mode="create")
    sizes = [(b.num_rows, sum(len(d.as_buffer()) for d in b["data"])) for b in sent(uri)]
    assert sum(rows for rows, _ in sizes) == len(state)
    assert (1, 16 << 20) in sizes
    assert all(size <= 8 << 20 or rows == 1 for rows, size in sizes)
    assert len(sizes) <= 8
    assert_same(state, tensors_from_batches(sent(uri)))


def _changed(uri: str, name: str, new: dict[str, Any]) -> list[pa.RecordBatch]:
    table = pa.Table.from_batches(list(sent(uri)))
    rows = [{**r, **(new if r["name"] == name else {})} for r in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=table.schema).to_batches()


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ({"data": b"\1" * 12}, ChecksumMismatch),
        ({"sha256": "0" * 64}, ChecksumMismatch),
        ({"data": b"\1" * 11}, CorruptInput),
        ({"data": b""}, CorruptInput),
        ({"data": None}, CorruptInput),
        ({"shape": [4]}, CorruptInput),
        ({"name": "b"}, CorruptInput),
        ({"alias_of": "z"}, CorruptInput),
        ({"dtype": "float33"}, CorruptInput),
    ],
)
def test_what_was_damaged_on_the_way_is_refused(
    uri: str, new: dict[str, Any], error: type[LancenbError]
):
    save_weights({"a": torch.ones(3), "b": torch.zeros(5)}, uri)
    with pytest.raises(error):
        tensors_from_batches(_changed(uri, "a", new))


def test_without_hashes_there_is_nothing_to_check(uri: str):
    save_weights({"a": torch.ones(3)}, uri, hash=False)
    found = tensors_from_batches(_changed(uri, "a", {"data": bytes(12)}))
    assert found["a"].tolist() == [0, 0, 0]


def test_what_is_no_weights_is_refused(tmp_path: Path):
    dm = DataManager(tmp_path)
    dm.convert(pa.table({"x": [1]}), "t")
    with pytest.raises(SchemaMismatch):
        weights_batches(dm["t"])
    with pytest.raises(SchemaMismatch, match="no column 'seq'"):
        tensors_from_batches(dm.read("t"))
    save_weights({"a": torch.ones(1)}, tmp_path / "w.lance")
    [batch] = sent(tmp_path / "w.lance")
    odd = batch.set_column(batch.schema.names.index("data"), "data", pa.array([1]))
    with pytest.raises(SchemaMismatch, match="not binary"):
        tensors_from_batches([odd])
    with pytest.raises(SchemaMismatch, match="'table'"):
        tensors_from_batches([], dm["t"].schema.metadata)
    assert tensors_from_batches([], {b"lancenb.kind": b"weights"}) == {}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"strip": "auto"},
        {"strip": "model.", "only": "model.*"},
        {"strip": ["model."], "strict": "backbone", "only": "model.*"},
        {"strict": "loose"},
        {"strict": "exact"},
        {"strict": "odd"},
        {"only": "nothing"},
        {"into": None, "only": "*.bias"},
        {"into": None, "strip": ["model.first.", "model.head."]},
    ],
    ids=str,
)
def test_a_streamed_load_ends_as_a_local_one(uri: str, options: dict[str, Any]):
    checkpoint = {"model": Net().state_dict(), "epoch": 3}
    save_weights(checkpoint, uri)
    torch.manual_seed(0)

    def streamed(into: Any = None, only: Any = None, **rest: Any) -> Any:
        metadata = stream_schema(uri).metadata
        chosen = stored_only(metadata, only, rest.get("strip", ()))
        state = tensors_from_batches(sent(uri, chosen), metadata)
        return fit_weights(state, metadata, into, uri=uri, version=1, **rest)

    outcomes: list[Any] = []
    for load in (lambda **o: load_weights(uri, **o), streamed):
        net = Net()
        for parameter in net.parameters():
            torch.nn.init.zeros_(parameter)
        try:
            done = load(**{"into": net, **options})
        except LancenbError as error:
            outcomes.append((error.to_dict(), [p.sum().item() for p in net.parameters()]))
        else:
            facts = {k: v for k, v in vars(done).items() if k != "state_dict"}
            outcomes.append((facts, [p.sum().item() for p in net.parameters()]))
            outcomes[-1] += ({n: raw(t) for n, t in done.state_dict.items()},)
    assert outcomes[0] == outcomes[1]


def test_a_module_that_does_not_fit_stays_as_it_was():
    net = torch.nn.Linear(2, 2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(WeightsMismatch):
        fit_weights({"weight": torch.ones(2, 2)}, {}, net)
    assert_same(before, dict(net.state_dict()))


def test_tensors_go_to_a_device_tied():
    weight = torch.randn(4)
    state = {"a": weight, "b": weight.view(2, 2), "c": torch.ones(2), "d": torch.empty(0)}
    moved = on_device(state, "meta")
    assert {t.device.type for t in moved.values()} == {"meta"}
    assert [tuple(t.shape) for t in moved.values()] == [(4,), (2, 2), (2,), (0,)]
    assert moved["a"].untyped_storage()._cdata == moved["b"].untyped_storage()._cdata
    assert moved["a"].untyped_storage()._cdata != moved["c"].untyped_storage()._cdata
    assert fit_weights(state, {}, device="meta").state_dict["b"].device.type == "meta"


_MEASURED = """
import sys
from lancenb.convert.weights import tensor_index
from lancenb.convert.weights.stream import weights_batches
from lancenb.convert.weights import _payloads, stream

if sys.argv[2] == "read":  # as from an object store
    _payloads.local_blob_files = lambda dataset: None

def resident():
    facts = open("/proc/self/status").read().split()
    return int(facts[facts.index("RssAnon:") + 1]) >> 10

next(weights_batches(sys.argv[1], "small")), tensor_index(sys.argv[1])
before, peak, read = resident(), 0, 0
for batch in weights_batches(sys.argv[1]):
    read += batch.nbytes
    peak = max(peak, resident())
print(read >> 20, peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read as Linux tells it")
@pytest.mark.parametrize("way", ["map", "read"])
def test_one_tensor_is_held_at_a_time(uri: str, way: str):
    save_weights(
        {"small": torch.ones(1), **{f"t{i}": torch.randn(5 << 20) for i in range(12)}}, uri
    )
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, uri, way],
        capture_output=True,
        text=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
    )
    assert done.returncode == 0, done.stderr
    read, grown = map(int, done.stdout.split())
    assert read == 240
    assert grown < 140  # of 240
