"""WebSocket in front of the real catalogue: watching, tokens, uploads that break, TLS."""

from __future__ import annotations

import datetime
import ipaddress
import threading

import pyarrow as pa
import pytest

from lancenb.errors import ArtifactNotFound, Forbidden, ServerUnreachable, Unauthorized
from lancenb.remote import _ws_flow
from lancenb.remote._arrow import pieces
from lancenb.remote._client import RemoteManager
from lancenb.remote._connect import connect
from lancenb.remote._serve import serve
from lancenb.remote._tokens import Tokens
from lancenb.remote._transport import Reach
from lancenb.remote._ws_client import WsTransport

from .ws_parts import OnlyWhenTold, ask, proxy, until

TOKEN = "a-token-for-web-sockets"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("ws") / "root", token=TOKEN, grpc=None) as running:
        yield running


@pytest.fixture
def dm(server):
    with server.connect("ws") as far:
        yield far


def one(number, size=1):
    return pa.table({"id": list(range(number, number + size)), "x": [0.5] * size})


def far(url, token=TOKEN):
    return RemoteManager(WsTransport(Reach(url, token)))


def test_no_event_is_lost_or_doubled_when_the_line_is_cut(server, dm):
    port = int(server.ws_url.rsplit(":", 1)[1])
    dm.upsert("cut", one(0), key="id", create=True)
    seen, ready, total = [], threading.Event(), 30
    with proxy(port) as line, far(line.url) as watcher:

        def watch():
            for event in watcher.watch():
                seen.append(event)
                ready.set()
                if event["after"] == total + 2:
                    return

        thread = threading.Thread(target=watch)
        thread.start()
        while not ready.wait(0.05):  # the first write that is seen comes after the watch began
            dm.tag("cut", "first")
        begin = len(seen)
        for number in range(1, total + 2):
            dm.upsert("cut", one(number), key="id")
            if number % 6 == 0:
                before = line.connections
                line.cut()
                dm.tag("cut", "meanwhile", number)
                assert until(lambda now=before: line.connections > now)
        thread.join(60)
        assert not thread.is_alive()
        assert line.connections > 3
    numbers = [event["seq"] for event in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len([event for event in seen if event["op"] == "tag"]) >= total // 6
    made = [event["after"] for event in seen[begin:] if event["op"] == "upsert"]
    assert made == list(range(2, total + 3))


def test_a_write_is_seen_at_once(tmp_path, monkeypatch):
    """Nothing here looks now and then whether something happened: all that could wakes late."""
    monkeypatch.setattr(_ws_flow, "_BEAT_SECONDS", 600.0)
    with serve(tmp_path / "root", token=TOKEN, grpc=None) as server:
        server._dispatcher.house.feed._changed = OnlyWhenTold()
        with server.connect("ws") as dm:
            events, seen = dm.watch(0), []

            def watch():
                for event in events:
                    seen.append(event["after"])
                    if len(seen) == 5:
                        return

            got = threading.Thread(target=watch, daemon=True)
            got.start()
            for number in range(1, 6):
                dm.upsert("fast", one(number), key="id", create=True)
                assert until(lambda now=number: seen == list(range(1, now + 1)))
            got.join(60)
            events.close()


def test_who_stops_watching_is_forgotten(server, dm):
    assert until(lambda: server._dispatcher.gate.running() == 0)
    dm.upsert("seen", one(0), key="id", create=True)
    events = dm.watch(0)
    assert next(events)
    assert server._dispatcher.gate.running() == 1
    events.close()
    assert until(lambda: server._dispatcher.gate.running() == 0)


def test_a_revoked_token_ends_with_the_next_call(tmp_path):
    path = tmp_path / "tokens.json"
    tokens = Tokens(path)
    ident, token = tokens.add("reader", "read")
    _, other = tokens.add("writer", "write")
    with serve(tmp_path / "root", tokens=path, grpc=None) as server:
        port = int(server.ws_url.rsplit(":", 1)[1])
        with proxy(port) as line, far(line.url, token) as reader, far(line.url, other) as writer:
            assert len(reader.list()) == 0
            with pytest.raises(Forbidden):
                reader.upsert("points", one(0), key="id", create=True)
            writer.upsert("points", one(0), key="id", create=True)
            tokens.revoke(ident)
            with pytest.raises(Unauthorized):
                reader.list()
            assert len(writer.list()) == 1
            assert line.connections == 2
            with far(line.url, token) as again, pytest.raises(Unauthorized):
                again.list()


def test_an_append_that_breaks_off_changes_nothing(server, dm):
    port = int(server.ws_url.rsplit(":", 1)[1])
    dm.upsert("kept", one(0), key="id", create=True)
    sent = pa.Table.to_batches(one(10, 500_000), max_chunksize=20_000)
    with proxy(port) as line, far(line.url) as client:
        carrier = client._transport

        def broken(how):
            for number, piece in enumerate(pieces(sent[0].schema, iter(sent))):
                if number == 2:
                    how()
                yield piece

        def fail():
            raise ZeroDivisionError

        args = {"name": "kept", "mode": "append"}
        with pytest.raises(ZeroDivisionError):
            ask(carrier, "write", args, body=broken(fail), idempotency_key="k1")
        with pytest.raises(ServerUnreachable):
            ask(carrier, "write", args, body=broken(line.cut), idempotency_key="k2")
        half = list(pieces(sent[0].schema, iter(sent)))[:-2]
        with pytest.raises(Exception, match=r"breaks off|too early|damaged"):
            ask(carrier, "write", args, body=iter(half), idempotency_key="k3")
        assert until(lambda: server._dispatcher.gate.running() == 0)
    assert dm.get("kept").version == 1
    assert dm.search_rows("kept").num_rows == 1
    assert dm.convert(one(10, 5), "kept", mode="append").version == 2


def test_large_rows_go_both_ways(dm):
    table = pa.table({"id": range(40), "blob": [bytes([n]) * (1 << 20) for n in range(40)]})
    assert dm.convert(table, "large").rows == 40
    assert dm.search_rows("large", columns=["id", "blob"]).equals(table)
    with dm.read("large") as reader:
        next(reader)
    assert dm.list()


def test_the_server_names_what_it_does_not_know(dm):
    with pytest.raises(ArtifactNotFound):
        dm.get("never")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "other"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        place = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([place]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )  # fmt: skip
        (folder / f"{name}.key").chmod(0o600)
    return folder


def test_tls_with_its_own_authority_and_no_other(tmp_path, certificate):
    with serve(
        tmp_path / "root", token=TOKEN, grpc=None,
        certificate=certificate / "server.pem", key=certificate / "server.key",
    ) as server:  # fmt: skip
        assert server.ws_url.startswith("wss://")
        with connect(server.ws_url, token=TOKEN, ca=certificate / "server.pem") as dm:
            table = one(0, 300_000)
            assert dm.convert(table, "points").rows == 300_000
            assert dm.search_rows("points").num_rows == 300_000
        for ca in (certificate / "other.pem", None):
            with pytest.raises(ServerUnreachable, match="certificate"):
                connect(server.ws_url, token=TOKEN, ca=ca)
        with pytest.raises(ServerUnreachable):
            connect(server.ws_url.replace("wss:", "ws:"), token=TOKEN)
