"""Every raw error that a user can provoke becomes a typed one; each is provoked for real."""

from __future__ import annotations

import errno
import os
import re
import traceback

import pyarrow as pa
import pytest

from lancenb import errors as e
from lancenb.store import Store, lance_errors, lance_module, open_table


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store").create()


@pytest.fixture
def uri(store):
    uri = store.join("t.lance")
    lance = lance_module()
    lance.write_dataset(pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), uri)
    lance.write_dataset(pa.table({"a": [4], "b": ["w"]}), uri, mode="append")
    return uri


def test_w45_reading_before_the_first_write_creates_nothing(tmp_path):
    store = Store(tmp_path / "store").create()
    uri = store.join("models/none.lance")
    with pytest.raises(e.NotFound) as caught:
        open_table(uri)
    assert uri in caught.value.message
    assert caught.value.hint
    assert ".rs:" not in str(caught.value)
    assert os.listdir(store.uri) == []
    with pytest.raises(e.NotFound), lance_errors(uri):
        lance_module().dataset(uri)
    assert os.listdir(store.uri) == []


def test_missing_table_names_its_neighbour(uri):
    with pytest.raises(e.NotFound, match=r"did you mean 't\.lance'"):
        open_table(uri.replace("t.lance", "t1.lance"))


def test_a_missing_table_points_to_the_catalogue_or_counts_the_others(uri, tmp_path):
    for address, hint in (
        (uri.replace("t.lance", "people"), r"DataManager\(root\)\['people'\]"),
        (uri.replace("t.lance", "quite-another-one.lance"), "holds 1 other table$"),
        (str(tmp_path / "x.lance"), "no table$"),
    ):
        with pytest.raises(e.NotFound) as caught:
            open_table(address)
        assert re.search(hint, caught.value.hint), caught.value.hint
    os.makedirs(tmp_path / "home" / "registry.lance")
    with pytest.raises(e.NotFound, match="is a store, not a table"):
        open_table(str(tmp_path / "home"))


def test_what_is_no_table_says_so(store):
    folder = store.join("empty.lance")
    os.mkdir(folder)
    with pytest.raises(e.NotFound, match="holds no Lance table"):
        open_table(folder)
    file = store.join("file.lance")
    open(file, "w").close()
    with pytest.raises(e.NotFound, match="is a file"):
        open_table(file)
    with pytest.raises(e.StoreError, match="not a folder"), lance_errors(file):
        lance_module().dataset(file)
    with pytest.raises(e.InvalidArgument, match="empty"):
        open_table(" ")


def test_versions_and_tags(uri):
    open_table(uri).tags.create("best", 1)
    assert open_table(uri).version == 2
    assert open_table(uri, version=1).count_rows() == 3
    assert open_table(uri, version="best").count_rows() == 3
    for version in (3, 99, 2**40):
        with pytest.raises(e.VersionNotFound, match=f"no version {version}\n  hint: versions: 1-2"):
            open_table(uri, version=version)
    for version in (0, -1, 2**63, 10**5000, -(10**5000)):
        with pytest.raises(e.VersionNotFound, match="count from 1"):
            open_table(uri, version=version)
    with pytest.raises(e.TagNotFound, match="did you mean 'best'"):
        open_table(uri, version="bset")
    for tag in ("a b/c", "x" * 300, "..", "☃"):
        with pytest.raises(e.TagNotFound, match="tags: best"):
            open_table(uri, version=tag)
    for wrong in (True, 1.5, [1]):
        with pytest.raises(e.InvalidArgument, match="neither a number nor a tag"):
            open_table(uri, version=wrong)  # type: ignore[arg-type]


