"""The engine inside a server: strangers name addresses, nothing private may be reached."""

from __future__ import annotations

import http.server
import ipaddress
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lancenb.download import Fetcher, UrlPolicy, _addresses, _connect
from lancenb.download.errors import BlockedURL
from lancenb.errors import DownloadFailed, Offline
from lancenb.testing import FileServer
from tests.download.odd_servers import certificate

DATA = bytes(range(256)) * 4000
GUARDED = Fetcher(UrlPolicy.for_servers(), retries=1, backoff=0.01)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let names lead to given addresses: ``names("a.example", ["10.0.0.1"], ["8.8.8.8"])``.

    The n-th lookup gets the n-th answer; returns the list of lookups.
    """
    real, table, asked = socket.getaddrinfo, {}, []

    def look_up(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host not in table:
            return real(host, port, *more, **named)
        asked.append(host)
        answers = table[host]
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        return [item for address in now for item in real(address, port, *more, **named)]

    monkeypatch.setattr("socket.getaddrinfo", look_up)

    def add(host: str, *answers: list[str]) -> list[str]:
        table[host] = list(answers)
        return asked

    return add


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for an address on the open internet, which tests have not."""
    real = _addresses.is_public
    monkeypatch.setattr(
        _addresses, "is_public", lambda address: str(address) == "127.0.0.1" or real(address)
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",  # decimal
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",  # octal
        "0",
        "localhost",
        "LOCALHOST",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",  # carrier's own
        "100.100.100.200",
        "169.254.169.254",  # cloud metadata
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",  # NAT64
        "[2002:7f00:1::]",  # 6to4
        "[2001:0:7f00:1::80ff:fffe]",  # Teredo
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_addresses_in_all_notations_are_refused(
    tmp_path: Path, host: str, scheme: str
) -> None:
    with pytest.raises(BlockedURL, match=r"private network|valid address") as caught:
        GUARDED.fetch(f"{scheme}://{host}:9/x", tmp_path)
    assert caught.value.hint
    assert list(tmp_path.glob("[!.]*")) == []


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert _addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("wide", ["127。0。0。1", "①②⑦.0.0.1"])
def test_lookalike_digits_are_refused(tmp_path: Path, wide: str) -> None:
    with pytest.raises(BlockedURL):
        GUARDED.fetch(f"http://{wide}/x", tmp_path)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1"]],
)
def test_names_that_lead_inside_are_refused(
    tmp_path: Path, names: Callable[..., list[str]], addresses: list[str]
) -> None:
    names("inside.example", addresses)
    for ask in (GUARDED.probe, lambda url: GUARDED.read_range(url, 0, 1)):
        with pytest.raises(BlockedURL, match=r"inside\.example"):
            ask("http://inside.example:9/x")
    with pytest.raises(BlockedURL, match=r"inside\.example"):
        GUARDED.fetch("http://inside.example:9/x", tmp_path)


def test_the_address_that_was_checked_is_the_one_connected_to(
    files: FileServer,
    tmp_path: Path,
    names: Callable[..., list[str]],
    loopback_is_public: None,
) -> None:
    """A name that leads elsewhere at the second lookup gains nothing: there is none."""
    files.add("/f.bin", DATA)
    port = files.url.rpartition(":")[2]
    asked = names("rebind.example", ["127.0.0.1"], ["10.0.0.1"])
    got = GUARDED.fetch(f"http://rebind.example:{port}/f.bin", tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA
    assert asked == ["rebind.example"]
    assert files.log[-1].headers["host"] == f"rebind.example:{port}"


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data/", "http://localhost:9/", "other"]
)
def test_redirects_are_checked_too(files: FileServer, tmp_path: Path, target: str) -> None:
    trusting = Fetcher(UrlPolicy.for_servers(trusted=(files.url,)))
    with FileServer() as other:
        secret = other.add("/secret", b"secret")
        url = files.add("/go", redirect=secret if target == "other" else target)
        for ask in (trusting.probe, lambda url: trusting.fetch(url, tmp_path)):
            with pytest.raises(BlockedURL):
                ask(url)
        assert not other.log
        assert len(files.log) == 2


