"""What a :class:`~lancenb.store.Store` is as a value: fixed, comparable, silent about secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lancenb.errors import InvalidArgument

from ._files import Files
from ._local import LocalFiles
from ._location import Location
from ._options import S3Options
from ._redact import redact


class Rooted:
    """The parts of a store and how it shows itself."""

    __slots__ = ("_files", "_location", "_options", "_place")
    _files: Files
    _location: Location
    _options: S3Options
    _place: Any

    def _set(self, location: Location, options: S3Options) -> None:
        put = object.__setattr__
        put(self, "_location", location)
        put(self, "_options", options)
        if location.scheme == "s3":
            from ._remote import s3_backend

            place, files = s3_backend(location, options)
        else:
            _refuse_s3_options(location, options)
            place = None
            files = LocalFiles(location.uri) if location.scheme == "file" else _memory(location)
        put(self, "_place", place)
        put(self, "_files", files)

    @property
    def uri(self) -> str:
        """The root as Lance is given it, without a slash at the end."""
        return self._location.uri

    @property
    def scheme(self) -> str:
        """``file``, ``s3`` or ``memory``."""
        return self._location.scheme

    @property
    def is_local(self) -> bool:
        """True for a folder on this machine."""
        return self.scheme == "file"

    @property
    def bucket(self) -> str:
        """The bucket; empty for a folder."""
        return self._location.bucket

    @property
    def prefix(self) -> str:
        """The path inside the bucket; empty for a folder."""
        return self._location.prefix

    @property
    def endpoint(self) -> str | None:
        """The S3 endpoint in use; ``None`` for AWS and folders."""
        return self._place.endpoint if self._place is not None else None

    @property
    def region(self) -> str | None:
        """The region in use, if one is known."""
        return self._place.region if self._place is not None else None

    @property
    def read_only(self) -> bool:
        """True when this store refuses to write."""
        return self._options.read_only

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Store does not change; make another one to set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Store does not change; {name!r} stays")

    def _identity(self) -> tuple[Any, ...]:
        place, options = self._place, self._options
        if place is None:
            return (self._location, options)
        # What was given and what the environment decided count alike.
        options = replace(options, endpoint=None, region=None, path_style=None)
        return (self._location, options, place.endpoint, place.region, place.path_style)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rooted) and other._identity() == self._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        given: dict[str, Any] = self._options.given()
        if self._place is not None:  # what the environment decided stays decided elsewhere
            given |= {"endpoint": self._place.endpoint, "region": self._place.region}
            given["path_style"] = self._place.path_style
        return (_rebuild, (type(self), self.uri, given))

    def __repr__(self) -> str:
        shown: dict[str, Any] = {}
        if self._place is not None:
            shown = {"endpoint": self.endpoint, "region": self.region}
            shown = {name: redact(value) for name, value in shown.items() if value}
            shown["keys"] = self._place.key_source
        if self.read_only:
            shown["read_only"] = True
        inner = "".join(f", {name}={value!r}" for name, value in shown.items())
        uri = self.uri.removeprefix("shared-") if self.scheme == "memory" else self.uri
        return f"Store({uri!r}{inner})"


def _rebuild(cls: type, uri: str, given: dict[str, Any]) -> Rooted:
    return cls(uri, **given)


def _memory(location: Location) -> Files:
    from ._memory import MemoryFiles

    return MemoryFiles(location.uri)


def _refuse_s3_options(location: Location, options: S3Options) -> None:
    useless = sorted(set(options.given()) - {"read_only"})
    if useless:
        raise InvalidArgument(
            f"{', '.join(name + '=' for name in useless)} "
            f"{'means' if len(useless) == 1 else 'mean'} nothing for {location.uri}, "
            "which is not on S3",
            hint="for S3 write the root as s3://bucket/prefix",
        )
