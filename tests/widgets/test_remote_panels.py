"""Panels and previews over a real server: the same clicks, the same answers, files of this machine.

``far`` is a stand-in that fails on anything private; here the catalogue really is behind a socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lancenb as lnb
from lancenb.widgets._artefact_tabs import TABS
from lancenb.widgets._source import open_source
from lancenb.widgets._target import is_far
from lancenb.widgets.convert_panel import ConvertPanel
from lancenb.widgets.download_panel import DownloadPanel
from lancenb.widgets.register_panel import RegisterPanel
from lancenb.widgets.rollback_panel import RollbackPanel
from tests.widgets.conftest import fill, make_images
from tests.widgets.test_workbench import text_of

pytest.importorskip("fastapi")
pytest.importorskip("grpc")
TOKEN = "lnb_the-token-of-the-panels-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root, scratch = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("scratch")
    with lnb.serve(fill(root / "store", scratch), token=TOKEN) as running:
        yield running


@pytest.fixture(params=["http", "ws", "grpc"])
def dm(request: pytest.FixtureRequest, server: Any) -> Iterator[Any]:
    with server.connect(request.param) as manager:
        yield manager


@pytest.fixture
def near(server: Any) -> Any:
    return server.manager


def own_net(dm: Any, name: str) -> str:
    """Make weights of two versions for a test that changes them."""
    import torch

    for seed in (1, 2):
        torch.manual_seed(seed)
        dm.save_weights(name, {"w": torch.randn(3, 4), "b": torch.zeros(3)})
    return name


def test_artefacts_of_a_server_are_far_and_local_ones_are_not(dm: Any, near: Any):
    assert is_far(dm["table"])
    assert not is_far(near["table"])
    assert open_source(dm["table"]).uri is None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("table", {}),
        ("table", {"rows": 3, "page": 2}),
        ("table", {"where": "split = 'test'"}),
        ("table", {"where": [("id", ">", 40)], "columns": ["id", "text"]}),
        ("shapes", {"rows": 5}),
        ("shapes", {"label": "star"}),
        ("shapes", {"page": 2, "rows": 6}),
        ("shapes", {"columns": ["label", "width"]}),
        ("net", {}),
        ("net", {"version": 1}),
        ("net", {"tensor": "head.*"}),
        ("net", {"tensor": "layer2.conv.weight"}),
    ],
)
def test_a_preview_is_the_same_picture(dm: Any, near: Any, name: str, options: Any):
    there, here = dm[name].preview(**options), near[name].preview(**options)
    assert there.text == here.text
    assert there.html == here.html
    assert lnb.preview(dm[name], **options).data.keys() == here.data.keys()


def test_what_a_preview_cannot_show_is_said_alike(dm: Any, near: Any):
    for name, options in (
        ("table", {"where": "nothing = 1"}),
        ("table", {"where": "id ="}),
        ("table", {"version": 9}),
        ("table", {"version": "prod"}),
        ("net", {"tensor": "absent"}),
        ("shapes", {"label": "moon"}),
    ):
        with pytest.raises(lnb.LancenbError) as here:
            near[name].preview(**options)
        with pytest.raises(type(here.value)) as there:
            dm[name].preview(**options)
        assert (there.value.code, there.value.message) == (here.value.code, here.value.message)


def test_gallery(dm: Any, near: Any, loud: Any):
    there, here = lnb.Gallery(dm["shapes"]), lnb.Gallery(near["shapes"])
    for gallery in (there, here):
        assert gallery.wait()
        gallery.selected = [0, 23]
    assert there.rows(["path", "label"]) == here.rows(["path", "label"])
    assert there.first_items == here.first_items
    stars = lnb.Gallery(dm["shapes"], label="star")
    assert stars.wait()
    assert stars.matches == 8


def test_tensor_browser(dm: Any, near: Any, loud: Any):
    there = lnb.TensorBrowser(dm["net"], selected="layer2.conv.weight")
    here = lnb.TensorBrowser(near["net"], selected="layer2.conv.weight")
    assert repr(there) == repr(here)
    assert "changed" in repr(lnb.compare(dm["net"], 1, 2))


def test_table_view(dm: Any, near: Any, loud: Any):
    options: Any = {"where": "split = 'train'", "order_by": "id desc"}
    there, here = lnb.TableView(dm["table"], **options), lnb.TableView(near["table"], **options)
    assert repr(there) == repr(here)
    assert there.code == here.code


def named(dm: Any, what: str) -> str:
    """Return a name of its own for each engine: all of them work on one catalogue."""
    return f"{what}-{dm.url.partition(':')[0]}"


def test_convert_panel_sends_files_of_this_machine(dm: Any, near: Any, tmp_path: Path, loud: Any):
    name, source = named(dm, "pictures"), make_images(tmp_path / "pictures", 6)
    panel = ConvertPanel(dm, source, key="")
    panel.fields["name"].value = name
    panel.settle()
    assert panel.code_line.code == f"dm.convert({str(source)!r}, {name!r})"
    assert panel.run().rows == near[name].rows == 6
    assert str(source) in str(near.lineage(name))
    with pytest.raises(lnb.errors.AlreadyExists):
        ConvertPanel(dm, source, key="").run(name=name, mode="create")
    exec(panel.code_line.code.replace(name, f"{name}-again"), {"dm": dm})
    assert near[f"{name}-again"].rows == 6
    assert ConvertPanel(dm, source, key="").run(name=name, mode="append").version == 2


def test_download_panel_brings_to_this_machine_and_converts_there(
    dm: Any, near: Any, cache: Path, loud: Any
):
    panel = DownloadPanel(dm, key="")
    panel.run(spec="synthetic", split="test", limit=20)
    panel.result_row.children[-1].children[0].click()
    below = panel.result_row.children[-1]
    assert isinstance(below, ConvertPanel)
    assert below.run(name=named(dm, "drawn")).rows == 20
    assert near[named(dm, "drawn")].rows == 20


def test_register_panel_changes_an_entry(dm: Any, near: Any, loud: Any):
    name = own_net(dm, named(dm, "noted"))
    panel = RegisterPanel(dm, name=name, key="")
    panel.run(description="from afar", tags=["seen"], parents=["table"])
    assert (near[name].description, near[name].tags) == ("from afar", ["seen"])
    assert near[name].parents[0]["name"] == "table"


def test_register_panel_takes_a_table_inside_the_root(dm: Any, near: Any, loud: Any):
    name = named(dm, "found")
    lnb.convert(near["table"].search_rows(), f"{near.store.uri}/datasets/{name}.lance")
    panel = RegisterPanel(dm, f"datasets/{name}.lance", key="")
    panel.fields["name"].value = name
    panel.settle()
    assert panel.code_line.code == f"dm.register({name!r}, 'datasets/{name}.lance')"
    assert panel.run().rows == near[name].rows == 50


def test_rollback_panel_and_its_line_of_python(dm: Any, near: Any, loud: Any):
    name = own_net(dm, named(dm, "model"))
    panel = RollbackPanel(dm, name, key="")
    panel._fill({"version": 1})
    panel.settle()
    assert "norm of change" in panel._change.value
    assert panel.code_line.code == f"dm.rollback({name!r}, 1)"
    assert tuple(panel.run()) == (1, 2, 3)
    assert near[name].version == 3
    assert panel.undo().new_head == 4
    exec(f"dm.rollback({name!r}, 1)", {"dm": dm})
    assert near[name].version == 5


def test_a_read_token_is_told_so_in_the_panel(server: Any, tmp_path: Path):
    from lancenb.remote._state import token_file
    from lancenb.remote._tokens import Tokens

    ident, token = Tokens(token_file(server.manager.store)).add("reader", "read")
    try:
        dm = server.connect("http", token=token)
        assert lnb.Gallery(dm["shapes"]).total == 24
        with pytest.raises(lnb.errors.Forbidden, match="scope 'write'"):
            RollbackPanel(dm, "net", key="").run(version=1)
        with pytest.raises(lnb.errors.Forbidden):
            ConvertPanel(dm, make_images(tmp_path / "more", 3), key="").run(name="more")
    finally:
        Tokens(token_file(server.manager.store)).revoke(ident)
    assert "more" not in server.manager


def test_workbench(dm: Any, near: Any, loud: Any):
    bench = lnb.Workbench(dm).wait()
    assert {"net", "shapes", "table"} <= set(bench.catalogue.names)
    for name in ("net", "shapes", "table"):
        for tab in TABS:
            shown = bench.select(name, tab).wait().content
            assert "lnb-problem" not in text_of(shown), (name, tab, text_of(shown))
            assert TOKEN not in text_of(shown)
    assert "on another one" in text_of(bench.select("shapes", "Train").wait().content)
    name = own_net(dm, named(dm, "bench"))
    bench.catalogue.refresh()
    panel = bench.wait().select(name, "Versions").wait().content
    panel.run(version=1)
    bench.wait()
    assert near[name].version == 3
    assert TOKEN not in repr(bench)
    bench.close()


def test_a_workbench_whose_server_is_gone(tmp_path: Path, loud: Any):
    import pyarrow as pa

    server = lnb.serve(tmp_path / "store", grpc=None)
    dm = server.connect()
    for name in ("one", "two"):
        dm.convert(pa.table({"n": [1]}), name)
    bench = lnb.Workbench(dm).wait()
    bench.select("one", "Preview").wait()
    assert "one" in bench._header.value
    server.stop()
    shown = bench.select("two", "Preview").wait().content
    assert "no server answers" in text_of(shown)
    assert "two" in bench._header.value
    assert "one" not in bench._header.value
    bench.close()


def test_what_cannot_work_from_afar_says_where_it_works(dm: Any):
    with pytest.raises(lnb.errors.LocalOnly, match="opens only where its files are"):
        lnb.LanceTorchDataset(dm["shapes"])
