"""The race that tells whether concurrent commits are safe."""

from __future__ import annotations

import threading
import warnings
from collections import Counter

import pytest

from lancenb.errors import BucketNotFound, StoreError, StoreUnreachable, UnsafeStore
from lancenb.store import ProbeResult, _probe, _race
from tests.store import _servers

pytestmark = pytest.mark.s3


def test_a_server_that_ignores_put_if_absent_is_found_and_warned_about_once(unsafe_s3_server):
    _race._warned.clear()
    store = unsafe_s3_server.store("t")
    with pytest.warns(UserWarning, match="does not enforce put-if-absent") as caught:
        result = store.probe()
    assert not result.safe
    assert result.double == _probe.KEYS  # the header is dropped: everybody wins everywhere
    assert caught[0].filename == __file__
    assert list(store.walk()) == []
    with pytest.raises(UnsafeStore, match="concurrent commits can be lost") as raised:
        result.require_safe()
    assert raised.value.hint
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not store.probe().safe  # the second time without a word
        assert not store.at(f"s3://{store.bucket}/elsewhere").probe().safe
    with pytest.warns(UserWarning, match="put-if-absent"):
        unsafe_s3_server.store("t").probe()  # another bucket, another word


def test_what_the_warning_is_about(s3_server):
    """On such a server commits are lost: two writers that start from one version both 'win'."""
    import pyarrow as pa

    from lancenb.store import lance_module, open_table

    racing, both = threading.Event(), threading.Barrier(2)

    def meet(handler):
        if (
            handler.command == "PUT"
            and handler.path.partition("?")[0].endswith(".manifest")
            and racing.is_set()
        ):
            both.wait(120)  # neither manifest is there before the other one comes

    with _servers.forgetful_proxy(s3_server.endpoint, meet) as endpoint:
        store, lance = s3_server.store(endpoint=endpoint, timeout=200), lance_module()
        uri, options = store.join("t.lance"), store.storage_options
        lance.write_dataset(pa.table({"a": [0]}), uri, storage_options=options)
        failures = []

        def append(number):
            table = pa.table({"a": [number]})
            try:
                lance.write_dataset(table, uri, mode="append", storage_options=options)
            except BaseException as error:
                failures.append(error)

        racing.set()
        threads = [threading.Thread(target=append, args=(n,)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert open_table(uri, store).count_rows() == 2  # of three that were written


def test_a_server_that_checks_one_after_another_is_found_by_the_race():
    """Check-then-write without a lock passes any sequential test and still loses commits."""
    there: set[str] = set()
    looked: Counter[str] = Counter({"sequential": 1})
    changed = threading.Condition()

    def put(name: str, writer: int) -> bool:
        with changed:
            absent = name not in there
            looked[name] += 1
            changed.notify_all()
            changed.wait_for(lambda: looked[name] > 1, 20)  # slow: others look meanwhile
            there.add(name)
        return absent

    assert put("sequential", 0)
    assert not put("sequential", 1)
    result = _probe.race(put, "a careless server")
    assert not result.safe
    assert result.double == _probe.KEYS


def test_an_honest_lock_passes():
    there: dict[str, int] = {}

    def put(name: str, writer: int) -> bool:
        return there.setdefault(name, writer) == writer

    assert _probe.race(put, "x") == ProbeResult(
        True, 8, 12, 0, 0, "x", "x enforces put-if-absent (8 writers raced for 12 keys)"
    )


def test_a_server_that_refuses_everybody():
    result = _probe.race(lambda name, writer: False, "x")
    assert not result.safe
    assert result.lost == _probe.KEYS


def test_one_failing_writer_ends_the_race_with_its_error():
    def put(name: str, writer: int) -> bool:
        if writer == 3:
            raise StoreError("writer 3 failed")
        return True

    with pytest.raises(StoreError, match="writer 3"):
        _probe.race(put, "x")


def test_a_server_that_does_not_know_the_header():
    listing = (
        b"<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys>"
        b"<IsTruncated>false</IsTruncated></ListBucketResult>"
    )

    def handle(handler):
        handler.body()
        if handler.command == "PUT":
            handler.answer(501, b"<Error><Code>NotImplemented</Code></Error>")
        else:
            handler.answer(200, listing)

    from lancenb.store import Store

    _race._warned.clear()
    with _servers.serving(handle) as endpoint:
        store = Store("s3://bucket", endpoint=endpoint, access_key="a", secret_key="b", retries=0)
        with pytest.warns(UserWarning, match="does not know put-if-absent"):
            result = store.probe()
    assert not result.safe


def test_probe_of_what_cannot_be_reached(s3_server):
    with pytest.raises(BucketNotFound):
        s3_server.store(create=False).probe()
    with _servers.refused() as endpoint, pytest.raises(StoreUnreachable):
        s3_server.store(create=False, endpoint=endpoint).probe()
