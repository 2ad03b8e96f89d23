"""Versions and tags."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lancenb.errors import AlreadyExists, TagNotFound, VersionNotFound

from ._deltas import delta
from ._entry import Entry, event
from ._log import Note, in_utc, note_of, tags_of
from ._names import check_tag, did_you_mean, now
from ._once import once_properties
from ._restore import Restoring
from ._stats import blob_columns, version_bytes
from .results import Version, Versions

if TYPE_CHECKING:
    from .artifact import Artifact


class Versioning(Restoring):
    """The past of an artefact."""

    def dataset(self, name: str | Artifact, version: int | str | None = None) -> Any:
        """Open the Lance dataset of an artefact, pinned to a version.

        Args:
            name: the artefact.
            version: a number, a tag, or ``None`` for the head.

        Raises:
            VersionNotFound: there is no such version, or it was cleaned up.
            TagNotFound: there is no such tag.
        """
        return self._open(self._entry(name), version)

    def versions(self, name: str | Artifact) -> Versions:
        """List the versions of an artefact, oldest first, with messages, tags, rows and bytes."""
        from lancenb.store import lance_errors

        entry = self._entry(name)
        head = self._open(entry)
        uri = self._uri(entry)
        with lance_errors(uri, self.store):
            listed = head.versions()
            tags = tags_of(head)
            notes = self._notes(entry, head, [int(v["version"]) for v in listed])
        sizes = version_bytes(self.store, head, uri) if blob_columns(head.schema) else {}
        out = Versions()
        before: tuple[int, int] | None = (0, 0)
        for facts, (message, properties, wrote) in zip(listed, notes, strict=True):
            number = int(facts["version"])
            figures: Mapping[str, Any] = facts.get("metadata") or {}
            if number != (out[-1].version + 1 if out else 1):
                before = None  # the versions between were cleaned up
            rows = int(figures.get("total_rows", 0))
            size = int(sizes.get(number) or figures.get("total_files_size", 0))
            change = delta(wrote, before, (rows, size), sidecars=bool(sizes))
            before = (rows, size)
            out.append(
                Version(
                    version=number,
                    time=in_utc(facts["timestamp"]),
                    rows=rows,
                    message=message,
                    tags=tuple(sorted(tag for tag, at in tags.items() if at == number)),
                    properties=properties,
                    bytes=size,
                    current=number == head.version,
                    **change.__dict__,
                )
            )
        return out

    def _notes(self, entry: Entry, head: Any, numbers: list[int]) -> list[Note]:
        if self.store.is_local or len(numbers) < 8:
            return [note_of(head, number) for number in numbers]
        # A Lance handle serves one thread at a time: every worker has its own.
        shares = [numbers[start::4] for start in range(4)]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(
                lambda share: _notes_of(self._open(entry, head.version), share),
                [share for share in shares if share],
            )
            merged = {number: note for part in found for number, note in part.items()}
        return [merged[number] for number in numbers]

    def tag(
        self,
        name: str | Artifact,
        tag: str,
        version: int | str | None = None,
        *,
        move: bool = True,
    ) -> int:
        """Point a tag (an alias such as ``"prod"``) at a version; tagged versions are kept.

        Args:
            name: the artefact.
            tag: letters, digits, ``.``, ``_``, ``-``.
            version: a number or another tag; the head when ``None``.
            move: False refuses to move a tag that exists.

        Returns:
            The version it points at now.

        Raises:
            InvalidName: the tag breaks the rules; they are stated.
            VersionNotFound: there is no such version.
            AlreadyExists: the tag points elsewhere and ``move`` is False.
        """
        from lancenb.store import lance_errors

        check_tag(tag)
        with self._writing(name) as entry:
            dataset = self._open(entry, version)
            number = int(dataset.version)
            with lance_errors(self._uri(entry), self.store):
                old = tags_of(dataset).get(tag)
                if old is not None and old != number and not move:
                    raise AlreadyExists(
                        f"tag {tag!r} of {entry.name!r} points at version {old}",
                        hint="move=True moves it",
                    )
                if old is None:
                    try:
                        dataset.tags.create(tag, number)
                    except (ValueError, OSError):
                        old = tags_of(dataset).get(tag)
                        if old is None:
                            raise
                if old is not None and old != number:
                    dataset.tags.update(tag, number)
            try:
                self._open(entry, number)
            except VersionNotFound:  # cleaned up between our look and our tag
                dataset.tags.delete(tag)
                raise
            if old == number and once_properties():  # done again: the note may be missing
                old = entry.aliases.get(tag)
            self._note_tags(entry, {"what": "tag", "tag": tag, "old": old, "new": number})
        return number

    def untag(self, name: str | Artifact, tag: str) -> None:
        """Remove a tag; its version stays until the next clean-up.

        Raises:
            TagNotFound: there is no such tag.
        """
        from lancenb.store import lance_errors

        with self._writing(name) as entry:
            dataset = self._open(entry)
            with lance_errors(self._uri(entry), self.store):
                tags = tags_of(dataset)
                if tag in tags:
                    old = tags[tag]
                    dataset.tags.delete(tag)
                elif once_properties() and tag in entry.aliases:
                    old = entry.aliases[tag]  # done before; the note is missing
                else:
                    raise TagNotFound(
                        f"{entry.name!r} has no tag {tag!r}", hint=did_you_mean(tag, tags)
                    )
            self._note_tags(entry, {"what": "untag", "tag": tag, "old": old, "new": None})

    def tags(self, name: str | Artifact) -> dict[str, int]:
        """Return tags and the versions they point at, as the table itself has them."""
        from lancenb.store import lance_errors

        entry = self._entry(name)
        dataset = self._open(entry)
        with lance_errors(self._uri(entry), self.store):
            return dict(sorted(tags_of(dataset).items()))

    def tag_history(self, name: str | Artifact, tag: str | None = None) -> list[dict[str, Any]]:
        """Return who moved which tag when, oldest first: ``when, who, what, tag, old, new``."""
        moves = (e for e in self._entry(name).history if e["what"] in ("tag", "untag"))
        return [dict(e) for e in moves if tag is None or e["tag"] == tag]

    def _note_tags(self, entry: Entry, facts: dict[str, Any] | None) -> None:
        """Bring the registry's index of tags in line with the table.

        The table is read inside the change: whoever commits last has read last.
        """
        from lancenb.store import lance_errors

        def note(entries: dict[str, Entry]) -> None:
            mine = entries.get(entry.id)
            if mine is None:
                return
            dataset = self._open(mine)
            with lance_errors(self._uri(mine), self.store):
                aliases = dict(sorted(tags_of(dataset).items()))
            changed = facts is not None and facts["old"] != facts["new"]
            history = event(mine, self.actor, **facts) if changed and facts else mine.history
            if changed or aliases != mine.aliases:
                new = replace(mine, aliases=aliases, history=history, updated=now())
                entries[mine.id] = new

        self.registry.change(note, f"tags of {entry.name}", once_properties() if facts else None)


def _notes_of(dataset: Any, numbers: list[int]) -> dict[int, Note]:
    return {number: note_of(dataset, number) for number in numbers}
