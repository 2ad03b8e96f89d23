"""``lancenb lab``: whose notebook is whose, and what Jupyter is asked for."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lancenb import _cli_lab
from lancenb.errors import NotFound


@pytest.fixture
def started(monkeypatch):
    """Catch the program that this process would become."""
    seen = []
    monkeypatch.setattr(
        os, "execve", lambda path, words, environment: seen.append((path, words, environment))
    )
    return seen


def test_opens_the_quickstart_on_this_machine_only(run, started, tmp_path):
    _, out, err = run("lab", str(tmp_path / "mine"))
    ((program, words, environment),) = started
    assert err == ""
    assert re.match(rf"notebooks in {re.escape(str(tmp_path / 'mine'))}: \d+ copied\n", out)
    assert program == sys.executable
    assert words[1:3] == ["-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/01_quickstart.ipynb" in words
    assert "--ServerApp.ip=127.0.0.1" in words
    assert f"--ServerApp.root_dir={tmp_path / 'mine'}" in words
    assert not [word for word in words if "token" in word.lower() or "password" in word.lower()]
    assert not {"--no-browser", "--allow-root"} & set(words)
    assert environment["PATH"].startswith(str(Path(sys.executable).parent))


def test_options_reach_jupyter(run, started, tmp_path):
    run("lab", str(tmp_path), "--notebook", "03_versions_and_rollback.ipynb", "--port", "8899",
        "--no-browser", "--allow-root")  # fmt: skip
    words = started[0][1]
    assert "--LabApp.default_url=/lab/tree/03_versions_and_rollback.ipynb" in words
    assert {"--ServerApp.port=8899", "--no-browser", "--allow-root"} <= set(words)


def test_every_notebook_of_the_clone_is_there(repo):
    names = {path.stem for path in (repo / "notebooks").glob("*.ipynb")}
    assert set(_cli_lab.notebooks()) == names


def test_a_changed_notebook_is_never_overwritten(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "lab"
    source.mkdir()
    for name in ("1_a", "2_b", "3_c"):
        (source / f"{name}.ipynb").write_text(f"{name} first")
    shipped = {path.stem: path for path in source.iterdir()}
    assert sorted(_cli_lab.copy_notebooks(shipped, folder).new) == ["1_a", "2_b", "3_c"]
    assert str(_cli_lab.copy_notebooks(shipped, folder)).endswith("all there")

    (folder / "1_a.ipynb").write_text("mine")
    (folder / "3_c.ipynb").unlink()
    for name in ("1_a", "2_b"):
        (source / f"{name}.ipynb").write_text(f"{name} second")
    done = _cli_lab.copy_notebooks(shipped, folder)
    assert (done.kept, done.updated, done.new) == (["1_a"], ["2_b"], ["3_c"])
    assert (folder / "1_a.ipynb").read_text() == "mine"
    assert (folder / "2_b.ipynb").read_text() == "2_b second"
    assert "1 kept as you changed them" in str(done)

    (folder / _cli_lab._NOTES).write_text("[broken")
    (source / "2_b.ipynb").write_text("2_b third")
    assert _cli_lab.copy_notebooks(shipped, folder).kept == ["1_a", "2_b"], "without notes: kept"
    assert not list(folder.glob("*.part"))


def test_errors_say_what_to_do(run, started, tmp_path, monkeypatch):
    status, _, err = run("lab", str(tmp_path / "x"), "--notebook", "99_nothing")
    assert status == 2
    assert "01_quickstart" in err
    assert not (tmp_path / "x").exists()
    (tmp_path / "file").write_text("")
    status, _, err = run("lab", str(tmp_path / "file"))
    assert status == 1
    assert "hint: lancenb lab FOLDER" in err
    assert run("lab", str(tmp_path), "--port", "99999")[0] == 2
    monkeypatch.setattr(_cli_lab.importlib.util, "find_spec", lambda name: None)
    status, _, err = run("lab", str(tmp_path / "x"))
    assert status == 1
    assert "pip install jupyterlab" in err
    assert started == []


def test_an_installation_without_notebooks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_cli_lab, "__file__", str(tmp_path / "lancenb" / "_cli_lab.py"))
    with pytest.raises(NotFound, match="brings no notebooks"):
        _cli_lab.notebooks()
    shipped = tmp_path / "lancenb" / "_notebooks"
    shipped.mkdir(parents=True)
    (shipped / "01_quickstart.ipynb").write_text("{}")
    assert list(_cli_lab.notebooks()) == ["01_quickstart"]


@pytest.mark.slow
def test_a_real_server_serves_the_notebook_behind_its_token(tmp_path, repo):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "run", "IPYTHONDIR": "ipython"}
    environment = {**os.environ, **{k: str(tmp_path / v) for k, v in home.items()}}
    command = [sys.executable, "-m", "lancenb", "lab", str(tmp_path / "lab"), "--no-browser"]
    command += ["--port", str(port), "--allow-root"]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        command, cwd=repo, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        note = _wait_for(tmp_path / "run", server)
        assert note["root_dir"] == str(tmp_path / "lab")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        # Jupyter takes the next port where another program was faster.
        page = f"http://127.0.0.1:{note['port']}/api/contents/01_quickstart.ipynb?content=0"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            direct.open(page, timeout=120)
        answer = json.load(direct.open(f"{page}&token={note['token']}", timeout=120))
        assert answer["type"] == "notebook"
        assert "/lab/tree/01_quickstart.ipynb" in (tmp_path / "log").read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(120)
        log.close()


def _wait_for(folder: Path, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the facts that the server leaves about itself when it answers."""
    for _ in range(3000):
        assert server.poll() is None
        for path in folder.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # still being written
                return json.loads(path.read_text())
        time.sleep(0.1)
    raise AssertionError("the server did not start")


def test_the_command_needs_no_jupyter_until_it_starts_one(tmp_path, repo):
    code = "import lancenb.cli, sys; print('jupyterlab' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_wheel_brings_every_notebook(repo):
    project = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))
    brought = project["tool"]["hatch"]["build"]["targets"]["wheel"].get("force-include", {})
    books = [path.name for path in sorted((repo / "notebooks").glob("*.ipynb"))]
    assert brought == {f"notebooks/{book}": f"lancenb/_notebooks/{book}" for book in books}
