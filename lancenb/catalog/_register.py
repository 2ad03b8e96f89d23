"""Registering tables that exist already; changing and renaming entries."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lancenb.errors import AlreadyExists, InvalidArgument, NotFound

from ._edges import check_labels, check_metadata, check_text, resolve_parents
from ._entry import DELETING, READY, Entry, event
from ._names import check_name, now, ulid
from ._once import once_properties
from ._owner import ALIVE, describe, state_of
from ._slots import Slots
from ._stats import content_hash, table_kind

if TYPE_CHECKING:
    from .artifact import Artifact


#: What a server keeps in the root besides the catalogue: no artefact, and never debris.
KEPT_BY_SERVER = (".server", "audit.lance")


class Registering(Slots):
    """Entries without writing tables."""

    def register(
        self,
        name: str,
        uri: Any,
        *,
        kind: str | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] = (),
        replace: bool = False,
    ) -> Artifact:
        """Give a name to a Lance table that exists already; nothing is copied.

        Args:
            name: the artefact.
            uri: a table below the root (relative or full path) or anywhere else (full path or
                URI); tables elsewhere are never erased by :meth:`delete`. A table on the Hub
                (``hf://datasets/owner/name/x.lance``) stays at the commit it has now, and is
                only read.
            kind: ``"weights"``, ``"images"``, ``"text"``, ``"table"``; as noted in the table by
                the converter when ``None``.
            description: free text.
            tags: labels.
            metadata: JSON-able facts.
            parents: what it was made from, see :meth:`convert`.
            replace: let the name point at this table from now on; the table it pointed at stays
                where it is.

        Raises:
            AlreadyExists: the name is taken, or the table has a name already.
            NotFound: there is no table.
            InvalidArgument: the table lies in the cache of downloads, where clearing it would
                erase the table.

        >>> import tempfile, pyarrow as pa, lancenb
        >>> from lancenb.store import lance_module
        >>> root = tempfile.mkdtemp()
        >>> _ = lance_module().write_dataset(pa.table({"x": [1]}), root + "/mine.lance")
        >>> lancenb.DataManager(root).register("mine", "mine.lance").rows
        1
        """
        return self._register(
            check_name(name),
            uri,
            {
                "kind": kind,
                "description": check_text(description, "description"),
                "tags": check_labels(tags),
                "metadata": check_metadata(metadata),
                "parents": resolve_parents(self, parents),
            },
            overwrite=replace,
        )

    def _register(self, name: str, uri: Any, given: dict[str, Any], *, overwrite: bool) -> Artifact:
        from lancenb.store import open_table

        location = self._location(uri)
        made = Entry(id=ulid(), name=name, uri=location)
        dataset = open_table(self._uri(made), self.store)
        if location.startswith("hf://"):
            location = _pinned(location, dataset)
            made = replace(made, uri=location)
        if given["kind"] is None:
            given["kind"] = table_kind(dataset)
        made = replace(
            made,
            **given,
            aliases={tag: int(facts["version"]) for tag, facts in dataset.tags.list().items()},
            columns=tuple(dataset.schema.names),
            content_hash=content_hash(dataset),
            hash_version=int(dataset.version),
        )
        made = replace(made, history=event(made, self.actor, "registered", uri=location))

        def add(entries: dict[str, Entry]) -> Entry:
            new = made
            for other in list(entries.values()):
                if other.uri == location and other.name != name and other.state == READY:
                    raise AlreadyExists(
                        f"the table {location} has the name {other.name!r} already",
                        hint=f"dm.rename({other.name!r}, ...) changes it",
                    )
                if other.name != name or other.state == DELETING:
                    continue
                if other.state == READY and not overwrite:
                    raise AlreadyExists(
                        f"the name {name!r} is taken",
                        hint="replace=True lets it point at this table; or choose another name",
                    )
                if other.state == READY:
                    history = event(other, self.actor, "replaced", uri=location, old=other.uri)
                    new = replace(made, id=other.id, created=other.created, history=history)
                elif state_of(other.owner) == ALIVE:
                    raise AlreadyExists(
                        f"{name!r} is being created by {describe(other.owner)}",
                        hint="wait for it, or choose another name",
                    )
                else:
                    entries[other.id] = replace(other, state=DELETING)
            entries[new.id] = new
            return new

        return self._artifact(self.registry.change(add, f"register {name}", once_properties()))

    def _location(self, uri: Any) -> str:
        """Return a table's address as kept: relative below the root, absolute elsewhere."""
        if hasattr(uri, "path") and hasattr(uri, "lineage"):
            uri = uri.path  # a download
        text = str(getattr(uri, "uri", uri))
        if not text.strip():
            raise InvalidArgument("the address of the table is empty")
        if text.startswith("hf://"):
            return text
        full = self.store.resolve(text)
        if self.store.is_local and "://" not in text:
            from pathlib import Path

            relative = not Path(text).is_absolute()
            if relative and not self.store.exists(text) and Path(text).exists():
                full = str(Path(text).absolute())  # relative to where the user is
        root = self.store.uri.rstrip("/") + "/"
        if self.store.is_local and "://" not in full:
            real = os.path.realpath(root) + "/"  # the same table by another way, over a link
            if os.path.realpath(full).startswith(real):
                full = root + os.path.realpath(full).removeprefix(real)
        if not full.startswith(root):
            _refuse_cached(full)
        if full.rstrip("/") == self.store.uri.rstrip("/") or full == self.registry.uri:
            raise InvalidArgument(f"{text!r} is the catalogue itself, not a table in it")
        if not full.startswith(root):
            return full.rstrip("/")
        below = full.removeprefix(root).rstrip("/")
        if below.partition("/")[0] in KEPT_BY_SERVER:
            raise InvalidArgument(f"{text!r} belongs to the server of this catalogue")
        return below

    def update(
        self,
        name: str | Artifact,
        *,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] | None = None,
    ) -> Artifact:
        """Change what the catalogue says about an artefact.

        Args:
            name: the artefact.
            description: the new text.
            tags: the new labels, all of them.
            metadata: facts merged into those there are; a value of ``None`` removes a key.
            parents: what it was made from, all of it; see :meth:`convert`.

        Raises:
            InvalidArgument: it would be made from itself.
        """
        entry = self._entry(name)
        edges = None if parents is None else resolve_parents(self, parents)
        if edges and any(edge.get("id") == entry.id for edge in edges):
            raise InvalidArgument(f"{entry.name!r} cannot be made from itself")
        if description is not None:
            check_text(description, "description")
        labels = None if tags is None else check_labels(tags)
        extra = check_metadata(metadata)

        def edit(entries: dict[str, Entry]) -> Entry:
            old = self._still(entries, entry)
            merged = {**old.metadata, **extra}
            new = replace(
                old,
                description=old.description if description is None else description,
                tags=old.tags if labels is None else labels,
                parents=old.parents if edges is None else edges,
                metadata={key: value for key, value in merged.items() if value is not None},
            )
            if new != old:
                new = replace(new, updated=now())
            entries[old.id] = new
            return new

        return self._artifact(self.registry.change(edit, f"update {entry.name}", once_properties()))

    def rename(self, name: str | Artifact, new: str) -> Artifact:
        """Give an artefact another name; its table, versions, tags and lineage stay.

        Raises:
            AlreadyExists: the new name is taken.
        """
        entry = self._entry(name)
        check_name(new)

        def edit(entries: dict[str, Entry]) -> Entry:
            old = self._still(entries, entry)
            for other in entries.values():
                if other.name == new and other.state != DELETING and other.id != old.id:
                    raise AlreadyExists(f"the name {new!r} is taken", hint="choose another name")
            history = event(old, self.actor, "renamed", old=old.name, new=new)
            renamed = replace(old, name=new, history=history, updated=now())
            entries[old.id] = renamed
            for other in list(entries.values()):  # edges keep the id; the name is for people
                if any(edge.get("id") == old.id for edge in other.parents):
                    edges = tuple(
                        {**edge, "name": new} if edge.get("id") == old.id else edge
                        for edge in other.parents
                    )
                    entries[other.id] = replace(other, parents=edges)
            return renamed

        message = f"rename {entry.name} to {new}"
        return self._artifact(self.registry.change(edit, message, once_properties()))

    def _still(self, entries: dict[str, Entry], entry: Entry) -> Entry:
        found = entries.get(entry.id)
        if found is None or found.state != READY:
            raise NotFound(f"{entry.name!r} was deleted a moment ago")
        return found


def _pinned(address: str, dataset: Any) -> str:
    """Return the address of a table on the Hub with the commit it was opened at."""
    from lancenb.download.lance_repo import parse_table

    return parse_table(address).pinned(dataset._storage_options["hf_revision"])


def _refuse_cached(path: str) -> None:
    """Refuse a table in the download cache, whose files may go at any time."""
    from lancenb.download.cache import holds

    if "://" not in path and holds(path):
        raise InvalidArgument(
            f"{path} lies in the cache of downloads, which may be cleared",
            hint="dm.convert(lancenb.download(...), name) copies its rows into the catalogue; "
            "download(..., to=FOLDER) brings it to a place of its own, to be registered",
        )
