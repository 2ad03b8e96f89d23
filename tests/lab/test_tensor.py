"""The tensor browser in a real JupyterLab."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab

pytestmark = pytest.mark.browser

MODEL = """
import tempfile, torch, torchvision, lancenb as lnb
from ipywidgets import VBox
torch.manual_seed(0)
state = torchvision.models.resnet18(weights=None).state_dict()
dm = lnb.DataManager(tempfile.mkdtemp())
saved = dm.save_weights("resnet18", state)
for name in ("conv1.weight", "fc.weight", "fc.bias"):
    state[name] = state[name] + 0.01 * torch.randn_like(state[name])
saved = dm.save_weights("resnet18", state)
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_tensor_is_found_seen_and_compared(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([MODEL, "shown = lnb.TensorBrowser(dm['resnet18']); VBox([shown])"], theme=theme)
    book.wait("Choose a tensor")
    assert book.barriers() == []
    book.shot(f"tensor-{theme}-empty")
    book.page.get_by_role("row").filter(has_text="conv1.weight").first.click()
    book.wait("Heat map")
    book.page.locator(".lnb-tp-heat:visible").first.wait_for()
    book.page.locator("svg .bar").first.wait_for()
    assert book.ask("print(shown.selected, tuple(shown.slice.shape))") == "conv1.weight (64, 147)"
    book.idle()
    assert book.barriers() == []
    book.shot(f"tensor-{theme}-1280")
    book.size(760)
    book.shot(f"tensor-{theme}-760")
    book.size(1280)
    book.click("Measure all")
    book.wait("Measured 122 tensors.")
    book.reload()
    book.wait("Measured 122 tensors.")
    book.page.locator(".lnb-tp-heat:visible").first.wait_for()


LEFT = """
import threading, time
shown.close()
left, end = None, time.monotonic() + 120
while left != [] and time.monotonic() < end:
    time.sleep(0.02)
    left = [t.name for t in threading.enumerate() if 'lancenb' in t.name]
print(left)
"""


def test_two_tabs_keep_in_step_and_nothing_is_left(lab: Callable[..., Lab]) -> None:
    book = lab([MODEL, "shown = lnb.compare(dm['resnet18'], 1, 2); VBox([shown])"])
    book.wait("3 changed")
    book.page.get_by_role("row").filter(has_text="conv1.weight").first.click()
    book.wait("largest difference")
    other = book.tab()
    other.page.get_by_text("largest difference").first.wait_for()
    book.page.get_by_label("log counts").check()
    other.page.wait_for_function("document.querySelector('.lnb-tn-bar input').checked")
    book.shot("tensor-light-compare-1280")
    book.size(760)
    book.shot("tensor-light-compare-760")
    assert book.ask(LEFT) == "[]"


STATES = {
    "busy": "put(busy=True, fraction=0.4, doing='48 of 122 tensors · 12.1 MB')",
    "failed": "put(busy=False, doing='', error='bucket.example does not answer',"
    " hint='is the address right?')",
    "cancelled": "put(error='', hint='', doing='cancelled')",
    "none-fits": "put(doing='', pattern='nothing')",
    "sampled": "put(pattern='', opened=['layer4', 'layer4.1'], selected='layer4.1.conv2.weight')",
}


def test_every_state_is_whole(lab: Callable[..., Lab]) -> None:
    show = "shown = lnb.TensorBrowser(dm['resnet18'], selected='fc.weight'); VBox([shown])"
    book = lab([MODEL, show])
    book.page.locator(".lnb-tp-heat:visible").first.wait_for()
    for name, change in STATES.items():
        book.ask(f"shown.{change}")
        book.idle()
        book.page.wait_for_timeout(300)
        for theme, width in (("light", 1280), ("dark", 760)):
            book.theme(theme)
            book.size(width)
            out = book.page.locator(".lnb-tensor").first
            assert out.evaluate("e => e.scrollWidth <= e.clientWidth"), (name, width)
            book.shot(f"tensor-{name}-{theme}-{width}")
        assert book.barriers() == [], name
    book.ask("shown.put(selected='bn1.weight')")
    book.wait("bn1.weight")
    book.idle()
    book.page.wait_for_timeout(500)
    book.restart()
    book.wait("run the cell again")
    book.shot("tensor-lost-dark-760")
