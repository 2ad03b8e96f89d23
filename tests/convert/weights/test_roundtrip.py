"""Every kind of tensor comes back bit for bit."""

from __future__ import annotations

import math
import warnings

import lance
import pytest
import torch

from lancenb.convert.weights import load_tensors, save_weights, tensor_index
from lancenb.errors import EmptyInput, InvalidArgument, UnsupportedFormat

from .helpers import assert_same, assert_table, raw

QUANTISED = {"qint8", "quint8", "qint32", "quint4x2", "quint2x4"}
DTYPES = sorted(
    {str(v).removeprefix("torch.") for v in vars(torch).values() if isinstance(v, torch.dtype)}
    - QUANTISED
)


def sample(name: str, shape: tuple[int, ...] = (4, 3)) -> torch.Tensor:
    dtype = getattr(torch, name)
    count = math.prod(shape) * dtype.itemsize
    generator = torch.Generator().manual_seed(len(name))
    high = 2 if name == "bool" else 256
    data = torch.randint(0, high, (count,), dtype=torch.uint8, generator=generator)
    return data.view(dtype).reshape(shape)


@pytest.mark.filterwarnings("ignore")
def test_w7_every_dtype_is_bit_exact(tmp_path):
    assert {"bfloat16", "float8_e4m3fn", "complex64", "uint64", "bool"} <= set(DTYPES)
    state = {}
    for name in DTYPES:
        state[f"{name}.matrix"] = sample(name)
        state[f"{name}.scalar"] = sample(name, ())
        state[f"{name}.empty"] = sample(name, (0, 3))
        state[f"{name}.transposed"] = sample(name).t()
        state[f"{name}.strided"] = sample(name, (9,))[::2]
    save_weights(state, tmp_path / "t.lance")
    assert_table(state, tmp_path / "t.lance")
    index = tensor_index(tmp_path / "t.lance")
    assert index.column("dtype").to_pylist()[0] == DTYPES[0]


def test_views_special_values_and_names(tmp_path):
    base = torch.randn(4, 4, dtype=torch.complex64)
    state = {
        "conj": base.conj(),
        "neg": base.conj().imag,
        "expanded": torch.arange(3.0).expand(5, 3),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "special": torch.tensor([math.nan, -0.0, math.inf, -math.inf, 5e-324], dtype=torch.float64),
        "gewicht/ü 模型 'x'": torch.ones(1),
        "": torch.zeros(2),
        "parameter": torch.nn.Parameter(torch.randn(3)),
    }
    save_weights(state, tmp_path / "t.lance")
    assert_table(state, tmp_path / "t.lance")


def test_w9_tied_tensors_are_stored_once_and_share_memory_again(tmp_path):
    weight = torch.randn(100, 100)
    turned = torch.randn(30, 50).t()
    state = {
        "wte": weight,
        "lm_head": weight,
        "flat": weight.view(-1),
        "row": weight[1],
        "turned": turned,
        "turned_again": turned,
    }
    report = save_weights(state, tmp_path / "t.lance")
    assert report.bytes == weight.nbytes + weight[1].nbytes + turned.nbytes
    assert_table(state, tmp_path / "t.lance")
    for mapped in (True, False):
        found = load_tensors(tmp_path / "t.lance", mmap=mapped)
        found["wte"][0, 0] = 42
        assert found["lm_head"][0, 0] == 42
        assert found["flat"][0] == 42
        assert found["turned"].data_ptr() == found["turned_again"].data_ptr()
    aliases = tensor_index(tmp_path / "t.lance").column("alias_of").to_pylist()
    assert aliases == [None, "wte", "wte", None, None, "turned"]


def test_writing_to_a_loaded_tensor_leaves_the_table_alone(tmp_path):
    state = {"w": torch.randn(1000)}
    save_weights(state, tmp_path / "t.lance")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_tensors(tmp_path / "t.lance")
        found["w"].fill_(0)
    assert_same(state, load_tensors(tmp_path / "t.lance"))


def test_order_of_names_is_kept_though_rows_are_sorted_by_element_size(tmp_path):
    state = {
        "a": torch.ones(3, dtype=torch.uint8),
        "b": torch.ones(2, dtype=torch.float64),
        "c": torch.ones(3, dtype=torch.float16),
        "d": torch.ones(1, dtype=torch.float32),
    }
    report = save_weights(state, tmp_path / "t.lance")
    found = load_tensors(tmp_path / "t.lance")
    assert list(found) == list(state)
    assert all(t.data_ptr() % t.element_size() == 0 for t in found.values())
    assert report.rows == 4


