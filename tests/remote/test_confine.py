"""What clients may name: tables in the root, public addresses, filters that only compare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.catalog._sqldepth import check_depth
from lancenb.catalog.where import like, parse
from lancenb.errors import (
    InvalidArgument,
    InvalidFilter,
    InvalidName,
    LancenbError,
    NotFound,
    UnsafeInput,
)
from lancenb.remote._confine import Confined
from lancenb.store import lance_module
from tests.s3_fixtures import S3Server

ROWS = pa.table({"a": list(range(10)), "s": [str(n) for n in range(10)]})


@pytest.fixture(scope="module")
def dm(tmp_path_factory: pytest.TempPathFactory) -> DataManager:
    """A catalogue with the tables t and other."""
    manager = DataManager(tmp_path_factory.mktemp("root"))
    manager.convert(ROWS, "t", kind="table")
    manager.convert(pa.table({"b": [1, 2]}), "other", kind="table")
    return manager


@pytest.fixture(scope="module")
def confined(dm: DataManager) -> Confined:
    return Confined(dm, uploads=lambda ident: ident == "0" * 32)


# --- addresses of tables


def test_addresses_inside_the_root(dm: DataManager, confined: Confined):
    root = dm.store.uri
    for given in ("datasets/x.lance", "datasets/x.lance/", f"{root}/datasets/x.lance"):
        assert confined.uri(given) == f"{root}/datasets/x.lance"


ELSEWHERE = [
    "../x.lance", "a/../../x.lance", "a/./x", "a//x", "/etc/passwd", "/", "//etc", "~/x.lance",
    "~root/x", "file:///etc", "FILE:///etc", "file:etc", "s3://other/x.lance", "S3://other/x",
    "gs://b/x", "http://127.0.0.1/x", "hf://datasets/a/b/x.lance", "memory://x/y", "C:\\x", "c:x",
    "a\\..\\x", "a%2f..%2fx", "%2e%2e/x", "a\x00b", "a\nb", "a?x=1", "a#b", "*.lance", "",
    "   ", ".", "..",
]  # fmt: skip


@pytest.mark.parametrize("given", ELSEWHERE)
def test_addresses_elsewhere(confined: Confined, given: str):
    with pytest.raises((UnsafeInput, InvalidArgument)) as caught:
        confined.uri(given)
    assert caught.value.hint or "text of" in caught.value.message
    assert "uri" in caught.value.message


@pytest.mark.parametrize("given", [None, 3, ["x"], b"x", "x" * 5000])
def test_addresses_that_are_no_text(confined: Confined, given: Any):
    with pytest.raises(InvalidArgument):
        confined.uri(given)


def test_a_neighbour_whose_name_begins_like_the_root(dm: DataManager, confined: Confined):
    for given in (f"{dm.store.uri}-2/x.lance", f"{dm.store.uri}/../x", f"{dm.store.uri}/"):
        with pytest.raises(UnsafeInput):
            confined.uri(given)


def test_what_the_server_keeps_for_itself(confined: Confined):
    for given in ("registry.lance", "audit.lance", ".server/tokens.json", "_leases/x"):
        with pytest.raises(InvalidArgument, match="for itself"):
            confined.uri(given)


def test_a_link_that_leads_out(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    dm = DataManager(root)
    dm.convert(ROWS, "t", kind="table")
    lance_module().write_dataset(ROWS, str(outside / "secret.lance"))
    (root / "way").symlink_to(outside)
    (root / "secret.lance").symlink_to(outside / "secret.lance")
    (root / "inside").symlink_to(root / "datasets")
    for given in ("way/secret.lance", "secret.lance", str(root / "way" / "secret.lance")):
        with pytest.raises(UnsafeInput, match="symbolic link"):
            Confined(dm).uri(given)
    Confined(dm).uri("inside/x.lance")


def test_register_finds_nothing_beside_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A name that is not in the root would be looked for where the server was started."""
    dm = DataManager(tmp_path / "root")
    dm.store.create()
    lance_module().write_dataset(ROWS, str(tmp_path / "private.lance"))
    monkeypatch.chdir(tmp_path)
    args = Confined(dm).check({"name": "x", "uri": "private.lance"})
    with pytest.raises(NotFound):
        dm.register(**args)
    assert dm.list() == []


