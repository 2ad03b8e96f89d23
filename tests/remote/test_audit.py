"""The audit log: every write is in it, in order, on disk and on S3; no secret is."""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.errors import InvalidArgument
from lancenb.remote import _audit
from lancenb.remote._audit import Audit
from lancenb.remote._auditrow import FIELDS, MAX_DETAIL, detail
from lancenb.remote._tokenfile import Principal
from lancenb.remote._tokens import new_token
from lancenb.remote._wire import Call
from lancenb.store import Store, lance_module
from tests.s3_fixtures import S3Server

ANN = Principal("0a1b2c3d", "ann", "write")


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Store(tmp_path / "root").create()
    server: S3Server = request.getfixturevalue("s3_server")
    return server.store("prefix")


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(tmp_path / "root").create()


def call(op: str = "upsert", **args: Any) -> Call:
    return Call(op, {"name": "net", **args}, engine="http", peer="127.0.0.1:9", token=new_token())


def test_who_what_when_and_the_versions(store: Store):
    audit = Audit(store)
    start = datetime.now(UTC)
    asked = call(key="id")
    asked.idempotency_key = "my-key"
    audit.note(asked, ANN, artefact="net", version_before=1, version_after=2)
    audit.note(call("delete"), None, artefact="net", outcome="refused")
    audit.note(call("rollback"), ANN, artefact="other", version_before=3, outcome="conflict")
    assert audit.flush(60)
    rows = audit.read().to_pylist()
    assert [row["op"] for row in rows] == ["rollback", "delete", "upsert"]
    first = rows[-1]
    assert start <= first.pop("time") <= datetime.now(UTC)
    assert first == {
        "request_id": asked.request_id, "engine": "http", "peer": "127.0.0.1:9",
        "principal": "0a1b2c3d", "principal_name": "ann", "scope": "write", "op": "upsert",
        "artefact": "net", "version_before": 1, "version_after": 2, "outcome": "done",
        "key": first["key"], "detail": '{"name": "net", "key": "id"}',
    }  # fmt: skip
    assert len(first["key"]) == 16
    assert "my-key" not in str(rows)
    assert (rows[1]["outcome"], rows[1]["principal"]) == ("refused", None)
    assert [row["op"] for row in audit.read(name="other").to_pylist()] == ["rollback"]
    assert audit.read(limit=1).num_rows == 1
    assert audit.read(limit=0).num_rows == 0
    assert audit.read(since=datetime.now(UTC) + timedelta(1)).num_rows == 0
    assert audit.read(since=start).num_rows == 3
    audit.stop()
    dataset = lance_module().dataset(audit.uri, storage_options=store.storage_options)
    assert dataset.count_rows() == 3
    assert dataset.schema.names == list(FIELDS)


def test_a_root_without_a_log(local: Store):
    audit = Audit(local)
    empty = audit.read()
    assert (empty.num_rows, empty.schema.names) == (0, list(FIELDS))
    assert local.list() == []
    with pytest.raises(InvalidArgument):
        audit.read(limit=-1)
    audit.stop()


def test_notes_are_written_without_being_asked_for(local: Store):
    audit = Audit(local)
    audit.note(call(), ANN)
    with audit._changed:
        assert audit._changed.wait_for(lambda: not audit.queued, 60)
    assert Audit(local).read().num_rows == 1


def test_the_catalogue_does_not_mind(local: Store):
    dm = DataManager(local)
    dm.convert(pa.table({"a": [1]}), "t", kind="table")
    audit = Audit(local)
    audit.note(call(), ANN)
    assert audit.flush(60)
    assert [artifact.name for artifact in dm.list()] == ["t"]
    report = dm.fsck(repair=True, grace=timedelta(0))
    assert "audit" not in str(report)
    assert audit.read().num_rows == 1