def test_raw_version_and_tag_texts(uri):
    lance = lance_module()
    cases = [
        (lambda: lance.dataset(uri, version=99), e.VersionNotFound, "no version 99"),
        (lambda: lance.dataset(uri, version="nope"), e.TagNotFound, "no tag 'nope'"),
        (lambda: lance.dataset(uri).tags.delete("nope"), e.TagNotFound, "no tag 'nope'"),
        (lambda: lance.dataset(uri).tags.create("t", 99), e.VersionNotFound, "no version 99"),
        (lambda: lance.dataset(uri).checkout_version(99), e.VersionNotFound, "no version 99"),
    ]
    for call, cls, says in cases:
        with pytest.raises(cls, match=says), lance_errors(uri):
            call()


def test_exists_already(uri):
    with pytest.raises(e.AlreadyExists, match="append"), lance_errors(uri):
        lance_module().write_dataset(pa.table({"a": [1]}), uri)
    table = open_table(uri)
    table.tags.create("t", 1)
    with pytest.raises(e.AlreadyExists, match="tag t"), lance_errors(uri):
        table.tags.create("t", 1)


def test_columns_filters_and_schemas(uri):
    table = open_table(uri)
    with pytest.raises(e.ColumnNotFound, match="'zz'") as caught, lance_errors(uri):
        table.to_table(filter="zz > 1")
    assert caught.value.hint == "columns: a, b"
    with pytest.raises(e.ColumnNotFound, match="'zz'"), lance_errors(uri):
        table.to_table(columns=["zz"])
    for bad in ("a >", "a === 1", "a in"):
        with pytest.raises(e.InvalidFilter), lance_errors(uri):
            table.to_table(filter=bad)
    with pytest.raises(e.SchemaMismatch, match="do not fit"), lance_errors(uri):
        lance_module().write_dataset(pa.table({"c": ["x"]}), uri, mode="append")
    assert open_table(uri).count_rows() == 4


def test_conflicts(uri):
    lance = lance_module()
    stale, table = lance.dataset(uri), pa.table({"a": [9], "b": ["n"]})
    operation = lance.LanceOperation.Overwrite(
        table.schema, lance.fragment.write_fragments(table, uri, mode="overwrite")
    )
    lance.write_dataset(table, uri, mode="append")
    with pytest.raises(e.Conflict, match="another writer"), lance_errors(uri):
        lance.LanceDataset.commit(uri, operation, read_version=stale.version, max_retries=0)
    with pytest.raises(e.Conflict), lance_errors(uri):
        raise OSError(
            "Too many concurrent writers. Attempted 8 times, but failed on retry_timeout of 30 s."
        )


def test_tagged_versions_are_protected(uri):
    from datetime import timedelta

    table = open_table(uri)
    table.tags.create("keep", 1)
    with pytest.raises(e.Protected, match="tagged"), lance_errors(uri):
        table.cleanup_old_versions(older_than=timedelta(microseconds=1))
    assert open_table(uri, version=1).count_rows() == 3


@pytest.mark.parametrize("keep", [0, 10])
def test_damaged_manifest(uri, keep):
    versions = os.path.join(uri, "_versions")
    head = min(n for n in os.listdir(versions) if n.endswith(".manifest"))
    os.truncate(os.path.join(versions, head), keep)
    with pytest.raises(e.CorruptInput, match="damaged"):
        open_table(uri)


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_damaged_data(uri, damage):
    data = os.path.join(uri, "data")
    for name in os.listdir(data):
        path = os.path.join(data, name)
        os.truncate(path, 20) if damage == "truncate" else os.unlink(path)
    with pytest.raises(e.CorruptInput, match="damaged"), lance_errors(uri):
        open_table(uri).to_table()


def batches_that_raise(error: Exception):
    schema = pa.schema([("a", pa.int64())])

    def generate():
        yield pa.record_batch([pa.array([1])], schema=schema)
        raise error

    return pa.RecordBatchReader.from_batches(schema, generate())


