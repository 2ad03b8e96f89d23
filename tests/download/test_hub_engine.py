"""Who moves the bytes of Hub files, how many at a time, and to whom a server may talk."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest

from lancenb.download import Cache, UrlPolicy, _hub_bodies, download, plan
from lancenb.download._hub_client import xet_is_on
from lancenb.download.errors import BlockedURL
from lancenb.errors import Cancelled, DownloadFailed, InvalidArgument
from lancenb.progress import CancelToken, Progress
from lancenb.testing import HubStub, Repo

BIG = bytes(range(256)) * 20_000


@pytest.fixture
def repo(hub: HubStub) -> Repo:
    made = hub.repos.create("model", "acme/tiny")
    made.commit({"config.json": b"{}", "model.safetensors": BIG})
    return made


def test_the_engine_is_chosen_by_argument_or_environment(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = _hub_bodies.fetch_by_client
    monkeypatch.setattr(
        _hub_bodies, "fetch_by_client", lambda *args: (asked.append(args[2]), real(*args))
    )
    download("hf:model:acme/tiny")
    assert asked == []
    download("hf:model:acme/tiny", hub_engine="official", force=True)
    assert sorted(asked) == ["config.json", "model.safetensors"]
    monkeypatch.setenv("LANCENB_HUB_ENGINE", "official")
    download("hf:model:acme/tiny", force=True)
    assert len(asked) == 4
    download("hf:model:acme/tiny", force=True, hub_engine="range")
    assert len(asked) == 4
    monkeypatch.setenv("LANCENB_HUB_ENGINE", "carrier pigeon")
    with pytest.raises(InvalidArgument, match="carrier pigeon"):
        download("hf:model:acme/tiny")


def test_xet_files_go_to_the_client_and_back_to_us_if_that_fails(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local Hub speaks no xet, so what is tested is the choice and the way back."""
    import huggingface_hub
    import huggingface_hub.constants

    repo.commit({"small.json": b"{}"})
    assert not xet_is_on(), "the tests switch xet off"
    tried: list[str] = []

    def fails(repo_id: str, name: str, **options: object) -> str:
        tried.append(name)
        raise RuntimeError("Data processing error: no server at http://cas.example/x?Signature=1")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fails)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(_hub_bodies, "xet_files", lambda s, r, names: set(names))
    result = download("hf:model:acme/tiny")
    assert tried == ["model.safetensors"]
    assert (result.path / "model.safetensors").read_bytes() == BIG
    download("hf:model:acme/tiny", hub_engine="range", force=True)
    assert tried == ["model.safetensors"]
    with pytest.raises(DownloadFailed, match="no server") as caught:
        download("hf:model:acme/tiny", hub_engine="official", force=True)
    assert "hub_engine='range'" in caught.value.hint
    assert "Signature" not in str(caught.value)


def test_files_without_a_xet_hash_stay_with_us(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(_hub_bodies, "fetch_by_client", None)
    assert download("hf:model:acme/tiny").size == len(BIG) + 2
    assert len(hub.hub.requests("POST", "paths-info")) == 1


def test_an_expired_signature_is_renewed(hub: HubStub, repo: Repo) -> None:
    expired = hub.cdn.faults.add("status", status=403, times=2)
    assert download("hf:model:acme/tiny").size == len(BIG) + 2
    assert expired.used == 2
    repo.commit({"model.safetensors": BIG + b"2"})
    hub.cdn.faults.add("status", status=403, times=0)
    with pytest.raises(
        DownloadFailed, match=r"refuses model\.safetensors, though the Hub allows it"
    ):
        download("hf:model:acme/tiny")


def test_several_files_at_a_time_with_one_progress(hub: HubStub) -> None:
    shards = {f"model-{i}.safetensors": bytes([i]) * (5 << 20) for i in range(4)}
    hub.repos.create("model", "acme/wide").commit({**shards, "config.json": b"{}"})
    slow = hub.cdn.faults.add("slow", times=0, rate=100_000)
    events: list[Progress] = []
    at_once: list[int] = []

    def seen(event: Progress) -> None:
        events.append(event)
        at_once.append(sum(0 < one.sent < 5 << 20 for one in hub.cdn.log))
        if at_once[-1] > 1:
            slow.rate = 1 << 40  # seen: the rest need not take a minute for each

    began = time.monotonic()
    result = download("hf:model:acme/wide", progress=seen)
    assert max(at_once) in (2, 3), "the files came one by one"
    total = result.size
    counts = [event.bytes for event in events]
    assert counts == sorted(counts)
    assert counts[-1] == total
    assert {event.total_bytes for event in events if event.phase == "download"} == {total}
    assert len(events) <= 5 * (time.monotonic() - began) + 4


def test_cancelling_several_files(hub: HubStub) -> None:
    shards = {f"model-{i}.safetensors": bytes([i]) * (5 << 20) for i in range(4)}
    hub.repos.create("model", "acme/wide").commit(shards)
    hub.cdn.faults.add("slow", times=0, rate=20_000)  # minutes for each
    cancel, began = CancelToken(), 0.0

    def stop() -> None:
        nonlocal began
        while sum(one.sent > 0 for one in hub.cdn.log) < 2:
            time.sleep(0.01)
        began = time.monotonic()
        cancel.cancel()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Cancelled):
        download("hf:model:acme/wide", cancel=cancel)
    assert time.monotonic() - began < 60
    assert not [t for t in threading.enumerate() if t.name.startswith("lancenb-hub")]


