"""Questions to a tensor browser, as its front end asks them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lancenb.widgets import TensorBrowser


def asked(browser: TensorBrowser, **content: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Ask as the front end does and return the answer."""
    out: list[Any] = []
    browser.send = lambda content, buffers=None: out.append((content, buffers or []))
    name = content.pop("ask")
    browser._receive(browser, {"ask": name, "id": 1, "args": content}, [])
    assert browser._lane is not None
    assert browser._lane.settle(20)
    [(message, buffers)] = out
    assert "error" not in message, message
    return message["body"], buffers


def seen(browser: TensorBrowser, name: str, axes: Any = (), index: Any = ()) -> Any:
    body, buffers = asked(browser, ask="look", name=name, axes=list(axes), index=list(index))
    return body, [np.frombuffer(b, np.float32).reshape(body["shape"]) for b in buffers]
