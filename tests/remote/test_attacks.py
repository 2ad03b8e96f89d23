"""What strangers tried against a running server, and what it has to say to them."""

from __future__ import annotations

import io
import tarfile
import threading
from typing import Any

import pyarrow as pa
import pytest
import urllib3

from lancenb.errors import (
    CorruptInput,
    InvalidArgument,
    LancenbError,
    PreconditionFailed,
    UnsafeInput,
)
from lancenb.remote import serve
from lancenb.remote._ops import OPS

from ._engines import REMOTE, TOKEN

ROWS = [{"id": 1, "x": 0.5}]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("attacked"), token=TOKEN) as running:
        yield running


def stream(table: pa.Table | pa.RecordBatch, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write(table)
    return sink.getvalue()


def call(dm: Any, op: str, args: dict[str, Any], **more: Any) -> Any:
    return dm._transport.call(OPS[op], args, request_id="r", **more)


@pytest.mark.parametrize("engine", REMOTE)
@pytest.mark.parametrize(
    "value",
    [
        {"$decimal": "1e999999999"},
        {"$decimal": "1e-999999999"},
        {"$fraction": "1e999999999"},
        {"$tuple": [{"$fraction": "1E+999999999"}]},
    ],
)
def test_a_number_that_would_fill_the_memory_is_refused(server, engine, value):
    dm = server.connect(engine)
    dm.upsert("numbers", ROWS, key="id", create=True)
    with pytest.raises(InvalidArgument, match="does not hold such a value"):
        call(dm, "get_row", {"name": "numbers", "key": "x", "value": value})


@pytest.mark.parametrize("engine", REMOTE)
@pytest.mark.parametrize("name", ["limit", "offset", "batch_rows", "version"])
def test_a_count_that_no_table_has_is_refused(server, engine, name):
    dm = server.connect(engine)
    dm.upsert("counts", ROWS, key="id", create=True)
    with pytest.raises(InvalidArgument, match=name):
        call(dm, "read", {"name": "counts", name: 10**300})


@pytest.mark.parametrize("engine", REMOTE)
def test_a_few_bytes_are_not_2_to_the_60_rows(server, engine):
    nothing = pa.Array.from_buffers(pa.null(), 2**60, [None])
    data = stream(pa.RecordBatch.from_arrays([nothing], ["a"]), allow_64bit=True)
    dm = server.connect(engine)
    with pytest.raises(CorruptInput, match="rows"):
        call(dm, "write", {"name": "nothing"}, body=iter([data]))
    assert "nothing" not in dm


def test_the_namespace_reads_no_files_that_cells_name(server, tmp_path):
    from PIL import Image

    Image.new("RGB", (2, 2), "red").save(tmp_path / "secret.png")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cell = {"bytes": None, "path": str(tmp_path / "secret.png")}
    table = pa.table({"id": [1], "image": pa.array([cell], kind)})
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/vnd.apache.arrow.stream",
    }
    server.connect().upsert("seen", ROWS, key="id", create=True)
    paths = ("taken/create", "seen/merge_insert?on=id"
             "&when_matched_update_all=true&when_not_matched_insert_all=true")  # fmt: skip
    for path in paths:
        answer = urllib3.request(
            "POST", f"{server.url}/v1/table/{path}", body=stream(table), headers=headers
        )
        assert answer.status == 400, answer.data
        assert b"names a file" in answer.data
    assert "taken" not in server.connect()
    assert server.connect().get("seen").version == 1


@pytest.mark.parametrize("engine", REMOTE)
def test_if_match_holds_until_the_last_byte(server, engine):
    dm, name = server.connect(engine), f"slow-{engine}"
    dm.upsert(name, ROWS, key="id", create=True)
    etag = call(dm, "get", {"name": name}).etag
    begun, go_on, found = threading.Event(), threading.Event(), []
    data = stream(pa.table({"id": [9], "x": [9.0]}))

    def body():
        yield data[:8]
        begun.set()
        assert go_on.wait(60)
        yield data[8:]

    def write():
        try:
            asked = {"name": name, "mode": "overwrite"}
            found.append(call(dm, "write", asked, body=body(), if_match=etag).value)
        except LancenbError as error:
            found.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(60)
    other = server.connect(engine)
    while server._dispatcher.gate.running("stream") == 0 and writer.is_alive():
        threading.Event().wait(0.01)
    threading.Event().wait(0.2)  # long enough for the first look; without it the test is milder
    other.update(name, description="seen by somebody else")
    go_on.set()
    writer.join(60)
    assert isinstance(found[0], PreconditionFailed), found
    assert dm.get(name).version == 1


@pytest.mark.parametrize("engine", REMOTE)
def test_what_was_done_under_a_key_is_not_refused_by_its_own_change(server, engine):
    dm, name = server.connect(engine), f"again-{engine}"
    dm.upsert(name, ROWS, key="id", create=True)
    more = {"if_match": call(dm, "get", {"name": name}).etag, "idempotency_key": f"k-{engine}"}
    asked = {"name": name, "description": "seen"}
    first = call(dm, "update", asked, **more)
    assert call(dm, "update", asked, **more).value == first.value
    with pytest.raises(PreconditionFailed):
        call(dm, "update", asked, **{**more, "idempotency_key": f"other-{engine}"})


def tar_of(*names: str, holes: int = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            info, content = tarfile.TarInfo(name), b"id\n1\n"
            if holes:
                content = b"1\n%d\n1\n" % (holes - 1)
                content = content.ljust(512, b"\0") + b"x".ljust(512, b"\0")
                facts = {"major": "1", "minor": "0", "realsize": str(holes), "name": name}
                info.pax_headers = {f"GNU.sparse.{key}": text for key, text in facts.items()}
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("engine", REMOTE)
@pytest.mark.parametrize(
    "data",
    [
        tar_of("0/s.csv", holes=10**12),
        tar_of("0/a", "0/a/b"),
        tar_of("0/" + "a" * 300),
        tar_of("0/" + "a/" * 3000 + "b"),
    ],
    ids=["a-terabyte-of-holes", "a-file-as-folder", "a-long-name", "a-deep-name"],
)
def test_an_upload_that_cannot_be_unpacked_is_refused(server, engine, data):
    dm = server.connect(engine)
    with pytest.raises(UnsafeInput) as caught:
        call(dm, "upload", {}, body=iter([data]))
    assert server.manager.store.uri not in str(caught.value)
    assert not list(server._dispatcher.house.uploads.folder.iterdir())


def test_the_etag_of_the_head_changes_with_every_version(tmp_path):
    with serve(tmp_path / "root") as server, server.connect() as dm:
        dm.upsert("t", {"id": 1}, key="id", create=True)
        entry, head = (dm._call(OPS[op], {"name": "t"}).etag for op in ("get", "head"))
        assert entry
        assert head
        dm.upsert("t", {"id": 2}, key="id")
        assert dm._call(OPS["get"], {"name": "t"}).etag == entry
        assert dm._call(OPS["head"], {"name": "t"}).etag != head
        args = {"name": "t", "version": 1}
        with pytest.raises(PreconditionFailed):
            dm._transport.call(OPS["rollback"], args, request_id="r1", if_match=head)
        now = dm._call(OPS["head"], {"name": "t"}).etag
        dm._transport.call(OPS["rollback"], args, request_id="r2", if_match=now)
        assert dm["t"].version == 3
