"""The files that Binder reads: what repo2docker makes of them, and what they say themselves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO

FOLDER = REPO / "binder"
README = (REPO / "README.md").read_text(encoding="utf-8")
REPO2DOCKER = shutil.which("jupyter-repo2docker", path=str(Path(sys.executable).parent))


def test_only_files_that_binder_knows():
    known = {"requirements.txt", "runtime.txt", "apt.txt", "postBuild", "start", "labconfig"}
    assert {path.name for path in FOLDER.iterdir()} <= known
    assert (FOLDER / "runtime.txt").read_text().strip() == "python-3.11"


def test_requirements_bring_the_package_and_torch_without_cuda():
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    assert "-e .[server]" in lines
    pinned = [line for line in lines if re.match(r"torch(vision)?==", line)]
    assert len(pinned) == 2
    assert all(line.endswith("+cpu") for line in pinned)
    index = [i for i, line in enumerate(lines) if line.startswith("--extra-index-url")]
    assert index
    assert index[0] < lines.index(pinned[0])
    found = []
    for folder, _, names in os.walk(REPO):
        for path in (Path(folder, name) for name in names):
            if path.suffix in (".txt", ".toml", ".md") and ".venv" not in path.parts:
                with contextlib.suppress(FileNotFoundError):  # another run of tests tidied up
                    if "download.pytorch.org/whl" in path.read_text(errors="replace"):
                        found.append(path)
    assert found == [FOLDER / "requirements.txt"]


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_hooks_are_sound(name: str):
    hook = FOLDER / name
    assert hook.stat().st_mode & 0o111, f"binder/{name} is not executable"
    text = hook.read_text()
    assert text.startswith("#!/bin/bash\n")
    assert subprocess.run(["bash", "-n", hook]).returncode == 0
    if name == "start":
        assert text.rstrip().endswith('exec "$@"')
        assert "OMP_NUM_THREADS=1" in text, "a small machine starts one thread per kernel"
    else:
        assert "set -euo pipefail" in text, "a hook that fails must fail the build"


def test_post_build_brings_the_settings_and_proves_the_imports(tmp_path: Path):
    """The hook runs here as it will there, with a home folder of its own."""
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    places = {"HOME": str(tmp_path), "PATH": tools, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    done = subprocess.run(
        [FOLDER / "postBuild"],
        cwd=REPO,
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "lancenb" in done.stdout
    copied = tmp_path / ".jupyter" / "labconfig" / "default_setting_overrides.json"
    settings = json.loads(copied.read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert all(":" in plugin for plugin in settings), "plugins are named package:plugin"


def test_readme_leads_to_the_quickstart_in_jupyterlab():
    links = re.findall(
        r"https://mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/HEAD\?urlpath=(\S+?)\)", README
    )
    assert links, "the README has no Binder badge"
    assert len({place for place, _ in links}) == 1
    paths = [path for _, path in links]
    assert paths[0] == "lab/tree/notebooks/01_quickstart.ipynb"
    for path in paths:
        assert (REPO / re.sub(r"^(lab/tree|voila/render)/", "", path)).is_file(), path


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> str:
    if REPO2DOCKER is None:
        pytest.skip("jupyter-repo2docker is not installed")
    copy = tmp_path_factory.mktemp("image") / "repo"  # without .git, which would be cloned
    copy.mkdir()
    for name in ("binder", "lancenb", "notebooks"):
        shutil.copytree(REPO / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, copy)
    done = subprocess.run(
        [REPO2DOCKER, "--no-build", "--debug", "--user-id", "1000", "--user-name", "jovyan", copy],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "said",
    [
        r"python.*3\.11|py3\.11|python-3\.11",
        r'pip install --no-cache-dir -r "binder/requirements\.txt"',
        r"RUN \./binder/postBuild",
        r'ENV R2D_ENTRYPOINT=?"? ?"?.*/binder/start',
        r"USER \$\{NB_USER\}",
    ],
)
def test_the_image_is_built_as_meant(dockerfile: str, said: str):
    assert re.search(said, dockerfile), f"{said} is not in the Dockerfile"


def test_the_package_is_there_before_it_is_installed(dockerfile: str):
    """``-e .`` needs the sources: they are copied before requirements are installed."""
    copied = [m.start() for m in re.finditer(r"^\s*COPY .*src/ ", dockerfile, re.M)]
    installed = re.search(r'pip install --no-cache-dir -r "binder/requirements\.txt"', dockerfile)
    assert installed
    assert any(position < installed.start() for position in copied)
