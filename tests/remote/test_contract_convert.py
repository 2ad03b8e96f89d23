"""Everything that can be converted can be converted by every engine; weights both ways."""

from __future__ import annotations

import threading
import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import lancenb as lnb
from lancenb.download import download
from lancenb.errors import Cancelled, WeightsMismatch
from lancenb.progress import CancelToken

from ._compare import ipc, plain
from ._samples import picture, picture_folder, points, state

LOCAL = {"seconds", "uri", "name", "version", "lineage"}


def same_report(mine: Any, local: Any) -> None:
    """Compare what two conversions of one source say, but for place and time."""
    for field in ("rows", "kind", "mode", "converter", "skipped"):
        assert getattr(mine, field) == getattr(local, field), field
    assert mine.schema.equals(local.schema, check_metadata=True)


def converted(dm: Any, twin: Any, fresh: Any, source: Any, **options: Any) -> str:
    """Convert by an engine and without; report and content are the same."""
    name, beside = fresh("made"), fresh("beside")
    local_options = dict(options)
    mine = dm.convert(source, name, **options)
    same_report(mine, twin.convert(source, beside, **local_options))
    assert (mine.name, mine.version) == (name, 1)
    assert mine.uri == twin[name].uri
    assert ipc(dm.search_rows(name)) == ipc(twin.search_rows(beside))
    assert twin[name].content_hash == twin[beside].content_hash
    return name


def test_files_of_all_sorts(dm, twin, fresh, tmp_path):
    pq.write_table(points(), tmp_path / "p.parquet")
    texts = {
        "t.csv": "id;x\n1;2,5\n2;\n", "j.json": '[{"a": 1, "b": [1, 2]}, {"a": null, "b": []}]',
        "l.jsonl": '{"a": 1}\n{"a": 2}\n', "w.txt": "one\ntwo \U0001f4a9\n\n",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    names = fresh("x")  # one number for the whole test
    for index, name in enumerate(["p.parquet", *texts]):
        converted(dm, twin, lambda stem, n=index: f"{stem}-{n}-{names}", tmp_path / name)


def test_lists_options_and_lineage(dm, twin, fresh, tmp_path):
    for part in "ab":
        (tmp_path / f"{part}.csv").write_text(f"k|v\n{part}|1\n")
    paths = [tmp_path / "a.csv", str(tmp_path / "b.csv")]
    name = converted(dm, twin, fresh, paths, delimiter="|")
    assert dm.search_rows(name)["k"].to_pylist() == ["a", "b"]
    report = dm.convert(paths[0], name, mode="overwrite", delimiter="|", message="m",
                        lineage={"run": 7}, tags=["t"], metadata={"z": 1})  # fmt: skip
    assert report.version == 2
    assert report.lineage["run"] == 7
    version = twin.versions(name)[-1]
    assert version.message == "m"
    assert (twin[name].tags, twin[name].metadata) == (["t"], {"z": 1})
    assert str(tmp_path) in str(twin.versions(name)[-1].properties)


def test_a_folder_of_pictures(dm, twin, fresh, tmp_path):
    folder = picture_folder(tmp_path / "p", "cat", "dog")
    told = []
    name = converted(dm, twin, fresh, folder, progress=told.append)
    assert told
    more = picture_folder(tmp_path / "q", "bird", "cat", count=1)
    assert dm.convert(more, name, mode="append").rows == 2
    rows = dm.search_rows(name, columns=["label"])["label"].to_pylist()
    assert rows == [0, 0, 1, 1, 2, 0]  # the classes there were keep their numbers
    assert dm[name].schema.equals(twin[name].schema, check_metadata=True)
    assert dm[name].kind == "images"
    single = tmp_path / "one.png"
    single.write_bytes(picture(9))
    assert dm.convert(str(single), fresh("single")).rows == 1


def test_things_in_memory(dm, twin, fresh):
    import datasets

    table = points()
    reader = pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches()))
    assert dm.convert(reader, fresh("reader")).rows == 5
    assert dm.convert(table.to_batches()[0], fresh("batch")).rows == 5
    assert ipc(dm.search_rows(fresh("reader"))) == ipc(twin.search_rows(fresh("batch")))
    converted(dm, twin, fresh, datasets.Dataset.from_dict({"text": ["a", "\u00e9"], "n": [1, 2]}))
    twin_report = twin.convert(table, fresh("table-twin"))
    same_report(dm.convert(table, fresh("table")), twin_report)


