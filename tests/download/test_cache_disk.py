"""A cache on a full disk, on one that may not be written, in a place that cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lancenb.download import Cache, download
from lancenb.errors import OutOfSpace, StoreError, StoreNotWritable
from lancenb.testing import FileServer, HubStub

BIG = bytes(range(256)) * 20_000  # 5 MB
TRY = """
import json, sys
from lancenb.download import Cache, download
from lancenb.errors import LancenbError
action, options = json.loads(sys.argv[1])
try:
    if action == "download":
        found = str(download(**options).path)
    else:
        found = str(getattr(Cache(), action)(**options))
    print(json.dumps({"found": found}))
except LancenbError as error:
    print(json.dumps(error.to_dict()))
"""


def attempt(
    mount: Path, options: str, *actions: tuple[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Do things in processes that see a small disk at ``mount``; what was there is copied in."""
    words = [f"'{sys.executable}' -c '{TRY}' '{json.dumps(action)}'" for action in actions]
    script = f"""
    set -e
    mkdir -p {mount} && cp -a {mount} {mount}.before
    mount -t tmpfs -o {options.replace("ro,", "")} tmpfs {mount}
    cp -a {mount}.before/. {mount}
    {f"mount -o remount,ro {mount}" if options.startswith("ro,") else ""}
    {"; ".join(words)}
    ls -aR {mount} >&2
    """
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script],
        capture_output=True, text=True, timeout=100,
        env={**os.environ, "LANCENB_CACHE": str(mount)},
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no disk of our own here: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    answers[0]["disk"] = done.stderr
    return answers


@pytest.mark.parametrize("chunked", [False, True])
def test_a_full_disk_says_how_much_to_free(files: FileServer, cache: Path, chunked: bool) -> None:
    url = files.add("/big.bin", BIG, chunked=chunked)
    (error,) = attempt(cache, "size=3m", ("download", {"spec": url}))
    assert error["code"] == "out_of_space"
    assert "free" in error["hint"]
    if not chunked:  # the size is known before the first byte is written
        assert "GB" in error["hint"]
        assert "LANCENB_CACHE" in error["hint"]
    assert " big.bin" not in error["disk"]
    assert "\nbig.bin" not in error["disk"]


def test_a_full_disk_and_a_repository(hub: HubStub, cache: Path) -> None:
    hub.repos.create("model", "acme/tiny").commit({"config.json": b"{}", "w.safetensors": BIG})
    (error,) = attempt(cache, "size=3m", ("download", {"spec": "hf:model:acme/tiny"}))
    assert error["code"] == "out_of_space"
    assert error["hint"]
    assert "w.safetensors" not in error["disk"]


def test_a_full_disk_and_a_data_set_made_here(cache: Path) -> None:
    options = {"spec": "synthetic:images", "limit": 3000}
    error, small = attempt(
        cache, "size=1m", ("download", options), ("download", {**options, "limit": 5})
    )
    assert error["code"] == "out_of_space"
    assert error["hint"]
    assert "found" in small  # what had been begun is gone again


def test_a_cache_that_may_only_be_read_is_used_and_not_changed(
    files: FileServer, cache: Path
) -> None:
    url = files.add("/a.bin", b"12345")
    sha256 = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
    download(url, sha256=sha256)
    new = files.add("/b.bin", b"12345")
    found, missing, looked, cleared = attempt(
        cache,
        "ro,size=9m",
        ("download", {"spec": url, "sha256": sha256}),
        ("download", {"spec": new}),
        ("verify", {}),
        ("clear", {}),
    )
    assert found["found"].endswith("a.bin")
    assert missing["code"] == cleared["code"] == "store_not_writable"
    assert "LANCENB_CACHE" in missing["hint"]
    assert "LANCENB_CACHE" in cleared["hint"]
    assert "all right" in looked["found"]


def test_a_repository_in_a_cache_that_may_only_be_read(hub: HubStub, cache: Path) -> None:
    hub.repos.create("model", "acme/tiny").commit({"config.json": b"{}", "w.safetensors": BIG})
    download("hf:model:acme/tiny")
    (found,) = attempt(
        cache, "ro,size=20m", ("download", {"spec": "hf:model:acme/tiny", "offline": True})
    )
    assert "found" in found, found


def test_a_limit_on_file_sizes_is_like_a_full_disk(files: FileServer, cache: Path) -> None:
    url = files.add("/big.bin", BIG)
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n" + TRY
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(["download", {"spec": url}])],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    error = json.loads(done.stdout)
    assert error["code"] in ("out_of_space", "store_error")
    assert error["hint"]
    assert download(url).path.read_bytes() == BIG


def test_a_cache_that_is_a_file(files: FileServer, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a folder")
    with pytest.raises(StoreNotWritable) as caught:
        download(files.add("/a.bin", b"12345"), cache=place)
    assert "LANCENB_CACHE" in caught.value.hint
    assert Cache(place).entries() == []
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "url").write_text("not a folder")
    with pytest.raises(StoreError) as caught_inside:
        download(files.add("/a.bin", b"12345"), cache=tmp_path / "root")
    assert caught_inside.value.hint


def test_needed_space_is_told_before_anything_is_written(cache: Path) -> None:
    from lancenb.download._files import need_space

    cache.mkdir()
    with pytest.raises(OutOfSpace, match="needs") as caught:
        need_space(cache, 1 << 60)
    assert "GB" in caught.value.hint
