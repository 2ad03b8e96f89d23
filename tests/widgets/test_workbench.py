"""The workbench without a browser: what it finds, builds, changes and leaves behind."""

from __future__ import annotations

import threading

import ipywidgets as w
import pytest

import lancenb as lnb
from lancenb.errors import InvalidArgument
from lancenb.widgets import Workbench, workbench
from lancenb.widgets._artefact_tabs import TABS
from lancenb.widgets._catalogue_list import Catalogue
from tests.widgets.conftest import Gate, left_threads


@pytest.fixture
def bench(dm, loud):
    made = Workbench(dm).wait()
    yield made
    made.close()


def text_of(widget) -> str:
    """Everything a widget's HTML says, children included."""
    own = widget.value if isinstance(widget, w.HTML) else ""
    return own + "".join(text_of(child) for child in getattr(widget, "children", ()))


# The catalogue ---------------------------------------------------------------------------------


def test_search_kind_and_refresh(dm):
    dm.update("shapes", description="small pictures", tags=["demo"])
    dm.tag("net", "prod", version=1)
    side = Catalogue(dm)
    side.settle()
    assert side.names == ["net", "shapes", "table"]
    side.query = "PICTURES demo"
    side.settle()
    assert side.names == ["shapes"] == dm.search("PICTURES demo").names
    side.put(query="", of_kind="weights")
    side.settle()
    assert (side.names, side.total) == (["net"], 1)
    assert side.items[0]["tags"] == ["prod → 1"]
    side.of_kind = ""
    side.settle()
    dm.rename("table", "another")
    side._receive(side, {"do": "refresh"}, [])
    side.settle()
    assert side.names == ["another", "net", "shapes"]


def test_hundreds_of_artefacts_are_listed_without_opening_one(dm, monkeypatch):
    one = dm["shapes"]
    many = [one] * 700
    monkeypatch.setattr(type(dm), "search", lambda self, *a, **k: many)
    monkeypatch.setattr(type(dm), "_open", lambda *a, **k: pytest.fail("a table was opened"))
    side = Catalogue(dm)
    side.settle()
    assert (len(side.items), side.total) == (500, 700)
    assert "the first 500 are shown" in repr(side)


def test_a_store_that_fails_says_so_in_the_list(dm, monkeypatch):
    def fail(*_args, **_kwargs):
        raise lnb.errors.StoreUnreachable("nobody answers at http://h:1", hint="is it running?")

    monkeypatch.setattr(type(dm), "search", fail)
    side = Catalogue(dm)
    side.settle()
    assert (side.error, side.hint, side.busy) == (
        "nobody answers at http://h:1", "is it running?", False,
    )  # fmt: skip
    assert "nobody answers" in side._repr_mimebundle_()[0]["text/html"]


# Selecting and tabs ----------------------------------------------------------------------------


def test_empty_store_says_what_to_do(tmp_path):
    bench = Workbench(lnb.DataManager(tmp_path / "empty")).wait()
    assert "Convert" in bench.main.children[0].value
    assert bench.content is None
    assert "0 artefacts" in repr(bench)
    bench.close()


def test_selecting_builds_only_the_tab_in_front(bench):
    bench.select("shapes").wait()
    assert type(bench.content).__name__ == "Gallery"
    assert list(bench._page.contents) == ["Preview"]
    assert "24" in bench._header.value
    assert bench.catalogue.selected == "shapes"
    gallery = bench.content
    bench.select("shapes", "Lineage").wait()
    assert bench.tab == "Lineage"
    bench.select("shapes", "Preview").wait()
    assert bench.content is gallery, "what was built is kept"


def test_previews_by_kind_and_every_tab_is_built(bench):
    kinds = {"shapes": "Gallery", "net": "TensorBrowser", "table": "TableView"}
    for name, kind in kinds.items():
        assert type(bench.select(name, "Preview").wait().content).__name__ == kind
        for tab in TABS[1:]:
            shown = bench.select(name, tab).wait().content
            assert "lnb-problem" not in text_of(shown), (name, tab, text_of(shown))


def test_a_click_in_the_list_selects_and_python_reads_it(bench):
    bench.catalogue.set_state({"selected": "net"})  # what the front end sends
    bench.wait()
    assert bench.selected == "net"
    bench.selected = "table"
    assert bench.catalogue.selected == "table"
    bench.select("")
    assert bench.main.children == (bench._welcome,)