def test_two_servers_write_the_same_log(local: Store):
    audits = [Audit(local) for _ in range(4)]

    def work(audit: Audit) -> None:
        for n in range(25):
            audit.note(call(n=n), ANN)
            if n % 5 == 0:
                audit.flush()

    threads = [threading.Thread(target=work, args=(audit,)) for audit in audits for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for audit in audits:
        audit.stop(120)
    assert audits[0].read(limit=1000).num_rows == 200
    assert sum(audit.lost for audit in audits) == 0


def test_fragments_stay_few(local: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_audit, "_TIDY_EVERY", 10)
    audit = Audit(local)
    for n in range(30):
        audit.note(call(n=n), ANN)
        assert audit.flush(60)
    audit.stop()
    dataset = lance_module().dataset(audit.uri)
    assert len(dataset.get_fragments()) <= 10
    assert dataset.count_rows() == 30
    times = dataset.to_table()["time"].to_pylist()
    assert len(set(times)) == 30


def test_a_broken_store_keeps_the_notes_until_it_is_whole(
    local: Store, caplog: pytest.LogCaptureFixture
):
    root, errors = Path(local.uri), list[Exception]()
    audit = Audit(local, on_error=errors.append)
    (root / "audit.lance").write_text("in the way")
    with caplog.at_level(logging.ERROR, "lancenb.server"):
        audit.note(call(), ANN)
        assert not audit.flush(60)  # over as soon as it has failed twice
    assert audit.queued == 1
    assert audit.failures >= 1
    assert len(errors) >= 1
    assert "1 notes wait" in caplog.text
    (root / "audit.lance").unlink()
    audit.note(call(), ANN)
    assert audit.flush(60)
    assert audit.read().num_rows == 2
    assert audit.lost == 0
    audit.stop()


def test_what_has_no_room_to_wait_goes_to_the_log_as_it_is(
    local: Store, caplog: pytest.LogCaptureFixture
):
    (Path(local.uri) / "audit.lance").write_text("in the way")
    audit = Audit(local, max_queue=2)
    with caplog.at_level(logging.ERROR, "lancenb.server"):
        for name in ("one", "two", "three"):
            audit.note(call(), ANN, artefact=name)
        assert audit.lost == 1
        audit.stop(1)
        assert (audit.lost, audit.queued) == (3, 0)
        audit.note(call(), ANN, artefact="after the end")
    for name in ("one", "two", "three", "after the end"):
        assert f'"artefact": "{name}"' in caplog.text
    shutil.rmtree(local.uri)


_ENDS = """
import sys
from lancenb.remote import _audit, serve
_audit._GATHER = 3600.0
server = serve(sys.argv[1], token=sys.argv[2], grpc=None)
server.connect().upsert("net", [{"id": 1}], key="id", create=True)
"""


def test_a_process_that_ends_writes_what_waits(local: Store):
    words = [sys.executable, "-c", _ENDS, local.uri, new_token()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert Audit(local).read()["op"].to_pylist() == ["upsert"]


def test_what_was_stopped_is_not_kept(local: Store):
    audit = Audit(local)
    audit.note(call(), ANN)
    audit.stop()
    gone = weakref.ref(audit)
    del audit
    gc.collect()
    assert gone() is None


def test_a_fork_writes_nothing_of_its_parent(local: Store, monkeypatch: pytest.MonkeyPatch):
    audit = Audit(local)
    audit.note(call(), ANN)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    audit._end()
    monkeypatch.undo()
    assert not audit._stopped
    audit.stop()


SECRETS = ("hush-hush-1", "pa55word", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI", "sig0123")


def test_no_secret_is_in_it(local: Store, caplog: pytest.LogCaptureFixture):
    token = new_token()
    args = {
        "token": "hush-hush-1",
        "source": "https://me:pa55word@host/x.zip?X-Amz-Signature=sig0123",
        "options": {"aws_secret_access_key": "wJalrXUtnFEMI", "deep": [{"password": "pa55word"}]},
        "description": f"made with {token} and AKIAIOSFODNN7EXAMPLE",
        token: "as a key",
        "message": "x" * 290 + token,
        "hint": "secret_key=wJalrXUtnFEMI",
    }
    asked = Call("convert", args, token=token, peer=f"me:pa55word@{token}", request_id=token)
    audit = Audit(local)
    audit.note(asked, Principal("a", "ann", "read"), artefact=token, outcome="done")
    assert audit.flush(60)
    text = str(audit.read().to_pylist())
    for secret in (*SECRETS[:1], *SECRETS[2:], token, token[4:20]):
        assert secret not in text
    assert "me:pa55word@host" not in text
    assert token not in repr(audit)
    audit.stop()


def test_details_are_short_whatever_comes(local: Store):
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    for args in (
        {"rows": list(range(1_000_000))},
        {"text": "x" * 1_000_000},
        {"a": {f"k{n}": {f"m{m}": "x" * 500 for m in range(100)} for n in range(100)}},
        {"deep": deep},
        {"bytes": b"x" * 1000, "odd": {1, 2}, "half": "\ud800"},
        [1, 2],
        None,
    ):
        text = detail(args)
        assert len(text) <= MAX_DETAIL
        text.encode()
    assert json.loads(detail({"n": 1, "v": [None, True, 1.5]})) == {"n": 1, "v": [None, True, 1.5]}
    audit = Audit(local)
    odd = Call("x" * 1000, {"half": "\ud800"}, request_id="\ud800" * 1000, peer="\x00")
    audit.note(odd, Principal("a", "\udfff", "read"), artefact="\ud800")
    assert audit.flush(60)
    audit.stop()
