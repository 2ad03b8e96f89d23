"""What went wrong in remote engines elsewhere, one test each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import errors as e
from lancenb.remote import Server, connect, serve

ENGINES = ("http", "grpc", "ws")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path / "store") as running:
        yield running


@pytest.fixture(params=ENGINES)
def far(request: pytest.FixtureRequest, server: Server) -> Iterator[Any]:
    with server.connect(request.param) as manager:
        yield manager


def table(rows: int = 3) -> pa.Table:
    return pa.table({"id": list(range(rows)), "raw": [bytes([i % 256]) for i in range(rows)]})


def test_w46_there_is_a_server(server: Server) -> None:
    about = server.connect().about()
    assert about.scope == "admin"
    assert {"rollback", "read", "write", "upsert"} <= set(about.operations)


def test_w47_what_is_read_is_an_arrow_stream_not_text(far: Any, server: Server) -> None:
    far.convert(table(), "t")
    assert far.search_rows("t").equals(table())
    assert server.manager.search_rows("t").equals(table())


def test_w48_a_write_writes_and_a_rollback_says_truly_what_it_moved(far: Any) -> None:
    assert far.convert(table(), "t").version == 1
    assert far.convert(table(2), "t", mode="append").version == 2
    assert tuple(far.rollback("t", 1)) == (1, 2, 3)
    assert far["t"].rows == 3


def test_w49_the_generated_stubs_import_from_anywhere(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "from lancenb.remote._pb import lancenb_pb2, lancenb_pb2_grpc; print('good')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "good", done.stderr


def test_w50_one_server_holds_many_artefacts_and_streams_more_than_a_message(far: Any) -> None:
    wide = pa.table({"x": pa.array(range(2_000_000), pa.int64())})  # 16 MB; messages end at 4
    far.convert(wide, "wide")
    far.convert(table(), "small")
    assert far.list().names == ["small", "wide"]
    assert far.search_rows("wide").equals(wide)


def test_w50_errors_have_a_form_and_strangers_are_refused(far: Any, server: Server) -> None:
    with pytest.raises(e.ArtifactNotFound) as caught:
        far.get("nobody")
    assert caught.value.code == "artifact_not_found"
    assert caught.value.hint
    with pytest.raises(e.Unauthorized):
        connect(far.url, token="lnb_" + "x" * 43)
