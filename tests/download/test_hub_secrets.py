"""A token and a signed address leave no trace: not in results, messages, logs, or on the disk."""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lancenb.download import Cache, ModelDownloader, download, plan
from lancenb.errors import LancenbError
from lancenb.testing import FileServer, HubStub, Repo

TOKEN = "hf_MARKEDtokenMARKED"
BIG = bytes(range(256)) * 20_000


@pytest.fixture
def marked(hub: HubStub) -> Repo:
    hub.tokens[TOKEN] = "ann"
    made = hub.repos.create("model", "acme/own", private=True)
    made.commit({"config.json": b"{}", "model.safetensors": BIG})
    return made


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def on_disk(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            yield path, os.fsencode(path)
            if path.is_file():
                yield path, path.read_bytes()


def attempts(hub: HubStub, repo: Repo, engine: str, folder: Path) -> Iterator[Any]:
    """Do everything that succeeds and fails; yield what a user would get to see."""
    options: dict[str, Any] = {"token": TOKEN, "hub_engine": engine}
    result = download("hf:model:acme/own", **options)
    seen = plan("hf:model:acme/own", token=TOKEN)
    front = ModelDownloader("acme/own", token=TOKEN)
    yield from (json.dumps(result.lineage), repr(result), str(result.files), repr(front))
    yield from (repr(seen), str(seen), seen._repr_html_())
    faults = [
        ("cut", {}), ("rst", {}), ("corrupt", {"times": 0}), ("truncate", {}),
        ("status", {"status": 403, "times": 0}), ("status", {"status": 404, "times": 0}),
        ("status", {"status": 503, "retry_after": 1000}),
    ]  # fmt: skip
    for number, (kind, more) in enumerate(faults):
        repo.commit({"model.safetensors": BIG + bytes([number])})
        hub.cdn.faults.add(kind, **more)
        try:
            yield json.dumps(download("hf:model:acme/own", **options).lineage)
        except LancenbError as error:
            yield told(error)
            yield json.dumps(error.to_dict())
        hub.cdn.faults.clear()
    for bad in ("hf:model:acme/nothing", "hf:model:acme/own@v9", "hf:dataset:acme/own"):
        try:
            download(bad, **options)
        except LancenbError as error:
            yield told(error)


@pytest.mark.parametrize("engine", ["range", "official"])
def test_no_token_and_no_signature_anywhere(
    hub: HubStub,
    marked: Repo,
    engine: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lancenb.download._insist.TRIES", 1)
    for name in ("", "httpx2", "huggingface_hub", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    shown = list(attempts(hub, marked, engine, tmp_path))
    shown += [record.getMessage() for record in caplog.records]
    shown += list(capfd.readouterr())
    secrets = (TOKEN, "Signature=")
    assert not [text for text in shown for word in secrets if word in text]
    stored = [
        path
        for path, content in on_disk(Cache().root, tmp_path)
        for word in secrets
        if word.encode() in content
    ]
    assert stored == []
    assert hub.leaked == []


def test_signed_addresses_are_not_logged(
    files: FileServer, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    url = files.add("/a.bin", b"x" * 100) + "?Signature=hush"
    plan(url)
    result = download(url, token="hf_MARKED")
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert "/a.bin" in logged
    for text in (logged, json.dumps(result.lineage), repr(result)):
        assert "hush" not in text
        assert "hf_MARKED" not in text
