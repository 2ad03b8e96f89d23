"""Mapping and its fallbacks, partial loads, tables that changed by other means."""

from __future__ import annotations

import datetime
from pathlib import Path

import lance
import pyarrow as pa
import pytest
import torch

from lancenb.convert.weights import load_tensors, save_weights, table, tensor_index
from lancenb.convert.weights._payloads import map_payloads, payloads, read_payloads
from lancenb.convert.weights._sidecar import local_blob_files
from lancenb.errors import CorruptInput, NotFound, SchemaMismatch

from .helpers import assert_same, assert_table


def make(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = {f"layer{i}.weight": torch.randn(50 + i, 20) for i in range(5)}
    state["half"] = torch.randn(7).half()
    state["byte"] = torch.arange(5, dtype=torch.uint8)
    return state


@pytest.fixture
def stored(tmp_path):
    state = make()
    return state, save_weights(state, tmp_path / "w.lance").uri


def test_local_tables_are_mapped_without_reading(stored):
    state, uri = stored
    dataset = lance.dataset(uri)
    rows = table.stored_rows(dataset)
    files = local_blob_files(dataset)
    assert files is not None
    mapped = map_payloads(files, list(rows.values()))
    assert set(mapped) == set(state)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        assert any(str(uri) in line for line in maps)


def test_falls_back_when_the_blob_file_is_not_as_expected(stored, monkeypatch):
    state, uri = stored
    dataset = lance.dataset(uri)
    called = []
    real = table.payloads.__globals__["read_payloads"]

    def spy(dataset, rows):
        called.append([row.name for row in rows])
        return real(dataset, rows)

    monkeypatch.setitem(table.payloads.__globals__, "read_payloads", spy)
    assert_same(state, load_tensors(dataset))
    assert called == []
    rows = table.stored_rows(dataset)
    rows["half"].blob["size"] += 1  # a size that does not fit
    found = payloads(dataset, list(rows.values()), True)
    assert called == [["half"]]
    assert set(found) == set(state)
    for row in rows.values():
        row.blob = None  # a Lance that describes blobs in another way
    found = payloads(dataset, list(rows.values()), True)
    assert len(called[-1]) == len(state)
    assert bytes(found["byte"].numpy()) == bytes(range(5))


def test_large_payloads_are_read_in_pieces(stored, monkeypatch):
    state, uri = stored
    monkeypatch.setitem(read_payloads.__globals__, "_BATCH", 1000)
    assert_same(state, load_tensors(uri, mmap=False))


def test_missing_blob_file_is_a_typed_error(stored):
    from lancenb.errors import LancenbError

    _, uri = stored
    for path in Path(uri).glob("data/*/*.blob"):
        path.unlink()
    with pytest.raises(LancenbError):
        load_tensors(uri)


def test_truncated_blob_file_is_a_typed_error(stored):
    from lancenb.errors import LancenbError

    _, uri = stored
    [path] = Path(uri).glob("data/*/*.blob")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LancenbError):
        load_tensors(uri)


def test_only_names_and_patterns(stored):
    _state, uri = stored
    assert list(load_tensors(uri, only="half")) == ["half"]
    assert list(load_tensors(uri, only=["byte", "layer1.*"])) == ["layer1.weight", "byte"]
    with pytest.raises(NotFound, match="layer9") as caught:
        load_tensors(uri, only="layer9.weight")
    assert "layer" in caught.value.hint
    with pytest.raises(NotFound):
        load_tensors(uri, only="nothing.*")


def test_only_of_an_alias_brings_its_payload(tmp_path):
    weight = torch.randn(4)
    uri = save_weights({"a": weight, "b": weight}, tmp_path / "w.lance").uri
    assert_same({"b": weight}, load_tensors(uri, only="b"))


def test_index_has_everything_but_the_payload(stored):
    state, uri = stored
    index = tensor_index(uri)
    assert index.column("name").to_pylist() == list(state)
    assert "data" not in index.column_names
    assert sum(index.column("nbytes").to_pylist()) == sum(t.nbytes for t in state.values())


def test_other_tables_are_refused(tmp_path):
    lance.write_dataset(pa.table({"x": [1]}), tmp_path / "x.lance")
    with pytest.raises(SchemaMismatch):
        load_tensors(tmp_path / "x.lance")
    with pytest.raises(SchemaMismatch):
        save_weights({"w": torch.ones(1)}, tmp_path / "x.lance")


def test_after_add_columns_compaction_delete_restore_tag_and_clone(stored, tmp_path):
    state, uri = stored
    dataset = lance.dataset(uri)
    dataset.add_columns({"note": "'x'"})
    assert_table(state, uri)
    dataset = lance.dataset(uri)
    dataset.delete("name = 'half'")
    less = {name: t for name, t in state.items() if name != "half"}
    assert_table(less, uri)
    lance.dataset(uri).optimize.compact_files()
    assert_table(less, uri)
    dataset = lance.dataset(uri)
    dataset.tags.create("first", 1)
    assert_same(state, load_tensors(lance.dataset(uri, version="first")))
    dataset.checkout_version(1).restore()
    assert_table(state, uri)
    lance.dataset(uri).shallow_clone(str(tmp_path / "clone.lance"), lance.dataset(uri).version)
    assert_table(state, tmp_path / "clone.lance")
    moved = tmp_path / "moved here.lance"
    Path(uri).rename(moved)
    assert_table(state, moved)


def test_old_versions_are_removed_by_cleanup_and_the_head_stays(stored):
    _state, uri = stored
    other = make(1)
    save_weights(other, uri)
    lance.dataset(uri).cleanup_old_versions(older_than=datetime.timedelta(microseconds=1))
    assert_table(other, uri)


def test_w11_two_checkpoints_in_one_table_are_never_mixed(stored, tmp_path):
    from lancenb.convert.weights import TensorConverter

    state, uri = stored
    with pytest.raises(SchemaMismatch, match=r"layer0\.weight"):
        TensorConverter().convert(make(1), uri, mode="append")
    assert_table(state, uri)
    report = TensorConverter().convert({"extra": torch.ones(3)}, uri, mode="append")
    assert report.version == 2
    assert_table({**state, "extra": torch.ones(3)}, uri)
    # rows appended behind our back are noticed, not mixed
    dataset = lance.dataset(uri)
    lance.write_dataset(
        dataset.to_table(filter="name = 'half'", columns=dataset.schema.names[:-1]),
        uri,
        mode="append",
    )
    with pytest.raises(CorruptInput, match="half"):
        load_tensors(uri)


def test_opens_in_plain_lance(stored):
    _state, uri = stored
    dataset = lance.dataset(uri)
    names = dataset.to_table(columns=["name"]).column("name").to_pylist()
    found = dict(zip(names, dataset.read_blobs("data", indices=range(len(names))), strict=True))
    assert found["byte"][1] == bytes(range(5))
    assert dataset.data_storage_version == "2.2"
    assert dataset.schema.metadata[b"lancenb.kind"] == b"weights"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shape": "arrow_cast(make_array(-2, -1), 'List(Int64)')"}, "not those of its shape"),
        ({"alias_of": "'v'"}, "'w' repeats 'v', which has other bytes"),
    ],
)
def test_rows_of_a_table_that_contradict_each_other_are_refused(tmp_path, changed, said):
    uri = str(tmp_path / "w.lance")
    save_weights({"w": torch.ones(2), "v": torch.ones(3)}, uri)
    lance.dataset(uri).update(changed, where="name = 'w'")
    with pytest.raises(CorruptInput, match=said):
        load_tensors(uri)
