"""Where things came from and what was made of them (D9)."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch

from lancenb.catalog import DataManager
from lancenb.download.result import Download, DownloadedFile
from lancenb.errors import ArtifactNotFound, InvalidArgument, VersionNotFound
from lancenb.store import lance_module

from .helpers import points


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root")
    dm.convert(points(), "raw", lineage={"source": "https://key:secret@host/data.csv?token=abc"})
    dm.convert(points(5), "raw", mode="append")
    dm.tag("raw", "v-one", 1)
    dm.convert(points(), "clean", parents=["raw@1"])
    dm.convert(points(), "model", parents=[("clean", 1), {"uri": "hf:base", "relation": "init"}])
    dm.convert(points(), "report", parents=[dm["model"]])
    return dm


def test_graph(dm: DataManager):
    graph = dm.lineage("clean")
    assert graph.upstream[0] == "raw"
    assert graph.downstream == ["model", "report"]
    model = dm.lineage("model")
    assert {"clean", "hf:base", "raw"} <= set(model.upstream)
    assert model.downstream == ["report"]
    assert dm["report"].lineage().upstream[:1] == ["model"]
    edges = {(e.child, e.parent): e for e in graph.edges}
    assert edges[(dm["clean"].id, dm["raw"].id)].version == 1


def test_text_and_picture_hold_no_secret(dm: DataManager):
    graph = dm.lineage("model")
    text, html = repr(graph), graph._repr_html_()
    assert "clean v1" in text
    assert "raw v1" in text
    assert "hf:base (init)" in text
    for shown in (text, html, str(graph.to_dict())):
        assert "secret" not in shown
        assert "token=abc" not in shown
    assert html.count("<rect") == len(graph.nodes)
    assert "used by" in repr(dm.lineage("raw"))


def test_versions_are_pinned_and_names_follow_renames(dm: DataManager):
    (edge,) = dm["clean"].parents
    assert (edge["name"], edge["version"], edge["relation"]) == ("raw", 1, "made from")
    dm.convert(points(9, 1), "tagged", parents=["raw@v-one"])
    assert dm["tagged"].parents[0]["version"] == 1
    dm.convert(points(9, 1), "newest", parents="raw")
    assert dm["newest"].parents[0]["version"] == 2
    dm.rename("raw", "source")
    assert "source" in dm.lineage("clean").upstream
    assert "clean" in dm.lineage("source").downstream


def test_parents_of_later_versions_count(dm: DataManager):
    dm.convert(points(), "extra")
    dm.convert(points(20), "clean", mode="append", parents=["extra"])
    assert [edge["name"] for edge in dm["clean"].parents] == ["raw", "extra"]
    assert "lancenb.parents" in dm.versions("clean")[1].properties


def test_mistakes(dm: DataManager):
    for parents, error in (
        (["rwa"], ArtifactNotFound),
        (["raw@99"], VersionNotFound),
        ([{"nme": "raw"}], InvalidArgument),
        ([5], InvalidArgument),
    ):
        with pytest.raises(error):
            dm.convert(points(), "new", parents=parents)
        assert "new" not in dm


def test_loops_end(dm: DataManager):
    dm.convert(points(30), "raw", mode="append", parents=["report"])
    assert set(dm.lineage("raw").downstream) == {"clean", "model", "report"}
    assert "…" in repr(dm.lineage("raw"))
    assert "<svg" in dm.lineage("raw")._repr_html_()


def test_versions_tell_their_files_and_hashes(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    digests = []
    for number, mode in enumerate(("create", "append")):
        path = tmp_path / f"part-{number}.csv"
        path.write_text(f"id,x\n{number},0.5\n")
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        dm.convert(path, "parts", mode=mode)
    graph = dm.lineage("parts")
    assert [(o.version, o.mode, o.converter) for o in graph.origins] == [
        (1, "create", "TextConverter"),
        (2, "append", "TextConverter"),
    ]
    assert [file.sha256 for origin in graph.origins for file in origin.files] == digests
    for shown in (repr(graph), graph._repr_html_(), json.dumps(graph.to_dict())):
        assert "nothing known" not in shown
        assert all(digest in shown for digest in digests)
        assert "part-0.csv" in shown
        assert "format" in shown
    assert "version 2: a table from CSV, appended" in repr(graph)
    assert "Converter" not in repr(graph) + repr(dm.versions("parts"))
    assert dm.versions("parts")[0].message == "create a table from CSV"
    assert len(graph.upstream) == 2
    assert dm.convert(points(), "bare").version == 1


def test_downloads_tell_endpoint_repository_and_commit(tmp_path: Path):
    path = tmp_path / "train.csv"
    path.write_text("id,x\n1,2\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lineage = {
        "source": "https://user:hunter2@hub.example/ada/points",
        "endpoint": "https://hub.example?sig=hunter2",
        "repo_id": "ada/points",
        "revision": "main",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "token": "hunter2",
        "files": [{"name": "train.csv", "size": 9, "sha256": digest}],
    }
    file = DownloadedFile(path, "train.csv", path.stat().st_size, digest)
    dm = DataManager(tmp_path / "root")
    dm.convert(Download(path, (file,), lineage, False, "dataset"), "got")
    graph = dm.lineage("got")
    assert graph.origins[0].download["commit"] == lineage["commit"]
    assert graph.origins[0].sources()[-1].startswith("train.csv (")  # not its place in a cache
    for shown in (repr(graph), graph._repr_html_(), json.dumps(graph.to_dict())):
        assert "hunter2" not in shown
        for fact in ("https://hub.example", "ada/points", lineage["commit"], digest):
            assert fact in shown


def test_hostile_properties_are_shown_harmlessly(tmp_path: Path):
    lance = lance_module()
    uri = str(tmp_path / "root" / "odd.lance")
    odd = {
        "lancenb.source": '{"source": "<script>alert(1)</script>"}',
        "lancenb.files": '[1, null, {"path": 3}, {"path": "<b>", "sha256": 7, "size": true}, "f"]',
        "lancenb.options": "[1]",
        "lancenb.parents": '{"name": 1}',
        "lancenb.converter": "{broken",
    }
    fragments = lance.fragment.write_fragments(points(), uri)
    operation = lance.LanceOperation.Overwrite(points().schema, fragments)
    lance.LanceDataset.commit(uri, lance.Transaction(0, operation, transaction_properties=odd))
    dm = DataManager(tmp_path / "root")
    dm.register("odd", "odd.lance")
    graph = dm.lineage("odd")
    assert [file.path for file in graph.origins[0].files] == ["<b>", "f"]
    html = graph._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "{broken" in repr(graph)
    json.dumps(graph.to_dict())


def test_the_table_below_the_graph_has_no_empty_columns_and_whole_times(dm, tmp_path):
    dm.save_weights("w", {"w": torch.ones(2)})
    dm.save_weights("w", {"w": torch.zeros(2)})
    html = dm.lineage("w")._repr_html_()
    assert re.findall(r"<th [^>]*>([^<]*)</th>", html) == ["version", "made", "time"]
    assert len(re.findall(r'nowrap">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</div>', html)) == 2
    (tmp_path / "t.csv").write_text("a\n1\n")
    dm.convert(str(tmp_path / "t.csv"), "t")
    assert "sources" in re.findall(r"<th [^>]*>([^<]*)</th>", dm.lineage("t")._repr_html_())
