"""A whole server over gRPC: what other programs see of it, TLS, tokens, and its death."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb import errors as e
from lancenb.remote import _grpc_settings
from lancenb.remote._arrow import pieces
from lancenb.remote._connect import connect
from lancenb.remote._op import OPS
from lancenb.remote._serve import Server, serve

from .grpc_parts import TOKEN, ask

grpc = pytest.importorskip("grpc")

PINGS = _grpc_settings.PING_AFTER, _grpc_settings.PING_WITHIN  # before tests change them


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    dm = lnb.DataManager(tmp_path_factory.mktemp("grpc") / "root")
    dm.upsert("points", [{"id": 1, "x": 0.5}], key="id", create=True)
    with serve(dm, http=None, token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        yield channel


def test_a_client_made_of_the_stubs_alone(channel: Any):
    from lancenb.remote._grpc_make import HERE
    from lancenb.remote._pb import lancenb_pb2 as pb
    from lancenb.remote._pb import lancenb_pb2_grpc as stubs

    assert (HERE / "lancenb.proto").is_file()
    stub = stubs.CatalogStub(channel)
    for metadata in ([("authorization", f"Bearer {TOKEN}")], [("x-api-key", TOKEN)]):
        facts = stub.Get(pb.GetRequest(name="points"), metadata=metadata)
        assert facts.value.name == "points"
    pieces = list(stub.Read(pb.ReadRequest(name="points", columns=pb.Strings(items=["x"])),
                            metadata=metadata))  # fmt: skip
    assert pieces[0].WhichOneof("content") == "head"
    rows = b"".join(piece.arrow for piece in pieces[1:])
    assert pa.ipc.open_stream(rows).read_all().to_pydict() == {"x": [0.5]}
    sink = pa.BufferOutputStream()
    table = pa.table({"id": [1, 2]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    sent = [
        pb.WritePiece(request=pb.WriteRequest(name="stubbed")),
        pb.WritePiece(piece=sink.getvalue().to_pybytes()),
        pb.WritePiece(end=True),
    ]
    report = stub.Write(iter(sent), metadata=metadata)
    assert (report.value.rows, report.value.name) == (2, "stubbed")
    assert list(pa.ipc.read_schema(pa.py_buffer(report.value.schema)).names) == ["id"]
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(pb.GetRequest(name="absent"), metadata=metadata)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    error = dict(caught.value.trailing_metadata())["lancenb-error-bin"]
    assert b"artifact_not_found" in error


def test_reflection_shows_the_service_without_a_token(channel: Any):
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    database = ProtoReflectionDescriptorDatabase(channel)
    services = database.get_services()
    assert {"lancenb.v1.Catalog", "grpc.health.v1.Health"} <= set(services)
    service = DescriptorPool(database).FindServiceByName("lancenb.v1.Catalog")
    assert {method.name for method in service.methods} >= {"Get", "Read", "Write", "JobEvents"}
    read = service.methods_by_name["Read"]
    assert read.server_streaming
    assert read.input_type.fields_by_name["columns"].message_type.name == "Strings"


def test_health_needs_no_token(channel: Any):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", "lancenb.v1.Catalog"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("token", [None, "wrong", f"{TOKEN}x"])
def test_every_method_wants_the_token(server: Server, token: str | None):
    from lancenb.remote._grpc_client import GrpcTransport
    from lancenb.remote._transport import Reach

    transport = GrpcTransport(Reach(server.grpc_url, token))
    for op in OPS.values():
        args = {name: "x" for name in op.params if name == "name"}
        with pytest.raises(e.Unauthorized):
            ask(transport, op.name, args)
    transport.close()


def test_errors_are_those_of_the_local_catalogue(server: Server):
    far, near = server.connect("grpc"), server.manager
    for work in (
        lambda dm: dm.get("absent"),
        lambda dm: dm.read("points", "nope > 1"),
        lambda dm: dm.read("points", columns=["nope"]),
        lambda dm: dm.rollback("points", 99),
        lambda dm: dm.rename("points", "../escape"),
        lambda dm: dm.delete("points"),
    ):
        with pytest.raises(e.LancenbError) as local:
            work(near)
        with pytest.raises(e.LancenbError) as remote:
            work(far)
        assert type(remote.value) is type(local.value)
        assert (remote.value.code, remote.value.hint) == (local.value.code, local.value.hint)
    far.close()


def test_arguments_of_the_wrong_form_are_refused_by_the_server(server: Server):
    transport = server.connect("grpc")._transport
    for op, args in (
        ("get", {"name": 7}), ("get", {}), ("get", {"name": None}),
        ("tag", {"name": "points", "tag": 1}), ("search", {"limit": True}),
        ("read", {"name": "points", "columns": "x"}),
        ("search", {"limit": 2**70}),  # beyond the field's 64 bits: it travels, and is judged there
    ):  # fmt: skip
        with pytest.raises(e.InvalidArgument):
            ask(transport, op, args)
    with pytest.raises(e.UnknownOption, match="colour"):
        ask(transport, "get", {"name": "points", "colour": "red"})
    transport.close()


def test_etags_guard_changes(server: Server):
    transport = server.connect("grpc")._transport
    etag = ask(transport, "get", {"name": "points"}).etag
    assert etag
    ask(transport, "update", {"name": "points", "description": "one"}, if_match=etag)
    with pytest.raises(e.PreconditionFailed):
        ask(transport, "update", {"name": "points", "description": "two"}, if_match=etag)
    assert server.manager.get("points").description == "one"
    transport.close()


def test_a_write_broken_off_leaves_the_old_version(server: Server):
    far = server.connect("grpc")
    before = server.manager.get("points").version
    schema = server.manager.get("points").schema

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(20):
            ids = list(range(start * 10, start * 10 + 10))
            yield pa.RecordBatch.from_pylist([{"id": i, "x": 1.0} for i in ids], schema=schema)
        raise e.Cancelled("stop")

    with pytest.raises(e.Cancelled):
        ask(
            far._transport,
            "write",
            {"name": "points", "mode": "append"},
            body=pieces(schema, batches()),
        )
    assert server.manager.get("points").version == before
    assert far.read("points").read_all().num_rows == 1
    far.close()


# --- TLS


def certificates(folder: Path, name: str) -> dict[str, Path]:
    """Make an authority, and a certificate of localhost signed by it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def made(subject: str, key: Any, issuer: str, signer: Any, ca: bool) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=90))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    paths = {part: folder / f"{name}-{part}.pem" for part in ("ca", "certificate", "key")}
    paths["ca"].write_bytes(made(name, authority, name, authority, True))
    paths["certificate"].write_bytes(made("localhost", key, name, authority, False))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    paths["key"].touch(0o600)
    paths["key"].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return paths


