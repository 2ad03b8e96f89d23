"""Servers and folders for the tests of downloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lancenb.testing import FileServer, HubStub


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
def hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[HubStub]:
    """Serve a Hub, with the environment set to it and the real clients allowed to ask it."""
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", datasets.config.HF_ENDPOINT)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache.parent / "hf" / "datasets")
    with HubStub() as stub:
        for key, value in stub.env(cache.parent / "hf").items():
            monkeypatch.setenv(key, value)
        monkeypatch.setattr("lancenb.download._endpoint._answered", {})
        yield stub
