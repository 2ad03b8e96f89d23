"""A Hub for the tests of downloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lancenb.testing import HubStub


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
        # the Hub is a thread here, which may have to wait for its turn
        for module in ("_hub_client", "_snapshot"):
            monkeypatch.setattr(f"lancenb.download.{module}.ETAG_TIMEOUT", 60.0)
        yield stub
