"""``lancenb lab``: the notebooks of this package in a folder of your own, opened in JupyterLab."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InvalidArgument, LancenbError, MissingDependency, NotFound

EXAMPLE = """examples:
  lancenb lab
  lancenb lab ~/try-lancenb --notebook 11_panels --port 8899"""
_FOLDER = "./lancenb-lab"
_FIRST = "01_quickstart"
_NOTES = ".lancenb-lab.json"  # what was copied, to tell a notebook of ours from one of the user's


def words() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the arguments of the command."""
    flag = {"action": "store_true"}
    return (
        ("folder", {"nargs": "?", "default": _FOLDER, "metavar": "FOLDER",
                    "help": "folder to work in; made if absent (default: %(default)s)"}),
        ("--notebook", {"default": _FIRST, "metavar": "NAME",
                        "help": "the one to open (default: %(default)s)"}),
        ("--port", {"type": int, "metavar": "N", "help": "default: 8888, or the next free one"}),
        ("--no-browser", {**flag, "help": "start the server only; it prints its address"}),
        ("--allow-root", {**flag, "help": "as Jupyter's: needed where you are root"}),
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Copy the notebooks and become JupyterLab; returns only when that cannot be started."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingDependency(
            "JupyterLab is not installed in this environment",
            hint=f"{sys.executable} -m pip install jupyterlab",
        )
    shipped = notebooks()
    name = args.notebook.removesuffix(".ipynb")
    if name not in shipped:
        raise NotFound(f"there is no notebook {name!r}", hint="these are: " + ", ".join(shipped))
    folder = Path(args.folder).expanduser().resolve()
    print(copy_notebooks(shipped, folder))
    command = lab_command(folder, name, args)
    sys.stdout.flush()
    # kernels and cells that call tools find those of this environment first
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.execve(command[0], command, {**os.environ, "PATH": tools})  # noqa: S606


def lab_command(folder: Path, name: str, args: argparse.Namespace) -> list[str]:
    """Return the command line of the server: this machine only, a token, one notebook open."""
    command = [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"),
        # also the address that is printed leads to the notebook, unlike with a file argument
        *("--ServerApp.ip=127.0.0.1", f"--LabApp.default_url=/lab/tree/{name}.ipynb"),
    ]
    if args.port is not None:
        if not 0 < args.port < 65536:
            raise InvalidArgument(f"--port {args.port} is no port", hint="1 to 65535")
        command += [f"--ServerApp.port={args.port}", "--ServerApp.port_retries=0"]
    command += ["--no-browser"] * args.no_browser
    return command + ["--allow-root"] * args.allow_root


def notebooks() -> dict[str, Path]:
    """Return the notebooks that came with this installation, or lie beside it in a clone.

    Raises:
        NotFound: neither has any.
    """
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "notebooks", package / "_notebooks"):
        found = {path.stem: path for path in sorted(folder.glob("[0-9]*.ipynb"))}
        if _FIRST in found:
            return found
    raise NotFound(
        "this installation brings no notebooks", hint="install lancenb again, or from a clone"
    )


@dataclass
class Copied:
    """What :func:`copy_notebooks` did.

    Attributes:
        folder: where the notebooks are.
        new: copied for the first time, or again after they were deleted.
        updated: replaced, as nobody had changed them and this version brings others.
        kept: changed by the user, and left alone.
    """

    folder: Path
    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        facts = [f"{len(self.new)} copied"] if self.new else []
        facts += [f"{len(self.updated)} brought up to date"] if self.updated else []
        facts += [f"{len(self.kept)} kept as you changed them"] if self.kept else []
        return f"notebooks in {self.folder}: {', '.join(facts) or 'all there'}"


def copy_notebooks(shipped: dict[str, Path], folder: Path) -> Copied:
    """Bring notebooks to ``folder`` and leave alone what was changed there.

    Args:
        shipped: files by name.
        folder: made if absent.

    Raises:
        LancenbError: the folder cannot be made or written.
    """
    result = Copied(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = _read_notes(folder)
        for name, source in shipped.items():
            target, content = folder / source.name, source.read_bytes()
            ours = hashlib.sha256(content).hexdigest()
            there = hashlib.sha256(target.read_bytes()).hexdigest() if target.exists() else None
            if there is not None and there not in (ours, known.get(name)):
                result.kept.append(name)
                continue
            if there != ours:
                _replace(target, content)
                (result.updated if there else result.new).append(name)
            known[name] = ours
        _replace(folder / _NOTES, json.dumps(known, indent=1).encode())
    except OSError as error:
        raise LancenbError(
            f"cannot put notebooks into {folder}: {error.strerror or error}",
            hint="lancenb lab FOLDER works in another one",
        ) from error
    return result


def _read_notes(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / _NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # then everything there that differs counts as the user's
    return known if isinstance(known, dict) else {}


def _replace(target: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
