"""Plain text: lines, files, encodings."""

from __future__ import annotations

import gzip
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.convert.text import TextConverter
from lancenb.convert.text._encoding import detect
from lancenb.errors import CorruptInput, EmptyInput, InvalidArgument, SourceNotFound, UnsafeInput

SENTENCES = {
    "ru": "Привет, мир! Это проверка кодировки, Москва — столица России.",
    "el": "Καλημέρα κόσμε, αυτό είναι ένα κείμενο",
    "pl": "Zażółć gęślą jaźń, proszę państwa; łódź",
    "fr": "Ça a été réglé à Noël, où êtes-vous?",
    "es": "El niño comió piñas en la montaña ¿verdad?",
    "tr": "İstanbul'da yağmur yağıyor, şimdi güneş çıktı",
    "ar": "مرحبا بالعالم هذا نص تجريبي",
    "ja": "これは日本語のテキストです。東京は日本の首都です。",
    "ko": "안녕하세요 세계. 이것은 한국어 텍스트입니다.",
    "zh": "你好，世界。这是一个中文文本，用来测试编码。",
    "tw": "你好，世界。這是一個繁體中文文本，用來測試編碼。",
    "th": "สวัสดีชาวโลก นี่คือข้อความ",
}
ENCODINGS = [
    *(("ru", e) for e in ("cp1251", "koi8-r", "iso8859-5", "cp866", "utf-16", "utf-8-sig")),
    *(("el", e) for e in ("cp1253", "iso8859-7")),
    *(("pl", e) for e in ("cp1250", "iso8859-2")),
    *(
        ("fr", "latin-1"),
        ("fr", "utf-16-le"),
        ("es", "utf-16-be"),
        ("es", "cp1252"),
        ("tr", "cp1254"),
        ("ar", "cp1256"),
        ("th", "cp874"),
    ),
    *(("ja", e) for e in ("shift_jis", "euc_jp", "iso2022_jp")),
    *(("ko", "euc_kr"), ("zh", "gbk"), ("zh", "gb18030"), ("tw", "big5"), ("zh", "utf-32")),
]


def _texts(path: Path, tmp_path: Path, **options: object) -> list[str]:
    TextConverter(**options).convert(path, tmp_path / "t.lance", mode="overwrite")  # type: ignore[arg-type]
    return lance.dataset(str(tmp_path / "t.lance")).to_table().column("text").to_pylist()


def test_w20_txt_and_jsonl_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo")
    assert _texts(tmp_path / "a.txt", tmp_path) == ["one", "", "two"]
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert _texts(tmp_path / "a.jsonl", tmp_path) == ["one", "two"]


def test_all_line_ends_count_and_blank_lines_are_kept(tmp_path: Path) -> None:
    text = "a\r\nb\rc\n\n \u2028d\x0be"
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert _texts(tmp_path / "a.txt", tmp_path) == text.splitlines()
    assert _texts(tmp_path / "a.txt", tmp_path, skip_blank=True) == ["a", "b", "c", "d", "e"]


def test_rows_file_makes_one_row_of_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a\nb\n")
    (folder / "sub" / "b.txt").write_text("c")
    options = {"rows": "file", "provenance": True}
    assert _texts(folder, tmp_path, **options) == ["a\nb\n", "c"]
    table = lance.dataset(str(tmp_path / "t.lance")).to_table()
    assert table.column("_source").to_pylist() == [
        str(folder / "a.txt"),
        str(folder / "sub" / "b.txt"),
    ]
    assert table.column("_row").to_pylist() == [0, 0]


@pytest.mark.parametrize(("language", "encoding"), ENCODINGS)
def test_encodings_are_found_out(language: str, encoding: str, tmp_path: Path) -> None:
    text = f"id,name\n1,{SENTENCES[language]}\n".replace("—", "-")
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert _texts(tmp_path / "a.txt", tmp_path) == text.splitlines()