def test_our_error_inside_a_batch_generator_keeps_its_class(store):
    uri = store.join("g.lance")
    error = e.CorruptInput("row 7 of x.csv is cut off", hint="fetch it again")
    with pytest.raises(e.CorruptInput) as caught, lance_errors(uri):
        lance_module().write_dataset(batches_that_raise(error), uri)
    assert caught.value.message == "row 7 of x.csv is cut off"
    assert caught.value.hint == "fetch it again"
    with pytest.raises(e.NotFound):
        open_table(uri)


def test_a_foreign_error_inside_a_batch_generator_is_told_in_one_line(store):
    uri = store.join("g.lance")
    with pytest.raises(e.StoreError) as caught, lance_errors(uri):
        lance_module().write_dataset(batches_that_raise(ValueError("boom in row 7")), uri)
    assert "boom in row 7" in caught.value.message
    assert "Traceback" not in str(caught.value)
    assert "\n" not in caught.value.message


def test_panic_exceptions_are_caught(store):
    """Lance panics on an endpoint without a scheme, which a Store refuses before."""
    options = {
        "aws_endpoint": "localhost:1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
    }
    with pytest.raises(e.StoreError, match="internal fault"), lance_errors("s3://bucket/x.lance"):
        lance_module().dataset("s3://bucket/x.lance", storage_options=options)


@pytest.mark.parametrize(
    ("number", "cls"),
    [
        (errno.ENOSPC, e.OutOfSpace),
        (errno.EDQUOT, e.OutOfSpace),
        (errno.EROFS, e.StoreNotWritable),
        (errno.EACCES, e.StoreNotWritable),
        (errno.EPERM, e.StoreNotWritable),
        (errno.ENAMETOOLONG, e.InvalidName),
        (errno.EIO, e.StoreError),
    ],
)
def test_errors_of_the_operating_system(number, cls):
    with pytest.raises(cls, match="/data/x"), lance_errors("/data/x.lance"):
        raise OSError(number, os.strerror(number), "/data/x.lance/data/1")
    with pytest.raises(cls, match="/data/x"), lance_errors("/data/x.lance"):
        raise OSError(
            f"LanceError(IO): {os.strerror(number)} (os error {number}), /home/l/rust/io.rs:1:2"
        )


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        ("NoSuchBucket", e.BucketNotFound),
        ("SignatureDoesNotMatch", e.AccessDenied),
        ("InvalidAccessKeyId", e.AccessDenied),
        ("AccessDenied", e.AccessDenied),
        ("ExpiredToken", e.AccessDenied),
    ],
)
def test_s3_documents_inside_lance_texts(code, cls):
    text = (
        "LanceError(IO): Generic S3 error: Error performing list request: Error performing GET "
        "http://h:1/b?list-type=2 in 1ms - Server returned non-2xx status code: 403 Forbidden: "
        f"<Error><Code>{code}</Code><AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>"
        "<StringToSign>AWS4</StringToSign></Error>, /home/l/rust/lance-io/src/o.rs:1576:42"
    )
    with pytest.raises(cls) as caught, lance_errors("s3://b/x.lance"):
        raise OSError(text)
    shown = "".join(traceback.format_exception(caught.value))
    if cls is e.AccessDenied:  # the raw document repeats key ids: it is not in the traceback
        assert "AKIAIOSFODNN7EXAMPLE" not in shown


def test_other_errors_pass_unchanged():
    for error in (ValueError("mine"), KeyError("k"), KeyboardInterrupt(), e.Cancelled("stop")):
        with pytest.raises(type(error)) as caught, lance_errors("/x.lance"):
            raise error
        assert caught.value is error


def test_unknown_lance_texts_still_become_one_sentence():
    with pytest.raises(e.StoreError) as caught, lance_errors("/data/x.lance"):
        raise RuntimeError("LanceError(Strange): odd thing, /home/l/rust/a.rs:1:2\nmore\nlines")
    assert caught.value.message == "Lance failed on /data/x.lance: odd thing"
    assert isinstance(caught.value.__cause__, RuntimeError)
