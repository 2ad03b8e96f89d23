"""Where things came from and what was made of them (D9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lancenb.catalog import DataManager
from lancenb.errors import ArtifactNotFound, InvalidArgument, VersionNotFound

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
