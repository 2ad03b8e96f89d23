"""The next version stores what changed, and only that, as one commit."""

from __future__ import annotations

import datetime
import random
import threading

import lance
import pyarrow as pa
import pytest
import torch

from lancenb.convert.weights import (
    TensorConverter,
    load_tensors,
    load_weights,
    save_weights,
    tensor_index,
)
from lancenb.errors import AlreadyExists, Cancelled
from lancenb.progress import CancelToken

from .helpers import assert_same, assert_table, disk_bytes


def make(count: int = 12, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = {}
    for i in range(count):
        state[f"l{i}.weight"] = torch.randn(64, 64)
        state[f"l{i}.bias"] = torch.randn(64)
    return state


def test_head_only_fine_tune_of_a_resnet_adds_only_the_head(tmp_path):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None)
    uri = save_weights(model, tmp_path / "t.lance", extras={"epoch": 0}).uri
    before = disk_bytes(uri)
    with torch.no_grad():
        model.fc.weight += 0.5
        model.fc.bias += 0.5
    changed = model.fc.weight.nbytes + model.fc.bias.nbytes
    report = save_weights(model, uri, extras={"epoch": 1}, message="head only")
    assert (report.version, report.rows, report.bytes) == (2, 2, changed)
    assert 0 <= disk_bytes(uri) - before - changed <= 64 << 10
    assert_table(dict(model.state_dict()), uri)
    assert load_weights(uri).extras["epoch"] == 1
    old = lance.dataset(uri, version=1)
    assert load_weights(old).extras["epoch"] == 0
    assert [v["version"] for v in lance.dataset(uri).versions()] == [1, 2]
    properties = lance.dataset(uri).read_transaction(2).transaction_properties
    assert properties["__lance_commit_message"] == "head only"
    assert properties["lancenb.converter"] == "save_weights"


