"""What the documents show is what runs: README code, commands, doctests of every module."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parent.parent
README = (REPO / "README.md").read_text(encoding="utf-8")
MODULES = sorted(
    ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
    for path in (REPO / "lancenb").rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    lines: list[str] = []
    for test in finder.find(module, name):
        runner.run(test, out=lines.append)
    assert runner.failures == 0, "".join(lines)


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the README's examples talk about, in the current folder."""
    import torch
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANCENB_CACHE", str(tmp_path / "cache"))
    for label, colour in (("cat", (200, 120, 40)), ("dog", (40, 90, 200))):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for i in range(8):
            shade = tuple(min(255, c + 4 * i) for c in colour)
            Image.new("RGB", (48, 32), shade).save(folder / f"{i}.png")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    torch.save(net.state_dict(), tmp_path / "model.pth")
    (tmp_path / "people.csv").write_text("name,age\nAda,36\nGrace,85\n", encoding="utf-8")
    return tmp_path


def test_readme_code_runs(inputs: Path):
    """All Python blocks run one after the other in one session."""
    found = blocks("python")
    assert found
    space: dict[str, Any] = {"__name__": "readme"}
    for block in found:
        exec(compile(block, "<README>", "exec"), space)
    assert (inputs / "store").is_dir()


def test_readme_commands_are_one_line_each():
    lines = "\n".join(blocks("bash")).splitlines()
    first = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/lancenb demo"
    second = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
    assert first in lines
    assert second in lines


def test_readme_shell_commands_are_understood():
    from lancenb.cli import _parser

    lines = "".join(blocks("sh")).splitlines()
    assert lines
    for line in lines:
        command, *words = shlex.split(line)
        assert command == "lancenb"
        assert hasattr(_parser().parse_args(words), "run"), line


def test_readme_code_that_needs_a_network_is_python():
    for block in blocks("py"):
        compile(block, "<README>", "exec")


def test_readme_specs_are_understood():
    from lancenb.download import parse, registry

    table = README.partition("| spec | brings |")[2].partition("\n\n")[0]
    specs = [spec for row in re.findall(r"^\| (`.*?`.*?) \|", table, re.M) for spec in codes(row)]
    assert len(specs) > 12
    for spec in specs:
        if spec in ("...", "./folder", "./file"):
            continue
        concrete = spec.replace("ID", "acme/x").replace("REVISION", "v1").replace("...", "a.b/c")
        if concrete not in registry.list():
            assert parse(concrete.replace("PATTERN", "*.csv").replace("CONFIG", "en")).name


def codes(text: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def test_readme_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        if not target.startswith(("http:", "https:")):
            assert (REPO / target).exists(), target


def test_readme_names_only_public_names():
    package = importlib.import_module("lancenb")
    for name in set(re.findall(r"\blnb\.([A-Za-z_]\w*)", README)):
        assert hasattr(package, name), name
