"""Roots and names below them: what is accepted, what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancenb.errors import InvalidArgument, InvalidName, LancenbError, StoreError
from lancenb.store import Store


def s3(uri: str = "s3://bucket/pre", **options):
    keys: dict[str, Any] = {"endpoint": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b"}
    return Store(uri, **(keys | options))


@pytest.mark.parametrize(
    ("root", "uri"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket/a b/ü", "s3://bucket/a b/ü"),
    ],
)
def test_s3_roots(root, uri):
    store = s3(root)
    assert (store.uri, store.scheme, store.is_local, store.bucket) == (uri, "s3", False, "bucket")
    assert store.prefix == uri.removeprefix("s3://bucket").strip("/")


def test_local_roots_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Store("x").uri == str(tmp_path / "x")
    assert Store("~/x").uri == str(tmp_path / "home" / "x")
    assert Store(Path("x") / ".." / "y").uri == str(tmp_path / "y")
    assert Store("file:///data/a%20b").uri == "/data/a b"
    assert Store("x").is_local


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("", "empty"),
        (None, "folder"),
        (5, "folder"),
        ("file://", "names no folder"),
        ("a\0b", "control"),
        ("s3://", "bucket"),
        ("s3://ab", "bucket"),
        ("s3://key:secret@bucket/x", "options"),
        ("s3://bucket/../other", "'..'"),
        ("s3://bucket/a?versionId=1", "?"),
        ("s3a://bucket/x", "s3://"),
        ("gs://bucket/x", "S3"),
        ("az://box/x", "S3"),
        ("hf://datasets/a/b", "download"),
        ("http://localhost:9000/bucket", "endpoint="),
        ("file://other/x", "another machine"),
        ("memory://", "name"),
        ("s3:/bucket/x", "did you mean 's3://bucket/x'"),
        ("s3:bucket", "did you mean 's3://bucket'"),
    ],
)
def test_roots_that_cannot_be_kept_say_why(root, says):
    with pytest.raises(InvalidArgument) as caught:
        Store(root)
    assert says in str(caught.value)
    assert "key:secret" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda: Store("/data/store"), s3, lambda: Store("memory://m")])
@pytest.mark.parametrize(
    "part", ["..", "a/../b", "../x", "/etc", "", ".", "a//b", "a\0b", "a\nb", "x" * 300, "s3://b/x"]
)
def test_join_refuses_what_leaves_the_root(make, part):
    with pytest.raises(InvalidName):
        make().join(part)


@pytest.mark.parametrize("part", [None, 5, b"x", ["a"]])
def test_what_is_no_path_is_refused_everywhere(tmp_path, part):
    store = Store(tmp_path)
    for act in (store.join, store.exists, store.list, store.size, store.delete_tree, store.resolve):
        with pytest.raises(InvalidName):
            act(part)


def test_join():
    assert Store("/data/store").join("a", "b/c.lance") == "/data/store/a/b/c.lance"
    assert Store("/data/store").join("50% #1?.lance") == "/data/store/50% #1?.lance"
    assert s3().join("a", "b/c.lance") == "s3://bucket/pre/a/b/c.lance"
    assert s3().join() == "s3://bucket/pre"
    with pytest.raises(InvalidName, match="%"):
        s3().join("50%.lance")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_join_never_leaves_the_root(parts):
    store = Store("/data/store")
    try:
        path = store.join(*parts)
    except LancenbError:
        return
    assert os.path.normpath(path) == path
    assert path.startswith("/data/store/")


def test_symlinks_that_lead_outside_are_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("x")
    store = Store(tmp_path / "store").create()
    os.symlink(outside, tmp_path / "store" / "link")
    for call in (store.join, store.list, store.size, store.exists):
        with pytest.raises(InvalidName, match="symbolic link"):
            call("link/keep" if call is not store.list else "link")
    with pytest.raises(InvalidName, match="symbolic link"):
        store.delete_tree("link/keep")
    assert store.delete_tree("link") == 0  # the link itself goes, what it points to stays
    assert (outside / "keep").read_text() == "x"
    assert not (tmp_path / "store" / "link").exists()


def test_addresses_of_other_places_are_refused(tmp_path):
    store = Store(tmp_path / "store").create()
    for call in (store.exists, store.list, store.delete_tree):
        with pytest.raises(InvalidName, match="not below"):
            call(str(tmp_path / "other"))
        with pytest.raises(InvalidName, match="not below"):
            call("s3://bucket/x")
    with pytest.raises(InvalidName, match=r"'\.\.'"):
        store.delete_tree(store.uri + "/../other")
    for root in ("", store.uri, store.uri + "/"):
        with pytest.raises(InvalidName, match="whole store"):
            store.delete_tree(root)


def test_a_store_is_a_value(tmp_path):
    one, same, other = Store(tmp_path), Store(str(tmp_path)), Store(tmp_path / "x")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert Store.of(one) is one
    assert Store.of(tmp_path) == one
    with pytest.raises(InvalidArgument, match="endpoint"):
        Store.of(one, endpoint="http://h")
    with pytest.raises(AttributeError):
        one.uri = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        one._options = None  # type: ignore[assignment]
    remote = s3(session_token="c", region="eu-west-1", sse="AES256")
    again = pickle.loads(pickle.dumps(remote))
    assert again == remote
    assert again.storage_options == remote.storage_options
    assert pickle.loads(pickle.dumps(one)) == one


def test_at_keeps_the_options_for_the_same_kind_of_place(tmp_path):
    store = s3()
    assert store.at("s3://other/x").storage_options == store.storage_options
    assert store.at(tmp_path).is_local


def test_s3_options_mean_nothing_for_a_folder(tmp_path):
    with pytest.raises(InvalidArgument, match=r"access_key=, secret_key= mean nothing"):
        Store(tmp_path, access_key="a", secret_key="b")
    assert Store(tmp_path, endpoint=None).storage_options is None
    with pytest.raises(InvalidArgument, match="not on S3"):
        Store(tmp_path).boto3()


def test_memory_store_keeps_tables_for_this_process():
    import pyarrow as pa

    from lancenb.store import lance_module, open_table

    store = Store("memory://names-test")
    lance = lance_module()
    lance.write_dataset(pa.table({"a": [1, 2]}), store.join("m/t.lance"))
    lance.write_dataset(pa.table({"a": [3]}), store.join("m/t.lance"), mode="append")
    assert open_table("m/t.lance", store).count_rows() == 3
    assert open_table("memory://names-test/m/t.lance", version=1).count_rows() == 2
    assert store.list() == ["m"]
    assert store.list("m") == ["t.lance"]
    assert store.size("m") > 0
    assert not Store("memory://names-other").list()
    assert store.delete_tree("m/t.lance") > 0
    assert store.list() == []
    assert store.probe().safe


def test_every_error_here_is_a_lancenb_error():
    assert issubclass(InvalidName, LancenbError)
    assert issubclass(StoreError, LancenbError)
