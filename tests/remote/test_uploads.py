"""Files on their way: unpacked beside the root's tables, used once, gone afterwards."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from lancenb.errors import CorruptInput, NotFound, ServerUnreachable, SourceNotFound
from lancenb.progress import CancelToken
from lancenb.remote._sending import tar_pieces
from lancenb.remote._uploads import Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    """An empty place for uploads."""
    return Uploads(tmp_path / "up")


def left(uploads: Uploads) -> list[Path]:
    """What lies there."""
    return sorted(uploads.folder.iterdir()) if uploads.folder.is_dir() else []


def tree(path: Path) -> dict[str, bytes]:
    """Files below a folder."""
    return {
        str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()
    }


def test_files_and_folders_arrive_as_they_were(uploads, tmp_path):
    folder = tmp_path / "pics"
    (folder / "a b").mkdir(parents=True)
    (folder / "a b" / "\u00e9.bin").write_bytes(os.urandom(300_000))
    (folder / "empty").write_bytes(b"")
    (folder / ("x" * 200)).write_bytes(b"long")
    single = tmp_path / "one.csv"
    single.write_bytes(b"a\n1\n")
    (folder / "link").symlink_to(single)
    made = uploads.receive("me", tar_pieces([folder]))
    assert made.files == 4
    with uploads.use(made.upload, "me") as found:
        assert tree(found) == tree(folder)
        assert found.name == "pics"
        assert not any(path.is_symlink() for path in found.rglob("*"))
    both = uploads.receive("me", tar_pieces([single, folder]))
    with uploads.use(both.upload, "me") as found:
        assert [path.name for path in found] == ["one.csv", "pics"]
    assert left(uploads) == []


def test_many_sources_keep_their_order(uploads, tmp_path):
    paths = [tmp_path / f"{11 - number}.csv" for number in range(12)]
    for path in paths:
        path.write_text(path.name)
    made = uploads.receive("me", tar_pieces(paths))
    with uploads.use(made.upload, "me") as found:
        assert [path.name for path in found] == [path.name for path in paths]


def test_uploads_are_used_once_and_only_by_their_owner(uploads, tmp_path):
    (tmp_path / "a.csv").write_text("a\n")
    made = uploads.receive("me", tar_pieces([tmp_path / "a.csv"]))
    with pytest.raises(NotFound), uploads.use(made.upload, "you"):
        pass
    assert uploads.known(made.upload)
    with pytest.raises(RuntimeError), uploads.use(made.upload, "me"):
        raise RuntimeError
    with pytest.raises(NotFound), uploads.use(made.upload, "me"):
        pass
    assert left(uploads) == []


def test_what_breaks_off_leaves_nothing(uploads, tmp_path):
    (tmp_path / "a.bin").write_bytes(os.urandom(3_000_000))
    whole = list(tar_pieces([tmp_path / "a.bin"]))

    def broken() -> Any:
        yield from whole[:2]
        raise ServerUnreachable("the client went away")

    with pytest.raises(ServerUnreachable):
        uploads.receive("me", broken())
    with pytest.raises(CorruptInput):
        uploads.receive("me", iter(whole[:2]))
    assert left(uploads) == []


def test_old_leftovers_are_swept_and_all_goes_at_the_end(tmp_path):
    stale, young = tmp_path / "up" / "stale", tmp_path / "up" / "young"
    for folder in (stale, young):
        folder.mkdir(parents=True)
    os.utime(stale, (time.time() - 2 * 86_400,) * 2)
    uploads = Uploads(tmp_path / "up")
    assert (stale.exists(), young.exists()) == (False, True)
    (tmp_path / "a.csv").write_text("a\n")
    made = uploads.receive("me", tar_pieces([tmp_path / "a.csv"]))
    assert (uploads.folder / made.upload).stat().st_mode & 0o077 == 0
    uploads.close()
    assert not (uploads.folder / made.upload).exists()


def test_what_nobody_uses_goes_after_a_day(uploads, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one")
    first = uploads.receive("ada", tar_pieces([tmp_path / "a.txt"])).upload
    later = time.time() + 25 * 3600
    monkeypatch.setattr("lancenb.remote._uploads.time.time", lambda: later)
    second = uploads.receive("ada", tar_pieces([tmp_path / "a.txt"])).upload
    assert not uploads.known(first)
    assert uploads.known(second)
    assert [place.name for place in uploads.folder.iterdir()] == [second]


def test_sending_tells_how_far_it_is_and_can_be_stopped(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x" * 3_000_000)
    told: list[Any] = []
    assert sum(len(p) for p in tar_pieces([tmp_path / "a.bin"], told.append)) > 3_000_000
    assert (told[0].phase, told[0].total_bytes) == ("send", 3_000_000)
    token = CancelToken()
    stream = tar_pieces([tmp_path / "a.bin"], None, token)
    next(stream)
    token.cancel()
    with pytest.raises(Exception, match="cancel"):
        list(stream)


def test_a_file_that_shrinks_is_told(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 3_000_000)
    stream = tar_pieces([path])
    next(stream)
    path.write_bytes(b"")
    with pytest.raises(SourceNotFound):
        list(stream)
