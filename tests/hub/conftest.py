"""One local Hub for all proofs, and one process of real clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lancenb.testing import HubStub

from .client import Client


@pytest.fixture(scope="session")
def session_hub() -> Iterator[HubStub]:
    """Serve a Hub whose lists have short pages and whose uploads come in parts soon."""
    with HubStub(page_size=4, part_size=5 << 20) as stub:
        yield stub


@pytest.fixture(scope="session")
def session_client(
    session_hub: HubStub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Start the clients' process."""
    client = Client(session_hub.env(tmp_path_factory.mktemp("home")))
    yield client
    client.close()


@pytest.fixture
def hub(session_hub: HubStub) -> Iterator[HubStub]:
    """Serve the Hub without faults; in the end no token has leaked and no request has failed."""
    for origin in (session_hub.hub, session_hub.cdn):
        origin.log.clear()
        origin.faults.clear()
    yield session_hub
    assert session_hub.leaked == []
    assert session_hub.hub.errors == []
    assert session_hub.cdn.errors == []


@pytest.fixture
def client(session_client: Client, hub: HubStub) -> Client:
    """Return the clients' process."""
    return session_client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds small text and a large binary file."""
    root = tmp_path / "folder"
    (root / "sub").mkdir(parents=True)
    (root / "README.md").write_text("---\nlicense: mit\ntags: [tiny]\n---\n# Tiny\n")
    (root / "config.json").write_text('{"model_type": "tiny"}')
    (root / "sub" / "weights.bin").write_bytes(bytes(range(256)) * 800)
    return root
