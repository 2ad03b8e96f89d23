"""The right bytes under the right name: promised digests, names that servers propose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ChecksumMismatch
from ..progress import Tracker
from ._names import hash_in_name, name_from_disposition, name_from_url, public_url, safe_name
from ._order import Order
from ._partial import Note, Partial
from ._transfer import Transfer
from ._watch import Watch


@dataclass
class Goal:
    """Where a file goes and what its digest has to begin with.

    Attributes:
        into: folder.
        name: file name, None for what the server proposes.
        expected: digest or its beginning, None when nobody promised one.
        check: False to believe no digest but ``expected``.
    """

    into: Path
    name: str | None
    expected: str | None
    check: bool

    def target(self, url: str, note: Note) -> Path:
        """Return the path; what the server says of the file may also hold its digest."""
        if self.check and self.expected is None:
            self.expected = note.digest
        if self.name is not None:
            return self.into / self.name
        proposed = name_from_disposition(note.disposition)
        name = safe_name(proposed) if proposed else name_from_url(url)
        if self.check and self.expected is None:
            self.expected = hash_in_name(name)
        return self.into / name


def transferred(
    order: Order, part: Partial, tracker: Tracker, watch: Watch, goal: Goal
) -> Transfer | None:
    """Return the transfer of the right bytes; None if the copy of ``order.unless`` is good.

    Raises:
        ChecksumMismatch: twice the wrong bytes; none are kept.
    """
    shown = public_url(order.url)
    for last_chance in (False, True):
        order = replace(order, trusted_hash=goal.expected is not None)
        transfer = Transfer(order, part, tracker, watch)
        transfer.run()
        if transfer.not_modified:
            return None
        assert transfer.note is not None
        goal.target(order.url, transfer.note)
        digest, expected = transfer.digest.hexdigest(), goal.expected
        if expected is None or digest.startswith(expected):
            return transfer
        part.drop()
        if last_chance:
            break
        tracker.bytes = max(0, tracker.bytes - transfer.hashed)
        packed = transfer.note.decoded  # the promise may be about the bytes as they were sent
        order = replace(order, unless=None, parts=1, packed=packed)  # as simple as can be
    raise ChecksumMismatch(
        f"{shown} gave sha256 {digest[:16]}…, expected {expected[:16]}"
        f"{'…' * (len(expected) > 16)}; nothing was kept",
        hint="the file was changed at its source, or the expected hash (sha256=, "
        "or the hex digits in the file name; sha256=False ignores those) is wrong",
        details={"sha256": digest, "expected": expected},
    )
