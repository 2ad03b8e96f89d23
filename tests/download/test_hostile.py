"""Servers and callers that send what cannot be."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lancenb import download
from lancenb.download._names import name_from_disposition
from lancenb.errors import DownloadFailed, InvalidArgument

BODY = b"payload" * 100


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/bad-redirect":
            self.send_response(302)
            self.send_header("Location", "http://[::1")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("X-Sent", self.headers.get("Authorization", ""))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_redirect_to_no_address(base: str, cache: Path) -> None:
    with pytest.raises(DownloadFailed, match="bad-redirect"):
        download(f"{base}/bad-redirect")


@pytest.mark.parametrize("charset", ["idna", "punycode", "no-such", "rot13", "utf-16"])
def test_file_names_in_odd_charsets(charset: str) -> None:
    assert name_from_disposition(f"attachment; filename*={charset}''%ff%fe%00a.bin")


@pytest.mark.parametrize("token", [5, "", "hunter2\nX-Evil: 1", "hunter2 x", "hunter\u00e9"])
def test_a_token_that_is_none_is_refused_and_not_shown(
    base: str, cache: Path, token: object
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        download(f"{base}/x", token=token)  # type: ignore[arg-type]
    assert "hunter" not in str(caught.value)


def test_the_line_end_of_a_token_file_is_dropped(base: str, cache: Path) -> None:
    assert download(f"{base}/x", token="hf_abc\n").path.read_bytes() == BODY


@pytest.mark.parametrize("options", [{"to": 5}, {"to": "\0"}, {"cache": 5}, {"to": b"x"}])
def test_places_that_are_none(base: str, cache: Path, options: dict) -> None:
    with pytest.raises(InvalidArgument):
        download(f"{base}/x", **options)


def test_a_split_that_is_no_text(cache: Path) -> None:
    with pytest.raises(InvalidArgument):
        download("synthetic", split=5)  # type: ignore[arg-type]


def test_schemes_in_capitals(base: str, cache: Path) -> None:
    assert download(base.replace("http", "HTTP") + "/x").path.read_bytes() == BODY


def test_a_damaged_note_in_the_cache_means_fetching_again(base: str, cache: Path) -> None:
    path = download(f"{base}/x").path
    meta = path.parent / ".meta.json"
    for note in (5, {"from": "another version"}):
        meta.write_text(json.dumps(json.loads(meta.read_text()) | {"note": note}))
        assert download(f"{base}/x").path.read_bytes() == BODY