def test_a_bucket(s3_server: S3Server):
    store = s3_server.store("pre/fix")
    confined = Confined(DataManager(store))
    assert confined.uri("x.lance") == f"{store.uri}/x.lance"
    assert confined.uri(f"{store.uri}/x.lance") == f"{store.uri}/x.lance"
    bucket = store.uri.removesuffix("/pre/fix")
    for given in (f"{bucket}/pre/x.lance", f"{bucket}/pre/fix2/x.lance", "/etc", "s3://other/x",
                  f"{store.uri}/../x.lance", store.uri, f"{bucket}/pre/fix/%2e%2e/x"):  # fmt: skip
        with pytest.raises(UnsafeInput):
            confined.uri(given)


# --- names, by the argument


def test_arguments_are_checked_by_name(dm: DataManager, confined: Confined):
    fine = {"name": "t", "new": "u", "tag": "best", "uri": "x.lance", "where": "a = 1",
            "options": {"label": "folder"}, "source": "upload:" + "0" * 32}  # fmt: skip
    assert confined.check(dict(fine)) == {**fine, "uri": f"{dm.store.uri}/x.lance"}
    wrong: list[tuple[dict[str, Any], type[LancenbError]]] = [
        ({"name": "../t"}, InvalidName),
        ({"name": "t", "new": "a/b"}, InvalidName),
        ({"name": "t", "tag": ".."}, InvalidName),
        ({"name": "t", "uri": "/etc"}, UnsafeInput),
        ({"name": "t", "source": "/etc"}, UnsafeInput),
        ({"name": "t", "where": "repeat(s, 9) = s"}, InvalidFilter),
        ({"where": "x" * 50_000}, InvalidFilter),
        ({"name": "t", "options": {"annotations": "/etc/x.json"}}, UnsafeInput),
    ]
    for args, error in wrong:
        with pytest.raises(error):
            confined.check(args)


def test_a_condition_on_the_catalogue_is_no_sql(confined: Confined):
    confined.check({"where": "metadata.select(1) > 0"})  # left to its own parser


# --- sources of conversions


@pytest.mark.parametrize(
    "spec",
    ["https://example.org/a.csv", "http://8.8.8.8/a.csv", "hf:model:a/b", "hf:dataset:a/b@v1:x/*",
     "hf://datasets/a/b/x.lance", "torchvision:resnet18/IMAGENET1K_V1", "transformers:a/b",
     "datasets:a/b:config", "synthetic", "synthetic:shapes", "cifar10", "cifar10:official",
     "upload:" + "0" * 32],
)  # fmt: skip
def test_sources_open_to_all(confined: Confined, spec: str):
    assert confined.source(spec) == spec


@pytest.mark.parametrize(
    "spec",
    ["/etc/passwd", "./x", "../x", "x.csv", "~/x", "file:///etc/passwd", "file:x", "C:\\x", "",
     "ftp://example.org/x", "s3://bucket/x", "datasets:/etc", "datasets:../x", "datasets:~/x",
     "transformers:../x", "hf:model:../../x/../y", "hf://datasets/../../x.lance", "*.csv",
     "http://127.0.0.1/x", "http://localhost:9000/x", "http://a.localhost/", "http://[::1]/x",
     "http://10.0.0.1/x", "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data",
     "http://metadata.google.internal/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/",
     "http://user:pw@example.org/x", "https://example.org/a b", "http:///x", "upload:../x",
     "upload:" + "1" * 32, "upload:"],
)  # fmt: skip
def test_sources_of_the_server_itself(confined: Confined, spec: str):
    with pytest.raises((UnsafeInput, InvalidArgument, NotFound)) as caught:
        confined.source(spec)
    assert "pw@" not in str(caught.value)