def test_tls_with_the_right_and_the_wrong_authority(tmp_path: Path):
    right, wrong = certificates(tmp_path, "right"), certificates(tmp_path, "wrong")
    with serve(
        tmp_path / "root", http=None, token=TOKEN,
        certificate=right["certificate"], key=right["key"],
    ) as server:  # fmt: skip
        assert server.grpc_url.startswith("grpcs://")
        url = server.grpc_url.replace("127.0.0.1", "localhost")
        with connect(url, token=TOKEN, ca=right["ca"]) as far:
            far.upsert("p", [{"id": 1}], key="id", create=True)
            assert far.read("p").read_all().num_rows == 1
        for options in ({"ca": wrong["ca"]}, {}):
            with pytest.raises(e.ServerUnreachable, match="certificate"):
                connect(url, token=TOKEN, **options)
        with pytest.raises(e.ServerUnreachable):
            connect(url.replace("grpcs", "grpc"), token=TOKEN)


# --- a server that dies

_SERVER = """
import sys, threading
from lancenb.remote._serve import serve
server = serve(sys.argv[1], http=None, token=sys.argv[2])
print(server.grpc_url, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """A server in a process of its own."""
    started = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path / "root"), TOKEN],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        yield started, started.stdout.readline().strip(), tmp_path / "root"
    finally:
        started.kill()
        started.wait(60)


@pytest.mark.parametrize(
    ("op", "how"),
    [
        ("watch", signal.SIGKILL), ("write", signal.SIGKILL), ("get", signal.SIGKILL),
        ("watch", signal.SIGSTOP), ("write", signal.SIGSTOP),
        pytest.param("get", signal.SIGSTOP, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_dead_server_is_an_error_soon(
    process: Any, monkeypatch: pytest.MonkeyPatch, how: signal.Signals, op: str
):
    """Killed, and stopped: one that says nothing any more is noticed, too."""
    if how == signal.SIGSTOP:  # not as little as users get: it has to seem alive until it is not
        monkeypatch.setattr(_grpc_settings, "PING_WITHIN", 10.0)
    started, url, root = process
    far = connect(url, token=TOKEN)
    lnb.DataManager(root).upsert("points", [{"id": 1}], key="id", create=True)
    schema, died = pa.schema([("id", pa.int64())]), []

    def die() -> None:
        died.append(time.monotonic())
        started.send_signal(how)

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": [2]})
        die()
        for number in range(10_000):
            time.sleep(0.01)
            yield pa.record_batch({"id": [number]})

    def use() -> None:
        if op == "watch":
            events = ask(far._transport, "watch")
            assert next(iter(events.body or ()))["event"] == "ready"
            die()
            list(events.body or ())
        elif op == "write":
            args = {"name": "points", "mode": "append"}
            ask(far._transport, "write", args, body=pieces(schema, batches()))
        else:
            threading.Timer(0.1, die).start()
            while True:
                ask(far._transport, "get", {"name": "points"})

    with pytest.raises(e.ServerUnreachable) as caught:
        use()
    assert time.monotonic() - died[0] < 60
    assert isinstance(caught.value.details["sent"], bool)
    twin = lnb.DataManager(root)
    assert twin.read("points").read_all().to_pydict() == {"id": [1]}
    far.close()


def test_a_server_that_says_nothing_is_given_five_seconds():
    assert sum(PINGS) < 5
    options = dict(_grpc_settings.client_options(5.0))
    assert options["grpc.keepalive_time_ms"] == 1000 * _grpc_settings.PING_AFTER
    assert options["grpc.keepalive_timeout_ms"] == 1000 * _grpc_settings.PING_WITHIN


def test_an_address_where_nobody_listens_or_answers():
    import socket

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(e.ServerUnreachable, match="no server answers"):
            connect(url, token=TOKEN)
        deaf.listen(1)  # takes connections and says nothing
        from lancenb.remote._grpc_client import GrpcTransport
        from lancenb.remote._transport import Reach

        transport = GrpcTransport(Reach(url, TOKEN, connect_seconds=0.5))
        with pytest.raises(e.ServerUnreachable):
            ask(transport, "about")
        transport.close()


@pytest.mark.slow
def test_a_large_table_passes_both_ways_with_flat_memory(process: Any):
    import psutil

    started, url, _ = process
    far = connect(url, token=TOKEN)
    memory = psutil.Process(started.pid)
    rows, batch = 39_000_000, 1 << 16  # 312 MB
    schema = pa.schema([("id", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        import numpy as np

        for start in range(0, rows, batch):
            ids = np.arange(start, min(start + batch, rows))
            yield pa.record_batch([pa.array(ids)], schema=schema)

    far.convert(pa.table({"id": pa.array([1])}), "small")
    far.read("small").read_all()
    before, peak, over = memory.memory_info().rss, [0], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], memory.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        far.convert(pa.RecordBatchReader.from_batches(schema, batches()), "large")
        count = total = 0
        for piece in far.read("large"):
            count += piece.num_rows
            total += int(piece.column(0)[0].as_py())
    finally:
        over.set()
        watcher.join()
    assert count == rows
    assert peak[0] - before < 100 << 20
    far.close()
