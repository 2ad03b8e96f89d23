"""Endpoints that do not answer: one sentence in under ten seconds each."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import warnings
from typing import Any

import pytest

from lancenb.errors import LancenbError, StoreError, StoreUnreachable
from lancenb.store import Store, _preflight, lance_errors, lance_module, open_table
from tests.store import _servers

KEYS: dict[str, Any] = {"access_key": "AKHIDDEN", "secret_key": "hush-hush"}
LIMIT = 70.0  # the promise is ten seconds; a busy machine has more, and what fails has minutes


@pytest.fixture
def real_limits() -> dict[str, float]:
    """The limits that users have, read anew: those of this process are longer."""
    code = (
        "from lancenb.store._preflight import DEADLINE, QUICK\n"
        "print(DEADLINE, QUICK['read_timeout'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    deadline, read_timeout = map(float, done.stdout.split())
    return {"deadline": deadline, "read_timeout": read_timeout}


def failing(call, cls, says) -> LancenbError:
    start = time.monotonic()
    with pytest.raises(cls) as caught:
        call()
    took = time.monotonic() - start
    assert took < LIMIT, f"took {took:.1f} s"
    error = caught.value
    assert says in error.message
    assert "\n" not in error.message
    assert error.hint
    assert "hush-hush" not in str(error)
    return error


def every_way(endpoint: str, cls, says: str, **options) -> None:
    """Check, create and open a table of a store at ``endpoint``; all have to fail alike."""
    store = Store("s3://bucket/p", endpoint=endpoint, **KEYS, **options)
    calls = (store.check, store.create, lambda: open_table("x.lance", store), store.list)
    for call in (*calls, lambda: store.delete_tree("x.lance"), lambda: store.exists("x.lance")):
        error = failing(call, cls, says)
        assert endpoint in error.message


def test_refused_port():
    with _servers.refused() as endpoint:
        every_way(endpoint, StoreUnreachable, "refuses the connection")


@pytest.mark.parametrize("connect_timeout", [3.0, 600.0])
def test_dropped_packets(connect_timeout, monkeypatch):
    """The connect timeout of a store may be long; finding out is never."""
    monkeypatch.setattr(_preflight, "DEADLINE", 600.0)
    with _servers.dropping() as endpoint:
        store = Store("s3://bucket", endpoint=endpoint, connect_timeout=connect_timeout, **KEYS)
        failing(store.check, StoreUnreachable, "does not answer in time")


def test_one_question_takes_less_than_ten_seconds(real_limits):
    assert real_limits["deadline"] < 10
    assert 3 + real_limits["read_timeout"] < real_limits["deadline"]  # so that it says what it was


def test_hanging_server(monkeypatch, real_limits):
    monkeypatch.setattr(_preflight, "DEADLINE", 600.0)
    monkeypatch.setitem(_preflight.QUICK, "read_timeout", real_limits["read_timeout"])
    with _servers.hanging() as endpoint:
        store = Store("s3://bucket/p", endpoint=endpoint, timeout=300, retries=20, **KEYS)
        for call in (store.check, store.list):
            failing(call, StoreUnreachable, "does not answer in time")


def test_trickling_server(monkeypatch, real_limits):
    """No single read times out, so only a deadline for the whole question helps."""
    monkeypatch.setattr(_preflight, "DEADLINE", real_limits["deadline"])
    monkeypatch.setitem(_preflight.QUICK, "read_timeout", 600.0)
    with _servers.trickling() as endpoint:
        store = Store("s3://bucket", endpoint=endpoint, **KEYS)
        failing(store.check, StoreUnreachable, "no complete answer within")


def test_unknown_host():
    every_way("http://no-such-host.invalid", StoreUnreachable, "host name is unknown")


def test_server_that_hangs_up():
    def handle(handler):
        handler.connection.shutdown(socket.SHUT_RDWR)

    with _servers.serving(handle) as endpoint:
        every_way(endpoint, StoreUnreachable, "closed the connection")


def test_tls_where_there_is_none():
    with _servers.serving(lambda handler: handler.answer(200, b"")) as endpoint:
        every_way(endpoint.replace("http://", "https://"), StoreUnreachable, "does not speak TLS")


PAGE = b"<!doctype html><html><body>Welcome to the console</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "cls", "says"),
    [
        (200, PAGE, StoreError, "does not answer as S3 does"),
        (200, b"{}", StoreError, "does not answer as S3 does"),
        (200, b"", StoreError, "does not answer as S3 does"),
        (404, PAGE, StoreError, "does not answer as S3 does"),
        (405, b"", StoreError, "does not answer as S3 does"),
        (500, b"oops", StoreError, "does not answer as S3 does"),
        (502, b"<Error><Code>Upset</Code></Error>", StoreError, "answered 502 Upset"),
        (503, b"<Error><Code>SlowDown</Code></Error>", StoreError, "slow down"),
    ],
)
def test_servers_that_are_no_s3(status, body, cls, says):
    def handle(handler):
        handler.body()
        handler.answer(status, body)

    with _servers.serving(handle) as endpoint:
        store = Store("s3://bucket/p", endpoint=endpoint, **KEYS)
        failing(store.check, (cls, LancenbError), says)


def test_wrong_region_names_the_right_one():
    def handle(handler):
        handler.body()
        body = b"<Error><Code>PermanentRedirect</Code><Endpoint>x</Endpoint></Error>"
        handler.answer(301, body, {"x-amz-bucket-region": "eu-west-7"})

    with _servers.serving(handle) as endpoint:
        store = Store("s3://bucket", endpoint=endpoint, region="us-east-1", **KEYS)
        error = failing(store.check, StoreError, "another region than us-east-1")
        assert "region='eu-west-7'" in error.hint


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A server certificate for localhost and the authority that signed it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    extensions = folder / "ext"
    extensions.write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
        "extendedKeyUsage=serverAuth\n"
    )

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab ca")
    openssl("req", *new, "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=localhost")
    sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext")
    openssl("x509", "-req", "-in", "s.csr", *sign, "-out", "s.pem", "-days", "2")
    return folder


def test_private_certificates(certificate, monkeypatch):
    listing = (
        b'<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount>'
        b"<MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"
    )
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    tls = (certificate / "s.pem", certificate / "s.key")
    with _servers.serving(lambda handler: handler.answer(200, listing), tls) as endpoint:
        plain = Store("s3://bucket", endpoint=endpoint, **KEYS)
        error = failing(plain.check, StoreUnreachable, "is not trusted")
        assert "ca_bundle=" in error.hint
        ca = certificate / "ca.pem"
        trusting = Store("s3://bucket", endpoint=endpoint, ca_bundle=ca, **KEYS)
        trusting.check()
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))  # where Lance reads it
        with pytest.raises(LancenbError, match="no table at"):
            open_table("x.lance", trusting)
        monkeypatch.delenv("SSL_CERT_FILE")
        blind = Store("s3://bucket", endpoint=endpoint, verify=False, **KEYS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(LancenbError, match="no table at"):
                open_table("x.lance", blind)


def test_lance_past_the_check_is_mapped_too():
    with _servers.refused() as endpoint:
        store = Store("s3://bucket", endpoint=endpoint, retries=0, retry_window=1, **KEYS)
        uri = store.join("x.lance")
        with pytest.raises(StoreUnreachable, match="no answer"), lance_errors(uri, store):
            lance_module().dataset(uri, storage_options=store.storage_options)


@pytest.mark.s3
def test_a_server_that_dies_is_noticed(tmp_path):
    """A good answer is remembered for half a minute, not for ever."""
    from lancenb.store import _remote

    process, endpoint = _servers.start_moto(tmp_path)
    try:
        store = Store("s3://a-bucket", endpoint=endpoint, **KEYS).create()
        store.check()
    finally:
        _servers.stop(process, kill=True)
    store.check()  # remembered
    remembered = dict(_remote._checked)
    _remote._checked.clear()
    try:
        failing(store.check, StoreUnreachable, "refuses the connection")
    finally:
        _remote._checked.update(remembered)
