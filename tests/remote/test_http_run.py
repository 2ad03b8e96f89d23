"""Running the HTTP server: its port, its thread, TLS; beside a running loop as in a notebook."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lancenb import errors as e
from lancenb.remote._http_client import HttpTransport
from lancenb.remote._http_run import run_http
from lancenb.remote._limits import Limits
from lancenb.remote._ops import OPS
from lancenb.remote._tls import TLS
from lancenb.remote._transport import Reach

from .http_parts import TOKEN, Answer, canned_site, until

OK = Answer({"ok": True})


def certificate(folder: Path, stem: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{stem}.pem", folder / f"{stem}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    paths[1].chmod(0o600)
    return paths


def about(url: str, **options: Any) -> Answer:
    reach = Reach(url, TOKEN, connect_seconds=60.0, **options)
    return HttpTransport(reach).call(OPS["about"], {}, request_id="r")


def listening(port: int) -> bool:
    """Whether this process listens there; another one may have taken the port meanwhile."""
    found = psutil.Process().net_connections("tcp")
    return any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for each in found)


def test_the_port_is_known_and_free_again():
    with canned_site(lambda call: OK) as site:
        assert site.port > 0
        assert listening(site.port)
        assert about(site.url).value == {"ok": True}
        with pytest.raises(e.InvalidArgument, match="cannot listen"):
            run_http(lambda: None, "127.0.0.1", site.port, limits=Limits())
        with pytest.raises(e.InvalidArgument, match="no address"):
            run_http(lambda: None, "no-such-host.invalid", 0, limits=Limits())
    assert until(lambda: not listening(site.port))


def test_beside_a_loop_that_runs_already():
    """A notebook has a loop in its main thread; neither it nor the signals are touched."""

    async def cell() -> Answer:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        loop = asyncio.get_running_loop()
        with canned_site(lambda call: OK) as site:
            found = await asyncio.to_thread(about, site.url)
            assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
        assert asyncio.get_running_loop() is loop
        return found

    assert asyncio.run(cell()).value == {"ok": True}


def test_stopping_twice_and_threads_that_end():
    before = set(threading.enumerate())
    with canned_site(lambda call: OK) as site:
        for _ in range(5):
            about(site.url)
        site.running.stop()
        site.running.stop()
        assert until(lambda: not site.running.alive)
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("lancenb-http"):
            continue  # of somebody else in this process
        thread.join(60)
        assert not thread.is_alive()


def test_threads_end_also_when_the_server_has_to_be_forced():
    before = set(threading.enumerate())
    with canned_site(lambda call: OK) as site:
        about(site.url)
        workers = [
            thread
            for thread in set(threading.enumerate()) - before
            if thread.name.startswith("lancenb-http-")
        ]
        assert workers
        # As when it took too long, but certain: its application is not told of the end.
        site.running._server.force_exit = True
        site.running.stop()
        for thread in workers:
            thread.join(60)
            assert not thread.is_alive()


def test_a_program_ends_although_its_server_was_not_stopped():
    code = (
        "from tests.remote.http_parts import *\n"
        "from tests.remote.test_http_run import about, OK\n"
        "import threading\n"
        "site = canned_site(lambda call: OK)\n"
        "about(site.__enter__().url)\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_tls(tmp_path: Path):
    good, other = certificate(tmp_path, "good"), certificate(tmp_path, "other")
    with canned_site(lambda call: OK, tls=TLS(*good)) as site:
        assert site.url.startswith("https://")
        assert about(site.url, ca=good[0]).value == {"ok": True}
        for ca in (other[0], None):
            with pytest.raises(e.ServerUnreachable, match="trusted") as caught:
                about(site.url, ca=ca)
            assert caught.value.details == {"sent": False}
            assert TOKEN not in str(caught.value)
        with pytest.raises((e.ServerUnreachable, e.ServerError)):
            about(site.url.replace("https", "http"))
        assert len(site.dispatcher.calls) == 1
    with canned_site(lambda call: OK) as site, pytest.raises(e.ServerUnreachable, match="TLS"):
        about(site.url.replace("http", "https"), ca=good[0])


def test_large_bodies_over_tls(tmp_path: Path):
    """Both ways; and an error before the end of a body still arrives."""
    good = certificate(tmp_path, "good")

    def answer(call: Any) -> Answer:
        if call.args["name"] == "no":
            raise e.RequestTooLarge("too much")
        if call.body is not None:
            return Answer(sum(len(piece) for piece in call.body))
        return Answer(None, iter([b"x" * (1 << 20)] * 30))

    with canned_site(answer, tls=TLS(*good)) as site:
        transport = site.transport(ca=good[0])

        def send(name: str) -> Any:
            pieces = (b"x" * (1 << 20) for _ in range(50))
            return transport.call(OPS["write"], {"name": name}, request_id="r", body=pieces).value

        assert send("yes") == 50 << 20
        for _ in range(3):
            with pytest.raises(e.RequestTooLarge):
                send("no")
        file: Any = transport.call(OPS["read"], {"name": "x"}, request_id="r").body
        assert len(file.read(30 << 20)) == 30 << 20