def test_w8_values_that_are_not_tensors_become_extras(tmp_path):
    from lancenb.convert.weights import load_weights

    state = {"w": torch.ones(2), "epoch": 3, "metrics": {"acc": 0.5, "best": [1, 2]}, "odd": object}
    report = save_weights(state, tmp_path / "t.lance", extras={"note": "hello"})
    loaded = load_weights(tmp_path / "t.lance")
    assert loaded.extras["epoch"] == 3
    assert loaded.extras["metrics"] == {"acc": 0.5, "best": [1, 2]}
    assert loaded.extras["note"] == "hello"
    assert report.skipped[0][0] == "odd"


def test_nested_state_gets_dotted_names(tmp_path):
    optimizer = {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}
    save_weights({"model": {"w": torch.ones(1)}, "opt": optimizer}, tmp_path / "t.lance")
    assert list(load_tensors(tmp_path / "t.lance")) == ["model.w", "opt.state.0.step"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.eye(3).to_sparse_csr(),
        lambda: torch.empty(3, device="meta"),
        lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        lambda: torch.nn.parameter.UninitializedParameter(),
    ],
    ids=["sparse", "csr", "meta", "quantised", "nested", "lazy"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_without_plain_memory_are_refused_by_name(tmp_path, make):
    with pytest.raises(UnsupportedFormat, match=r"odd\.one"):
        save_weights({"good": torch.ones(2), "odd.one": make()}, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()


def test_bad_arguments(tmp_path):
    with pytest.raises(EmptyInput):
        save_weights({}, tmp_path / "t.lance")
    with pytest.raises(UnsupportedFormat):
        save_weights(3, tmp_path / "t.lance")
    with pytest.raises(InvalidArgument):
        save_weights({"w": torch.ones(1)}, tmp_path / "t.lance", mode="upsert")
    with pytest.raises(InvalidArgument):
        save_weights({"w": torch.ones(1)}, tmp_path / "t.lance", extras={"f": object()})
    assert not (tmp_path / "t.lance").exists()


def test_without_hash_the_column_is_null(tmp_path):
    import hashlib

    state = {"w": torch.randn(5), "v": torch.randn(3)}
    save_weights(state, tmp_path / "a.lance", hash=False)
    assert tensor_index(tmp_path / "a.lance").column("sha256").null_count == 2
    save_weights(state, tmp_path / "b.lance")
    digests = tensor_index(tmp_path / "b.lance").column("sha256").to_pylist()
    assert digests == [hashlib.sha256(raw(t)).hexdigest() for t in state.values()]


def test_resnet18_module_round_trip(tmp_path):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None)
    report = save_weights(model, tmp_path / "t.lance")
    assert report.rows == 122
    assert_table(dict(model.state_dict()), tmp_path / "t.lance")


def test_many_small_tensors(tmp_path):
    state = {f"t{i}": torch.full((i % 7,), float(i)) for i in range(3000)}
    save_weights(state, tmp_path / "t.lance")
    assert_same(state, load_tensors(tmp_path / "t.lance"))


@pytest.mark.parametrize("local", [True, False], ids=["own writer", "Lance's writer"])
def test_blob_files_roll_over(tmp_path, monkeypatch, local):
    from lancenb.convert.weights import _packs

    monkeypatch.setattr(_packs, "_PACK", 5000)
    monkeypatch.setattr(_packs, "_VECTORS", 7)
    if not local:
        monkeypatch.setattr(_packs, "blob_name", lambda number: "elsewhere")
    state = {f"t{i}": torch.full((i * 37,), float(i)) for i in range(30)}
    state |= {f"e{i}": torch.zeros(0) for i in range(3)}
    save_weights(state, tmp_path / "t.lance")
    assert_table(state, tmp_path / "t.lance")
    big = {f"b{i}": torch.randn(100_000) for i in range(4)}
    save_weights(big, tmp_path / "b.lance")
    assert len(list((tmp_path / "b.lance").glob("data/*/*.blob"))) == 4
    assert_table(big, tmp_path / "b.lance")
    assert lance.dataset(tmp_path / "b.lance").validate() is None
