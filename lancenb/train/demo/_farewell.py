"""The last lines of the demo: what held, and commands to copy."""

from __future__ import annotations

from pathlib import Path

from ._printer import Printer
from .outcome import DemoResult
from .settings import DemoSettings

_MARKS = {True: "ok    ", False: "FAILED", None: "open  "}


def farewell(done: DemoResult, settings: DemoSettings, out: Printer) -> None:
    """Print the checks and where to look next."""
    line = out.line
    line()
    for name, held in done.checks.items():
        line(f"  {_MARKS[held]} {name}{' (too few steps to judge)' if held is None else ''}")
    line(f"  done in {done.seconds:.1f} s; run it again to add versions to the same artefacts")
    line()
    line("Where to look next, in a shell:")
    where = _options(done, settings)
    for command in (
        "ls",
        f"versions {done.model}",
        f"diff {done.model} {done.before} {done.trained}",
        f"lineage {done.model}",
        f"preview {done.data[0]}",
        *(f"preview {name}" for name, _ in done.fit.artefacts.values()),
    ):
        line(f"  lancenb {command} {where}")
    line("or in Python:")
    line("  import lancenb as lnb")
    line(f"  dm = lnb.DataManager({_root(done, settings)})")
    line(f'  dm["{done.data[0]}"].preview()')
    line(f'  lnb.evaluate("{done.model}", "{done.test[0]}", manager=dm, version="trained")')


def short_path(path: str) -> str:
    """A path relative to the working folder where it lies below it."""
    try:
        return f"./{Path(path).absolute().relative_to(Path.cwd())}"
    except ValueError:
        return path


def _options(done: DemoResult, settings: DemoSettings) -> str:
    if settings.s3_endpoint is not None:
        prefix = f" --prefix {settings.prefix}" if settings.prefix else ""
        return f"--s3-endpoint {settings.s3_endpoint} --bucket {settings.bucket}{prefix}"
    return f"--root {done.root if '://' in done.root else short_path(done.root)}"


def _root(done: DemoResult, settings: DemoSettings) -> str:
    """Arguments of the data manager; keys come from the environment."""
    if settings.s3_endpoint is not None:
        return f"{done.root!r}, endpoint={settings.s3_endpoint!r}"
    return repr(done.root if "://" in done.root else short_path(done.root))
