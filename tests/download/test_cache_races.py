"""Somebody clears the cache at the worst moment: each is brought about on purpose."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lancenb.download import (
    Cache,
    _cache_promises,
    _cache_remove,
    _files,
    _pull,
    download,
)
from lancenb.testing import FileServer, HubStub

CONTENT = b"12345" * 100


class Clears:
    """Stands for a module; calls ``then`` before the first call of one of its functions."""

    def __init__(self, module: object, name: str, then):
        self._module, self._name, self._then, self.calls = module, name, then, 0

    def __getattr__(self, name: str):
        found = getattr(self._module, name)
        if name != self._name:
            return found

        def call(*words: object):
            self.calls += 1
            if self.calls == 1:
                self._then()
            return found(*words)

        return call


@pytest.mark.parametrize("place", ["cache", "elsewhere"])
def test_a_note_on_an_address_is_cleared_while_it_is_written(
    files: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    url = files.add("/a.bin", CONTENT)
    clears = Clears(os, "replace", lambda: _drop_unfinished(cache))
    monkeypatch.setattr(_files, "os", clears)
    found = download(url, to=None if place == "cache" else tmp_path / "a.bin")
    assert clears.calls == 3  # the note announced, once more, and the note
    assert found.path.read_bytes() == CONTENT
    assert download(url, to=None if place == "cache" else tmp_path / "a.bin").from_cache


def test_a_note_on_hashes_is_cleared_while_it_is_written(
    hub: HubStub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos.create("model", "acme/tiny").commit({"config.json": b"{}"})
    clears = Clears(os, "replace", lambda: _drop_unfinished(cache))
    monkeypatch.setattr(_files, "os", clears)
    found = download("hf:model:acme/tiny")
    assert clears.calls > 1
    assert (found.path / "config.json").read_bytes() == b"{}"
    assert Cache().verify().ok


def test_a_branch_is_noted_while_its_repository_cannot_be_cleared(
    hub: HubStub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos.create("dataset", "acme/rows").commit({"train.csv": b"a,b\n1,2\n3,4\n"})
    kept, replace = [], os.replace

    def clear_first(old: Path, new: Path) -> None:
        if "refs" in new.parts:
            kept.extend(entry.name for entry in Cache().clear("hub").in_use)
        replace(old, new)

    monkeypatch.setattr(os, "replace", clear_first)
    assert download("datasets:acme/rows", split="train").path.is_dir()
    assert kept == ["datasets--acme--rows"]


def _drop_unfinished(cache: Path) -> None:
    found = list(cache.rglob("*.new"))
    assert found
    for path in found:
        path.unlink()


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_the_folder_of_a_lock_is_cleared_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    make, calls = Path.mkdir, []

    def mkdir(self: Path, *words: object, **options: object) -> None:
        calls.append(self)
        if len(calls) == 1:
            raise error(2, "as when somebody removes it between two steps")
        make(self, *words, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    _cache_remove.remove_repo(tmp_path / "hub", "models--acme--tiny")
    assert len(calls) > 1


def test_a_file_where_the_folder_of_locks_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "hub").write_bytes(b"")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        _cache_remove._opened(tmp_path / "hub" / ".locks" / "models--x" / ".in-use")


def test_a_copy_that_is_cleared_while_its_lock_is_awaited_is_fetched_again(
    files: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = files.add("/a.bin", CONTENT)
    download(url)
    clearing, go_on, discard = threading.Event(), threading.Event(), _cache_remove.discard

    def slow(path: Path) -> None:
        if path.parent.name == "url":
            clearing.set()
            assert go_on.wait(60)
        discard(path)

    monkeypatch.setattr(_cache_remove, "discard", slow)
    clearer = threading.Thread(target=Cache().clear)
    clearer.start()
    assert clearing.wait(60)
    threading.Timer(0.5, go_on.set).start()
    found = download(url)
    clearer.join(60)
    assert found.path.read_bytes() == CONTENT


def test_a_note_that_is_cleared_while_it_is_looked_at_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "note.json"
    note.write_text("{")
    assert len(list(_cache_promises._of_note(note))) == 1

    def cleared(path: Path) -> None:
        path.unlink()

    monkeypatch.setattr(_cache_promises, "read_json", cleared)
    assert list(_cache_promises._of_note(note)) == []


def test_settings_of_datasets_come_back_after_users_that_overlap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from datasets import config

    monkeypatch.setattr(config, "TORCH_AVAILABLE", True)
    monkeypatch.delitem(_pull.sys.modules, "torch", raising=False)
    first, second = _pull.undisturbed(), _pull.undisturbed()
    first.__enter__()
    second.__enter__()
    assert not config.TORCH_AVAILABLE
    first.__exit__(None, None, None)
    assert not config.TORCH_AVAILABLE
    second.__exit__(None, None, None)
    assert config.TORCH_AVAILABLE
