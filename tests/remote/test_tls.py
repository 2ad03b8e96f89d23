"""TLS: a certificate is looked at before it is used; clients verify, always."""

from __future__ import annotations

import datetime as dt
import inspect
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lancenb.errors import InvalidArgument
from lancenb.remote import _tls
from lancenb.remote._tls import TLS, client_context, client_grpc

DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC)


class Authority:
    """A certificate authority of this test."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._made(self.subject, self.key, NOW - DAY, NOW + 365 * DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(_pem(made.sign(self.key, hashes.SHA256())))

    def _made(self, subject: x509.Name, key: Any, start: Any, end: Any) -> Any:
        return (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start).not_valid_after(end)
        )  # fmt: skip

    def issue(
        self, name: str, start: Any = NOW - DAY, end: Any = NOW + 90 * DAY, password: bytes = b""
    ) -> tuple[Path, Path]:
        """Return certificate and key for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = self._made(subject, key, start, end).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(_pem(made.sign(self.key, hashes.SHA256())))
        hidden = serialization.NoEncryption()
        if password:
            hidden = serialization.BestAvailableEncryption(password)
        private.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
        )
        return certificate, private


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("right"), "right")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("wrong"), "wrong")


def visit(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> str:
    """Return what a client hears from a server of one sentence; raises as the client does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            plain, _ = listening.accept()
            plain.settimeout(120)
            try:
                with server.wrap_socket(plain, server_side=True) as secure:
                    secure.sendall(f"hello over {secure.version()}".encode())
            except OSError:
                plain.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with (
                socket.create_connection(listening.getsockname(), 120) as plain,
                client.wrap_socket(plain, server_hostname=host) as secure,
            ):
                return secure.recv(100).decode()
        finally:
            thread.join(180)


def test_the_right_authority(right: Authority):
    tls = TLS(*right.issue("server"))
    assert tls.warning == ""
    assert "TLSv1.3" in visit(tls.context(), client_context(right.path))


def test_the_wrong_authority_and_the_system_refuse(right: Authority, wrong: Authority):
    server = TLS(*right.issue("server")).context()
    for client in (client_context(wrong.path), client_context()):
        with pytest.raises(ssl.SSLCertVerificationError):
            visit(server, client)


def test_another_name_is_refused(right: Authority):
    server = TLS(*right.issue("server")).context()
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        visit(server, client_context(right.path), "other.example")


def test_old_protocols_are_refused(right: Authority):
    tls = TLS(*right.issue("server"))
    assert tls.context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context(right.path).minimum_version == ssl.TLSVersion.TLSv1_2
    old = client_context(right.path)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "TLSv1.2" in visit(tls.context(), old)


def test_clients_with_and_without_a_certificate(right: Authority, wrong: Authority):
    certificate, key = right.issue("client")
    server = TLS(*right.issue("server"), client_ca=right.path).context()
    assert visit(server, client_context(right.path, certificate=certificate, key=key))
    other, other_key = wrong.issue("stranger")
    for client in (
        client_context(right.path),
        client_context(right.path, certificate=other, key=other_key),
    ):
        try:  # an alert, or the end of the connection before a word
            heard = visit(server, client)
        except OSError:
            heard = ""
        assert not heard


def test_nothing_turns_verification_off():
    for function in (client_context, client_grpc, TLS):
        words = set(inspect.signature(function).parameters)
        assert not words & {"verify", "insecure", "check_hostname"}
    made = client_context()
    assert made.verify_mode == ssl.CERT_REQUIRED
    assert made.check_hostname


def test_files_that_cannot_be_used(right: Authority, wrong: Authority, tmp_path: Path):
    certificate, key = right.issue("server")
    other, other_key = wrong.issue("other")
    text, damaged = tmp_path / "text", tmp_path / "damaged.pem"
    text.write_text("hello")
    damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: TLS(tmp_path / "none.pem", key), "none.pem cannot be read"),
        (lambda: TLS(certificate, tmp_path), "cannot be read"),
        (lambda: TLS(text, key), "no PEM file with a certificate"),
        (lambda: TLS(certificate, certificate), "no PEM file with a key"),
        (lambda: TLS(certificate, other_key), "not the one of the certificate"),
        (lambda: TLS(damaged, key), "cannot be used"),
        (lambda: TLS(certificate, key, client_ca=damaged), "cannot be used"),
        (lambda: TLS(certificate, key, client_ca=text), "no PEM file"),
        (lambda: client_context(text), "no PEM file"),
        (lambda: client_context(tmp_path / "none.pem"), "cannot be read"),
        (lambda: client_context(right.path, certificate=other, key=key), "not the one"),
        (lambda: client_grpc(damaged), "cannot be used"),
    ]
    for make, message in cases:
        with pytest.raises(InvalidArgument, match=message) as caught:
            make()
        assert caught.value.hint


def test_certificates_out_of_their_time(right: Authority):
    with pytest.raises(InvalidArgument, match="has expired"):
        TLS(*right.issue("past", NOW - 9 * DAY, NOW - DAY))
    with pytest.raises(InvalidArgument, match="not valid yet"):
        TLS(*right.issue("future", NOW + DAY, NOW + 9 * DAY))
    assert "expires in 2 days" in TLS(*right.issue("soon", NOW - DAY, NOW + 2.5 * DAY)).warning


def test_a_key_with_a_password(right: Authority):
    certificate, key = right.issue("sealed", password=b"open sesame")
    tls = TLS(certificate, key, password="open sesame")
    assert visit(tls.context(), client_context(right.path))
    assert "sesame" not in repr(tls)
    for password in (None, "wrong one"):
        with pytest.raises(InvalidArgument, match="password"):
            TLS(certificate, key, password=password)
    with pytest.raises(InvalidArgument, match="gRPC takes none"):
        tls.grpc()


def test_uvicorn_takes_it(right: Authority):
    tls = TLS(*right.issue("server"), client_ca=right.path)
    config = uvicorn.Config(lambda: None, **tls.uvicorn(), log_config=None)
    config.load()
    assert config.ssl is not None
    assert config.ssl.verify_mode == ssl.CERT_REQUIRED
    assert config.ssl.minimum_version >= ssl.TLSVersion.TLSv1_2
    plain = uvicorn.Config(lambda: None, **TLS(*right.issue("server")).uvicorn(), log_config=None)
    plain.load()
    assert plain.ssl is not None
    assert visit(plain.ssl, client_context(right.path))


def test_grpc_takes_it(right: Authority, wrong: Authority):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_secure_port("127.0.0.1:0", TLS(*right.issue("server")).grpc())
    server.start()
    try:
        with grpc.secure_channel(f"localhost:{port}", client_grpc(right.path)) as channel:
            grpc.channel_ready_future(channel).result(60)
        for ca in (wrong.path, None):
            with (
                grpc.secure_channel(f"localhost:{port}", client_grpc(ca)) as channel,
                pytest.raises(grpc.RpcError) as caught,
            ):
                channel.unary_unary("/x/y")(b"", timeout=120)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE  # pyright: ignore
    finally:
        server.stop(None)


def test_a_key_is_never_asked_for_on_the_terminal(
    right: Authority, monkeypatch: pytest.MonkeyPatch
):
    certificate, key = right.issue("sealed2", password=b"x" * 8)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    with pytest.raises(InvalidArgument):
        _tls.TLS(certificate, key)
