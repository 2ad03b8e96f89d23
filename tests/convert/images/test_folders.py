"""Folders, files, lists, patterns and archives; the traps of earlier converters."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile

import pyarrow as pa
import pytest
from PIL import Image

from lancenb.convert import convert
from lancenb.convert.images import PngConverter, class_names
from lancenb.errors import (
    Cancelled,
    CorruptInput,
    EmptyInput,
    InvalidArgument,
    LancenbError,
    SourceNotFound,
    UnknownOption,
    UnsafeInput,
)
from lancenb.progress import CancelToken

from .conftest import picture, table_of

COLUMNS = ["image", "label", "width", "height", "mode", "format", "path", "sha256"]


def test_the_table_is_as_designed(make_folder, tmp_path):
    folder = make_folder({"cat/1.jpg": picture("JPEG"), "dog/1.png": picture("PNG", size=(7, 2))})
    report = PngConverter().convert(folder, tmp_path / "t.lance")
    table = table_of(report)
    assert table.column_names == COLUMNS
    assert table.schema.types == [
        *(pa.binary(), pa.int64(), pa.int32(), pa.int32()),
        *(pa.string(), pa.string(), pa.string(), pa.string()),
    ]
    assert table.to_pylist()[1] == {
        "image": (folder / "dog/1.png").read_bytes(),
        "label": 1,
        "width": 7,
        "height": 2,
        "mode": "RGB",
        "format": "PNG",
        "path": "dog/1.png",
        "sha256": hashlib.sha256((folder / "dog/1.png").read_bytes()).hexdigest(),
    }
    assert report.kind == "images"
    assert report.rows == 2
    assert report.bytes == sum(len(b) for b in table["image"].to_pylist())
    import lance

    assert lance.dataset(report.uri).data_storage_version == "2.2"


@pytest.mark.parametrize(
    ("name", "format", "mode"),
    [
        ("cmyk.jpg", "JPEG", "CMYK"),
        ("float.tif", "TIFF", "F"),
        ("deep.png", "PNG", "I;16"),
        ("grey.jpg", "JPEG", "L"),
        ("palette.png", "PNG", "P"),
        ("alpha.png", "PNG", "RGBA"),
        ("bit.png", "PNG", "1"),
        ("photo.webp", "WEBP", "RGB"),
        ("old.bmp", "BMP", "RGB"),
        ("anim.gif", "GIF", "P"),
    ],
)
def test_w14_w15_bytes_kept_and_format_told(make_folder, tmp_path, name, format, mode):
    data = picture(format, mode, (9, 8))
    folder = make_folder({f"a/{name}": data, "a/plain.png": picture()})
    report = PngConverter(on_error="raise").convert(folder, tmp_path / "t.lance")
    row = next(r for r in table_of(report).to_pylist() if r["path"] == f"a/{name}")
    assert row["image"] == data
    assert (row["format"], row["mode"]) == (format, mode)
    assert (row["width"], row["height"]) == (9, 8)


def test_w14_exif_rotation_stays_in_the_bytes(make_folder, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = picture("JPEG", size=(9, 5), exif=exif)
    row = table_of(
        PngConverter().convert(make_folder({"r.jpg": data}), tmp_path / "t.lance")
    ).to_pylist()[0]
    assert row["image"] == data
    assert (row["width"], row["height"]) == (9, 5)
    with Image.open(io.BytesIO(row["image"])) as image:
        assert image.getexif()[0x0112] == 6


def test_w15_content_decides_over_the_ending(make_folder, tmp_path):
    folder = make_folder({"a.jpg": picture("PNG"), "b": picture("JPEG"), "c.PNG": picture("WEBP")})
    table = table_of(PngConverter().convert(folder, tmp_path / "t.lance"))
    assert table["format"].to_pylist() == ["PNG", "JPEG", "WEBP"]


def test_w17_identical_files_are_separate_rows(make_folder, tmp_path):
    data = picture()
    folder = make_folder({"a/1.png": data, "a/2.png": data, "b/1.png": data})
    table = table_of(PngConverter().convert(folder, tmp_path / "t.lance"))
    assert table.num_rows == 3
    assert len(set(table["sha256"].to_pylist())) == 1
    assert table["path"].to_pylist() == ["a/1.png", "a/2.png", "b/1.png"]


def test_w18_options_that_do_not_exist_are_named(make_folder, tmp_path):
    folder = make_folder({"a.png": picture()})
    with pytest.raises(UnknownOption, match="partition_cols"):
        convert(folder, tmp_path / "t.lance", partition_cols=["label"])
    for wrong in ({"verify": "maybe"}, {"on_error": "ignore"}, {"reencode": "gif"}):
        with pytest.raises(InvalidArgument):
            PngConverter(**wrong)


def test_w19_a_folder_is_streamed(tmp_path):
    _check_memory(tmp_path, files=260, size=1 << 20, limit_mb=200)


@pytest.mark.slow
def test_w19_two_gigabytes_need_less_than_400_mb(tmp_path):
    _check_memory(tmp_path, files=2000, size=1 << 20, limit_mb=400)


_CHILD = """
import sys
from lancenb.convert.images import PngConverter
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
PngConverter().convert(sys.argv[1] + "/c0/0.jpg", sys.argv[2] + ".warm")
before = peak()
rows = PngConverter().convert(sys.argv[1], sys.argv[2]).rows
print(rows, peak() - before)
"""


def _check_memory(tmp_path, *, files: int, size: int, limit_mb: int):
    if not os.path.exists("/proc/self/status"):
        pytest.skip("needs /proc to see the peak memory")
    head = picture("JPEG", size=(16, 16))[:-2]
    for i in range(files):
        path = tmp_path / "in" / f"c{i % 4}" / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + os.urandom(size).replace(b"\xff", b"\xfe") + b"\xff\xd9")
    args = [sys.executable, "-c", _CHILD, str(tmp_path / "in"), str(tmp_path / "o.lance")]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    rows, grown = done.stdout.split()
    assert int(rows) == files
    assert float(grown) < limit_mb


def test_rows_come_in_natural_order(make_folder, tmp_path):
    names = ["img1.png", "img2.png", "img10.png", "img20.png"]
    folder = make_folder({n: picture() for n in sorted(names)})
    table = table_of(PngConverter().convert(folder, tmp_path / "t.lance"))
    assert table["path"].to_pylist() == names


def test_damaged_files_are_skipped_and_listed(make_folder, tmp_path):
    good = picture("JPEG", size=(40, 40))
    folder = make_folder(
        {
            "a/good.jpg": good,
            "a/cut.jpg": good[: len(good) // 2],
            "a/empty.jpg": b"",
            "b/page.png": b"<!doctype html><html>",
            "b/fine.png": picture(),
            "b/notes.txt": b"hello",
            "b/.DS_Store": b"\0\0\0\1Bud1",
            "b/._fine.png": b"\0\5\x16\7",
            "__MACOSX/b/._fine.png": b"\0\5\x16\7",
            ".git/config": b"[core]",
        }
    )
    report = PngConverter().convert(folder, tmp_path / "t.lance")
    assert report.rows == 2
    reasons = dict(report.skipped)
    assert sorted(reasons) == ["a/cut.jpg", "a/empty.jpg", "b/notes.txt", "b/page.png"]
    assert "truncated" in reasons["a/cut.jpg"]
    assert "HTML" in reasons["b/page.png"]
    assert reasons["b/notes.txt"] == "not an image"
    table = table_of(report)
    assert table["path"].to_pylist() == ["a/good.jpg", "b/fine.png"]
    assert table["label"].to_pylist() == [0, 1]
    assert table["image"].to_pylist() == [good, (folder / "b/fine.png").read_bytes()]


def test_on_error_raise_stops_and_leaves_the_table(make_folder, tmp_path):
    good = picture("JPEG")
    fine = make_folder({"1.jpg": good})
    bad = make_folder({"1.jpg": good, "2.jpg": good[:-30], "3.jpg": good})
    out = tmp_path / "t.lance"
    with pytest.raises(CorruptInput, match=r"2\.jpg"):
        PngConverter(on_error="raise").convert(bad, out)
    assert not out.exists()
    PngConverter().convert(fine, out)
    with pytest.raises(CorruptInput, match=r"2\.jpg"):
        PngConverter(on_error="raise").convert(bad, out, mode="append")
    import lance

    assert lance.dataset(str(out)).version == 1
    assert len(list((out / "data").glob("*.lance"))) == 1


def test_one_damaged_file_is_an_error_that_names_it(make_folder, tmp_path):
    folder = make_folder({"cut.jpg": picture("JPEG")[:-20], "none.png": b""})
    with pytest.raises(CorruptInput) as caught:
        PngConverter().convert(folder / "cut.jpg", tmp_path / "t.lance")
    assert str(folder / "cut.jpg") in str(caught.value)
    with pytest.raises(EmptyInput, match=r"none\.png"):
        PngConverter().convert(folder / "none.png", tmp_path / "t.lance")
    with pytest.raises(CorruptInput, match="none of the 2"):
        PngConverter().convert(folder, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFound, match="nowhere"):
        PngConverter().convert(tmp_path / "nowhere", tmp_path / "t.lance")
    with pytest.raises(SourceNotFound, match=r"\*\.png"):
        PngConverter().convert(str(tmp_path / "*.png"), tmp_path / "t.lance")
    with pytest.raises(EmptyInput, match="empty"):
        PngConverter().convert(tmp_path / "empty", tmp_path / "t.lance")
    with pytest.raises(EmptyInput):
        PngConverter().convert([], tmp_path / "t.lance")


def test_files_lists_and_patterns(make_folder, tmp_path):
    folder = make_folder({"x/2.png": picture(), "x/10.png": picture(), "y/1.png": picture()})
    table = table_of(PngConverter().convert(folder / "x/2.png", tmp_path / "a.lance"))
    assert table["path"].to_pylist() == ["2.png"]
    assert "label" not in table.column_names
    paths = [folder / "y/1.png", folder / "x/2.png"]
    table = table_of(PngConverter().convert(paths, tmp_path / "b.lance"))
    assert table["path"].to_pylist() == ["y/1.png", "x/2.png"]  # the order given
    assert class_names(table.schema) == ["x", "y"]
    table = table_of(PngConverter().convert(str(folder / "*" / "*.png"), tmp_path / "c.lance"))
    assert sorted(table["path"].to_pylist()) == ["x/10.png", "x/2.png", "y/1.png"]
    with pytest.raises(SourceNotFound, match="gone"):
        PngConverter().convert([folder / "x/2.png", folder / "gone.png"], tmp_path / "d.lance")


def test_awkward_names(shared_data, tmp_path):
    with tarfile.open(shared_data / "names" / "odd_names.tar.gz") as packed:
        packed.extractall(tmp_path / "in", filter="data")
    expected = sorted(p.name for p in (tmp_path / "in/names").iterdir())
    table = table_of(PngConverter().convert(tmp_path / "in" / "names", tmp_path / "t.lance"))
    assert sorted(table["path"].to_pylist()) == expected
    assert len(expected) == 12
    archive = shared_data / "names" / "odd_names.tar.gz"
    streamed = table_of(PngConverter().convert(archive, tmp_path / "u.lance"))
    assert sorted(p.removeprefix("names/") for p in streamed["path"].to_pylist()) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="names of arbitrary bytes are a Linux matter")
def test_names_that_are_not_unicode(tmp_path):
    folder = os.fsencode(tmp_path) + b"/in"
    os.mkdir(folder)
    with open(folder + b"/caf\xe9.png", "wb") as file:
        file.write(picture())
    table = table_of(PngConverter().convert(os.fsdecode(folder), tmp_path / "t.lance"))
    assert table["path"].to_pylist() == ["caf\\xe9.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_links_are_followed_and_pipes_are_not_opened(make_folder, tmp_path):
    folder = make_folder({"a/1.png": picture(), "b/1.png": picture()})
    (folder / "a" / "again.png").symlink_to(folder / "b" / "1.png")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "b" / "gone.png").symlink_to(folder / "nothing")
    os.mkfifo(folder / "b" / "pipe.png")
    report = PngConverter().convert(folder, tmp_path / "t.lance")
    assert sorted(table_of(report)["path"].to_pylist()) == ["a/1.png", "a/again.png", "b/1.png"]
    assert sorted(name for name, _ in report.skipped) == ["b/gone.png", "b/pipe.png"]


def test_a_zip_is_streamed(shared_data, tmp_path):
    path = shared_data / "zip" / "imagefolder.zip"
    report = convert(path, tmp_path / "t.lance")
    table = table_of(report)
    with zipfile.ZipFile(path) as packed:
        for row in table.to_pylist():
            assert row["image"] == packed.read(row["path"])
            assert row["path"].split("/")[1] == class_names(table.schema)[row["label"]]
    assert table.num_rows == 8
    assert sorted(name for name, _ in report.skipped) == [
        "__MACOSX/photos/._x.jpg",
        "photos/.DS_Store",
    ]


def test_a_damaged_member_is_skipped_and_a_slip_refused(tmp_path):
    path = tmp_path / "in.zip"
    data = picture("PNG", size=(30, 30))
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/1.png", data)
        made.writestr("b/2.png", picture(seed=3))
    raw = bytearray(path.read_bytes())
    raw[raw.find(data) + 60] ^= 0xFF
    path.write_bytes(raw)
    report = PngConverter().convert(path, tmp_path / "t.lance")
    assert table_of(report)["path"].to_pylist() == ["b/2.png"]
    assert [name for name, _ in report.skipped] == ["a/1.png"]
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as made:
        made.writestr("../out.png", data)
    with pytest.raises(UnsafeInput, match="slip"):
        PngConverter().convert(tmp_path / "slip.zip", tmp_path / "u.lance")


def test_image_folders_of_the_shared_data(shared_data, tmp_path):
    with open(shared_data / "expectations.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "image_folder"]
    assert rows
    for i, row in enumerate(rows):
        table = table_of(convert(shared_data / row["path"], tmp_path / f"{i}.lance"))
        names = class_names(table.schema)
        lines = sorted(
            f"{names[label]}/{path.rpartition('/')[2]}|{sha}"
            for label, path, sha in zip(
                table["label"].to_pylist(),
                table["path"].to_pylist(),
                table["sha256"].to_pylist(),
                strict=True,
            )
        )
        assert table.num_rows == int(row["rows"])
        digests = {
            hashlib.sha256(end.join(lines).encode() + tail).hexdigest()
            for end, tail in (("\n", b""), ("\n", b"\n"))
        }
        assert row["content_sha256"] in digests, row["path"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_single_image_of_the_shared_data(shared_data, tmp_path):
    """The same expectations as in test_header, through the whole road for the awkward ones."""
    with open(shared_data / "expectations.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["kind"] == "image"]
    few = [r for r in rows if r["path"].startswith(("bad/", "names/"))]
    for i, row in enumerate(few):
        out = tmp_path / f"{i}.lance"
        path = shared_data / row["path"]
        if row["expected"] == "ok":
            report = PngConverter().convert(path, out)
            assert table_of(report)["image"].to_pylist() == [path.read_bytes()]
        elif row["expected"] == "error":
            with pytest.raises(LancenbError) as caught:
                PngConverter().convert(path, out)
            assert path.name in str(caught.value)
            assert not out.exists()


def test_reencoding_is_only_done_when_asked(make_folder, tmp_path):
    folder = make_folder(
        {"a.jpg": picture("JPEG", "CMYK"), "b.tif": picture("TIFF", "F"), "c.png": picture()}
    )
    report = PngConverter(reencode="png").convert(folder, tmp_path / "t.lance")
    rows = table_of(report).to_pylist()
    assert [(r["path"], r["format"], r["mode"]) for r in rows] == [
        ("a.jpg", "PNG", "RGB"),
        ("c.png", "PNG", "RGB"),
    ]
    assert all(r["sha256"] == hashlib.sha256(r["image"]).hexdigest() for r in rows)
    assert report.skipped[0][0] == "b.tif"


def test_columns_can_be_left_out_and_appends_follow_the_table(make_folder, tmp_path):
    folder = make_folder({"a/1.png": picture(), "b/1.png": picture()})
    out = tmp_path / "t.lance"
    report = PngConverter(header=False, sha256=False).convert(folder, out)
    assert report.schema.names == ["image", "label", "path"]
    report = PngConverter().convert(folder, out, mode="append")
    assert table_of(report).column_names == ["image", "label", "path"]
    assert table_of(report).num_rows == 4


def test_progress_and_cancel(make_folder, tmp_path):
    folder = make_folder({f"{i}.png": picture(seed=i) for i in range(30)})
    events = []
    PngConverter().convert(folder, tmp_path / "t.lance", progress=events.append)
    assert events[-1].phase == "done"
    assert events[-1].rows == events[-1].total_rows == 30
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        PngConverter().convert(folder, tmp_path / "u.lance", cancel=token)
    assert not (tmp_path / "u.lance").exists()
