"""``python -m lancenb.testing``: a Hub for other processes; and what the package leans on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

REPO = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "lancenb.testing"]


@contextmanager
def running(*words: str) -> Iterator[tuple[dict[str, str], str]]:
    """Start the command; yield the environment that it prints and the address of the CDN."""
    process = subprocess.Popen([*COMMAND, *words], cwd=REPO, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        env: dict[str, str] = {}
        for line in process.stdout:
            if line.startswith("# "):
                yield env, line.rpartition(" ")[2].strip()
                break
            name, _, value = line.removeprefix("export ").strip().partition("=")
            env[name] = value
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()


def get(url: str, token: str | None = None, data: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urlopen(Request(url, data, headers)) as answer:
        return answer.read()


def test_it_serves_what_it_is_given(folder: Path, tmp_path: Path):
    new = tmp_path / "new"
    new.mkdir()
    (new / "config.json").write_text("{}")
    with running(
        *(str(tmp_path / "root"), "--home", str(tmp_path / "home")),
        *("--import", f"model:acme/x={folder}", "--import", f"model:acme/x@dev={new}"),
        *("--import", f"dataset:acme/d={folder}", "--private", "dataset:acme/d"),
        *("--token", "hf_x:joe", "--token", "hf_y:sue:read", "--member", "joe"),
        *("--plain", f"/files/a.bin={folder / 'sub' / 'weights.bin'}"),
    ) as (env, cdn):
        endpoint = env["HF_ENDPOINT"]
        assert env["HF_HOME"] == str(tmp_path / "home")
        content = (folder / "sub" / "weights.bin").read_bytes()
        assert get(f"{endpoint}/acme/x/resolve/main/sub/weights.bin") == content
        assert get(f"{endpoint}/acme/x/resolve/dev/config.json") == b"{}"
        assert get(f"{cdn}/files/a.bin") == content
        info = json.loads(get(f"{endpoint}/api/datasets/acme/d", "hf_x"))
        assert info["cardData"]["license"] == "mit"
        for token in (None, "hf_y"):
            with pytest.raises(HTTPError, match=r"40[14]"):
                get(f"{endpoint}/api/datasets/acme/d", token)
        who = json.loads(get(f"{endpoint}/api/whoami-v2", "hf_y"))
        assert (who["name"], who["auth"]["accessToken"]["role"]) == ("sue", "read")
        get(f"{endpoint}/_stub/fault", data=b'{"kind": "status", "status": 418}')
        with pytest.raises(HTTPError, match="418"):
            get(f"{endpoint}/api/models")
        log = json.loads(get(f"{endpoint}/_stub/log"))
        assert {one["side"] for one in log} == {"hub", "cdn"}
    kept = [path.name for path in (tmp_path / "root" / "blobs").iterdir()]
    assert len(kept) == 4, "the root keeps each content once"
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in kept)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--import", "model:acme/x"], "has no '='"),
        (["--import", "cake:acme/x=."], "not of the form"),
        (["--import", "model:acme/x=./nowhere"], "is no folder"),
        (["--private", "model:acme/x"], "import it first"),
        (["--plain", "/a=./nowhere"], "is no file"),
        (["--token", "hf_x"], "not of the form"),
    ],
)
def test_what_it_cannot_do_it_says(words: list[str], text: str):
    done = subprocess.run([*COMMAND, *words], cwd=REPO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_it_needs_the_standard_library_only():
    code = (
        f"import sys; sys.path.insert(0, {str(REPO)!r})\n"
        "import lancenb.testing, lancenb.testing.__main__\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(found - set(sys.stdlib_module_names)))\n"
        "print(sorted(name for name in sys.modules if name.startswith('lancenb.')))\n"
    )
    bare = [sys.executable, "-I", "-S", "-c", code]  # without installed packages
    done = subprocess.run(bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    others, ours = done.stdout.splitlines()
    assert others == "['__main__', 'lancenb']"
    assert "lancenb.download" not in ours