def test_a_folder_beside_the_server_is_no_repository(
    tmp_path: Path, confined: Confined, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "own" / "data").mkdir(parents=True)
    (tmp_path / "cifar10").mkdir()
    monkeypatch.chdir(tmp_path)
    for spec in ("datasets:own/data", "own/data", "cifar10"):
        with pytest.raises(UnsafeInput):
            confined.source(spec)


def test_what_only_a_connection_shows_is_refused_there(confined: Confined):
    from lancenb import download

    for spec in ("http://2130706433:1/x.csv", "http://0x7f000001:1/x.csv"):
        with pytest.raises(UnsafeInput):
            download(confined.source(spec), policy=confined.policy)


def test_private_downloads_when_the_operator_wants_them(dm: DataManager, tmp_path: Path):
    from lancenb import download

    free = Confined(dm, allow_private_downloads=True)
    assert free.source("http://127.0.0.1:9/x.csv")
    assert not free.policy.guards("http://127.0.0.1:9/x.csv")
    with pytest.raises(UnsafeInput):
        free.source(str(tmp_path))
    with pytest.raises(UnsafeInput):
        download(str(tmp_path), policy=free.policy)
    one = Confined(dm, trusted=["http://127.0.0.1:9"])
    assert one.source("http://127.0.0.1:9/x.csv")
    with pytest.raises(UnsafeInput):
        one.source("http://127.0.0.1:10/x.csv")


def test_options_that_name_files_or_lift_limits(confined: Confined):
    confined.options({"label": "folder", "annotations": False, "threads": 4, "columns": ["a"]})
    confined.options({"text_options": {"delimiter": ";"}})
    for wrong in (
        {"annotations": "/etc/passwd"},
        {"limits": {"files": 1e9}},
        {"text_options": {"limits": {}}},
        {"max_pixels": 10**12},
        {"threads": 4000},
        {"to": "/tmp/x"},
        {"cache": "/tmp/x"},
        {"policy": {}},
        {"store": "s3://other"},
    ):
        with pytest.raises(UnsafeInput):
            confined.options(wrong)
    for wrong in ({"mode": "overwrite"}, {"manager": 1}, [], {1: 2}, "x"):
        with pytest.raises(InvalidArgument):
            confined.options(wrong)


def test_every_option_of_a_converter_is_known_to_be_harmless_or_refused():
    """Whoever adds an option decides here whether strangers may set it."""
    import inspect

    from lancenb.convert._convert import KINDS, converter_class
    from lancenb.remote._confine import _FILES

    harmless = {
        *("hash", "check_crc", "salvage", "only", "label", "classes", "image", "split"),
        *("on_error", "verify", "reencode", "header", "sha256", "max_pixels", "threads"),
        *("format", "encoding", "rows", "skip_blank", "delimiter", "quote", "columns", "types"),
        *("null_values", "ragged", "field", "allow_nan", "on_conflict", "provenance", "members"),
        "text_options",
    }
    known = {name for kind in KINDS for name in inspect.signature(converter_class(kind)).parameters}
    assert known - harmless == {"annotations", "limits"}
    assert {"annotations", "limits"} <= _FILES


# --- rows that name files


def picture_rows(path: str, held: bytes | None) -> pa.Table:
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array([{"bytes": held, "path": path}], cell), "label": [1]})


def test_a_cell_cannot_make_the_server_read_a_picture(tmp_path: Path, confined: Confined):
    from PIL import Image

    private = str(tmp_path / "private.png")
    Image.new("RGB", (2, 2)).save(private)
    dm = DataManager(tmp_path / "root")
    assert dm.convert(picture_rows(private, None), "leak", kind="images").rows == 1  # the danger
    with pytest.raises(UnsafeInput, match="image"):
        confined.rows(picture_rows(private, None).to_reader()).read_all()
    kept = picture_rows(private, b"\x89PNG")
    assert confined.rows(kept.to_reader()).read_all().equals(kept)


