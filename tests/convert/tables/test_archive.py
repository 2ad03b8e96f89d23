"""Archives are streamed without extraction, and refused when they are traps."""

from __future__ import annotations

import io
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

from lancenb.convert._archive_stream import open_gzip
from lancenb.convert.archive import Limits, Member, open_archive
from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    LancenbError,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)


def _zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as made:
        warnings.simplefilter("ignore")
        for name, data in files.items():
            made.writestr(name, data)
    return path


def _tar(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as made:
        for info, data in entries:
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_members_come_in_order(tmp_path: Path, mode: str) -> None:
    entries = [(tarfile.TarInfo(f"d/{i}.txt"), str(i).encode() * i) for i in range(5)]
    path = _tar(tmp_path / "t.tar", entries, mode)
    with open_archive(path) as archive:
        assert [archive.read(m) for m in archive.members] == [d for _, d in entries]


def test_select_by_pattern_leaves_litter_out(tmp_path: Path) -> None:
    names = ["a.csv", "d/b.csv", "__MACOSX/._a.csv", "d/.DS_Store", "c.txt", "d/"]
    path = _zip(tmp_path / "t.zip", dict.fromkeys(names, b"x"))
    with open_archive(path) as archive:
        assert [m.name for m in archive.select()] == ["a.csv", "d/b.csv", "c.txt"]
        assert [m.name for m in archive.select("*.csv")] == ["a.csv", "d/b.csv"]
        assert [m.name for m in archive.select(["d/*", "c.*"])] == ["d/b.csv", "c.txt"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../up.txt", "climbs out"),
        ("a/../../up.txt", "climbs out"),
        ("..\\up.txt", "climbs out"),
        ("/etc/passwd", "absolute"),
        ("\\share\\x", "absolute"),
        ("C:\\x.txt", "drive letter"),
        ("c:x.txt", "drive letter"),
        ("a\\b.txt", "backslash"),
    ],
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UnsafeInput, match=reason):
        open_archive(_zip(tmp_path / "t.zip", {"fine.txt": b"x", name: b"x"}))
    with pytest.raises(UnsafeInput, match=reason):
        open_archive(_tar(tmp_path / "t.tar", [(tarfile.TarInfo(name), b"x")]))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(UnsafeInput, match="'link' is a link or a device"):
        open_archive(_tar(tmp_path / "t.tar", [(info, b"")]))


def test_links_in_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as made:
        made.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeInput, match="link"):
        open_archive(tmp_path / "t.zip")


def test_bombs_are_refused_by_ratio_total_entries_and_member(tmp_path: Path) -> None:
    path = _zip(tmp_path / "t.zip", {f"{i}.csv": b"0" * 100_000 for i in range(10)})
    assert len(open_archive(path).members) == 10
    for limits, words in [
        (Limits(ratio_floor=1000), "100 times"),
        (Limits(max_total=999_999), "unpacks to 1,000,000 bytes"),
        (Limits(max_entries=9), "10 entries"),
        (Limits(max_member=99_999), r"0\.csv unpacks to 100,000"),
    ]:
        with pytest.raises(UnsafeInput, match=words):
            open_archive(path, limits=limits)


def test_a_tar_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = _tar(tmp_path / "t.tar.gz", [(tarfile.TarInfo("z"), b"0" * 20_000_000)], "w:gz")
    with pytest.raises(UnsafeInput, match="bomb"):
        open_archive(path)


def test_a_lying_size_gains_nothing(tmp_path: Path) -> None:
    path = _zip(tmp_path / "t.zip", {"z.csv": b"0" * 3_000_000})
    data = bytearray(path.read_bytes())
    declared = (3_000_000).to_bytes(4, "little")
    while (at := data.find(declared)) >= 0:
        data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with open_archive(path) as archive, pytest.raises(CorruptInput, match=r"t\.zip!z\.csv"):
        archive.read(archive.members[0])


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    path = _zip(tmp_path / "t.zip", {"a.txt": b"hello world"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"hello", b"jello"))
    with (
        open_archive(path) as archive,
        pytest.raises(CorruptInput, match=r"a\.txt is damaged.*CRC"),
    ):
        archive.read(archive.members[0])


def test_nested_and_encrypted_members_are_refused_when_opened(tmp_path: Path) -> None:
    path = _zip(tmp_path / "t.zip", {"in.zip": b"PK", "b.csv": b"x"})
    with open_archive(path) as archive:
        assert archive.read(archive.members[1]) == b"x"
        with pytest.raises(UnsafeInput, match=r"in\.zip is an archive inside"):
            archive.open(archive.members[0])
        archive.members[1].handle.flag_bits |= 1
        with pytest.raises(UnsafeInput, match="encrypted"):
            archive.open(archive.members[1])


def test_a_packing_method_that_is_not_known_is_no_damage(tmp_path: Path) -> None:
    path = _zip(tmp_path / "t.zip", {"a.csv": b"x\n1\n"}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + offset] = 9  # Deflate64, which Python's zipfile does not read
    path.write_bytes(data)
    with open_archive(path) as archive, pytest.raises(UnsupportedFormat, match=r"a\.csv") as caught:
        archive.open(archive.members[0])
    assert "damaged" not in caught.value.message
    assert "deflate" in caught.value.hint


def test_gzip_has_the_limits_of_an_archive(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "z.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * 5_000_000))
    with pytest.raises(UnsafeInput, match="bomb"):
        _drain(path, Limits())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CorruptInput, match=r"z\.csv\.gz is damaged"):
        _drain(path, Limits(max_ratio=1e9))


def _drain(path: Path, limits: Limits) -> None:
    with open_gzip(str(path), limits) as stream:
        while stream.read(1 << 20):
            pass


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"none\.zip"):
        open_archive(tmp_path / "none.zip")
    (tmp_path / "e.zip").touch()
    with pytest.raises(EmptyInput, match=r"e\.zip"):
        open_archive(tmp_path / "e.zip")
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(CorruptInput, match=r"x\.zip"):
        open_archive(tmp_path / "x.zip")
    (tmp_path / "x.tar").write_bytes(b"hello")
    with pytest.raises(CorruptInput, match=r"x\.tar"):
        open_archive(tmp_path / "x.tar")


def test_cut_archives_never_crash(tmp_path: Path) -> None:
    whole = _zip(tmp_path / "w.zip", {f"{i}.txt": bytes(range(256)) for i in range(3)}).read_bytes()
    tar = _tar(tmp_path / "w.tar.gz", [(tarfile.TarInfo("a"), b"x" * 5000)], "w:gz").read_bytes()
    for data in (whole, tar):
        for cut in range(1, len(data), 37):
            (tmp_path / "cut").write_bytes(data[:cut])
            assert "cut" in _outcome(tmp_path / "cut")


def _outcome(path: Path) -> str:
    """Read all members; a typed error's message, or the path when it went well."""
    try:
        with open_archive(path) as archive:
            for member in archive.members:
                archive.read(member)
    except LancenbError as error:
        return error.message
    return str(path)


def test_members_know_litter_and_nesting() -> None:
    assert Member("__MACOSX/x", 1, 1, "a").litter
    assert Member("d/Thumbs.db", 1, 1, "a").litter
    assert not Member("d/thumbs.csv", 1, 1, "a").litter
    assert Member("d/x.tar.GZ", 1, 1, "a").nested