def test_trusted_origins_are_let_through_and_no_others(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    assert Fetcher(UrlPolicy.for_servers(trusted=(files.url,))).probe(url).size == len(DATA)
    for other in ("http://127.0.0.1:1", files.url.replace("http:", "https:"), "http://localhost"):
        with pytest.raises(BlockedURL):
            Fetcher(UrlPolicy.for_servers(trusted=(other,))).probe(url)


def test_connections_of_others_are_not_used(files: FileServer) -> None:
    url = files.add("/f.bin", DATA)
    assert Fetcher().probe(url).size == len(DATA)  # leaves a connection open
    with pytest.raises(BlockedURL):
        GUARDED.probe(url)


def test_proxies_of_the_environment_are_for_people_only(
    files: FileServer,
    names: Callable[..., list[str]],
    loopback_is_public: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy looks names up itself: what was checked here would mean nothing there."""
    files.add("/f.bin", DATA)
    port = files.url.rpartition(":")[2]
    names("away.example", ["127.0.0.1"])
    with FileServer() as proxy:
        proxy.add("/f.bin", DATA[:1000])
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)
        url = f"http://away.example:{port}/f.bin"
        assert Fetcher().probe(url).size == 1000
        assert GUARDED.probe(url).size == len(DATA)
        assert len(proxy.log) == 1


def test_rules_for_servers() -> None:
    policy = UrlPolicy.for_servers()
    assert (policy.allow_private, policy.max_bytes) == (False, 64 << 30)
    assert UrlPolicy.for_servers(max_bytes=5, max_redirects=1).max_redirects == 1
    assert UrlPolicy().allow_private


# --- TLS


class _Secure(http.server.BaseHTTPRequestHandler):
    redirect: str | None = None
    seen: list[str]

    def do_GET(self) -> None:
        type(self).seen.append(self.headers["Host"])
        self.send_response(302 if self.redirect else 200)
        if self.redirect:
            self.send_header("Location", self.redirect)
        self.send_header("Content-Length", "0" if self.redirect else "5")
        self.end_headers()
        self.wfile.write(b"" if self.redirect else b"hello")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An https server whose certificate is for files.example, trusted by the engine."""
    pytest.importorskip("cryptography")
    path = tmp_path / "cert.pem"
    path.write_bytes(certificate("files.example"))
    inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inner.load_cert_chain(path)
    wanted: list[str | None] = []
    inner.sni_callback = lambda sock, name, context: wanted.append(name)
    handler = type("Handler", (_Secure,), {"seen": [], "wanted": wanted})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = inner.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    context = ssl.create_default_context(cafile=str(path))
    monkeypatch.setattr(_connect, "_tls", lambda: context)
    monkeypatch.setattr(_connect, "CONNECT_TIMEOUT", 60.0)  # a thread here shakes hands
    _connect._pool.cache_clear()
    handler.port = server.server_address[1]  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    server.server_close()
    _connect._pool.cache_clear()


def test_tls_names_stay_those_of_the_address(
    secure: Any, tmp_path: Path, names: Callable[..., list[str]], loopback_is_public: None
) -> None:
    names("files.example", ["127.0.0.1"])
    got = GUARDED.fetch(f"https://files.example:{secure.port}/x", tmp_path)
    assert got is not None
    assert got.path.read_bytes() == b"hello"
    assert secure.wanted[-1] == "files.example"
    assert secure.seen[-1] == f"files.example:{secure.port}"


def test_a_certificate_for_another_name_is_refused(
    secure: Any, tmp_path: Path, names: Callable[..., list[str]], loopback_is_public: None
) -> None:
    names("other.example", ["127.0.0.1"])
    with pytest.raises(DownloadFailed, match="certificate") as caught:
        GUARDED.fetch(f"https://other.example:{secure.port}/x", tmp_path)
    assert "SSL_CERT_FILE" in caught.value.hint
    assert not secure.seen


def test_https_is_never_downgraded(
    secure: Any, files: FileServer, tmp_path: Path, names: Callable[..., list[str]]
) -> None:
    names("files.example", ["127.0.0.1"])
    secure.redirect = files.add("/f.bin", DATA)
    with pytest.raises(BlockedURL, match="plain http"):
        Fetcher().fetch(f"https://files.example:{secure.port}/x", tmp_path)
    assert not files.log


def test_an_address_is_not_looked_up(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it cannot be too late either, and neither is the first attempt to connect."""
    late = itertools.chain([0.0], itertools.repeat(1000.0))
    monkeypatch.setattr(_addresses, "time", SimpleNamespace(monotonic=lambda: next(late)))
    monkeypatch.setattr(_addresses, "threading", None)
    found = _addresses.look_up("127.0.0.1", int(files.url.rpartition(":")[2]))
    _addresses.connect(found, 1.0).close()


def test_a_name_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    with pytest.raises(Offline, match=r"nowhere\.example"):
        GUARDED.fetch("http://nowhere.example/x", tmp_path)
