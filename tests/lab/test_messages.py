"""What is typed and clicked reaches the kernel where kernels are known to lose it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab

pytestmark = pytest.mark.browser

PANEL = """
from lancenb.widgets._panel import Panel
from lancenb.widgets._fields import text

heard = []

class Echo(Panel):
    title, verb = "Echo", "Say"

    def _inputs(self):
        return [text("Word", key="word")]

    def _work(self):
        word = self.inputs["word"]
        return lambda progress=None, cancel=None: heard.append(word)

    def _code(self):
        return f"say({self.inputs['word']!r})"
"""


def test_words_typed_while_a_cell_awaits(lab: Callable[..., Lab]) -> None:
    book = lab([PANEL, "panel = Echo(); panel"])
    book.start("import asyncio; await asyncio.sleep(10)")
    for word in ("one", "two", "three"):
        book.fill("Word", word)
    book.wait("say('three')")
    book.click("Say")
    book.state("done")
    book.idle()
    assert book.ask("print(heard)") == "['three']"
