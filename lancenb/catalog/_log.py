"""Reading the log of a Lance table: tags, messages, properties, rollbacks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ._base import MESSAGE_KEY
from ._deltas import Written, written

ACTION = "lancenb.action"
FROM = "lancenb.restored_from"

_JOINED = "Rewrite"
_WORDS = {
    "Append": "append",
    "Overwrite": "overwrite",
    "Update": "update rows",
    _JOINED: "fragments joined",
    "ReserveFragments": "room made for joined fragments",
    "BaseOperation": "preparation of the next version",
    "CreateIndex": "index",
    "Merge": "change of columns",
    "Project": "columns dropped or renamed",
    "UpdateConfig": "metadata",
}

#: Message and properties of a version, and what its commit wrote.
Note = tuple[str, dict[str, str], Written | None]


def tags_of(dataset: Any) -> dict[str, int]:
    """Return tags and the versions they point at."""
    return {tag: int(facts["version"]) for tag, facts in dataset.tags.list().items()}


def in_utc(time: datetime) -> datetime:
    """Return a time of Lance's (local, without zone) in UTC."""
    return (time.astimezone() if time.tzinfo is None else time).astimezone(UTC)


def redo_target(head: Any) -> int | None:
    """Return the head before the latest rollback that no forward has undone yet."""
    steps: list[tuple[str, int]] = []
    number = int(head.version)
    existing = {int(v["version"]) for v in head.version_refs()}
    while number in existing:
        properties = properties_of(head, number)
        if properties.get(ACTION) not in ("rollback", "forward"):
            break
        steps.append((properties[ACTION], number - 1))
        number -= 1
    undo: list[int] = []
    for action, before in reversed(steps):
        if action == "rollback":
            undo.append(before)
        elif undo:
            undo.pop()
    return undo[-1] if undo else None


def properties_of(dataset: Any, version: int) -> dict[str, str]:
    """Return the facts stored with a version."""
    transaction = _transaction(dataset, version)
    if transaction in (None, _JOINED):
        return {}
    return dict(transaction.transaction_properties or {})


def note_of(dataset: Any, version: int) -> Note:
    """Return the message and the properties of a version, and what its commit wrote."""
    transaction = _transaction(dataset, version)
    if transaction is None:
        return "", {}, None
    if transaction == _JOINED:
        return _WORDS[_JOINED], {}, Written(0, None)
    properties = dict(transaction.transaction_properties or {})
    message = properties.pop(MESSAGE_KEY, "")
    operation = transaction.operation
    return message or _describe(operation), properties, written(operation)


def _transaction(dataset: Any, version: int) -> Any:
    """Return what was committed as a version; ``_JOINED`` where Lance cannot tell more."""
    try:
        return dataset.read_transaction(version)
    except TypeError:  # pylance fails on the new indices of a compaction, on nothing else
        return _JOINED


def _describe(operation: Any) -> str:
    name = type(operation).__name__
    if name == "Delete":
        predicate = str(getattr(operation, "predicate", ""))
        if predicate.endswith("\n)"):
            predicate = predicate[1:-2]
        return f"delete rows: {predicate}"
    if name == "Restore":
        return f"restore of version {getattr(operation, 'version', '?')}"
    return _WORDS.get(name, "change of the table")