def test_cells_of_blobs_and_nested_cells(confined: Confined):
    blob = pa.struct([("data", pa.large_binary()), ("uri", pa.string())])
    for kind, cell in (
        (blob, {"data": None, "uri": "file:///etc/passwd"}),
        (pa.list_(blob), [{"data": None, "uri": "/etc/passwd"}]),
        (pa.struct([("deep", blob)]), {"deep": {"data": b"x", "uri": "s3://other/x"}}),
    ):
        table = pa.table({"n": [0, 1], "x": pa.array([None, cell], kind)})
        with pytest.raises(UnsafeInput):
            confined.rows(table.to_reader()).read_all()
    plain = pa.table({"x": pa.array([{"data": b"x", "uri": None}], blob), "bytes": [b"y"]})
    assert confined.rows(plain.to_reader()).read_all().equals(plain)
    rows = ROWS.to_reader()
    assert confined.rows(rows) is rows


def test_an_uploaded_table_that_names_files_elsewhere(tmp_path: Path, confined: Confined):
    lance = lance_module()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"secret")
    lance.write_dataset(ROWS, str(tmp_path / "fine.lance"))
    confined.table(tmp_path / "fine.lance")
    confined.table(tmp_path)  # no table: nothing to check
    cell = pa.struct([("data", pa.large_binary()), ("uri", pa.string())])
    field = pa.field("b", cell, metadata={b"ARROW:extension:name": b"lance.blob.v2"})
    rows = pa.Table.from_arrays(
        [pa.array([{"data": None, "uri": f"file://{secret}"}], cell)], schema=pa.schema([field])
    )
    lance.write_dataset(
        rows, str(tmp_path / "bad.lance"), data_storage_version="2.2",
        allow_external_blob_outside_bases=True,
    )  # fmt: skip
    with pytest.raises(UnsafeInput, match="elsewhere"):
        confined.table(tmp_path / "bad.lance")


# --- filters


INJECTED = [
    "a IN (SELECT b FROM other)", "EXISTS (SELECT 1)", "a = (SELECT max(b) FROM other)",
    "a IN (SELECT b FROM '/etc/passwd')", "a IN (SELECT * FROM read_parquet('/etc/x'))",
    "read_csv('/etc/passwd') IS NOT NULL", "a = 1; DROP TABLE other", "a = 1; DELETE FROM t",
    "a = 1 UNION SELECT b FROM other", "COPY t TO '/tmp/x'", "a = 1) OR (1 = 1", "a = 1) --",
    "a = 1)\n--(", "/* a */", "a = 1 /*", "a = 1 /* /* */ ' */ OR a = 2 --'", "true LIMIT 1",
    "a = 1 ORDER BY a", "a IN (VALUES (1))", "a IN (TABLE other)", "a = $1", "a = ?", "s = $$x$$",
    "s = E'x\\'' OR a = 1", "s = N'x'", "s = r'x'", "s = b'x'", "sum(a) > 1",
    "row_number() OVER () > 1", "getenv('HOME') = s", "pg_sleep(10)", "a = \x00 1", "", "   ",
    "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", "CREATE TABLE x (a int)", "SET x = 1",
]  # fmt: skip


@pytest.mark.parametrize("sql", INJECTED)
def test_a_filter_only_sees_its_rows(dm: DataManager, confined: Confined, sql: str):
    """Refused without the server's rules, by every verb that takes one, and nothing changed."""
    before = dm["t"].version, dm["other"].version
    with pytest.raises(LancenbError) as caught:
        dm.search_rows("t", sql)
    assert isinstance(caught.value, (InvalidArgument, NotFound))
    with pytest.raises(LancenbError):
        dm.delete_rows("t", sql)
    assert (dm["t"].version, dm["other"].version) == before
    assert dm.search_rows("t").num_rows == 10
    if sql.strip():
        with pytest.raises(LancenbError):
            dm.search_rows("t", confined.where(sql))


