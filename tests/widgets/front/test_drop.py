"""The source box and the upload zone in a browser, against their real widgets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from lancenb.widgets._drop import Drop
from lancenb.widgets._spec_box import SpecBox

pytestmark = pytest.mark.browser

TRAITS = ("said", "tone", "value")
BUFFERS = """() => { model.send = (m, _, buffers) =>
  sent.push({msg: {...m, size: buffers?.[0]?.byteLength ?? 0}}); }"""
DROP = """(names) => { const data = new DataTransfer();
  for (const name of names) data.items.add(new File(["a,b\\n1,2\\n"], name));
  const zone = document.querySelector(".lnb-drop-zone");
  const how = {dataTransfer: data, bubbles: true, cancelable: true};
  const fire = kind => zone.dispatchEvent(new DragEvent(kind, how));
  return [fire("dragover"), document.querySelector(".lnb-over") !== null, fire("drop")]; }"""


def await_sent(page: Any) -> list[Any]:
    """Wait for a message of the front end; return all that came."""
    page.wait_for_function("window.sent.length > 0")
    return [each["msg"] for each in page.evaluate("window.sent.splice(0)") if "msg" in each]


def pump_until(at: Any, condition: str) -> None:
    """Carry messages both ways until the page says yes."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        at.pump(*TRAITS)
        if at.page.evaluate(condition):
            return
        at.page.wait_for_timeout(30)
    raise AssertionError(f"never: {condition}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_large_file_goes_in_pieces_below_a_megabyte(
    mount: Callable[..., Any], theme: str
) -> None:
    drop = Drop()
    at = mount(drop, theme)
    assert at.axe() == []
    at.page.evaluate(BUFFERS)
    at.page.set_input_files("input[type=file]", {
        "name": "big.csv", "mimeType": "text/csv", "buffer": bytes(1_200_000),
    })  # fmt: skip
    sizes = {}  # by place: what is not answered soon is sent again
    while drop.state != "done":
        for message in await_sent(at.page):
            size = message.pop("size")
            if size:
                sizes[message["at"]] = size
            drop._receive(drop, message, [bytes(size)] if size else [])
        at.pump("state", "fraction", "said", "batch")
    assert list(sizes.values()) == [524_288, 524_288, 151_424]
    assert drop.path is not None
    assert drop.path.stat().st_size == 1_200_000
    at.pump("state", "fraction", "said", "batch")
    at.page.get_by_text("big.csv, 1.2 MB").first.wait_for()
    assert at.axe() == []
    at.page.get_by_role("button", name="Remove").click()
    at.pump("state", "said")
    assert drop.path is None
    at.page.get_by_text("or drop them here").first.wait_for()


def test_files_can_be_dropped_and_an_upload_cancelled(mount: Callable[..., Any]) -> None:
    drop = Drop()
    at = mount(drop)
    at.page.evaluate(BUFFERS)
    allowed, marked, taken = at.page.evaluate(DROP, ["a.csv", "b.csv"])
    assert (allowed, marked, taken) == (False, True, False)  # the page handled both events
    begin = await_sent(at.page)[0]
    assert [item["name"] for item in begin["files"]] == ["a.csv", "b.csv"]
    drop._receive(drop, begin, [])
    at.pump("state", "fraction", "said", "batch")
    at.page.get_by_role("button", name="Cancel upload").click()
    assert await_sent(at.page)[-1]["up"] == "clear"
    drop.discard()
    at.pump("state", "said")
    at.page.locator("button:focus", has_text="Choose files").wait_for()


def test_too_much_is_refused_in_words(mount: Callable[..., Any]) -> None:
    drop = Drop(limit=3)
    at = mount(drop)
    at.page.evaluate(BUFFERS)
    at.page.evaluate(DROP, ["a.csv"])
    for message in await_sent(at.page):
        drop._receive(drop, message, [])
    at.pump("state", "said")
    at.page.locator(".lnb-drop-words").get_by_text("name their path").wait_for()
    assert at.axe() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_source_box_says_what_it_understood_while_one_types(
    mount: Callable[..., Any], theme: str
) -> None:
    box = SpecBox("Source", key="spec", placeholder="hf:model:owner/name")
    at = mount(box, theme)
    assert at.axe() == []
    field = at.page.get_by_label("Source", exact=True).and_(at.page.locator("input"))
    field.press_sequentially("hf:model:acme/tiny", delay=5)
    pump_until(
        at, "document.querySelector('.lnb-said').textContent.startsWith('Model acme/tiny on')"
    )
    assert box.value == ""  # a draft is no state
    assert field.input_value() == "hf:model:acme/tiny"
    field.fill("acme/tiny")
    pump_until(at, "document.querySelector('.lnb-said').dataset.tone === 'bad'")
    pump_until(at, "!!document.querySelector('datalist option[value=\"hf:model:acme/tiny\"]')")
    assert at.axe() == []


def test_secrets_leave_the_box_when_one_leaves_it(mount: Callable[..., Any]) -> None:
    box = SpecBox("Source", key="spec")
    at = mount(box)
    field = at.page.locator("input")
    field.fill("https://ann:pa55w0rd@a.org/x.csv?sig=5ecret")
    field.press("Tab")
    pump_until(at, "document.querySelector('input').value.startsWith('https://***')")
    assert field.input_value() == "https://***@a.org/x.csv?***"
    assert box.what == "https://ann:pa55w0rd@a.org/x.csv?sig=5ecret"
    field.focus()
    field.press("Tab")
    at.pump("value")
    assert box.what.endswith("5ecret")


def test_enter_commits_and_presses_the_button(mount: Callable[..., Any]) -> None:
    box = SpecBox("Source", key="spec")
    pressed: list[str] = []
    box.on_submit(lambda: pressed.append(box.value))
    at = mount(box)
    at.page.locator("input").fill("cifar10")
    at.page.locator("input").press("Enter")
    at.page.wait_for_function("window.sent.some(each => each.msg?.do === 'submit')")
    at.pump(*TRAITS)
    assert pressed == ["cifar10"]
