"""Front-end text of the widgets: plain JavaScript and CSS files joined here, without a bundler.

Every module is ``core.js`` (helpers) followed by one part. A part defines functions named
``render_<kind>`` and lists them in ``PARTS``; the module's default export picks the one that the
widget's ``kind`` names.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_ENTRY = """
export default { render: (context) => PARTS[context.model.get("kind")](context) };
"""


def _read(name: str) -> str:
    return files("lancenb.widgets").joinpath(f"static/{name}").read_text(encoding="utf-8")


def _thin(source: str) -> str:
    """Drop comment lines, blank lines and indentation: the text travels with every widget."""
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"


@cache
def esm(*parts: str) -> str:
    """Return the ES module made of ``parts`` (files ``static/<part>.js``, joined in this order).

    >>> "export default" in esm("job")
    True
    """
    return _thin("".join(_read(f"{part}.js") for part in ("core", *parts)) + _ENTRY)


@cache
def css(*parts: str) -> str:
    """Return the style sheet: tokens, shared components, and those of ``parts``.

    >>> css().startswith(".lnb")
    True
    """
    names = ("tokens", "preview", "ui", "job", *(part for part in parts if part != "job"))
    return "\n".join(_read(f"{name}.css").strip() for name in names) + "\n"
