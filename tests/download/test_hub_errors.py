"""Refusals of a Hub: each with its class, and with what to do next."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lancenb.download import Cache, DatasetDownloader, ModelDownloader, UrlPolicy, download, plan
from lancenb.download.errors import DownloadDenied, GatedRepo, RateLimited, RevisionNotFound
from lancenb.errors import (
    AccessDenied,
    InvalidArgument,
    LancenbError,
    NotFound,
    Offline,
    OutOfSpace,
    SourceNotFound,
    StoreNotWritable,
)
from lancenb.testing import HubStub, Repo

BIG = bytes(range(256)) * 20_000


@pytest.fixture
def repo(hub: HubStub) -> Repo:
    made = hub.repos.create("model", "acme/tiny")
    made.commit({"config.json": b"{}", "model.safetensors": BIG})
    return made


def failure(act: Callable[..., Any], spec: str, **options: Any) -> LancenbError:
    with pytest.raises(LancenbError) as caught:
        act(spec, **options)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("engine", ["range", "official"])
def test_gated(hub: HubStub, engine: str) -> None:
    gated = hub.repos.create("model", "acme/gated", gated=True)
    gated.commit({"model.safetensors": BIG, "config.json": b"{}"})
    error = failure(download, "hf:model:acme/gated", hub_engine=engine)
    assert isinstance(error, GatedRepo)
    assert isinstance(error, AccessDenied)
    assert f"{hub.url}/acme/gated" in error.hint
    assert "accept the terms, then log in: " in error.hint
    assert "hf auth login" in error.hint
    known = failure(download, "hf:model:acme/gated", token="hf_bob", hub_engine=engine)
    assert isinstance(known, GatedRepo)
    assert "account of this token" in known.hint
    assert download("hf:model:acme/gated", token="hf_ann", hub_engine=engine).size > len(BIG)


@pytest.mark.parametrize("act", [download, plan])
def test_private_and_missing(hub: HubStub, repo: Repo, act: Callable[..., Any]) -> None:
    hub.repos.create("model", "acme/own", private=True).commit({"model.safetensors": BIG})
    for spec in ("hf:model:acme/own", "hf:model:acme/nothing", "hf:dataset:acme/tiny"):
        error = failure(act, spec)
        assert type(error) is SourceNotFound
        assert "hf auth login" in error.hint
        assert "HF_TOKEN" in error.hint
    assert "may not see it" in failure(act, "hf:model:acme/own", token="hf_bob").hint
    missing = failure(act, "hf:model:acme/tiny", allow="*.gguf")
    assert isinstance(missing, SourceNotFound)
    assert "model.safetensors" in missing.hint


@pytest.mark.parametrize("act", [download, plan])
def test_revisions(hub: HubStub, repo: Repo, act: Callable[..., Any]) -> None:
    repo.refs["fp16"] = repo.refs["main"]
    error = failure(act, "hf:model:acme/tiny@v9")
    assert isinstance(error, RevisionNotFound)
    assert isinstance(error, NotFound)
    assert "main" in error.hint
    assert "fp16" in error.hint
    assert isinstance(failure(act, f"hf:model:acme/tiny@{'0' * 40}"), RevisionNotFound)
    for bad in ("../x", "v1/../../x", "/etc"):
        assert isinstance(failure(act, "hf:model:acme/tiny", revision=bad), InvalidArgument)


@pytest.mark.parametrize("act", [download, plan])
def test_tokens(hub: HubStub, repo: Repo, act: Callable[..., Any], tmp_path: Path) -> None:
    error = failure(act, "hf:model:acme/tiny", token="hf_stale")
    assert isinstance(error, DownloadDenied)
    assert "not valid" in error.message
    assert "hf auth logout" in error.hint
    assert act("hf:model:acme/tiny", token="hf_ann_read")
    assert isinstance(failure(act, "hf:model:acme/tiny", token="with space"), InvalidArgument)


def test_the_token_of_the_environment(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos.create("model", "acme/own", private=True).commit({"model.safetensors": BIG})
    monkeypatch.setenv("HF_TOKEN", "hf_ann")
    assert download("hf:model:acme/own").size == len(BIG)
    assert all(seen.auth == "Bearer hf_ann" for seen in hub.hub.log)
    assert hub.leaked == []


def test_too_many_requests(hub: HubStub, repo: Repo) -> None:
    hub.hub.faults.add("status", status=429, retry_after=300, times=0)
    began = time.monotonic()
    assert isinstance(failure(download, "hf:model:acme/tiny"), RateLimited)
    assert time.monotonic() - began < 60
    assert len(hub.hub.log) == 1


def test_no_space_and_no_right_to_write(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    with monkeypatch.context() as patched:
        patched.setattr("lancenb.download._files.shutil.disk_usage", lambda path: usage)
        error = failure(download, "hf:model:acme/tiny")
    assert isinstance(error, OutOfSpace)
    assert "free" in error.hint
    assert "GB" in error.hint
    assert not [seen for seen in hub.cdn.log if seen.sent]
    blocked = tmp_path / "a file"
    blocked.write_text("x")
    assert isinstance(failure(download, "hf:model:acme/tiny", cache=blocked), StoreNotWritable)


LIMIT = 60.0  # for all of it, of which naps and answers that do not come may have ten


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch, hub: HubStub) -> list[float]:
    """The pauses that were made, however busy the machine was; limits are the real ones again."""
    import datasets  # noqa: F401  (what takes long is not what is measured)
    import transformers  # noqa: F401

    real, found = time.sleep, []
    others = {*threading.enumerate()} - {threading.current_thread()}  # servers of other tests

    def sleep(seconds: float) -> None:
        if threading.current_thread() not in others:
            found.append(seconds)
        real(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    for module in ("_hub_client", "_snapshot"):
        monkeypatch.setattr(f"lancenb.download.{module}.ETAG_TIMEOUT", 6.0)
    return found


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch, hub: HubStub) -> Iterator[None]:
    """An endpoint where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{held.getsockname()[1]}")
        yield


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, hub: HubStub) -> Iterator[list[socket.socket]]:
    """An endpoint that accepts connections and never answers; yields them."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted.append(listening.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        yield accepted
    for connection in accepted:
        connection.close()


@pytest.fixture
def hangs_up(monkeypatch: pytest.MonkeyPatch, hub: HubStub) -> Iterator[None]:
    """An endpoint that closes every connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield


ACTS: list[Callable[[], Any]] = [
    lambda: download("hf:model:acme/tiny"),
    lambda: download("hf:model:acme/tiny", hub_engine="official"),
    lambda: plan("hf:model:acme/tiny"),
    lambda: download("hf:dataset:acme/x"),
    lambda: DatasetDownloader("acme/x").download(),
    lambda: plan("datasets:acme/x", split="train"),
    lambda: ModelDownloader("acme/tiny", mode="transformers").load(),
    lambda: download("hf://datasets/acme/x/t.lance"),
]


@pytest.mark.parametrize("act", ACTS)
def test_a_dead_endpoint_takes_less_than_ten_seconds(
    dead: None, hub: HubStub, naps: list[float], act: Callable[[], Any]
) -> None:
    began = time.monotonic()
    with pytest.raises(Offline) as caught:
        act()
    assert time.monotonic() - began < LIMIT
    assert sum(naps) < 10
    assert "HF_ENDPOINT" in caught.value.hint


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_silent_endpoint_takes_less_than_ten_seconds(
    silent: list[socket.socket], naps: list[float], number: int
) -> None:
    began = time.monotonic()
    with pytest.raises(Offline, match="no answer"):
        ACTS[number]()
    assert time.monotonic() - began < LIMIT
    # asked once, with six seconds for the answer; the other connection was only a look
    assert len(silent) <= 2
    assert sum(naps) < 3


@pytest.mark.parametrize("number", [0, 2, 4])
def test_an_endpoint_that_hangs_up_takes_less_than_ten_seconds(
    hangs_up: None, naps: list[float], number: int
) -> None:
    began = time.monotonic()
    with pytest.raises(LancenbError) as caught:
        ACTS[number]()
    assert time.monotonic() - began < LIMIT
    assert sum(naps) < 10
    assert caught.value.hint


def test_an_endpoint_that_dies_between_two_calls(
    hub: HubStub, repo: Repo, naps: list[float]
) -> None:
    download("hf:model:acme/tiny", allow="config.json")
    hub.close()
    began = time.monotonic()
    with pytest.raises(Offline):
        download("hf:model:acme/tiny")
    with pytest.raises(Offline):
        download("hf:model:acme/tiny", hub_engine="official")
    assert time.monotonic() - began < 2 * LIMIT
    assert sum(naps) < 20


@pytest.mark.parametrize(
    "address", ["https://user:pw@hub.example", "hub.example", "ftp://hub.example", "https://"]
)
def test_an_endpoint_that_is_none(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    error = failure(download, "hf:model:acme/tiny")
    assert isinstance(error, InvalidArgument)
    assert "pw" not in str(error)


def test_offline_by_the_environment(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    kept = download("hf:model:acme/tiny")
    hub.hub.log.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert download("hf:model:acme/tiny").path == kept.path
    assert plan("hf:model:acme/tiny").missing_bytes == 0
    assert isinstance(failure(download, "hf:model:acme/other"), Offline)
    assert isinstance(failure(plan, "hf:model:acme/other"), Offline)
    assert hub.hub.log == []


def test_a_snapshot_of_another_client_is_found_offline_and_checked(
    hub: HubStub, repo: Repo
) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download("acme/tiny", cache_dir=Cache().hub, endpoint=hub.url)
    hub.close()
    result = download("hf:model:acme/tiny", offline=True)
    assert (result.path / "model.safetensors").read_bytes() == BIG
    blob = (result.path / "model.safetensors").resolve()
    blob.write_bytes(BIG[:-1] + b"?")
    error = failure(download, "hf:model:acme/tiny", offline=True)
    assert "damaged in the cache: model.safetensors" in str(error)
    assert blob.is_file(), "what cannot be fetched again is not dropped"


@pytest.mark.parametrize("engine", ["range", "official"])
def test_a_server_does_not_use_the_login_of_its_user(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    secret = hub.repos.create("model", "acme/own", gated=True)
    secret.commit({"model.safetensors": BIG, "config.json": b"{}"})
    monkeypatch.setenv("HF_TOKEN", "hf_ann")
    assert UrlPolicy.for_servers().login is False
    rules = UrlPolicy(login=False)
    assert isinstance(
        failure(download, "hf:model:acme/own", policy=rules, hub_engine=engine), GatedRepo
    )
    given = download("hf:model:acme/own", policy=rules, token="hf_ann", hub_engine=engine)
    assert given.size > len(BIG)