BOMBS = [
    "s = repeat('x', 2000000000)", "s = lpad('x', 2000000000, 'y')", "rpad(s, 999999999) = s",
    "array_length(range(0, 10000000000)) > 1", "generate_series(1, 1000000000)[1] = 1",
    "replace(replace(s, '1', s), '1', s) = s", "s = space(1000000000)", "`repeat`('x', 9) = s",
    "repeat/**/('x', 9) = s", "REPEAT\n('x', 9) = s", "array_repeat(1, 1000000000)[1] = 1",
    "array_resize([1], 1000000000)[1] = 1", "levenshtein(s, s) = 1", "\"repeat\"('x', 9) = s",
    "repeat -- x\n('x', 9) = s", "uuid() = s", "version() = s", "x.repeat('x', 9) = s",
    "encode(s, 'hex') = s", "st_buffer(s) = s", "(select 1) = a", "{fn repeat('x', 9)} = s",
]  # fmt: skip


@pytest.mark.parametrize("sql", BOMBS)
def test_functions_that_hurt_are_not_called(confined: Confined, sql: str):
    with pytest.raises(InvalidFilter) as caught:
        confined.where(sql)
    assert caught.value.hint


@pytest.mark.parametrize(
    "sql",
    ["a = 1", "lower(s) LIKE '%repeat(%'", "s IN ('1', 'select') OR (a > 3 AND NOT (a = 5))",
     "a BETWEEN 1 AND (2 + 3)", "CAST(a AS DECIMAL(10, 2)) = 1", "`s` = 'it''s'", "s = X'00'",
     "CASE WHEN (a = 1) THEN (true) ELSE (false) END", "array_has([1, 2], a)", "abs(a) < 3",
     "date_part('year', to_timestamp('2020-01-01')) = 2020", "a = 1 -- note", "a = 1 /* note */",
     "regexp_like(s, '^[0-9]$')", "random() < 2", "a::int = 1", "EXTRACT(YEAR FROM now()) > 1",
     "coalesce(s, '') <> ''", "s IS NOT NULL AND length(s) = 1"],
)  # fmt: skip
def test_filters_that_are_fine(dm: DataManager, confined: Confined, sql: str):
    confined.where(sql)
    if not sql.startswith(("CASE", "EXTRACT", "s = X")):  # these Lance itself does not take
        dm.search_rows("t", sql)


def test_triples_pass(dm: DataManager, confined: Confined):
    for where in (("s", "=", "x'); DROP"), [("a", "in", [1, 2])], [[("a", "=", 1)], []], []):
        confined.where(where)
        dm.search_rows("t", where)
    with pytest.raises(NotFound):  # a column is a name, never SQL
        dm.search_rows("t", [("true OR a", "=", 3)])
    for hostile in ("a; DROP TABLE t", "(SELECT 1)", "a`--", "other.b"):
        with pytest.raises(LancenbError):
            dm.search_rows("t", order_by=hostile)
        with pytest.raises(LancenbError):
            dm.search_rows("t", columns=[hostile])
        with pytest.raises(LancenbError):
            dm.upsert("t", {hostile: [1]}, key=hostile)


