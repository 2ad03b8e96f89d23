"""Going back to an older version, and forward again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument

from ._base import MESSAGE_KEY, CatalogBase
from ._edges import check_text
from ._entry import Entry, event
from ._log import ACTION, FROM, properties_of, redo_target
from ._names import now
from ._once import ONCE, once_properties, version_of
from ._stats import table_kind
from .results import Rollback

if TYPE_CHECKING:
    from .artifact import Artifact


class Restoring(CatalogBase):
    """Rollback and forward."""

    def rollback(self, name: str | Artifact, version: int | str, *, message: str = "") -> Rollback:
        """Make an older version the head again, as a new version; nothing is lost or copied.

        It can be undone (:meth:`forward`, or a rollback to ``old_head``) and works while others
        append: their rows come before or after it, whole.

        Args:
            name: the artefact.
            version: a number or a tag.
            message: why; kept with the new version.

        Returns:
            ``Rollback(restored_from, old_head, new_head)``.

        Raises:
            VersionNotFound: there is no such version, or it was cleaned up.
            TagNotFound: there is no such tag.
            InvalidArgument: that version is the head already.
        """
        check_text(message, "message")
        with self._writing(name) as entry:
            if (done := self._done_before(entry)) is not None:
                return done
            target = int(self._open(entry, version).version)
            if target == self._open(entry).version:
                raise InvalidArgument(
                    f"version {target} is the head of {entry.name!r} already",
                    hint="dm.versions(name) lists the others",
                )
            return self._restore(entry, target, "rollback", message)

    def forward(
        self, name: str | Artifact, version: int | str | None = None, *, message: str = ""
    ) -> Rollback:
        """Undo the last rollback, or go forward to a later version.

        Args:
            name: the artefact.
            version: where to go; ``None`` is the head before the last rollback that was not
                undone yet.
            message: why.

        Raises:
            InvalidArgument: there is no rollback to undo.
            VersionNotFound: that version was cleaned up.
        """
        check_text(message, "message")
        with self._writing(name) as entry:
            if (done := self._done_before(entry)) is not None:
                return done
            if version is None:
                target = redo_target(self._open(entry))
                if target is None:
                    raise InvalidArgument(
                        f"there is no rollback of {entry.name!r} to undo",
                        hint="give the version to go to; dm.versions(name) lists them",
                    )
            else:
                target = int(self._open(entry, version).version)
            self._open(entry, target)
            return self._restore(entry, target, "forward", message)

    def _restore(self, entry: Entry, target: int, action: str, message: str) -> Rollback:
        from lancenb.store import lance_errors, lance_module

        lance = lance_module()
        uri = self._uri(entry)
        with lance_errors(uri, self.store):
            transaction = lance.Transaction(
                self._open(entry).version,
                lance.LanceOperation.Restore(target),
                transaction_properties={
                    MESSAGE_KEY: message or f"{action} to version {target}",
                    ACTION: action,
                    FROM: str(target),
                    "lancenb.actor": self.actor,
                    **once_properties(),
                },
            )
            done = lance.LanceDataset.commit(
                uri, transaction, storage_options=self.store.storage_options
            )
        new = int(done.version)
        result = Rollback(entry.name, restored_from=target, old_head=new - 1, new_head=new)
        self._note_restore(entry, action, result, done)
        return result

    def _note_restore(
        self, entry: Entry, action: str, result: Rollback, head: Any, *, again: bool = False
    ) -> None:
        """Note a restored version in the registry; ``again``: unless it is noted already."""
        seen = {"columns": tuple(head.schema.names), "kind": table_kind(head, entry.kind)}
        facts = {"restored_from": result.restored_from}
        facts |= {"old_head": result.old_head, "new_head": result.new_head}

        def note(entries: dict[str, Entry]) -> None:
            mine = entries.get(entry.id)
            if mine is None:
                return
            if again and any(e.get("new_head") == result.new_head for e in mine.history):
                return
            history = event(mine, self.actor, action, **facts)
            entries[mine.id] = replace(mine, **seen, history=history, updated=now())

        message = f"{action} {entry.name} to version {result.restored_from}"
        self.registry.change(note, message, once_properties())

    def _done_before(self, entry: Entry) -> Rollback | None:
        """Return what the same write did before under the same key, its note completed."""
        key = once_properties().get(ONCE)
        if key is None:
            return None
        head = self._open(entry)
        new = version_of(self, head, key)
        facts = properties_of(head, new) if new is not None else {}
        if new is None or facts.get(ACTION) not in ("rollback", "forward"):
            return None
        target = int(facts[FROM])
        result = Rollback(entry.name, restored_from=target, old_head=new - 1, new_head=new)
        self._note_restore(entry, facts[ACTION], result, head, again=True)
        return result
