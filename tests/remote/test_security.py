"""What must not pass does not pass, by any engine: typed errors, and nothing is changed."""

from __future__ import annotations

import io
import json
import logging
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from lancenb import DataManager
from lancenb.errors import (
    Forbidden,
    InvalidArgument,
    InvalidName,
    LancenbError,
    NotFound,
    RequestTooLarge,
    Unauthorized,
    UnsafeInput,
)
from lancenb.remote._arrow import pieces
from lancenb.remote._limits import Limits
from lancenb.remote._ops import OPS
from lancenb.remote._serve import Server, serve
from lancenb.remote._tokens import Tokens

from ._engines import REMOTE, TOKEN
from ._samples import picture, points

SECRET = "lnb_never-to-be-seen-anywhere"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a table, and something beside it that nobody may reach."""
    folder = tmp_path_factory.mktemp("guarded")
    dm = DataManager(folder / "root")
    dm.convert(points(), "p")
    dm.tag("p", "prod")
    DataManager(folder / "beside").convert(points(), "private")
    (folder / "secret.csv").write_text("a\n1\n")
    (folder / "root" / "link.lance").symlink_to(folder / "beside" / "private.lance")
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    """Its server, with a token for everything and small limits."""
    limits = Limits(max_body=4 << 20, max_json=200_000)
    with serve(place / "root", token=TOKEN, limits=limits) as server:
        yield server


@pytest.fixture
def dm(server: Server, engine: str) -> Iterator[Any]:
    """The catalogue by an engine."""
    with server.connect(engine) as dm:
        yield dm


@pytest.fixture(autouse=True)
def unchanged(place: Path) -> Iterator[None]:
    """Whatever a test tries, catalogue and files are afterwards what they were."""

    def look() -> Any:
        dm = DataManager(place / "root")
        facts = [(a.name, a.version, a.aliases, a.history) for a in dm.list()]
        outside = sorted(str(p) for p in place.rglob("*") if "root" not in p.parts)
        return facts, outside, dm.search_rows("p").to_pylist()

    before = look()
    yield
    assert look() == before
    waiting = place / "root" / ".server" / "uploads"
    assert not waiting.is_dir() or not list(waiting.iterdir())


def writes(dm: Any) -> dict[str, Callable[[], Any]]:
    """One call of every verb that changes something."""
    return {
        "tag": lambda: dm.tag("p", "new"),
        "untag": lambda: dm.untag("p", "prod"),
        "update": lambda: dm.update("p", description="x"),
        "rename": lambda: dm.rename("p", "q"),
        "delete": lambda: dm.delete("p", confirm="p", force=True),
        "rows": lambda: dm.delete_rows("p", "true"),
        "rollback": lambda: dm.rollback("p", 1),
        "upsert": lambda: dm.upsert("p", {"id": 1, "x": 2.0}, key="id"),
        "write": lambda: dm.convert(points(), "n"),
        "convert": lambda: dm.convert("synthetic:text", "n"),
        "save": lambda: dm.save_weights("n", {"a": torch.ones(1)}),
        "register": lambda: dm.register("n", "link.lance"),
        "optimize": lambda: dm.optimize("p"),
        "cleanup": lambda: dm.cleanup("p", keep=1),
        "download": lambda: dm.download("synthetic:text"),
        "fsck": lambda: dm.fsck(repair=True),
    }


@pytest.mark.parametrize("token", [None, "wrong-token-of-some-length", SECRET, "x" * 4000])
def test_no_token_or_a_wrong_one(server, engine, token):
    dm = server.connect(engine, token=token) if token else server.connect(engine)
    if token is None:
        from dataclasses import replace

        dm.close()
        from lancenb.remote._connect import reconnect

        dm = reconnect(replace(dm._transport.reach, token=None))
    with dm:
        for call in (dm.list, dm.about, lambda: dm.read("p"), lambda: dm.get("not-there"),
                     lambda: next(dm.watch()), *writes(dm).values()):  # fmt: skip
            with pytest.raises((Unauthorized, RequestTooLarge)) as caught:
                call()
            text = f"{caught.value!r} {caught.value.to_dict()}"
            assert "not-there" not in text
            if token:
                assert token[:200] not in text
            elif type(caught.value) is RequestTooLarge:
                raise AssertionError("only a huge token is too large")


def test_scopes(place, engine, tmp_path):
    tokens = Tokens(tmp_path / "tokens.json")
    (_, read), (_, write) = tokens.add("reader", "read"), tokens.add("writer", "write")
    with serve(place / "root", tokens=tmp_path / "tokens.json") as server:
        with server.connect(engine, token=read) as dm:
            assert dm["p"].rows == 5
            assert dm.about().scope == "read"
            for label, call in writes(dm).items():
                with pytest.raises(Forbidden) as caught:
                    call()
                assert caught.value.hint, label
        with server.connect(engine, token=write) as dm:
            assert dm.delete("p", dry_run=True).rows == 5
            with pytest.raises(Forbidden):
                dm.fsck()


def test_expired_rotated_and_revoked_tokens_without_a_restart(place, engine, tmp_path):
    tokens = Tokens(tmp_path / "tokens.json")
    id, first = tokens.add("one", "read")
    _, short = tokens.add("short", "read", expires_in=0.2)
    with serve(place / "root", tokens=tmp_path / "tokens.json") as server:
        one, brief = server.connect(engine, token=first), server.connect(engine, token=short)
        assert len(one) == 1
        second = tokens.rotate(id)
        with pytest.raises(Unauthorized):
            one.list()
        with server.connect(engine, token=second) as dm:
            assert len(dm) == 1
            tokens.revoke(id)
            with pytest.raises(Unauthorized):
                dm.list()
        import time

        time.sleep(0.25)
        with pytest.raises(Unauthorized):
            brief.list()
        one.close()
        brief.close()


NAMES = ["../p", "..", ".", "/etc/passwd", "p/../p", "a\\b", "%2e%2e%2fp", "p\x00", ".server",
         "a b", "\u202ep", "p\n", "~", "s3://b/p", "p?x=1", "p#x",
         "x" * 400]  # fmt: skip


def arrow() -> Iterator[Any]:
    return pieces(points().schema, points().to_batches())


def test_names_that_lead_elsewhere(dm):
    for name in NAMES:
        for op in ("get", "versions", "rollback", "read", "write", "convert"):
            args: dict[str, Any] = {"name": name}
            args |= {"version": 1} if op == "rollback" else {}
            args |= {"source": "synthetic:text"} if op == "convert" else {}
            more = {"body": arrow} if op == "write" else {}
            with pytest.raises((InvalidName, NotFound)):
                dm._ask(OPS[op], args, **more)
        with pytest.raises((InvalidName, NotFound)):
            dm._ask(OPS["tag"], {"name": "p", "tag": name, "version": 1})
        with pytest.raises((InvalidName, NotFound)):
            dm._ask(OPS["rename"], {"name": "p", "new": name})


def test_addresses_that_lead_elsewhere(dm, place):
    outside = place / "beside" / "private.lance"
    for uri in (
        str(outside), f"file://{outside}", "../beside/private.lance", "link.lance", "/etc",
        "x/../../beside/private.lance", "s3://other/x.lance", "registry.lance", ".server/x",
        "p.lance/../../beside/private.lance", "hf://x", "%2e%2e/beside", "~/x", "az://x/y",
    ):  # fmt: skip
        for op in ("register", "examine"):
            args = {"uri": uri} | ({"name": "n"} if op == "register" else {})
            with pytest.raises((UnsafeInput, InvalidArgument, NotFound)) as caught:
                dm._ask(OPS[op], args)
            assert "private" not in str(caught.value).replace(uri, "")


def test_filters_that_want_more(dm, place):
    for where in (
        "1=1; drop table p", "id in (select id from registry)", "id = 1 union select * from x",
        "(select 1) = 1", "id > 1) or (1=1", "read_csv('/etc/passwd')", "x' or '1'='1",
        f"id in (select a from '{place}/secret.csv')", "/* */ ;--", "id = 1 --\n) or (true",
        "repeat(name, 100000000) = 'x'", "(" * 500 + "id" + ")" * 500, "id = 1 or " * 9000 + "true",
    ):  # fmt: skip
        for call in (
            lambda where=where: dm.search_rows("p", where),
            lambda where=where: dm.delete_rows("p", where),
            lambda where=where: dm.search(where=where),
        ):
            with pytest.raises((InvalidArgument, NotFound, RequestTooLarge)) as caught:
                call()
            assert "passwd" not in str(caught.value.details)
    # As a value the same is plain text.
    assert dm.search_rows("p", [("name", "=", "x' or '1'='1")]).num_rows == 0


def test_sources_the_server_must_not_fetch(dm, place):
    for source in (
        str(place / "secret.csv"), f"file://{place}/secret.csv", "http://127.0.0.1:1/x.csv",
        "http://localhost/x", "http://169.254.169.254/latest/meta-data", "http://[::1]/x",
        "http://10.0.0.1/x", "http://0x7f000001/x", "http://2130706433/", "https://user:pw@x.y/z",
        "ftp://example.org/x", "http://metadata.google.internal/", "secret.csv", "../secret.csv",
        "datasets:../secret.csv", "torchvision:/etc", "s3://bucket/x",
    ):  # fmt: skip
        for call in (
            lambda s=source: dm._ask(OPS["convert"], {"name": "n", "source": s}),
            lambda s=source: dm._ask(OPS["download"], {"source": s}),
        ):
            with pytest.raises(LancenbError) as caught:
                call()
            assert caught.value.code in (
                "unsafe_input", "not_found", "invalid_argument", "download_failed", "blocked_url",
                "unsupported_format",
            ), (source, caught.value.code)  # fmt: skip
    for options in ({"cache": "/tmp/x"}, {"policy": None, "to": "/tmp"}, {"limits": 5},
                    {"annotations": str(place / "secret.csv")}):  # fmt: skip
        with pytest.raises((UnsafeInput, InvalidArgument)):
            dm._ask(OPS["convert"], {"name": "n", "source": "synthetic:text", "options": options})


def upload(dm: Any, data: bytes) -> str:
    """Send bytes as they are and return the source to convert."""
    made = dm._ask(OPS["upload"], {"label": "x"}, body=lambda: iter([data]))
    return f"upload:{made.upload}"


def tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for info, data in entries:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_tars_that_lead_out_of_their_folder(dm, place):
    outside = str(place / "secret.csv")
    for bad in (
        tarred((entry("../evil.csv"), b"a")), tarred((entry("/evil.csv"), b"a")),
        tarred((entry("0/../../../evil.csv"), b"a")),
        tarred((entry("0/x.csv", tarfile.SYMTYPE, outside), b"")),
        tarred((entry("0/x.csv", tarfile.LNKTYPE, outside), b"")),
        tarred((entry("0", tarfile.SYMTYPE, str(place)), b""), (entry("0/evil.csv"), b"a")),
        tarred((entry("0/dev", tarfile.CHRTYPE), b"")),
        tarred((entry("0/p", tarfile.FIFOTYPE), b"")),
        tarred((entry("0/x.csv"), b"a,b\n1,2\n"))[:700], b"no tar at all" * 100,
    ):  # fmt: skip
        with pytest.raises(LancenbError) as caught:
            upload(dm, bad)
        assert caught.value.code in ("unsafe_input", "corrupt_input"), bad[:30]
        assert str(place) not in str(caught.value)


class Runs:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_uploads_that_would_run_code_or_unpack_without_end(dm, tmp_path):
    marker, made = tmp_path / "ran", tmp_path / "bad"
    made.mkdir()
    torch.save({"w": torch.ones(1), "x": Runs(marker)}, made / "a.pth")
    torch.save(Runs(marker), made / "old.pt", _use_new_zipfile_serialization=False)
    (made / "b.pkl").write_bytes(pickle.dumps(Runs(marker)))
    with zipfile.ZipFile(made / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", picture() + b"\0" * 300_000_000)
    with zipfile.ZipFile(made / "slip.zip", "w") as archive:
        archive.writestr("../../../evil.png", picture())
        archive.writestr("/evil.png", picture())
    for path in sorted(made.iterdir()):
        with pytest.raises(LancenbError) as caught:
            dm.convert(path, "n")
        assert caught.value.code != "server_error", path.name
    assert not marker.exists()
    assert caught.value.code


def test_a_foreign_upload_and_a_foreign_job(place, engine, tmp_path):
    tokens = Tokens(tmp_path / "tokens.json")
    (_, mine), (_, other) = tokens.add("mine", "write"), tokens.add("other", "write")
    with serve(place / "root", tokens=tmp_path / "tokens.json") as server:
        dm, spy = server.connect(engine, token=mine), server.connect(engine, token=other)
        with dm, spy:
            source = upload(dm, tarred((entry("0/x.csv"), b"a,b\n1,2\n")))
            with pytest.raises(NotFound):
                spy._ask(OPS["convert"], {"name": "n", "source": source})
            job = dm._call(OPS["verify"], {"name": "p"}).value["job"]
            assert [each.job for each in spy.jobs()] != [job]
            for call in (spy.job, spy.cancel_job):
                with pytest.raises(NotFound):
                    call(job)
            with pytest.raises(NotFound):
                spy._result(job, None, None)


def test_bodies_that_are_too_large(dm):
    big = pa.table({"id": range(1_000_000), "name": ["x" * 10] * 1_000_000})
    with pytest.raises(RequestTooLarge):
        dm.convert(big, "n")
    with pytest.raises(RequestTooLarge):
        dm.upsert("p", big.slice(0, 500_000), key="id")
    with pytest.raises(RequestTooLarge):
        upload(dm, b"\0" * (5 << 20))
    with pytest.raises((RequestTooLarge, InvalidArgument)):
        dm.search_rows("p", [("name", "=", "x" * 300_000)])
    with pytest.raises((RequestTooLarge, InvalidArgument)):
        dm._ask(OPS["update"], {"name": "p", "description": "x" * 300_000})
    assert dm["p"].rows == 5


def test_streams_that_are_no_arrow_or_end_early(dm):
    rows = points(0, 1000)
    whole = b"".join(bytes(piece) for piece in pieces(rows.schema, rows.to_batches()))
    for bad in (b"", b"no arrow", whole[:-8], whole[: len(whole) // 2], whole[:100], b"\xff" * 999):
        with pytest.raises(LancenbError) as caught:
            dm._ask(OPS["write"], {"name": "n", "mode": "create"}, body=lambda b=bad: iter([b]))
        assert caught.value.code == "corrupt_input", bad[:20]


def test_arguments_of_the_wrong_form(dm):
    for op, args in (
        ("get", {}), ("get", {"name": "p", "more": 1}), ("get", {"name": 5}),
        ("read", {"name": "p", "limit": "x"}), ("read", {"name": "p", "where": {"$bytes": 5}}),
        ("read", {"name": "p", "where": [["id", "=", {"$numpy": ["O", None, "AAAA"]}]]}),
        ("read", {"name": "p", "where": [["id", "=", {"$numpy": ["<i8", [10**9], "AAAA"]}]]}),
        ("read", {"name": "p", "where": [["id", "=", {"$other": ["a b", "x"]}]]}),
        ("read", {"name": "p", "where": [["id", "=", {"$what": 1}]]}),
        ("read", {"name": "p", "where": [["id", "=", {"$set": [[1]]}]]}),
        ("delete", {"name": "p", "confirm": True}), ("versions", {"name": ["p"]}),
        ("cleanup", {"name": "p", "older_than": -1}),
        ("rollback", {"name": "p", "version": None}),
    ):  # fmt: skip
        with pytest.raises(LancenbError) as caught:
            dm._ask(OPS[op], args)
        assert isinstance(caught.value, InvalidArgument), (op, args, caught.value)


def test_tokens_are_shown_nowhere(place, engine, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    root = tmp_path / "root"
    with serve(root, token=SECRET) as server, server.connect(engine) as dm:
        dm.upsert("p", {"id": 1}, key="id", create=True)
        with pytest.raises(LancenbError) as caught:
            dm.get("q")
        shown = [repr(dm), dm._repr_html_(), repr(dm._transport.reach), str(dm.about()),
                 repr(server), server._repr_html_(), str(caught.value.to_dict()),
                 repr(server._door), repr(dm.list()),
                 json.dumps(dm._transport.reach.url)]  # fmt: skip
        with server.connect(engine, token=f"{SECRET}-not") as other:
            with pytest.raises(Unauthorized) as refused:
                other.list()
            shown.append(str(refused.value.to_dict()))
    shown += [record.getMessage() + str(record.__dict__) for record in caplog.records
              if record.name.startswith(("lancenb", "uvicorn"))]  # fmt: skip
    assert SECRET not in "".join(shown)
    stored = [path for path in root.rglob("*") if path.is_file()]
    assert stored
    assert not [path for path in stored if SECRET.encode() in path.read_bytes()]
    assert any("audit" in str(path) for path in stored)
    assert set(REMOTE) >= {engine}