# Each of them once ended the process: Lance ran out of stack.
DEEP = {
    "sum": "'a = ' + ' + '.join(['1'] * 3000)",
    "is": "'a = 1' + ' IS TRUE' * 3000",
    "cast": "'a = 1' + '::int' * 3000",
    "concat": "'s = ' + ' || '.join(['s'] * 3000)",
    "or": "' OR '.join(['a = 1'] * 50000)",
    "between": "'a between 1' + ' and 2 between 1' * 3000 + ' and 2'",
    "nested sums": "'(' * 40 + '1' + (' + 1' * 100 + ')') * 40 + ' = a'",
    "equal": "' = '.join(['a'] * 3000)",
    "compared": "'a = 1' + ' > 2 = true' * 2000",
    "index": "'a = make_array(a)' + '[1]' * 3000",
    "dots": "'a = ' + '.'.join(['a'] * 30000)",
    "parentheses": "'(' * 100000 + 'a = 1' + ')' * 100000",
    "not": "'NOT ' * 100000 + 'a = 1'",
    "minus": "'a = ' + '- ' * 100000 + '1'",
    "case": "'CASE WHEN a = 1 THEN ' * 3000 + 'true' + ' END' * 3000",
    "comments": "'/*' * 100000",
    "quotes": "'\\'' * 99999",
    "length": "'a = 1 OR ' * 1000000 + 'true'",
    "groups": "[[('a', '=', 1)]] * 50000",
    "triples": "[('a', '=', 1)] * 50000",
    "lists": "nested(5000)",
}


def test_filters_that_are_too_deep_do_no_harm(dm: DataManager):
    listed = ", ".join(f"{name!r}: lambda: {text}" for name, text in DEEP.items())
    code = f"""
import lancenb
from lancenb.errors import InvalidFilter
def nested(depth):
    out = []
    for _ in range(depth): out = [out]
    return out
dm = lancenb.DataManager({dm.store.uri!r})
for name, where in {{{listed}}}.items():
    try:
        dm.search_rows("t", where())
        print("passed", name)
    except InvalidFilter:
        print("refused", name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.splitlines() == [f"refused {name}" for name in DEEP]


def test_long_filters_that_are_harmless_still_work(dm: DataManager):
    many = ", ".join(str(n) for n in range(20_000))
    assert dm.search_rows("t", f"a IN ({many})").num_rows == 10
    assert dm.search_rows("t", " OR ".join(["a = 1"] * 1500)).num_rows == 1
    assert dm.search_rows("t", [("a", "in", list(range(50_000)))]).num_rows == 10
    assert dm.search_rows("t", "a = " + " + ".join(["1"] * 150)).num_rows == 0
    text = check_depth("a = 1 AND " * 1900 + "true")
    assert dm.search_rows("t", text).num_rows == 1
    weights = pa.table({"f": [1.5, float("nan")]})
    dm.convert(weights, "f", kind="table", mode="create")
    assert dm.search_rows("f", [("f", "in", [float("nan")] * 30_000)]).num_rows == 1
    assert dm.search_rows("f", [("f", "not in", [float("nan")] * 30_000)]).num_rows == 1


def test_a_pattern_cannot_keep_the_catalogue_busy():
    """``%a%a%a...b`` once took a minute for 200 letters, with everybody else waiting."""
    test = parse("description LIKE '" + "%a" * 30 + "%b'")
    assert test({"description": "a" * 5000}) is False
    assert test({"description": "a" * 5000 + "b"}) is True


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [("%", "", True), ("%%", "x", True), ("a%", "abc", True), ("%c", "abc", True),
     ("a%c", "abc", True), ("a%c", "ac", True), ("a%b%c", "acb", False), ("%b%", "abc", True),
     ("_b_", "abc", True), ("%_b", "b", False), ("ab%ab", "ab", False), ("ab%ab", "abab", True),
     ("a\\%", "a%", True), ("a\\%", "ab", False), ("", "", True), ("", "x", False),
     ("%ab%b", "abab", True), ("%aab%", "aaab", True), ("%.%", "x", False),
     ("x%\n%y", "xa\ny", True)],
)  # fmt: skip
def test_like_means_what_it_did(pattern: str, text: str, fits: bool):
    assert (like(pattern, False).fullmatch(text) is not None) == fits
