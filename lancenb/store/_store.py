"""``Store``: one root and everything needed to reach it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lancenb.errors import InvalidArgument, InvalidName, StoreNotWritable

from ._files import FileInfo
from ._local import LocalFiles
from ._location import as_text, check_parts, parse_root
from ._options import S3Options
from ._probe import ProbeResult
from ._redact import redact
from ._rooted import Rooted


class Store(Rooted):
    """A root for tables: a local folder, a bucket on S3, or memory.

    One object gives Lance its storage options, and everybody else a boto3 client or fsspec
    arguments for the same place. It is immutable, can be compared, hashed and pickled, and shows
    no secret. For every option holds: explicit argument > environment (``AWS_*``) or AWS profile
    > none. Credentials are never asked of a cloud metadata service unless that is chosen.

    Args:
        uri: a folder, ``file:///folder``, ``s3://bucket/prefix``, or ``memory://name`` (kept by
            this process only, for tests).
        endpoint: ``http://host:port`` or ``https://host`` of an S3-compatible server; AWS without.
        access_key: access key id. Needs ``secret_key``.
        secret_key: secret access key.
        session_token: token of temporary credentials.
        region: region; ``us-east-1`` when an endpoint is given.
        profile: name of a profile in the AWS configuration files.
        path_style: ``http://host/bucket`` (True, the default with an endpoint) or
            ``http://bucket.host`` (False).
        allow_http: False refuses an ``http://`` endpoint; otherwise the endpoint decides.
        ca_bundle: PEM file of the authority that signed the endpoint's certificate.
        verify: False trusts any certificate (only on a network you trust).
        connect_timeout: seconds to connect.
        timeout: seconds for one request.
        retries: how often a failed request is repeated.
        retry_window: seconds after which a request is not repeated any more.
        sse: server-side encryption: ``"AES256"``, ``"aws:kms"`` or ``"aws:kms:dsse"``.
        kms_key: id of the KMS key, with ``sse="aws:kms"``.
        read_only: refuse to write; on S3 Lance itself cannot commit then either.
        metadata_service: also take credentials from the metadata service of a cloud machine.
        anonymous: send no credentials (public buckets).
        **unknown: anything else is an error with a suggestion.

    Raises:
        InvalidArgument: a value that cannot work, such as an endpoint without ``http://``.
        UnknownOption: an option that does not exist.

    >>> import tempfile
    >>> store = Store(tempfile.mkdtemp()).create()
    >>> store.is_local, store.list()
    (True, [])
    >>> Store("s3://lab/run", endpoint="http://localhost:9000", access_key="minioadmin",
    ...       secret_key="minioadmin")
    Store('s3://lab/run', endpoint='http://localhost:9000', region='us-east-1', keys='arguments')
    """

    __slots__ = ()

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        endpoint: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        path_style: bool | None = None,
        allow_http: bool | None = None,
        ca_bundle: str | Path | None = None,
        verify: bool = True,
        connect_timeout: float = 3.0,
        timeout: float = 30.0,
        retries: int = 5,
        retry_window: float = 60.0,
        sse: str | None = None,
        kms_key: str | None = None,
        read_only: bool = False,
        metadata_service: bool = False,
        anonymous: bool = False,
        **unknown: Any,
    ):
        given = {k: v for k, v in locals().items() if k not in ("self", "uri", "unknown")}
        self._set(parse_root(uri), S3Options.of(given | unknown))

    @classmethod
    def of(cls, root: Store | str | os.PathLike[str], **options: Any) -> Store:
        """Return ``root`` if it is a store, or make one of a folder or URI.

        Raises:
            InvalidArgument: options are given for a store that has its own.
        """
        if isinstance(root, Store):
            given = [name for name, value in options.items() if value is not None]
            if given:
                raise InvalidArgument(
                    f"a Store is given together with options ({', '.join(sorted(given))})",
                    hint="set them on the Store",
                )
            return root
        return cls(root, **options)

    def at(self, uri: str | os.PathLike[str]) -> Store:
        """Return a store for another root with the same options (another bucket, a folder)."""
        location = parse_root(uri)
        made = object.__new__(type(self))
        made._set(location, self._options if location.scheme == self.scheme else S3Options())
        return made

    # What others need to reach it ------------------------------------------------------------

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Options for ``lance.dataset(uri, storage_options=...)``; ``None`` for a folder.

        All values are text, the endpoint stands under both names Lance knows (the environment
        would win otherwise), and credentials are explicit. They hold secrets: do not print them.

        Raises:
            AccessDenied: there are no credentials.
        """
        return None if self._place is None else self._place.lance(self.bucket, self.uri)

    def boto3(self) -> Any:
        """Return a boto3 S3 client for this store; it is shared and thread-safe.

        Raises:
            InvalidArgument: the store is not on S3.
            AccessDenied: there are no credentials.
        """
        if self._place is None:
            raise InvalidArgument(f"{self.uri} is not on S3, so there is no boto3 client for it")
        from ._remote import shared_client

        return shared_client(self._place, self.uri)

    def fsspec(self) -> dict[str, Any]:
        """Return ``fsspec.filesystem(**arguments)`` for this store (s3fs on S3).

        Raises:
            InvalidArgument: the store is in memory, where fsspec does not see it.
            AccessDenied: there are no credentials.
        """
        if self._place is not None:
            return self._place.fsspec(self.uri)
        if self.is_local:
            return {"protocol": "file"}
        raise InvalidArgument(f"{self.uri} is kept by Lance in memory; fsspec cannot see it")

    # Paths -----------------------------------------------------------------------------------

    def join(self, *parts: str | os.PathLike[str]) -> str:
        """Return the URI of a place below the root.

        Args:
            *parts: relative pieces, each may hold several names separated by ``/``.

        Raises:
            InvalidName: absolute, empty, ``..``, control characters, or a symbolic link that
                leads outside.

        >>> Store("/data/store").join("models", "resnet18.lance")
        '/data/store/models/resnet18.lance'
        """
        if not parts:
            return self.uri
        rel = "/".join(check_parts(parts, remote=not self.is_local))
        if isinstance(self._files, LocalFiles):
            return self._files.path(rel)
        return f"{self.uri}/{rel}"

    def resolve(self, uri_or_rel: str | os.PathLike[str]) -> str:
        """Return the full URI of something given relative to the root, or by its full address."""
        text = as_text(uri_or_rel)
        if "://" in text:
            return parse_root(text).uri
        if os.path.isabs(text):
            return os.path.abspath(text)
        return self.join(text)

    def _relative(self, uri_or_rel: str | os.PathLike[str]) -> str:
        """Return the checked path below the root; ``""`` is the root itself."""
        text = as_text(uri_or_rel)
        if self.scheme == "memory" and text.startswith("memory://"):
            text = f"shared-{text}"
        if text.startswith("file://") and self.is_local:
            text = parse_root(text).uri
        if text.rstrip("/") in ("", self.uri):
            return ""
        root = self.uri.rstrip("/") + "/"
        if text.startswith(root):
            text = text[len(root) :]
        elif "://" in text or os.path.isabs(text):
            raise InvalidName(
                f"{redact(text)!r} is not below the store {self.uri}",
                hint="Store(...) of its own root reaches it",
            )
        return "/".join(check_parts((text,), remote=not self.is_local))

    # Files -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Make sure that the root can be reached, in under 10 seconds.

        On S3 one small request is sent; a good answer is remembered for half a minute.

        Raises:
            NotFound: the folder does not exist.
            BucketNotFound: the bucket does not exist.
            AccessDenied: no credentials, wrong ones, or no permission.
            StoreUnreachable: no answer from the endpoint.
            StoreError: the endpoint does not speak S3.
        """
        self._files.check()

    def create(self, exist_ok: bool = True) -> Store:
        """Make the folder or bucket and return the store.

        Args:
            exist_ok: False raises ``AlreadyExists`` when it is there.

        Raises:
            StoreNotWritable: no permission, a file in the way, a read-only disk or store.
            OutOfSpace: the disk is full.
            StoreError: see :meth:`check`.
        """
        self.require_writable()
        self._files.create(exist_ok)
        return self

    def require_writable(self) -> None:
        """Raise ``StoreNotWritable`` when the store was opened with ``read_only=True``."""
        if self.read_only:
            raise StoreNotWritable(
                f"the store {self.uri} was opened read-only", hint="open it without read_only=True"
            )

    def probe(self) -> ProbeResult:
        """Race 8 writers for a dozen keys: is put-if-absent enforced?

        Commits of concurrent writers are safe only if it is. A store that fails is warned about
        once; the keys are removed again.

        Returns:
            The result; ``result.require_safe()`` turns a bad one into ``UnsafeStore``.

        Raises:
            StoreError: see :meth:`check`.
        """
        self.require_writable()
        from ._race import probe_store

        return probe_store(self)

    def exists(self, uri_or_rel: str | os.PathLike[str]) -> bool:
        """Tell whether a file or folder (on S3: an object or anything below) is there."""
        return self._files.exists(self._relative(uri_or_rel))

    def list(self, rel: str | os.PathLike[str] = "") -> list[str]:
        """Return the names directly below ``rel``, sorted; none when it is missing."""
        return self._files.names(self._relative(rel))

    def walk(self, rel: str | os.PathLike[str] = "") -> Iterator[FileInfo]:
        """Yield every file below ``rel`` with its path from the root, size and time."""
        return self._files.walk(self._relative(rel))

    def size(self, rel: str | os.PathLike[str] = "") -> int:
        """Return the bytes of all files below ``rel``."""
        return sum(info.size for info in self.walk(rel))

    def delete_tree(self, rel_or_uri: str | os.PathLike[str]) -> int:
        """Remove everything below a path and return the bytes freed.

        The versions of a table go first, so an interrupted removal leaves no half table open.

        Raises:
            InvalidName: the root itself, or something outside it.
            StoreNotWritable: no permission, or a read-only store.
        """
        self.require_writable()
        rel = self._relative(rel_or_uri)
        if not rel:
            raise InvalidName(
                f"this would remove the whole store {self.uri}", hint="name something below it"
            )
        return self._files.delete_tree(rel)
