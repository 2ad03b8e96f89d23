"""Plain files at plain addresses: what ``https://…`` links lead to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ._origin import Handler, Origin

_HASHED = 16 << 20  # larger files get an ETag from size and time, as web servers do


@dataclass
class PlainFile:
    """A published file or redirect.

    Attributes:
        data: content, or where it is.
        headers: sent with it.
        redirect: address to send the client to instead.
        status: of the redirect.
        token: only with ``Authorization: Bearer <token>``.
        chunked: without Content-Length and ranges.
    """

    data: bytes | Path
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None
    status: int = 302
    token: str | None = field(default=None, repr=False)
    chunked: bool = False


class PlainFiles:
    """Files by path."""

    def __init__(self) -> None:
        self.files: dict[str, PlainFile] = {}

    def add(
        self,
        path: str,
        data: bytes | Path = b"",
        *,
        etag: bool | str = True,
        modified: float | None = None,
        name: str | None = None,
        headers: dict[str, str] | None = None,
        redirect: str | None = None,
        status: int = 302,
        token: str | None = None,
        chunked: bool = False,
    ) -> None:
        """Publish ``data`` (or a redirect) at ``path``.

        Args:
            path: path of the address, unquoted, with the slash at the start.
            data: content, or the file that holds it (read when asked for, so that a file of any
                size needs no memory).
            etag: send an ETag; a text is sent as it is.
            modified: send Last-Modified: seconds since 1970.
            name: send this file name in Content-Disposition, unchecked.
            headers: to send besides.
            redirect: address to send the client to instead.
            status: of the redirect: 301, 302, 303, 307 or 308.
            token: answer 401 without ``Authorization: Bearer <token>``.
            chunked: send without Content-Length and without ranges.
        """
        more = dict(headers or {})
        if etag and redirect is None:
            more.setdefault("ETag", etag if isinstance(etag, str) else _etag(data))
        if modified is not None:
            more.setdefault("Last-Modified", formatdate(modified, usegmt=True))
        if name is not None:
            more.setdefault("Content-Disposition", _disposition(name))
        self.files[path] = PlainFile(data, more, redirect, status, token, chunked)

    def answer(self, handler: Handler) -> bool:
        """Answer the request; False when there is nothing at its path."""
        file = self.files.get(handler.route)
        if file is None:
            return False
        if handler.command not in ("GET", "HEAD"):
            handler.answer(405, b"only to be read")
        elif file.token and handler.seen.auth != f"Bearer {file.token}":
            handler.answer(401, b"who are you")
        elif file.redirect is not None:
            handler.answer(file.status, b"", {"Location": file.redirect, **file.headers})
        else:
            handler.send_content(file.data, file.headers, chunked=file.chunked)
        return True


class FileServer(Origin):
    """A web server of plain files.

    Args:
        port: where to listen on 127.0.0.1; 0 for any free port.

    >>> from urllib.request import urlopen
    >>> with FileServer() as server:
    ...     address = server.add("/a.bin", b"hello")
    ...     urlopen(address).read()
    b'hello'
    """

    def __init__(self, *, port: int = 0) -> None:
        self._plain = PlainFiles()
        super().__init__(self._serve, port=port)

    @property
    def files(self) -> dict[str, PlainFile]:
        """What is published, by path."""
        return self._plain.files

    def add(self, path: str, data: bytes | Path = b"", **options: Any) -> str:
        """Publish ``data`` (or a redirect) at ``path`` and return the address.

        Args:
            path: path of the address, with the slash at the start.
            data: content, or the file that holds it.
            **options: as for :meth:`HubStub.add_plain`.
        """
        self._plain.add(path, data, **options)
        return self.url + path

    def _serve(self, handler: Handler) -> None:
        if not self._plain.answer(handler):
            handler.answer(404, b"not here")

    def __enter__(self) -> FileServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _disposition(name: str) -> str:
    if name.isascii():
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def _etag(data: bytes | Path) -> str:
    if isinstance(data, Path):
        facts = data.stat()
        if facts.st_size > _HASHED:
            return f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        data = data.read_bytes()
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"'