def test_unknown_names_are_one_sentence_with_a_hint(bench):
    bench.select("shaeps").wait()
    assert "shaeps" in bench.content.value
    assert "shapes" in bench.content.value, "the hint names the nearest"
    with pytest.raises(InvalidArgument, match="no tab"):
        bench.select("shapes", "Nothing")
    with pytest.raises(InvalidArgument, match="no data manager"):
        Workbench("store")


def test_over_a_remote_manager(far, loud):
    bench = Workbench(far).wait()
    assert bench.catalogue.names == ["net", "shapes", "table"]
    for name in bench.catalogue.names:
        for tab in TABS:
            shown = bench.select(name, tab).wait().content
            assert "lnb-problem" not in text_of(shown), (name, tab, text_of(shown))
    assert "on another one" in text_of(bench.select("shapes", "Train").wait().content)
    bench.close()


# Working ---------------------------------------------------------------------------------------


def test_rollback_brings_the_other_tabs_up_to_date(bench, dm):
    bench.select("net", "Preview").wait()
    before = bench.content
    panel = bench.select("net", "Versions").wait().content
    panel.run(version=1)
    bench.wait()
    assert dm["net"].version == 3
    assert ">3<" in bench._header.value
    assert bench.content is panel, "its result stays where it is"
    assert bench.select("net", "Preview").wait().content is not before
    assert before.comm is None


def test_a_tab_that_is_built_while_a_version_comes_is_built_again(bench, dm, monkeypatch):
    gate, real = Gate(lambda made: made), workbench.build
    monkeypatch.setattr(workbench, "build", lambda *args: gate(real(*args)))
    bench.select("net", "Preview")
    assert gate.began.wait(60)
    dm.rollback("net", 1)
    bench.changed("net", "Versions")
    gate.go.set()
    assert bench.wait().content.chips == ["weights", "version 3"]


def test_diff_of_two_versions(bench, dm):
    panel = bench.select("net", "Diff").wait().content
    assert panel.inputs == {"before": 1, "after": 2}
    found = panel.run()
    assert found == dm.diff("net", 1, 2)
    assert "head.weight" in text_of(panel.result_row)
    assert panel.code_line.code == "dm.diff('net', 1, 2)"
    with pytest.raises(InvalidArgument):
        panel.run(before=2)
    rows = bench.select("table", "Diff").wait().content
    assert "by" in rows.fields
    assert "by" not in panel.fields


def test_lineage_leads_to_neighbours(bench, dm):
    dm.save_weights("child", {"w": __import__("torch").zeros(2)}, parents=["shapes"])
    shown = bench.select("child", "Lineage").wait().content
    assert "made from" in text_of(shown)
    (go,) = [
        b for row in shown.children for b in getattr(row, "children", ()) if hasattr(b, "click")
    ]
    assert go.description == "shapes"
    go.click()
    assert bench.wait().selected == "shapes"


def test_training_makes_a_version_with_curves(bench, dm):
    panel = bench.select("shapes", "Train").wait().content
    result = panel.run(model="resnet18", name="seen", steps=2, batch_size=8)
    bench.wait()
    assert (result.name, result.version) == ("seen", 1)
    assert "seen" in bench.catalogue.names
    assert "trained-on" in repr(dm.lineage("seen"))
    assert panel.code_line.code == (
        "lnb.fit('resnet18', 'shapes', manager=dm, epochs=1, name='seen', steps=2, batch_size=8)"
    )
    assert panel.curves.layout.display is None
    assert bench.select("net", "Train").wait().content.value.count("images")


def test_training_goes_on_while_another_artefact_is_looked_at(bench):
    panel = bench.select("shapes", "Train").wait().content
    going, end = threading.Event(), threading.Event()
    panel._work = lambda: lambda progress, cancel: going.set() or end.wait(600)
    panel.run(wait=False)
    assert going.wait(60)
    bench.select("net", "Preview").wait()
    assert bench.select("shapes", "Train").wait().content is panel
    end.set()
    panel.card.wait(60)
    bench.select("net").wait()
    assert panel.comm is None, "what has ended is closed when it is left"


@pytest.mark.parametrize(("field", "words"), [("lr", "fast"), ("val", "2"), ("lr", "-1")])
def test_training_refuses_what_makes_no_sense(bench, field, words):
    panel = bench.select("shapes", "Train").wait().content
    with pytest.raises(InvalidArgument) as caught:
        panel.run(**{field: words})
    assert caught.value.hint


# Taking care -----------------------------------------------------------------------------------


