"""The convert panel without a browser: sources, names, modes, options, uploads, cancel, leaks."""

from __future__ import annotations

import gc
import inspect
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import torch
from PIL import Image

import lancenb as lnb
from lancenb.convert import converter_class
from lancenb.errors import (
    AlreadyExists,
    Cancelled,
    Conflict,
    InvalidArgument,
    LancenbError,
    SchemaMismatch,
)
from lancenb.testing import FileServer
from lancenb.widgets import ConvertPanel, _convert_form
from lancenb.widgets._convert_options import OPTIONS, options_for
from lancenb.widgets._drop import Drop
from lancenb.widgets._skipped import Skipped, glimpse, read_item
from lancenb.widgets._target_name import Target, forecast, suggest
from tests.widgets.conftest import left_threads, make_images
from tests.widgets.test_download_panel import everything

living = ipywidgets.widgets.widget._instances


@pytest.fixture
def shop(tmp_path: Path) -> lnb.DataManager:
    """Return an empty catalogue."""
    return lnb.DataManager(tmp_path / "shop")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Return a small CSV file."""
    file = tmp_path / "people.csv"
    file.write_text("name,age\nAda,36\nBob,41\n")
    return file


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Return a folder of pictures, three of them damaged, and a note."""
    folder = make_images(tmp_path / "pets", 9)
    whole = Image.effect_noise((64, 48), 90).convert("RGB")
    whole.save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    for number in range(3):
        (folder / "star" / f"broken-{number}.jpg").write_bytes(data[: len(data) * 6 // 10])
    (folder / "notes.txt").write_text("no picture")
    return folder


def shown(panel: ConvertPanel) -> set[str]:
    """Return the names of the visible fields."""
    return {name for name, field in panel.fields.items() if field.layout.display != "none"}


def test_the_kind_is_told_with_its_reason_before_anything_is_written(
    shop: lnb.DataManager, people: Path, pets: Path
) -> None:
    panel = ConvertPanel(shop, people, key="")
    assert panel.settle()
    assert panel.box.said == "Table: its suffix is .csv."
    assert panel.fields["name"].value == "people"
    assert "Makes people, version 1." in panel._sentence.value
    assert panel.code_line.code == f"dm.convert({str(people)!r}, 'people')"
    assert len(shop.list()) == 0
    panel.box.value = str(pets / "star" / "*.png")
    assert panel.settle()
    assert "Images" in panel.box.said
    assert panel.fields["name"].value == "star"
    panel.box.value = str(people.parent / "none")
    assert panel.settle()
    assert panel.box.tone == "bad"
    assert "There is no file or folder" in panel.box.said


def test_options_fit_the_kind_and_the_format(
    shop: lnb.DataManager, people: Path, pets: Path
) -> None:
    common = {"source", "name", "mode", "kind"}
    panel = ConvertPanel(shop, people, key="")
    panel.settle()
    assert shown(panel) - common == {
        "delimiter", "header", "columns", "ragged", "encoding", "provenance"
    }  # fmt: skip
    panel.box.value = str(pets)
    panel.settle()
    assert shown(panel) - common == {"label", "on_error", "verify", "reencode", "split", "classes"}
    panel.fields["kind"].value = "weights"  # overruled by hand
    panel.settle()
    assert shown(panel) - common == {"only", "salvage", "check_crc", "hash"}
    assert "kind='weights'" in panel.code_line.code


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_one_of_its_converter_with_the_same_default(kind: str) -> None:
    known = inspect.signature(converter_class(kind)).parameters
    for option in OPTIONS[kind]:
        assert option.key in known
        assert known[option.key].default == option.default, option.key
        if option.choices:
            assert option.choices[0][1] == option.default, option.key


def test_the_line_shown_is_the_line_that_does_it(shop: lnb.DataManager, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("1;2\n3;4\n5\n")
    panel = ConvertPanel(shop, key="")
    report = panel.run(
        source=file, name="odd", delimiter=";", header=False, columns=["a", "b"], ragged="skip"
    )
    assert (report.rows, len(report.skipped)) == (2, 1)
    line = panel.code_line.code.replace("'odd'", "'again'")
    again = eval(line, {"dm": shop, "lnb": lnb})
    assert again.rows == 2
    assert again.schema.names == ["a", "b"]


def test_modes_say_what_will_happen_and_do_it(shop: lnb.DataManager, people: Path) -> None:
    panel = ConvertPanel(shop, people, key="")
    panel.run()
    for mode, words, rows in (
        ("append", "Adds rows to the 2 of people, as version 2.", 4),
        ("overwrite", "Replaces the 4 rows of people, as version 3;", 2),
    ):
        panel.fields["mode"].value = mode
        panel.settle()
        assert words in panel._sentence.value
        assert panel.run(source=people, name="people", mode=mode).name == "people"
        assert shop["people"].rows == rows
    panel.fields["mode"].value = "create"
    panel.settle()
    assert "people is there already (table, version 3)" in panel._sentence.value
    with pytest.raises(AlreadyExists):
        panel.run(source=people, name="people", mode="create")
    assert panel.card.state == "failed"
    assert "overwrite" in panel.card.hint


def test_a_name_suggested_too_late_is_not_put_in_the_place_of_the_one_that_was_made(
    shop: lnb.DataManager, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted, suggested = threading.Event(), threading.Event()
    panel_show, panel_suggest = ConvertPanel._show, ConvertPanel._suggest

    def show(panel: ConvertPanel, result: Any) -> Any:
        converted.set()
        assert suggested.wait(60)
        return panel_show(panel, result)

    def suggest(panel: ConvertPanel, what: Any, said: str) -> str:
        assert converted.wait(60)
        try:
            return panel_suggest(panel, what, said)
        finally:
            suggested.set()

    monkeypatch.setattr(ConvertPanel, "_show", show)
    monkeypatch.setattr(ConvertPanel, "_suggest", suggest)
    panel = ConvertPanel(shop, people, key="")
    assert panel.run().name == "people"
    assert panel.settle(60)
    assert panel.fields["name"].value == "people"
    assert shop.list().names == ["people"]


def test_what_an_earlier_form_meant_is_never_written_last(
    shop: lnb.DataManager, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go = threading.Event(), threading.Event()

    def slow(*args: Any) -> Any:
        if threading.current_thread() is not chooser and not reading.is_set():
            reading.set()
            assert go.wait(600)
        return forecast(*args)

    panel = ConvertPanel(shop, people, "people", key="")
    assert panel.settle()
    chooser = threading.Thread(target=setattr, args=(panel.fields["mode"], "value", "append"))
    monkeypatch.setattr(_convert_form, "forecast", slow)
    shop.convert(people, "people")
    panel._looking.ask(panel.box.what, "people")
    assert reading.wait(60)
    chooser.start()
    chooser.join(0.5)
    go.set()
    chooser.join(60)
    assert panel.settle()
    assert "Adds rows to the 2 of people" in panel._sentence.value


@pytest.mark.parametrize(
    ("name", "words"),
    [("a b", "cannot name"), (".x", "cannot name"), ("x" * 200, "200 characters")],
)
def test_names_are_checked_while_typed(
    shop: lnb.DataManager, people: Path, name: str, words: str
) -> None:
    panel = ConvertPanel(shop, people, key="")
    panel.settle()
    panel.fields["name"].value = name
    panel.settle()
    assert words in panel._sentence.value
    with pytest.raises(LancenbError):
        panel.run()
    assert len(shop.list()) == 0


def test_forecasts_and_suggestions() -> None:
    assert forecast(Target("x"), "append") == (
        "There is no x yet to append to: choose create.",
        False,
    )
    assert forecast(Target("x", kind="images"), "append", "text")[1] is False
    assert forecast(Target(""), "create")[1] is False
    for source, name in {
        "hf:model:acme/tiny@v1": "tiny", "torchvision:resnet18/IMAGENET1K_V1": "resnet18",
        "datasets:a/b:cfg": "b", "/a/b c/x.tar.gz": "x", "data/**/*.png": "data", "*.png": "",
        "https://a.org/m-f37072fd.pth?x=1": "m", "cifar10": "cifar10", "model.pth.tar": "model",
    }.items():  # fmt: skip
        assert suggest(source) == name, source
    assert suggest("a.csv", {"a", "a-2"}) == "a-3"


def test_a_new_source_gets_a_new_name_unless_one_was_typed(
    shop: lnb.DataManager, people: Path, pets: Path
) -> None:
    panel = ConvertPanel(shop, people, key="")
    panel.settle()
    panel.fields["name"].value = ""  # emptied to type another one: nothing may fill it meanwhile
    panel.settle()
    assert panel.fields["name"].value == ""
    panel.box.value = str(pets)
    panel.settle()
    assert panel.fields["name"].value == "pets"
    panel.fields["name"].value = "mine"
    panel.box.value = str(people)
    panel.settle()
    assert panel.fields["name"].value == "mine"


def test_skipped_items_are_listed_with_reasons_and_pictures(
    shop: lnb.DataManager, pets: Path, loud: Any
) -> None:
    panel = ConvertPanel(shop, str(pets), key="")
    panel.settle()
    panel.primary.click()
    assert panel.card.wait(60)
    assert panel.result.rows == 9
    listed = panel.result_row.children[-1]
    assert isinstance(listed, Skipped)
    html = listed._body.value
    assert "star/broken-0.jpg" in html
    assert "truncated" in html
    assert html.count("data:image/") == 3
    assert "notes.txt" in html
    assert "not an image" in html
    text = "".join(getattr(child, "value", "") for child in panel.result_row.children)
    assert "4 items left out" in text
    assert "version 1" in text


def test_long_lists_are_paged(tmp_path: Path, loud: Any) -> None:
    many = Skipped([(f"{n}<b>.jpg", "gone & bad") for n in range(20)], tmp_path)
    assert many.pages == 3
    assert "0&lt;b&gt;.jpg" in many._body.value
    assert "gone &amp; bad" in many._body.value
    many._next.click()
    many._next.click()
    assert "17 to 20 of 20" in many._where.value
    assert many._next.disabled
    many._back.click()
    assert many.page == 1


def test_pictures_of_skipped_items_come_from_the_source_only(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    for item in ("../secret.png", "link.png", str(tmp_path / "secret.png"), "none.png"):
        assert read_item(inside, item) == b""
    (inside / "a.png").write_bytes(b"y")
    assert read_item(inside, "a.png") == b"y"
    assert read_item(str(inside / "*.png"), "a.png") == b"y"
    assert glimpse(b"") == ""


def test_kinds_are_not_mixed(far: Any, people: Path) -> None:
    panel = ConvertPanel(far, people, key="")
    panel.fields["name"].value = "net"
    panel.fields["mode"].value = "append"
    panel.settle()
    assert "net holds weights, this is text" in panel._sentence.value
    with pytest.raises(SchemaMismatch):
        panel.run()


def test_it_works_from_afar(far: Any, people: Path, pets: Path) -> None:
    panel = ConvertPanel(far, people, key="")
    assert panel.run().name == "people"
    assert panel.run(source=pets, name="pets").rows == 9
    assert far.get("pets").rows == 9


def test_an_address_is_downloaded_first(
    shop: lnb.DataManager, cache: Path, files: FileServer
) -> None:
    address = files.add("/numbers.csv", b"a,b\n1,2\n3,4\n")
    panel = ConvertPanel(shop, address, key="")
    panel.settle()
    assert "It is downloaded first." in panel.box.said
    assert panel.code_line.code == f"dm.convert({address!r}, 'numbers')"
    assert panel.run().rows == 2
    drawn = panel.run(source="synthetic:table", name="drawn")
    assert drawn.kind in ("table", "text")


def test_objects_and_downloads_are_sources(shop: lnb.DataManager, cache: Path) -> None:
    drawn = lnb.download("synthetic", split="test", limit=6)
    panel = ConvertPanel(shop, drawn, "drawn", key="")
    panel.settle()
    assert "synthetic" in panel.box.value
    assert panel.run().rows == 6
    assert shop.versions("drawn")
    model = {"w": torch.ones(3)}
    assert panel.run(source=model, name="w").kind == "weights"
    assert panel.code_line.code.startswith("dm.convert(source, 'w')")


def test_nothing_to_do_is_a_sentence(shop: lnb.DataManager) -> None:
    panel = ConvertPanel(shop, key="")
    assert panel.code_line.code == ""
    with pytest.raises(InvalidArgument, match="no source yet"):
        panel.run()
    with pytest.raises(InvalidArgument, match="no store"):
        ConvertPanel(None, "x.csv", key="").run()
    with pytest.raises(InvalidArgument, match="no input 'lable'"):
        panel.run(lable="x")


# Uploads --------------------------------------------------------------------------------------


def piece(drop: Drop, **content: Any) -> list[Any]:
    """Send what the front end sends; return the replies."""
    replies: list[Any] = []
    drop.send = lambda body, buffers=None: replies.append(body)  # type: ignore[method-assign]
    data = content.pop("data", None)
    drop._receive(drop, content, [] if data is None else [memoryview(data)])
    return replies


def test_an_upload_arrives_in_pieces_and_leaves_with_the_conversion(
    shop: lnb.DataManager, loud: Any
) -> None:
    panel = ConvertPanel(shop, key="")
    drop, data = panel.drop, b"name,age\n" + b"Ada,36\n" * 1000
    files = [{"name": "../../people.csv", "size": len(data)}]
    assert piece(drop, up="begin", id="u1", files=files) == [{"up": "u1", "ok": True}]
    half = len(data) // 2
    assert piece(drop, up="piece", id="u1", n=0, at=0, data=data[:half])[0]["ok"]
    assert drop.state == "sending"
    assert drop.path is None
    assert piece(drop, up="piece", id="u1", n=0, at=half, data=data[half:])[0]["ok"]
    assert drop.state == "done"
    folder = drop.path.parent
    assert drop.path.name == "people.csv"
    assert panel.box.value == "upload: people.csv"
    panel.settle()
    assert panel.fields["name"].value == "people"
    panel.primary.click()
    assert panel.card.wait(60)
    assert panel.result.rows == 1000
    assert panel.result.lineage["upload"] == ["people.csv"]
    assert not folder.exists()
    assert panel.box.value == ""


def test_several_files_become_one_source(shop: lnb.DataManager, pets: Path) -> None:
    panel = ConvertPanel(shop, name="two", key="")
    first, second = sorted((pets / "star").glob("*.png"))[:2]
    folder = panel.drop.put_files({"a.png": first.read_bytes(), "A.png": second.read_bytes()})
    assert sorted(os.listdir(folder)) == ["A-2.png", "a.png"]
    assert panel.run().rows == 2
    assert not folder.exists()


def test_uploads_are_bounded_and_strange_ones_refused() -> None:
    drop = Drop(limit=1000)
    assert piece(drop, up="begin", id="1", files=[{"name": "x", "size": 1001}])[0]["ok"] is False
    assert drop.state == "failed"
    assert "1.0 kB" in drop.said
    for number, wrong in enumerate((
        {"up": "piece", "n": 0, "at": 2, "data": b"ab"},
        {"up": "piece", "n": 0, "at": 0, "data": b"abcde"},
        {"up": "piece", "n": 7, "at": 0, "data": b"ab"},
        {"up": "broken"},
    )):  # fmt: skip
        wrong["id"] = f"try {number}"
        assert piece(drop, up="begin", id=wrong["id"], files=[{"name": "x", "size": 4}])[0]["ok"]
        folder = drop.parcel.folder
        assert folder is not None
        assert piece(drop, **wrong)[0]["ok"] is False, wrong
        assert drop.state == "failed"
        assert not folder.exists()


def test_a_late_repeated_or_foreign_message_does_no_harm_to_an_upload() -> None:
    drop = Drop()
    begin = {"up": "begin", "files": [{"name": "x", "size": 4}]}
    whole = {"up": "piece", "n": 0, "at": 0, "data": b"1234"}
    assert piece(drop, **begin, id="A")[0]["ok"]
    assert piece(drop, **begin, id="B")[0]["ok"]
    assert piece(drop, **whole, id="B")[0]["ok"]
    path = drop.path
    for late in (whole, begin, {"up": "broken"}, {"up": "clear"}):
        assert piece(drop, **late, id="A")[0]["ok"] is False
        assert (drop.state, drop.path) == ("done", path)
    assert piece(drop, up="begin", id="C", files=[{"name": "y", "size": 10**12}])[0]["ok"] is False
    assert drop.path == path
    assert "x stays" in drop.said
    assert piece(drop, up="clear", id="B") == []
    assert drop.state == "idle"


def slowed(manager: lnb.DataManager, go: threading.Event) -> Any:
    """Return a manager whose conversions wait for a word."""

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(manager, name)

        def convert(self, *args: Any, **options: Any) -> Any:
            assert go.wait(600)
            return manager.convert(*args, **options)

    return Slow()


def test_an_upload_under_conversion_is_locked_and_survives_the_panel(
    shop: lnb.DataManager,
) -> None:
    go = threading.Event()
    panel = ConvertPanel(slowed(shop, go), key="again")
    folder = panel.drop.put_files({"a.csv": b"x\n1\n"}).parent
    job = panel.run(wait=False, name="one")
    assert panel.drop.disabled
    clear = {"up": "clear", "id": "python"}
    begin = {"up": "begin", "id": "Z", "files": [{"name": "x", "size": 4}]}
    assert piece(panel.drop, **clear)[0]["ok"] is False
    assert piece(panel.drop, **begin)[0]["ok"] is False
    with pytest.raises(Conflict):
        panel.drop.put_files({"b.csv": b"x\n2\n"})
    following = ConvertPanel(shop, key="again")  # the cell runs again
    go.set()
    assert job.wait(60)
    assert following.card.wait(60)
    assert job.result().rows == 1
    assert not folder.exists()
    assert not following.drop.disabled


def test_the_end_of_a_job_leaves_a_later_upload_alone(shop: lnb.DataManager) -> None:
    go = threading.Event()
    panel = ConvertPanel(slowed(shop, go), key="")
    folder = panel.drop.put_files({"a.csv": b"x\n1\n"}).parent
    job = panel.run(wait=False, name="one")
    panel.drop.disabled = False  # as if the second began a moment before the click
    path = panel.drop.put_files({"b.csv": b"x\n2\n"})
    go.set()
    assert job.wait(60)
    assert panel.card.wait(60)
    assert job.result().rows == 1
    assert not folder.exists()
    assert path.exists()
    assert panel.box.value == "upload: b.csv"


def test_closing_or_losing_the_panel_removes_the_upload(shop: lnb.DataManager) -> None:
    panel = ConvertPanel(shop, key="")
    folder = panel.drop.put_files({"a.csv": b"x\n1\n"}).parent
    panel.close()
    assert not folder.exists()
    drop = Drop()
    folder = drop.put_files({"a.csv": b"x\n1\n"}).parent
    drop.close()
    del drop
    gc.collect()
    assert not folder.exists()


# Cancel, leaks, secrets -----------------------------------------------------------------------


def leftovers() -> tuple[int, set[str]]:
    """Return what must not grow: widgets, temporary files."""
    return len(living), set(os.listdir(tempfile.gettempdir()))


def cancel_often(shop: lnb.DataManager, source: Path, times: int) -> None:
    """Start and cancel a conversion again and again; nothing may remain of any."""
    known = set(threading.enumerate())
    panel = ConvertPanel(shop, source, "much", key="")
    panel.settle()
    assert not left_threads(known)
    before, states = leftovers(), set()
    for number in range(times):
        job = panel.run(wait=False)
        if number % 3:
            time.sleep(0.004 * (number % 7))
        panel.cancel()
        assert panel.card.wait(60)
        states.add(job.state)
        if job.state == "done":  # it was faster than the cancel: that is no half thing either
            assert shop["much"].version == 1
            shop.delete("much", confirm="much")
    assert "cancelled" in states
    assert "failed" not in states
    assert not left_threads(known)
    panel._put_result(())  # of a last one that was faster
    assert leftovers() == before
    assert len(shop.list()) == 0
    root = Path(str(shop.store.uri))
    assert not [path for path in root.rglob("*.lance") if path.name.startswith("much")]
    panel.close()


@pytest.fixture
def much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that takes a while; temporary files go to a folder of this test alone."""
    own = tmp_path / "tmp"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    file = tmp_path / "much.csv"
    file.write_bytes(b"a,b,c\n" + b"1,2.5,some words here\n" * 400_000)
    return file


def test_thirty_cancelled_conversions_leave_nothing(shop: lnb.DataManager, much: Path) -> None:
    cancel_often(shop, much, 30)


@pytest.mark.slow
def test_two_hundred_cancelled_conversions_leave_nothing(shop: lnb.DataManager, much: Path) -> None:
    cancel_often(shop, much, 200)


def test_a_cancelled_overwrite_leaves_the_old_version(
    shop: lnb.DataManager, people: Path, much: Path
) -> None:
    shop.convert(people, "much")
    panel = ConvertPanel(shop, much, "much", key="")
    job = panel.run(wait=False, mode="overwrite")
    while panel.card.job is job and job.progress is None and job.state == "running":
        time.sleep(0.002)
    panel.cancel()
    panel.card.wait(60)
    if job.state == "cancelled":
        with pytest.raises(Cancelled):
            job.result()
        assert shop["much"].version == 1
        assert shop["much"].rows == 2
    assert panel.run(source=people, mode="overwrite").version > 1


@pytest.mark.parametrize(
    "source",
    [
        "https://ann:pa55w0rd@127.0.0.1:9/x.csv?X-Amz-Signature=pa55w0rd",
        "s3://AKIAIOSFODNN7EXAMPLE:pa55w0rd@bucket/x.csv",
        "s3://bucket/x.csv?secret_key=pa55w0rd",
    ],
)
def test_no_secret_of_a_source_is_shown(
    shop: lnb.DataManager, cache: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "s3cretTokenOfAnn" * 2)
    panel = ConvertPanel(shop, source, "x", key="")
    panel.settle()
    with pytest.raises(LancenbError) as caught:
        panel.run()
    text = everything(
        repr(panel), panel._repr_mimebundle_(), caught.value, panel.card.traceback,
        panel.code_line.code, panel.job,
    )  # fmt: skip
    assert "pa55w0rd" not in text
    assert "s3cretToken" not in text


def test_options_are_few_for_a_lance_table() -> None:
    assert options_for("table", "lance") == ()
    assert {o.key for o in options_for("text", "folder")} > {"delimiter", "rows"}


def test_enter_in_the_source_goes_on_to_the_name_unless_that_was_chosen(
    shop: lnb.DataManager, people: Path, loud: Any
) -> None:
    panel = ConvertPanel(shop, people, key="")
    focused: list[bool] = []
    panel._name.focus = lambda: focused.append(True)  # type: ignore[method-assign]
    panel.settle()
    panel.box._receive(panel.box, {"do": "submit"}, None)
    assert (focused, panel.job) == ([True], None)
    panel.fields["name"].value = "mine"
    panel.box._receive(panel.box, {"do": "submit"}, None)
    assert panel.card.wait(60)
    assert panel.result.name == "mine"


def test_after_a_success_the_button_waits_for_a_change_and_the_result_stays(
    shop: lnb.DataManager, people: Path, loud: Any
) -> None:
    panel = ConvertPanel(shop, people, key="")
    panel.settle()
    panel._click()
    assert panel.card.wait(60)
    shown, job = panel.result_row.children, panel.job
    assert panel.primary.disabled
    panel._click()  # Enter in the name, or a second tab
    assert panel.job is job
    assert panel.result_row.children == shown
    assert "Change something" in panel._sentence.value
    panel.fields["mode"].value = "append"
    assert not panel.primary.disabled
    panel.settle()
    assert "as version 2" in panel._sentence.value


def test_a_click_never_waits_for_the_store(people: Path, shop: lnb.DataManager) -> None:
    go, made = threading.Event(), threading.Event()

    class Asleep:
        def __getattr__(self, name: str) -> Any:
            if made.is_set():
                go.wait(200)
            return getattr(shop, name)

        def convert(self, *args: Any, **options: Any) -> Any:
            return shop.convert(*args, **options)

    panel = ConvertPanel(Asleep(), people, key="")
    made.set()
    begin = time.monotonic()
    panel._click()
    assert time.monotonic() - begin < 150  # the store sleeps for 200
    go.set()
    assert panel.card.wait(60)
    assert panel.result.name == panel.fields["name"].value == "people"


def test_wrong_choices_managers_and_sources_are_told_in_true_words(
    shop: lnb.DataManager, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match="no store") as caught:
        ConvertPanel("/tmp/x", key="")
    assert "DataManager('/tmp/x')" in caught.value.hint
    panel = ConvertPanel(shop, key="")
    with pytest.raises(InvalidArgument) as caught:
        panel.run(source="x", mode="replace")
    assert caught.value.hint.endswith("one of 'create', 'overwrite', 'append'")
    with pytest.raises(InvalidArgument, match="kind='image'") as caught:
        panel.run(source="x", kind="image")
    assert caught.value.hint.startswith("did you mean 'images'?")
    for name in ("a.ckpt", "b.ckpt"):
        torch.save({"w": torch.ones(2)}, tmp_path / name)
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    panel = ConvertPanel(shop, key="")
    for source, words in (
        (tmp_path / "*.ckpt", "2 checkpoints cannot become one artefact"),
        (tmp_path / "sound", "holds sound"),
        (tmp_path / "nope", "There is no file or folder"),
    ):
        panel.box.value = str(source)
        assert panel.settle()
        assert words in panel.box.said
        assert panel._sentence.value == ""
        with pytest.raises(LancenbError):
            panel.run(source=str(source), name="any")
        assert words not in panel.box.said  # the card says it


def test_the_line_is_whole_and_names_the_file_that_is_read(
    shop: lnb.DataManager, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(people.parent))
    panel = ConvertPanel(shop, "~/people.csv", key="")
    assert "''" not in panel.code_line.code
    panel.settle()
    assert panel.code_line.code == f"dm.convert({str(people)!r}, 'people')"


def test_a_question_that_raises_does_not_end_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    from lancenb.widgets._latest import Latest

    said: list[str] = []

    def work(word: str) -> None:
        if word == "bad":
            raise KeyboardInterrupt("https://me:pw@a.org")
        said.append(word)

    latest = Latest(work, pause=0, failed=lambda error: said.append(type(error).__name__))
    for word in ("bad", "good"):
        latest.ask(word)
        assert latest.settle(60)
    assert said == ["KeyboardInterrupt", "good"]
    assert "***@a.org" in caplog.text
    assert "pw" not in caplog.text
