"""The job card and the small parts in a bare page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lancenb.widgets import JobCard, _fields
from lancenb.widgets._fields import Code, Confirm

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_of_a_job_has_a_word_and_no_barrier(
    mount: Callable[..., Any], theme: str
) -> None:
    shown = mount(JobCard(), theme)
    assert not shown.page.locator(".lnb-row").is_visible(), "an idle card takes no room"
    shown.from_python(state="running", name="photos", fraction=0.25, detail="read · 25 of 100 rows")
    bar = shown.page.get_by_role("progressbar", name="photos progress")
    assert bar.get_attribute("aria-valuenow") == "25"
    shown.page.wait_for_function(
        "document.querySelector('.lnb-aloud').textContent.includes('running')"
    )
    assert shown.axe() == []
    shown.page.get_by_role("button", name="Cancel").click()
    assert shown.sent()[0] == {"msg": {"do": "cancel"}}  # it is said again until it is heard
    trouble = {"error": "no such file", "hint": "look again", "traceback": "line 1\nline 2"}
    shown.from_python(state="failed", cancelling=False, **trouble)
    assert shown.page.get_by_role("alert").inner_text().startswith("no such file")
    assert not shown.page.get_by_role("button", name="Cancel").is_visible()
    assert shown.axe() == []
    shown.page.evaluate("window.setLive(false)")
    assert "run the cell again" in shown.page.locator(".lnb-job-detail").inner_text()
    assert shown.page.locator(".lnb-state").inner_text() == "disconnected"


def test_a_card_does_not_jump_while_it_runs(mount: Callable[..., Any]) -> None:
    shown = mount(JobCard(), width=480)
    heights = set()
    for fraction, detail in [(None, "starting"), (0.3, "x " * 300), (1.0, "")]:
        shown.from_python(state="running", name="a " * 200, fraction=fraction, detail=detail)
        shown.page.wait_for_timeout(50)
        heights.add(shown.page.locator(".lnb-job").bounding_box()["height"])
    assert len(heights) == 1
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_code_line_copies(mount: Callable[..., Any]) -> None:
    shown = mount(Code(code="dm.convert('a', 'b')"))
    shown.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.page.get_by_role("button", name="Copy the Python line").click()
    shown.page.wait_for_function("document.querySelector('button').textContent !== 'Copy'")
    assert shown.axe() == []


def test_a_two_step_button_acts_on_the_second_click_and_escape_takes_it_back(
    mount: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fields, "_ARMED_SECONDS", 900.0)
    done: list[int] = []
    shown = mount(Confirm("Delete", "Delete 'mnist'?", lambda: done.append(1)))
    button = shown.page.get_by_role("button")

    def step(act: Callable[[], Any]) -> None:
        act()
        shown.pump("armed")

    step(button.click)
    shown.page.wait_for_function("document.querySelector('button').textContent.includes('mnist')")
    step(lambda: button.press("Escape"))
    step(button.click)
    assert done == []
    step(button.click)
    assert done == [1]