def test_done_is_told_when_the_catalogue_has_it_and_only_then(dm, twin, fresh, tmp_path):
    import datasets

    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    table, rows = pa.table({"a": [1], "b": [2]}), datasets.Dataset.from_dict({"a": [1], "b": [2]})
    ends = []

    def told(name: str) -> Any:
        def look(event: Any) -> None:
            if event.phase == "done":
                ends.append((name, twin.versions(name)[-1].version if name in twin else None))

        return look

    for number, source in enumerate((table, tmp_path / "t.csv", rows)):
        name = f"{fresh('ended')}-{number}"
        for version, mode in enumerate(("create", "append", "overwrite"), start=1):
            ends.clear()
            dm.convert(source, name, mode=mode, progress=told(name))
            assert ends == [(name, version)]


def test_what_the_server_downloads(dm, twin, fresh):
    name = fresh("drawn")
    downloaded = lnb.download("synthetic", split="test", limit=5)
    assert dm.convert(downloaded, fresh("limited")).rows == 5
    told = []
    report = dm.convert("synthetic:text", name, progress=told.append)
    assert report.rows > 0
    assert told
    assert plain(dm[name]) == plain(twin[name])


def test_checkpoints(dm, twin, fresh, tmp_path):
    from safetensors.torch import save_file

    flat = {"a.weight": torch.randn(3, 2), "half": torch.ones(2, dtype=torch.bfloat16)}
    save_file(flat, tmp_path / "m.safetensors")
    torch.save(flat, tmp_path / "m.pth")
    for number, file in enumerate(("m.safetensors", "m.pth")):
        name = converted(dm, twin, lambda s, n=number: f"{s}-{n}-{fresh('w')}", tmp_path / file)
        loaded = dm.load_weights(name)
        assert plain(loaded.state_dict) == plain(flat)
    name = converted(dm, twin, lambda s: f"{s}-dict-{fresh('w')}", flat)
    assert plain(dm.load_weights(name).state_dict) == plain(flat)
    assert dm.save_weights(fresh("file"), str(tmp_path / "m.pth")).rows == 2


def test_weights_keep_everything(dm, twin, fresh):
    name, beside = fresh("net"), fresh("beside")
    tensors = state()
    first = dm.save_weights(name, tensors | {"epoch": 3}, extras={"lr": 0.1}, message="one",
                            tags=["t"], metadata={"a": 1}, description="d")  # fmt: skip
    same_report(first, twin.save_weights(beside, tensors | {"epoch": 3}, extras={"lr": 0.1}))
    mine, local = dm.load_weights(name), twin.load_weights(name)
    assert plain(mine.state_dict) == plain(local.state_dict)
    assert plain(dict(mine.state_dict)) == plain(dict(twin.load_weights(beside).state_dict))
    assert mine.extras == local.extras == {"epoch": 3, "lr": 0.1}
    assert list(mine.state_dict) == list(tensors)
    tied = mine.state_dict
    assert tied["tied.a"].data_ptr() == tied["tied.b"].data_ptr()
    assert (mine.uri, mine.version) == (local.uri, local.version)
    assert repr(mine) == repr(local)


def test_next_versions_store_what_changed(dm, twin, fresh):
    name, beside = fresh("net"), fresh("beside")
    tensors = state() | {"big": torch.randn(64, 64)}
    changed = tensors | {"count": torch.tensor([1, 2])}
    for save, where in ((dm.save_weights, name), (twin.save_weights, beside)):
        save(where, tensors)
        report = save(where, changed, message="step")
        assert (report.rows, report.version) == (1, 2)
        unchanged = save(where, changed)
        assert (unchanged.rows, unchanged.version) == (0, 2)
        assert unchanged.skipped
        assert save(where, {"a": torch.ones(1)}, mode="overwrite").version == 3
    assert plain(dm.load_weights(name, version=2).state_dict) == plain(
        twin.load_weights(beside, version=2).state_dict
    )
    assert ipc(dm.search_rows(name, version=2)) == ipc(twin.search_rows(beside, version=2))
    assert dm.save_weights(fresh("none"), {"e": torch.empty(0)}).rows == 1