def test_tag_and_remove_a_tag(bench, dm):
    care = bench.select("net", "Actions").wait().content
    panel = care.choose("Set or remove a tag")
    assert panel.run(tag="prod", version=1) == ("prod", 1)
    assert dm.tags("net") == {"prod": 1}
    assert panel.code_line.code == "dm.tag('net', 'prod', 1)"
    panel.remove().result(60)
    assert dm.tags("net") == {}
    with pytest.raises(InvalidArgument):
        panel.run(tag=" ")


def test_rename_selects_the_new_name(bench, dm):
    care = bench.select("net", "Actions").wait().content
    care.choose("Rename").run(new="weights-of-net")
    bench.wait()
    assert bench.selected == "weights-of-net"
    assert "weights-of-net" in dm
    bench.select("table").wait()
    assert care.comm is None, "nothing of the old name is kept"


def test_clean_up_says_what_would_go_first(bench, dm):
    care = bench.select("net", "Actions").wait().content
    panel = care.choose("Clean up old versions")
    plan = panel.run(keep=1)
    assert plan.dry_run
    assert plan.versions == (1,)
    assert len(dm.versions("net")) == 2, "looking removes nothing"
    confirm = panel.result_row.children[-1]
    assert "1 version" in confirm.question
    confirm.click()
    assert len(dm.versions("net")) == 2, "the first click only asks"
    confirm.click()
    panel.card.wait(60)
    assert len(dm.versions("net")) == 1


def test_delete_wants_the_name_and_force_where_protected(bench, dm):
    dm.tag("net", "prod")
    care = bench.select("net", "Actions").wait().content
    panel = care.choose("Delete")
    assert "prod" in text_of(panel)
    with pytest.raises(InvalidArgument, match="nothing was deleted"):
        panel.run(confirm="nett")
    with pytest.raises(lnb.errors.Protected):
        panel.run(confirm="net")
    assert "net" in dm
    panel.run(confirm="net", force=True)
    bench.wait()
    assert "net" not in dm
    assert bench.selected == ""
    assert bench.catalogue.names == ["shapes", "table"]


def test_optimize_and_check(bench, dm):
    care = bench.select("table", "Actions").wait().content
    assert care.choose("Optimize").run().name == "table"
    assert care.choose("Check the store").run().ok


def test_new_things_come_by_the_panels(bench, dm, tmp_path):
    (tmp_path / "people.csv").write_text("name,age\nAda,36\n")
    panel = bench.new("Convert")
    panel.run(source=str(tmp_path / "people.csv"), name="people")
    bench.wait()
    assert "people" in bench.catalogue.names
    assert bench.new("Convert") is panel
    panel.result_row.children[-1].children[0].click()
    assert bench.selected == "people"
    bench.select("people").wait()
    assert bench.main.children == (bench._header, bench.tabs)

    download = bench.new("Download")
    download.run(spec="synthetic", split="test", limit=12)
    download._convert()
    assert bench.main.children == (bench.new("Convert"),)
    assert bench.new("Convert").run(name="drawn", kind="images").rows == 12


# Re-running, closing, static form --------------------------------------------------------------


def test_running_the_cell_again_takes_over_and_leaves_nothing(dm, loud):
    first = Workbench(dm, key="again").wait()
    panel = first.select("shapes", "Train").wait().content
    end = threading.Event()
    panel._work = lambda: lambda progress, cancel: end.wait(600)
    panel.run(wait=False)
    first.catalogue.query = "sha"
    second = Workbench(dm, key="again").wait()
    assert first.comm is None
    assert (second.selected, second.tab, second.catalogue.query) == ("shapes", "Train", "sha")
    assert second.content is panel
    end.set()
    panel.card.wait(60)
    second.close()


def test_closing_releases_every_widget_and_thread(dm, loud):
    known = set(w.widgets.widget._instances)
    threads = set(threading.enumerate())
    bench = Workbench(dm).wait()
    for name in ("shapes", "net", "table"):
        for tab in TABS:
            bench.select(name, tab).wait()
    bench.content.choose("Delete")
    bench.new("Convert")
    bench.close()
    bench.close()
    left = [w.widgets.widget._instances[each] for each in set(w.widgets.widget._instances) - known]
    assert left == []
    assert left_threads(threads) == []


def test_static_form_is_the_catalogue(bench, dm):
    dm.update("shapes", description="<b>pictures</b>")
    bench.refresh()
    bench.wait()
    bundle = bench._repr_mimebundle_()
    for form in (bundle["text/html"], bundle["text/plain"]):
        assert all(name in form for name in ("net", "shapes", "table"))
    assert "&lt;b&gt;pictures" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "selected: net, Diff" in repr(bench.select("net", "Diff").wait())