def test_cancelling_while_the_hub_is_silent(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_hub_client", "_snapshot"):
        monkeypatch.setattr(f"lancenb.download.{module}.ETAG_TIMEOUT", 600.0)
    hub.hub.faults.add("stall", early=True, seconds=600, times=0)
    for act in (download, plan):
        cancel = CancelToken()
        threading.Timer(0.3, cancel.cancel).start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            act("hf:model:acme/tiny", cancel=cancel)
        assert time.monotonic() - began < 60


def test_one_failure_stops_the_other_files(hub: HubStub) -> None:
    shards = {f"model-{i}.safetensors": bytes([i]) * (5 << 20) for i in range(3)}
    made = hub.repos.create("model", "acme/wide")
    made.commit(shards)
    lost = made.commits[made.refs["main"]]["model-2.safetensors"].sha256
    hub.cdn.faults.add("status", status=410, path=f"*{lost}", times=0)
    hub.cdn.faults.add("slow", times=0, rate=20_000)  # minutes for each of the others
    began = time.monotonic()
    with pytest.raises(Exception, match="410"):
        download("hf:model:acme/wide")
    assert time.monotonic() - began < 60


def test_many_small_files_use_few_requests(hub: HubStub) -> None:
    files = {f"data/{i}.csv": f"x\n{i}\n".encode() for i in range(40)}
    hub.repos.create("dataset", "acme/many").commit(files)
    result = download("hf:dataset:acme/many")
    assert len(result.files) == 40
    assert len(hub.hub.log) == 41
    for item in result:
        assert hashlib.sha256(item.path.read_bytes()).hexdigest() == item.sha256


def test_a_server_talks_to_its_endpoint_and_to_public_addresses_only(
    hub: HubStub, repo: Repo
) -> None:
    policy = UrlPolicy.for_servers()
    with pytest.raises(BlockedURL):
        download("hf:model:acme/tiny", policy=policy)
    assert hub.cdn.log == []
    assert not list(Cache().hub.rglob("model.safetensors"))
    trusting = UrlPolicy.for_servers(trusted=(hub.cdn.url,))
    assert download("hf:model:acme/tiny", policy=trusting).size == len(BIG) + 2
    with pytest.raises(InvalidArgument, match="policy"):
        download("hf:model:acme/tiny", policy=policy, hub_engine="official", force=True)
    repo.commit({"model.safetensors": b"\x02" + BIG})
    with pytest.raises(BlockedURL):
        plan("hf:model:acme/tiny", policy=policy)
    assert download("hf:model:acme/tiny", policy=policy, allow="config.json").size == 2


def test_the_size_limit_of_a_policy_holds_for_the_hub(hub: HubStub, repo: Repo) -> None:
    with pytest.raises(DownloadFailed, match="limit"):
        download("hf:model:acme/tiny", policy=UrlPolicy(max_bytes=1000))


def test_results_are_what_other_clients_expect(hub: HubStub, repo: Repo) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
    from huggingface_hub import try_to_load_from_cache as find

    repo.commit({"sub/deep/more.json": b"[1]"})
    path = download("hf:model:acme/tiny").path
    folder = Cache().hub
    assert Path(snapshot_download("acme/tiny", cache_dir=folder, local_files_only=True)) == path
    assert find("acme/tiny", "sub/deep/more.json", cache_dir=folder) == str(
        path / "sub/deep/more.json"
    )
    hub.hub.log.clear()
    theirs = hf_hub_download("acme/tiny", "config.json", cache_dir=folder, endpoint=hub.url)
    assert Path(theirs) == path / "config.json"
    assert [seen.method for seen in hub.hub.log] == ["HEAD"]
    report = scan_cache_dir(folder)
    assert report.warnings == []
    assert report.size_on_disk == len(BIG) + 2 + 3
    assert [r.repo_id for r in report.repos] == ["acme/tiny"]
    assert all(not (path / name).readlink().is_absolute() for name in ("config.json",))


def test_small_files_by_way_of_a_redirect_and_unpacked(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the real Hub sends them."""
    with HubStub(resolve_cache=True, gzip_text=True) as other:
        monkeypatch.setenv("HF_ENDPOINT", other.url)
        made = other.repos.create("model", "acme/own", private=True)
        made.commit({"config.json": b'{"a": 1}' * 50, "model.safetensors": BIG, "empty.txt": b""})
        for engine in ("range", "official"):
            result = download("hf:model:acme/own", hub_engine=engine, token="hf_ann", force=True)
            assert (result.path / "config.json").read_bytes() == b'{"a": 1}' * 50
            assert (result.path / "empty.txt").read_bytes() == b""
            assert (result.path / "model.safetensors").read_bytes() == BIG
        assert other.leaked == []