def test_weights_into_modules(dm, twin, fresh):
    name = fresh("net")
    torch.manual_seed(1)
    source = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    dm.save_weights(name, source)
    target = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    loaded = dm.load_weights(name, target)
    assert not loaded.missing
    assert plain(dict(target.state_dict())) == plain(dict(source.state_dict()))
    for options in (
        {"only": "0.*"}, {"only": ["0.weight", "1.*"]}, {"version": 1}, {"strict": "loose"},
    ):  # fmt: skip
        there, here = twin.load_weights(name, **options), dm.load_weights(name, **options)
        assert plain(here.state_dict) == plain(there.state_dict), options
    for into in (torch.nn.Linear(3, 2), torch.nn.Sequential(torch.nn.Linear(4, 2))):
        with pytest.raises(WeightsMismatch) as local:
            twin.load_weights(name, into)
        with pytest.raises(WeightsMismatch) as far:
            dm.load_weights(name, into)
        assert str(far.value) == str(local.value)
    prefixed = fresh("prefixed")
    dm.save_weights(prefixed, {f"module.{k}": v for k, v in source.state_dict().items()})
    dm.load_weights(prefixed, target, strip=["module."])
    dm.load_weights(prefixed, target, strip="module.")
    assert dm[name].load_weights().state_dict.keys() == source.state_dict().keys()


def rows_without_end(stop: threading.Event) -> pa.RecordBatchReader:
    """Rows that come until somebody has had enough."""

    def batches() -> Any:
        number = 0
        while not stop.is_set():
            yield points(number, 100).to_batches()[0]
            number += 100
            time.sleep(0.005)

    return pa.RecordBatchReader.from_batches(points().schema, batches())


def test_cancel_stops_and_nothing_remains(dm, twin, fresh):
    name, stop = fresh("endless"), threading.Event()
    token, told = CancelToken(), []

    def watch(event: Any) -> None:
        told.append(event)
        if len(told) == 5:
            token.cancel()

    with pytest.raises(Cancelled):
        dm.convert(rows_without_end(stop), name, progress=watch, cancel=token)
    stop.set()
    assert name not in twin
    dm.convert(points(), name)
    token.reset() if hasattr(token, "reset") else None
    again = CancelToken()
    again.cancel()
    with pytest.raises(Cancelled):
        dm.convert(points(9, 1), name, mode="append", cancel=again)
    assert [v.version for v in twin.versions(name)] == [1]


def test_cancel_stops_work_in_the_server(dm, twin, fresh, tmp_path, monkeypatch):
    folder, name = picture_folder(tmp_path / "p", "cat", count=300), fresh("stopped")
    token = CancelToken()

    def watch(event: Any) -> None:
        token.cancel()

    with pytest.raises(Cancelled):
        dm.convert(folder, name, progress=watch, cancel=token)
    assert name not in twin

    begun, token = threading.Event(), CancelToken()

    def held(*args: Any, cancel: CancelToken, progress: Any = None, **more: Any) -> Any:
        def hold(event: Any) -> None:
            begun.set()
            assert cancel.wait(60)  # else it may be over before the word of it comes

        return download(*args, progress=hold, cancel=cancel, **more)

    def stop() -> None:
        assert begun.wait(60)
        token.cancel()

    monkeypatch.setattr("lancenb.download.download", held)
    monkeypatch.setenv("LANCENB_CACHE", str(tmp_path / "cache"))  # what is there is not drawn
    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Cancelled):
        dm.convert("synthetic:images", name, cancel=token)
    stopper.join(60)
    assert name not in twin