def test_unchanged_needs_no_new_version(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    before = disk_bytes(uri)
    report = save_weights({k: v.clone() for k, v in state.items()}, uri)
    assert (report.version, report.rows, report.bytes) == (1, 0, 0)
    assert "unchanged" in report.skipped[-1][1]
    assert disk_bytes(uri) == before


def test_extras_alone_make_a_version_without_payload(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance", extras={"epoch": 1}).uri
    before = disk_bytes(uri)
    report = save_weights(state, uri, extras={"epoch": 2})
    assert (report.version, report.rows) == (2, 0)
    assert disk_bytes(uri) - before < 16 << 10
    assert load_weights(uri).extras == {"epoch": 2}
    assert load_weights(lance.dataset(uri, version=1)).extras == {"epoch": 1}


def test_more_than_half_changed_is_written_whole(tmp_path):
    uri = save_weights(make(), tmp_path / "t.lance").uri
    other = make(seed=1)
    report = save_weights(other, uri)
    assert (report.version, report.rows) == (2, len(other))
    assert len(lance.dataset(uri).get_fragments()) == 1
    assert_table(other, uri)


def test_added_removed_reordered_retyped_and_retied(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    del state["l3.weight"]
    state["l4.bias"] = state["l4.bias"].half()
    state["l5.bias"] = state["l5.bias"].reshape(8, 8)
    state = {"new.first": torch.ones(3), **state, "tied": state["l6.weight"]}
    report = save_weights(state, uri)
    assert report.version == 2
    assert report.bytes < 1000
    assert_table(state, uri)
    found = load_tensors(uri)
    assert found["tied"].data_ptr() == found["l6.weight"].data_ptr()
    names = tensor_index(uri).column("name").to_pylist()
    assert names == list(state)
    state["tied"] = state["tied"].clone()
    state["l6.weight"] = state["l6.weight"] + 1
    save_weights(state, uri)
    assert_table(state, uri)


def test_long_random_series_of_versions_all_stay_readable(tmp_path):
    chance = random.Random(7)
    state = make(8)
    uri = str(tmp_path / "t.lance")
    history = []
    for step in range(25):
        for name in chance.sample(sorted(state), chance.randint(1, 3)):
            move = chance.random()
            if move < 0.6:
                state[name] = state[name] + 1
            elif move < 0.75 and len(state) > 5:
                del state[name]
            elif move < 0.9:
                state[f"extra{step}.{name[:9]}"] = torch.full((chance.randint(0, 9),), float(step))
            else:
                items = list(state.items())
                chance.shuffle(items)
                state = dict(items)
        report = save_weights(state, uri, extras={"step": step})
        history.append((report.version, dict(state), step))
        if step == 12:
            lance.dataset(uri).optimize.compact_files()
            assert_table(state, uri)
    for version, expected, step in history:
        dataset = lance.dataset(uri, version=version)
        assert_same(expected, load_tensors(dataset))
        assert load_weights(dataset).extras == {"step": step}
    assert_table(state, uri)
    lance.dataset(uri).validate()
    lance.dataset(uri).cleanup_old_versions(older_than=datetime.timedelta(microseconds=1))
    assert_table(state, uri)


def test_alternating_parts_never_rewrite_the_rest(tmp_path):
    state = make(40)
    uri = save_weights(state, tmp_path / "t.lance").uri
    total = sum(t.nbytes for t in state.values())
    plans = [["l1.weight", "l2.weight"], ["l2.weight"], ["l1.weight"], ["l1.weight", "l2.weight"]]
    for step, names in enumerate(plans * 3):
        for name in names:
            state[name] = state[name] + 1
        before = disk_bytes(uri)
        report = save_weights(state, uri, extras={"step": step})
        changed = sum(state[n].nbytes for n in names)
        assert disk_bytes(uri) - before <= changed + (64 << 10) < total
        assert report.bytes >= changed
        assert_table(state, uri)
    assert len(lance.dataset(uri).get_fragments()) <= 6


def test_delta_keeps_nullable_columns_added_by_hand(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    lance.dataset(uri).add_columns(pa.field("note", pa.string()))
    lance.dataset(uri).update({"note": "'mine'"}, where="name = 'l1.bias'")
    state["l0.bias"] = state["l0.bias"] + 1
    report = save_weights(state, uri)
    assert report.rows == 1
    assert_table(state, uri)
    rows = lance.dataset(uri).to_table(columns=["name", "note"]).to_pylist()
    assert {r["name"]: r["note"] for r in rows}["l1.bias"] == "mine"


def test_columns_that_may_not_be_null_make_it_write_the_whole(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    lance.dataset(uri).add_columns({"note": "'mine'"})
    state["l0.bias"] = state["l0.bias"] + 1
    assert save_weights(state, uri).rows == len(state)
    assert_table(state, uri)


def test_delta_after_columns_came_and_went_writes_the_whole(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    lance.dataset(uri).add_columns({"a": "1"})
    lance.dataset(uri).add_columns({"b": "2"})
    lance.dataset(uri).drop_columns(["a"])
    state["l0.bias"] = state["l0.bias"] + 1
    save_weights(state, uri, extras={"x": 1})
    assert_table(state, uri)


def test_delta_with_an_index_on_names_keeps_queries_right(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    lance.dataset(uri).create_scalar_index("name", "BTREE")
    for step in range(3):
        state["l0.bias"] = state["l0.bias"] + 1
        save_weights(state, uri, extras={"step": step})
        found = lance.dataset(uri).to_table(filter="name = 'l0.bias'", columns=["name"])
        assert found.num_rows == 1
        assert_table(state, uri)


def test_hash_column_is_completed_later(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance", hash=False).uri
    before = disk_bytes(uri)
    report = save_weights(state, uri, hash=True)
    assert report.version == 2
    assert disk_bytes(uri) - before < 64 << 10
    assert tensor_index(uri).column("sha256").null_count == 0
    assert_table(state, uri)


def test_remote_comparison_uses_hashes(tmp_path, monkeypatch):
    from lancenb.convert.weights import _compare

    monkeypatch.setattr(_compare, "local_blob_files", lambda dataset: None)
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    state["l0.bias"] = state["l0.bias"] + 1
    report = save_weights(state, uri)
    assert (report.rows, report.bytes) == (1, state["l0.bias"].nbytes)
    assert_table(state, uri)


def test_concurrent_savers_each_make_a_whole_version(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    states = []
    for i in range(4):
        mine = dict(state)
        mine[f"l{i}.bias"] = mine[f"l{i}.bias"] + 1 + i
        states.append(mine)
    reports, errors = [], []

    def work(mine):
        try:
            reports.append((save_weights(mine, uri).version, mine))
        except Exception as error:  # pragma: no cover - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(v for v, _ in reports) == [2, 3, 4, 5]
    for version, mine in reports:
        assert_same(mine, load_tensors(lance.dataset(uri, version=version)))


def test_failure_and_cancel_leave_the_table_as_it_was(tmp_path):
    from lancenb.convert.weights import _delta

    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    before = disk_bytes(uri)
    changed = {**state, "l0.bias": state["l0.bias"] + 1}
    changed = dict(reversed(changed.items()))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        save_weights(changed, uri, cancel=token)
    with pytest.MonkeyPatch.context() as patch:

        def fail(*args):
            raise RuntimeError("boom")

        patch.setattr(_delta, "commit_retrying", fail)
        with pytest.raises(RuntimeError, match="boom"):
            save_weights(changed, uri)
    assert disk_bytes(uri) == before
    assert lance.dataset(uri).version == 1
    assert_table(state, uri)


def test_create_mode_refuses_and_convert_overwrite_uses_the_delta(tmp_path):
    state = make()
    uri = save_weights(state, tmp_path / "t.lance").uri
    with pytest.raises(AlreadyExists):
        save_weights(state, uri, mode="create")
    state["l0.bias"] = state["l0.bias"] + 1
    torch.save(state, tmp_path / "m.pth")
    report = TensorConverter().convert(tmp_path / "m.pth", uri, mode="overwrite")
    assert (report.version, report.rows) == (2, 1)
    assert_table(state, uri)
