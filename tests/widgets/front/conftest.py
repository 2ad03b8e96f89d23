"""Mount a widget's front end in a bare page, with a stub in the place of Jupyter."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pytest

from tests import browser

THEMES = {
    "light": {
        "layout-color0": "#fff", "layout-color1": "#fff", "layout-color2": "#eee",
        "ui-font-color1": "rgba(0,0,0,.87)", "ui-font-color2": "rgba(0,0,0,.54)",
        "ui-inverse-font-color1": "#fff", "border-color1": "#bdbdbd", "border-color2": "#e0e0e0",
        "brand-color1": "#1976d2", "error-color1": "#d32f2f", "success-color1": "#388e3c",
        "warn-color1": "#f57c00", "ui-font-family": "system-ui, sans-serif",
    },
    "dark": {
        "layout-color0": "#111", "layout-color1": "#212121", "layout-color2": "#424242",
        "ui-font-color1": "#fff", "ui-font-color2": "rgba(255,255,255,.7)",
        "ui-inverse-font-color1": "rgba(0,0,0,.87)", "border-color1": "#757575",
        "border-color2": "#616161", "brand-color1": "#1976d2", "error-color1": "#d32f2f",
        "success-color1": "#388e3c", "warn-color1": "#f57c00",
        "ui-font-family": "system-ui, sans-serif",
    },
}  # fmt: skip

HARNESS = """async ({esm, css, state, theme}) => {
  const bytes = b => new DataView(Uint8Array.from(atob(b), c => c.charCodeAt(0)).buffer);
  const open = v => {
    if (v === null || typeof v !== "object") return v;
    if (v.__bytes !== undefined) return bytes(v.__bytes);
    if (Array.isArray(v)) return v.map(open);
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, open(x)]));
  };
  const page = document.documentElement;
  for (const [k, v] of Object.entries(theme)) page.style.setProperty("--jp-" + k, v);
  document.body.style.cssText = "margin: 8px; background: var(--jp-layout-color0)";
  const data = open(state), on = {}, sent = [];
  let dirty = {};
  const host = {comm_live: true};
  data.layout = host;
  const fire = (name, ...args) => {
    for (const f of (on[name] ?? []).slice()) f.call({model: host}, ...args);
  };
  window.model = {
    get: k => data[k], set: (k, v) => { data[k] = v; dirty[k] = v; fire("change:" + k); },
    on: (name, f) => name.split(" ").forEach(e => (on[e] ??= []).push(f)),
    off: (name, f) => { if (name) on[name] = (on[name] ?? []).filter(g => g !== f); },
    save_changes: () => { sent.push({state: dirty}); dirty = {}; },
    send: m => sent.push({msg: m}), widget_manager: {},
  };
  window.sent = sent;
  window.fromPython = patch => {
    Object.assign(data, open(patch));
    Object.keys(patch).forEach(k => fire("change:" + k));
    fire("change");
  };
  window.message = (m, blobs) => fire("msg:custom", m, (blobs ?? []).map(bytes));
  window.setLive = live => { host.comm_live = live; fire("comm_live_update"); };
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const module = await import(URL.createObjectURL(new Blob([esm], {type: "text/javascript"})));
  const el = document.createElement("div"), stop = new AbortController();
  document.body.append(el);
  const clean = await module.default.render({model: window.model, el, signal: stop.signal});
  window.unmount = () => { stop.abort(); clean?.(); };
}"""

HELD = """() => { const held = [], real = window.setTimeout;
  window.setTimeout = (f, ms, ...args) => { held.push(() => f(...args)); return 0; };
  window.release = () => { window.setTimeout = real; held.forEach(f => f()); }; }"""


#: What changed is drawn in the next frame, before this.
FRAME = "new Promise(done => requestAnimationFrame(() => done()))"


def encode(value: Any) -> Any:
    """Return a trait as the page can take it."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"__bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, dict):
        return {key: encode(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    return value


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests of front ends."""
    with browser.chromium() as opened:
        yield opened


class Mounted:
    """A page with one widget in it, and the stub on Python's side.

    ``page`` is Playwright's page. What the front end sends to Python reaches the real widget when
    ``live`` is on; trait changes and messages of the widget reach the page by :meth:`pump`.
    """

    def __init__(self, page: Any, widget: Any):
        self.page, self.widget, self.errors = page, widget, []
        self._out: list[tuple[Any, list[Any]]] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def load(self, theme: str) -> None:
        """Render the widget."""
        state = {
            key: encode(value)
            for key, value in self.widget.get_state().items()
            if key not in ("_esm", "_css", "layout", "tabbable", "tooltip")
        }
        self.page.goto("about:blank")
        self.page.evaluate(
            HARNESS,
            {"esm": str(self.widget._esm), "css": str(self.widget._css), "state": state,
             "theme": THEMES[theme]},
        )  # fmt: skip
        self.widget.send = lambda content, buffers=None: self._out.append((content, buffers or []))

    def sent(self) -> list[Any]:
        """Return and forget what the front end sent: ``{msg: ...}`` or ``{state: ...}``."""
        return self.page.evaluate("window.sent.splice(0)")

    def states(self) -> list[Any]:
        """Return and forget the traits that the front end set."""
        return [each["state"] for each in self.sent() if "state" in each]

    def from_python(self, **traits: Any) -> None:
        """Change traits as Python would; return when the page has drawn what changed."""
        self.page.evaluate(f"p => {{ window.fromPython(p); return {FRAME}; }}", encode(traits))

    def message(self, content: Any, buffers: list[bytes] | None = None) -> None:
        """Send a custom message as Python would; return when the page has drawn what it brought."""
        blobs = [base64.b64encode(bytes(each)).decode() for each in buffers or []]
        self.page.evaluate(
            f"([m, b]) => {{ window.message(m, b); return {FRAME}; }}", [content, blobs]
        )

    def pump(self, *names: str) -> int:
        """Carry messages both ways between the page and the real widget, then the named traits."""
        carried = self.sent()
        for each in carried:
            if "msg" in each:
                self.widget._receive(self.widget, each["msg"], [])
            else:
                for name, value in each["state"].items():
                    self.widget.set_state({name: value})
        for content, buffers in self._out:
            self.message(content, buffers)
        self._out.clear()
        if names:
            self.from_python(**{name: self.widget.get_state(name)[name] for name in names})
        return len(carried)

    def hold(self) -> None:
        """Let the page's timers wait for :meth:`release`, so that a test sees what is between."""
        self.page.evaluate(HELD)

    def release(self) -> None:
        """Run what :meth:`hold` kept waiting."""
        self.page.evaluate("release()")

    def axe(self) -> list[str]:
        """Return the accessibility rules that the page breaks."""
        return browser.barriers(self.page)


def press_on(target: Any) -> None:
    """Press the mouse on the middle of an element, and do not let go."""
    target.hover()
    target.page.mouse.down()


@pytest.fixture
def mount(chromium: Any) -> Iterator[Callable[..., Mounted]]:
    """Return ``mount(view, theme="light", width=800)``; an error in the page fails the test."""
    made: list[Mounted] = []

    def go(widget: ipywidgets.Widget, theme: str = "light", width: int = 800) -> Mounted:
        page = chromium.new_page(viewport={"width": width, "height": 600}, color_scheme=theme)
        page.set_default_timeout(120_000)
        mounted = Mounted(page, widget)
        made.append(mounted)
        mounted.load(theme)
        return mounted

    yield go
    for mounted in made:
        mounted.page.close()
    assert not [error for mounted in made for error in mounted.errors]
