"""The local Hub: API and resolve on one origin, LFS content on another ("CDN")."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from ._access import Access
from ._blobs import Blobs
from ._faults import Faults
from ._lfs import Uploads
from ._origin import Origin, Seen
from ._plain import PlainFiles
from ._repos import Repos
from ._routes import Routes

_TOKENS = {"hf_ann": "ann", "hf_bob": "bob", "hf_ann_read": "ann:read"}


class HubStub:
    """A Hub on 127.0.0.1 with real HTTP on two origins.

    Args:
        root: folder for the content; None for a temporary one, removed by :meth:`close`.
        tokens: token -> user, or ``user:read`` for a token that may not write. Default:
            ``hf_ann`` and ``hf_bob`` write, ``hf_ann_read`` reads.
        members: users with access to all private and gated repositories; owners have it anyway.
        port: of the hub origin; 0 for any free port.
        page_size: entries on one page of lists.
        part_size: uploads larger than this come in parts.
        resolve_cache: send small files by a redirect on the same origin, as the real Hub does.
        gzip_text: send small files compressed, in chunks, without a Content-Length, to clients
            that accept it.

    Attributes:
        repos: create repositories and import folders here.
        hub: the origin with the API; its ``log`` and ``faults`` are also ``hub.log`` and
            ``hub.faults`` of this object.
        cdn: the origin with LFS content and plain files, with a ``log`` and ``faults`` of its own.

    >>> import json, urllib.request
    >>> with HubStub() as hub:
    ...     sha = hub.repos.create("model", "acme/tiny").commit({"config.json": b"{}"})
    ...     answer = urllib.request.urlopen(f"{hub.url}/api/models/acme/tiny")
    ...     json.load(answer)["sha"] == sha
    True
    """

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        tokens: dict[str, str] | None = None,
        members: tuple[str, ...] = ("ann",),
        port: int = 0,
        page_size: int = 1000,
        part_size: int = 64 << 20,
        resolve_cache: bool = False,
        gzip_text: bool = False,
    ) -> None:
        self.tokens = dict(_TOKENS) if tokens is None else tokens
        self.members = members
        self._blobs = Blobs(Path(root) if root is not None else None)
        self._plain = PlainFiles()
        self.repos = Repos(self._blobs)
        routes = Routes(
            repos=self.repos,
            access=Access(self.tokens, members),
            uploads=Uploads(self._blobs, part_size),
            plain=self._plain,
            page_size=page_size,
            resolve_cache=resolve_cache,
            gzip_text=gzip_text,
        )
        self.hub = Origin(routes.hub, port=port)
        self.cdn = Origin(routes.cdn)
        routes.hub_url, routes.cdn_url = self.hub.url, self.cdn.url
        self.hub.sides = self.cdn.sides = {"hub": self.hub, "cdn": self.cdn}

    @property
    def url(self) -> str:
        """The endpoint."""
        return self.hub.url

    @property
    def log(self) -> list[Seen]:
        """Requests to the hub origin."""
        return self.hub.log

    @property
    def faults(self) -> Faults:
        """Faults of the hub origin."""
        return self.hub.faults

    @property
    def leaked(self) -> list[str]:
        """Paths on the CDN that were asked with a token: must stay empty."""
        return [seen.path for seen in self.cdn.log if seen.auth]

    def env(self, home: str | Path, *, token: str | None = None) -> dict[str, str]:
        """Return the environment that leads the real clients here.

        ``huggingface_hub`` reads it when it is imported: set it before, or give it to a process.

        Args:
            home: folder for the clients' caches.
            token: also log in with this token.
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",  # there is no Xet store here
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "DISABLE_SAFETENSORS_CONVERSION": "1",
            "NO_PROXY": "127.0.0.1",
            **({"HF_TOKEN": token} if token else {}),
        }

    def add_plain(self, path: str, data: bytes | Path = b"", **options: Any) -> str:
        """Publish a plain file, or a redirect, on the CDN origin and return its address.

        Args:
            path: path of the address, with the slash at the start.
            data: content, or the file that holds it.
            **options: ``headers``; ``etag`` (default: yes; or a text); ``modified`` (seconds since
                1970); ``name`` for Content-Disposition; ``redirect`` to another address with
                ``status`` 302 or what is given; ``token`` to demand; ``chunked`` to send without
                a length.
        """
        self._plain.add(path, data, **options)
        return self.cdn.url + quote(path)

    def close(self) -> None:
        """Stop both origins and remove temporary content."""
        self.hub.close()
        self.cdn.close()
        self._blobs.close()

    def __enter__(self) -> HubStub:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
