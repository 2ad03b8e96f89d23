"""The text of the front end: complete, small, without foreign addresses and without eval."""

from __future__ import annotations

import re
import threading
from contextvars import ContextVar
from importlib.resources import files
from pathlib import Path

import pytest

from lancenb.widgets import JobCard, _threads
from lancenb.widgets._assets import css
from lancenb.widgets._fields import Code, Confirm, Fold
from lancenb.widgets._view import View, sentence

STATIC = Path(str(files("lancenb.widgets"))) / "static"


FORBIDDEN = (
    r"^\s*(import|export)\s|\bimport\(|\beval\(|new Function|"
    r"innerHTML|insertAdjacentHTML|document\.write"
)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda p: p.name)
def test_every_file_is_plain_short_and_needs_nobody(path: Path) -> None:
    text = path.read_text()
    assert not re.search(FORBIDDEN, text, re.M)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert len(text.splitlines()) <= 300


@pytest.mark.parametrize("view", [JobCard, Code, Confirm, Fold])
def test_every_view_has_one_module_that_knows_its_kind(view: type[View]) -> None:
    text = view._esm
    assert text.count("export default") == 1
    assert f"PARTS.{view.kind.default_value} =" in text
    assert len(text) < 20_000


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda p: p.name)
def test_styles_stay_below_our_root_and_take_their_colours_from_the_tokens(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    for selectors in re.findall(
        r"([^{}@]+)\{", re.sub(r"@(media|keyframes|container)[^{]*\{", "", text)
    ):
        for selector in re.split(r",(?![^(]*\))", selectors):
            name = selector.strip()
            if name and name not in ("from", "to") and "%" not in name:
                assert name.startswith((".lnb", ":is(.lnb")), name
    rules = re.sub(r"--[\w-]+:[^;}]*", "", text)  # colours are written in custom properties only
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rules)
    assert "http" not in text
    assert "@import" not in text
    assert text.count("{") == text.count("}")


def test_a_view_answers_questions_and_says_its_errors() -> None:
    class Rows(View):
        def _answer_rows(self, offset: int, limit: int):
            if limit > 10:
                raise ValueError("too many rows, token=abcdef123")
            return {"rows": list(range(offset, offset + limit))}, [b"123"]

    view, sent = Rows(label="rows"), []
    view.send = lambda content, buffers=None: sent.append((content, buffers))  # type: ignore[method-assign]
    view._handle_custom_msg({"ask": "rows", "id": "a-1", "args": {"offset": 2, "limit": 2}}, [])
    view._handle_custom_msg({"ask": "rows", "id": "a-2", "args": {"offset": 2, "limit": 99}}, [])
    view._handle_custom_msg({"ask": "nothing", "id": "a-3"}, [])
    view._handle_custom_msg("noise", [])
    assert sent[0] == ({"id": "a-1", "body": {"rows": [2, 3]}}, [b"123"])
    assert sent[1][0]["error"] == "too many rows, token=***"
    assert "error" in sent[2][0]
    assert len(sent) == 3


def test_sentences() -> None:
    assert sentence(KeyError("x")) == "KeyError: 'x'"
    assert sentence(RuntimeError()) == "RuntimeError"
    assert sentence(OSError("one\ntwo")) == "one"


def test_the_shared_style_is_small() -> None:
    assert len(css()) < 40_000


def test_a_view_sends_from_threads_that_know_no_cell() -> None:
    """As ipykernel 7.0 does it: a context variable that plain threads lack."""
    cell: ContextVar[str] = ContextVar("cell")
    sent: list[str] = []

    def send(data: object, buffers: object = None, **rest: object) -> None:
        sent.append(cell.get())

    cell.set("this one")
    view = View(label="a")
    view.comm.send = send  # type: ignore[union-attr]
    thread = threading.Thread(target=view.put, kwargs={"label": "b"})
    thread.start()
    thread.join()
    assert sent == ["this one"]
    _threads.start(lambda: sent.append(cell.get()), name="x").join()
    assert sent[1] == "this one"
