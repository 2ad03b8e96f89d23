"""Every error of this room says what to do next."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lancenb
from lancenb import errors
from lancenb.download import errors as download_errors

ROOM = Path(lancenb.__file__).parent / "download"
CLASSES = {
    name
    for module in (errors, download_errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, errors.LancenbError)
}


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: path.name)
def test_every_error_has_a_hint(path: Path) -> None:
    made = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    bare = [
        f"line {call.lineno}: {ast.unparse(call)}"
        for call in made
        if ast.unparse(call.func).rpartition(".")[2] in CLASSES
        and not any(word.arg in ("hint", None) for word in call.keywords)
    ]
    assert not bare
