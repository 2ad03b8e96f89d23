"""Servers below HTTP for tests: silent ones, ones that never accept, ones that lie."""

from __future__ import annotations

import datetime
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def raw_server(serve: Callable[[socket.socket, bytes], None], backlog: int = 8) -> Iterator[int]:
    """Serve connections with ``serve(connection, head of the request)``; yields the port."""
    done = threading.Event()

    def one(client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                block = client.recv(65536)
                if not block:
                    return
                head += block
            serve(client, head)

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while not done.is_set():
                client = server.accept()[0]
                threading.Thread(target=one, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        done.set()


def says(*blocks: bytes) -> Callable[[socket.socket, bytes], None]:
    """Answer every request with these bytes and close."""

    def serve(client: socket.socket, head: bytes) -> None:
        for block in blocks:
            client.sendall(block)

    return serve


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue is full: connections to it neither succeed nor fail."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(server.getsockname())
                fillers.append(filler)
            yield server.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def certificate(name: str) -> bytes:
    """Make a certificate for one host name, with its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + made.public_bytes(serialization.Encoding.PEM)
