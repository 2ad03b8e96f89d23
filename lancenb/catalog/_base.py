"""What all parts of the data manager share: root, registry, opening tables by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lancenb.errors import ArtifactNotFound, NotFound, StoreNotWritable

from ._edges import check_text, check_version
from ._entry import READY, Entry
from ._leases import writing
from ._names import check_name, did_you_mean
from ._owner import default_actor
from ._registry import Registry

if TYPE_CHECKING:
    from lancenb.store import Store

    from .artifact import Artifact
    from .manager import DataManager

_PLACES = 10_000
DEFAULT_ROOT = "./lancenb-store"
MESSAGE_KEY = "__lance_commit_message"


class CatalogBase:
    """Root, registry and the way from a name to a table."""

    def __init__(
        self,
        root: Store | str | Path = DEFAULT_ROOT,
        *,
        actor: str | None = None,
        **store_options: Any,
    ):
        from lancenb.store import Store

        self.store: Store = Store.of(root, **store_options)
        self.actor = check_text(actor, "actor") if actor else default_actor()
        self.registry = Registry(self.store, self.actor)

    def _uri(self, entry: Entry) -> str:
        return entry.uri if entry.external else self.store.join(entry.uri)

    def _place(self, entry: Entry) -> str:
        """Return the address of an entry's table for people; what opens it asks :meth:`_uri`.

        That looks at every folder on the way for links that lead out of the root, which would be
        most of the time of a look at an entry.
        """
        known: dict[str, str] = self.__dict__.setdefault("_places", {})
        if entry.uri not in known:
            if len(known) >= _PLACES:
                known.clear()
            known[entry.uri] = self._uri(entry)
        return known[entry.uri]

    def _entries(self) -> list[Entry]:
        """Return the visible entries, ordered by name."""
        ready = (e for e in self.registry.read().entries.values() if e.state == READY)
        return sorted(ready, key=lambda entry: entry.name)

    def _entry(self, name: str | Artifact) -> Entry:
        """Return the entry of a name.

        Raises:
            ArtifactNotFound: with a suggestion.
        """
        text = check_name(getattr(name, "name", name))
        entries = self._entries()
        for entry in entries:
            if entry.name == text:
                return entry
        raise ArtifactNotFound(
            f"there is no artefact {text!r} in {self.store.uri}",
            hint=did_you_mean(text, [entry.name for entry in entries]),
        )

    def _open(self, entry: Entry, version: int | str | None = None) -> Any:
        """Open the table of an entry at its head, a version number or a tag.

        Raises:
            VersionNotFound, TagNotFound: there is no such version or tag.
            NotFound: the table itself is gone; fsck tells more.
        """
        from lancenb.store import open_table, redact

        version = check_version(version)
        if isinstance(version, str) and version.isascii() and version.isdecimal():
            version = int(version)
        try:
            return open_table(self._uri(entry), self.store, version=version)
        except NotFound as error:
            if type(error) is NotFound:
                raise NotFound(
                    f"the table of {entry.name!r} is gone: {error.message}",
                    hint="dm.fsck() tells more; dm.delete(name, confirm=name) forgets the entry",
                ) from error
            error.message = error.message.replace(redact(self._uri(entry)), repr(entry.name))
            error.args = (error.message,)
            raise

    @contextlib.contextmanager
    def _writing(self, name: str | Artifact, *, dry_run: bool = False) -> Iterator[Entry]:
        """Hold a writer's lease on an artefact while the body changes its table."""
        entry = self._entry(name)
        if dry_run:  # nothing is written, not even a lease: the root may be read-only
            yield entry
            return
        self.store.require_writable()
        if entry.uri.startswith("hf://"):
            raise StoreNotWritable(
                f"{entry.name!r} is a table on the Hub, which is only read here",
                hint="lancenb.download(its address, to=...) makes a copy that can change",
            )
        with writing(self.store, entry.id, self.actor):
            # A delete marks the entry first and looks for leases second: one of us sees the other.
            fresh = self.registry.read().entries.get(entry.id)
            if fresh is None or fresh.state != READY:
                raise ArtifactNotFound(f"{entry.name!r} was deleted a moment ago")
            yield fresh

    def _artifact(self, entry: Entry) -> Artifact:
        from .artifact import Artifact

        return Artifact(cast("DataManager", self), entry)