def test_a_given_encoding_wins(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Größe".encode("cp437"))
    assert _texts(tmp_path / "a.txt", tmp_path, encoding="cp437") == ["Größe"]
    with pytest.raises(InvalidArgument, match="klingon"):
        _texts(tmp_path / "a.txt", tmp_path, encoding="klingon")
    with pytest.raises(CorruptInput, match=r"a\.txt is not valid utf-8"):
        _texts(tmp_path / "a.txt", tmp_path, encoding="utf-8")


def test_latin1_far_into_a_file_is_noticed(tmp_path: Path) -> None:
    lines = ["plain ascii line"] * 400_000 + ["à la carte, déjà vu, naïve café"]
    (tmp_path / "a.txt").write_bytes("\n".join(lines).encode("latin-1"))
    assert _texts(tmp_path / "a.txt", tmp_path) == lines
    assert lance.dataset(str(tmp_path / "t.lance")).version == 1


def test_mixed_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Zoë\n".encode() + b"ascii\n" + "José\n".encode("latin-1"))
    with pytest.raises(CorruptInput, match=r"a\.txt mixes encodings.*line 3"):
        _texts(path, tmp_path)
    path.write_bytes("Zoë\n".encode() + b"ascii\n" * 1_000_000 + "José\n".encode("latin-1"))
    with pytest.raises(CorruptInput, match=r"a\.txt mixes encodings"):
        _texts(path, tmp_path)


def test_characters_cut_by_block_borders_survive(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16", "gb18030"):
        text = "x" + "漢字かな" * 800_000 + "\r\n尾"
        (tmp_path / "a.txt").write_bytes(text.encode(encoding))
        assert _texts(tmp_path / "a.txt", tmp_path, encoding=encoding) == text.splitlines()


def test_gzip_is_seen_through_and_limited(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    assert _texts(tmp_path / "a.txt.gz", tmp_path) == ["one", "two"]
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"\n" * 12_000_000))
    with pytest.raises(UnsafeInput, match=r"b\.txt\.gz"):
        _texts(tmp_path / "b.txt.gz", tmp_path)


def test_bad_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"none\.txt"):
        _texts(tmp_path / "none.txt", tmp_path)
    with pytest.raises(SourceNotFound, match=r"no file matches"):
        _texts(tmp_path / "*.txt", tmp_path)
    (tmp_path / "e.txt").touch()
    with pytest.raises(EmptyInput, match=r"e\.txt"):
        _texts(tmp_path / "e.txt", tmp_path)
    (tmp_path / "p.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(CorruptInput, match=r"p\.txt holds png"):
        _texts(tmp_path / "p.txt", tmp_path)
    (tmp_path / "l.txt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(CorruptInput, match=r"l\.txt is a git-LFS pointer"):
        _texts(tmp_path / "l.txt", tmp_path)
    with pytest.raises(InvalidArgument, match="rows='page'"):
        TextConverter(rows="page")


def test_files_of_other_formats_in_a_folder_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("x\n1\n")
    (folder / "README.md").write_text("hello")
    (folder / "c.png").write_bytes(b"\x89PNG")
    (folder / "empty.csv").touch()
    report = TextConverter().convert(folder, tmp_path / "t.lance")
    assert report.rows == 2
    assert {Path(name).name for name, _ in report.skipped} == {"README.md", "c.png", "empty.csv"}


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1).filter(lambda t: t.encode("utf-8", "ignore") != b""))
def test_detection_never_takes_valid_utf8_for_something_else(text: str) -> None:
    data = text.encode("utf-8", "ignore")
    guess = detect(data, complete=True)
    if (
        b"\x00" not in data
        and not data.startswith((b"\xff", b"\xfe", b"\x1b"))
        and b"\x1b$" not in data
    ):
        assert guess.name == "utf-8"


def test_lineage_names_the_file_and_its_hash(tmp_path: Path) -> None:
    import hashlib

    (tmp_path / "a.txt").write_text("hello\n")
    report = TextConverter().convert(tmp_path / "a.txt", tmp_path / "t.lance")
    digest = hashlib.sha256(b"hello\n").hexdigest()
    assert report.lineage["files"] == [{"path": str(tmp_path / "a.txt"), "sha256": digest}]
    assert report.schema.field("text").type == pa.string()
