"""A store on a local disk: making it, reading it, and disks that refuse."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lancenb.errors import (
    AlreadyExists,
    NotFound,
    OutOfSpace,
    StoreError,
    StoreNotWritable,
)
from lancenb.store import Store, lance_errors, lance_module, open_table


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of two megabytes, where mounting is permitted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if done.returncode:
        pytest.skip("this user may not mount a small tmpfs")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def write(store: Store, name: str = "t.lance", rows: int = 3) -> str:
    uri = store.join(name)
    lance_module().write_dataset(pa.table({"a": list(range(rows))}), uri)
    return uri


@pytest.mark.parametrize("name", ["plain", "with space", "ünïcødé-数据", "50% #1?"])
def test_create_write_list_delete(tmp_path, name):
    store = Store(tmp_path / name / "deep")
    assert store.create() is store
    assert store.create().list() == []
    uri = write(store, "models/t.lance")
    assert open_table(uri).count_rows() == 3
    assert open_table("models/t.lance", store).count_rows() == 3
    assert store.list() == ["models"]
    assert store.list("models") == ["t.lance"]
    assert store.exists(uri)
    assert store.exists("models/t.lance/_versions")
    assert not store.exists("models/u.lance")
    infos = list(store.walk("models"))
    on_disk = [p for p in Path(uri).rglob("*") if p.is_file()]
    assert sorted(i.path for i in infos) == sorted(
        p.relative_to(store.uri).as_posix() for p in on_disk
    )
    assert store.size() == sum(p.stat().st_size for p in on_disk) == sum(i.size for i in infos)
    assert all(abs(datetime.now(UTC) - i.modified) < timedelta(minutes=5) for i in infos)
    assert store.delete_tree(uri) == sum(i.size for i in infos)
    assert store.list("models") == []
    assert store.delete_tree(uri) == 0


def test_create_says_when_it_is_there(tmp_path):
    with pytest.raises(AlreadyExists, match="exist_ok"):
        Store(tmp_path).create(exist_ok=False)
    Store(tmp_path / "new").create(exist_ok=False).check()


def test_check_of_what_is_missing_or_a_file(tmp_path):
    with pytest.raises(NotFound, match=r"create\(\)"):
        Store(tmp_path / "missing").check()
    assert not (tmp_path / "missing").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        Store(tmp_path / "file").check()
    with pytest.raises(StoreNotWritable, match="in its way"):
        Store(tmp_path / "file" / "store").create()


def test_a_kill_in_the_proof_that_a_folder_can_be_written_to_leaves_nothing(tmp_path):
    code = """
        import resource, signal, sys
        from lancenb.store import Store
        store = Store(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # the first byte written kills
        store.create()
    """
    root = tmp_path / "store"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(root)], check=False)
    assert done.returncode == -signal.SIGXFSZ
    assert os.listdir(root) == []


def test_full_disk(small_disk):
    store = Store(small_disk / "store").create()
    before = write(store)
    big = pa.table({"a": pa.array([os.urandom(1 << 20) for _ in range(4)])})
    uri = store.join("big.lance")
    with pytest.raises(OutOfSpace, match="is full") as caught, lance_errors(uri, store):
        lance_module().write_dataset(big, uri)
    assert uri in str(caught.value)
    with pytest.raises(NotFound):
        open_table(uri)
    assert open_table(before).count_rows() == 3
    with contextlib.suppress(OSError):
        (small_disk / "fill").write_bytes(os.urandom(3 << 20))
    with pytest.raises(OutOfSpace):
        Store(small_disk / "another").create()
    assert not (small_disk / "another").exists()


def test_read_only_disk(small_disk):
    store = Store(small_disk / "store").create()
    uri = write(store)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert open_table(uri).count_rows() == 3
    for call in (
        Store(small_disk / "new").create,
        store.create,
        store.probe,
        lambda: store.delete_tree("t.lance"),
    ):
        with pytest.raises(StoreNotWritable, match=r"(?i)read-only"):
            call()
    with pytest.raises(StoreNotWritable, match="read-only"), lance_errors(uri, store):
        lance_module().write_dataset(pa.table({"a": [9]}), uri, mode="append")
    assert open_table(uri).count_rows() == 3


def test_no_permission(tmp_path):
    """Run as somebody else when we are root, for whom permissions mean nothing."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    for part in [tmp_path, *tmp_path.parents]:  # the way there has to be open
        if part.stat().st_uid == os.getuid() and part != Path("/") and "pytest" in str(part):
            part.chmod(0o755)
    code = textwrap.dedent(
        f"""
        import os, sys
        sys.path[:0] = {sys.path!r}
        from lancenb.store import Store, lance_module
        from lancenb.errors import StoreNotWritable
        if os.getuid() == 0:
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
        for call in (Store({str(folder)!r}).create, Store({str(folder / "new")!r}).create):
            try:
                call()
            except StoreNotWritable as error:
                print(error)
        """
    )
    env = {k: v for k, v in os.environ.items() if k != "HOME"} | {"HOME": "/tmp"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written to: Permission denied") == 2
    assert done.stdout.count("hint: choose a folder of your own") == 2


def test_kernel_folders_refuse_in_words():
    for path in ("/proc/lancenb-x", "/sys/lancenb-x"):
        if os.path.isdir(os.path.dirname(path)):
            with pytest.raises((StoreNotWritable, NotFound)):
                Store(path).create()


def test_read_only_store_refuses_to_write(tmp_path):
    Store(tmp_path / "s").create()
    store = Store(tmp_path / "s", read_only=True)
    store.check()
    for call in (store.create, store.probe, lambda: store.delete_tree("x"), store.require_writable):
        with pytest.raises(StoreNotWritable, match="read_only=True"):
            call()
    assert "read_only=True" in repr(store)


def test_half_removed_table_opens_nowhere(tmp_path, monkeypatch):
    """The versions go first and together: what is cut off leaves debris, and no older head."""
    import shutil

    store = Store(tmp_path / "s").create()
    uri = write(store)
    for rows in (4, 5):
        lance_module().write_dataset(pa.table({"a": list(range(rows))}), uri, mode="overwrite")

    def stop_at_first(path, *args, **kwargs):
        min(Path(path).rglob("*.manifest")).unlink()  # the newest: they are numbered downwards
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(shutil, "rmtree", stop_at_first)
    with pytest.raises(StoreNotWritable):
        store.delete_tree("t.lance")
    monkeypatch.undo()
    with pytest.raises(NotFound):
        open_table(uri)
    write(store)  # among what was left
    assert open_table(uri).count_rows() == 3
    assert store.delete_tree("t.lance") > 0
    assert store.list() == []


def test_links_inside_are_neither_followed_nor_counted(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 1000)
    store = Store(tmp_path / "s").create()
    (tmp_path / "s" / "d").mkdir()
    (tmp_path / "s" / "d" / "small").write_bytes(b"x" * 10)
    os.symlink(outside, tmp_path / "s" / "d" / "link")
    assert [i.path for i in store.walk()] == ["d/small"]
    assert store.delete_tree("d") == 10
    assert (outside / "big").exists()


def test_probe_local_leaves_nothing(tmp_path):
    store = Store(tmp_path / "s").create()
    result = store.probe()
    assert result.safe
    assert result.require_safe() is result
    assert os.listdir(store.uri) == []
    with pytest.raises(NotFound):
        Store(tmp_path / "missing").probe()
