"""A server in one cell, the workbench over it in the next: the road by clicks, seen by another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab
from .test_workbench import STORE, choose, tab

pytest.importorskip("fastapi")
pytest.importorskip("grpc")
pytestmark = pytest.mark.browser

SERVE = "server = lnb.serve(dm)\nserver"
BENCH = "far = server.connect()\nbench = lnb.Workbench(far)\nbench"
OTHER = """
import threading
seen = []
def follow():
    for event in server.connect("ws").watch(after=0):
        seen.append(event)
threading.Thread(target=follow, daemon=True).start()
"""
LAST = """
import time
end = time.monotonic() + 120
while not (seen and seen[-1]["op"] == "rollback") and time.monotonic() < end:
    time.sleep(0.05)
e = seen[-1]
print(e["op"], e["name"], e["before"], e["after"])
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_road_over_http(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([STORE, SERVE, BENCH, OTHER], theme=theme)
    page = book.page
    token = book.ask("print(server.token)")
    book.wait("3 artefacts")
    book.wait("http://127.0.0.1:")
    book.view(f"remote-{theme}-server")

    choose(book, "shapes")
    book.wait("120")
    book.idle()
    page.locator(".lnb-workbench img").filter(visible=True).nth(5).wait_for()
    book.shot(f"remote-{theme}-gallery")
    assert book.barriers(".lnb-workbench") == []

    choose(book, "small-net")
    tab(book, "Preview")
    book.wait("conv1.weight")
    book.idle()
    page.wait_for_timeout(700)
    book.shot(f"remote-{theme}-tensors")

    tab(book, "Versions")
    book.wait("trained with seed 3")
    page.get_by_role("listbox", name="versions").focus()
    page.keyboard.press("End")
    book.idle()
    book.shot(f"remote-{theme}-versions")
    assert book.barriers(".lnb-workbench") == []
    book.click("Roll back to version 1")
    page.get_by_role("button", name="Roll back small-net to version 1").click()
    book.wait("Version 4 has the")
    book.idle()
    book.shot(f"remote-{theme}-rolled-back")
    assert book.ask("print(dm['small-net'].version, far['small-net'].version)") == "4 4"
    assert book.ask(LAST) == "rollback small-net 3 4"

    tab(book, "Train")
    book.wait("Training starts from")
    choose(book, "shapes")
    book.wait("this catalogue is on another one")

    shown = page.locator(".jp-Notebook").inner_text()
    assert token not in shown
    assert token not in book.save().read_text()


def test_a_server_that_is_gone_is_said_in_the_panel(lab: Callable[..., Lab]) -> None:
    book = lab([STORE, SERVE, BENCH])
    book.wait("3 artefacts")
    choose(book, "people")
    book.wait("Ada 1")
    book.ask("server.stop()")
    choose(book, "small-net")
    book.wait("no server answers")
    book.idle()
    book.shot("remote-light-gone")
    assert book.barriers(".lnb-workbench") == []
    assert book.ask("print(server)").endswith("state: stopped")
