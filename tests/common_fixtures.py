"""What several rooms need: the command line in this process, a cache, a server of files."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lancenb.cli import main
from lancenb.download import registry
from lancenb.download.registry import DatasetEntry, OfficialFile
from lancenb.testing import FileServer

__all__ = ["cache", "files", "patience", "pets", "run"]


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """Take no busy server for a dead one; tests of dead ones set times of their own."""
    from lancenb.remote import _grpc_settings, _ws_flow
    from lancenb.remote._limits import Limits
    from lancenb.remote._transport import Reach
    from tests.store import _servers

    with pytest.MonkeyPatch.context() as patch:
        _servers.unhurried(patch.setattr, patch.setitem)
        patch.setattr(_grpc_settings, "PING_WITHIN", 60.0)
        patch.setattr(_ws_flow, "_SILENT_BEATS", 60)
        for kind, name in ((Reach, "connect_seconds"), (Limits, "header_seconds")):
            signature = inspect.signature(kind).parameters.values()
            given = {one.name: one.default for one in signature if one.default is not one.empty}
            defaults = tuple({**given, name: 60.0}.values())
            patch.setattr(kind.__init__, "__defaults__", defaults)
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache root that is also the default."""
    root = tmp_path / "cache"
    monkeypatch.setenv("LANCENB_CACHE", str(root))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return root


@pytest.fixture
def files() -> Iterator[FileServer]:
    """Serve plain files."""
    with FileServer() as server:
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function from words to exit status, output and errors."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(list(words))
        except SystemExit as stop:
            status = int(stop.code or 0)
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


@pytest.fixture
def pets(monkeypatch: pytest.MonkeyPatch, files: FileServer) -> DatasetEntry:
    """A known dataset of one file, served here."""
    data = os.urandom(4000)
    files.add("/pets.bin", data)
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    file = OfficialFile("pets.bin", f"{files.url}/pets.bin", 4000, hashlib.sha256(data).hexdigest())
    entry = DatasetEntry("pets", "images", "official", "", splits={"train": 1}, nbytes=4000,
                         licence="CC0", classes=("cat", "dog"), files=(file,))  # fmt: skip
    return registry.add(entry)
