"""What a handler knows of the call it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._op import Op
from ._turns import Turns
from ._wire import Call

if TYPE_CHECKING:
    from lancenb.catalog import DataManager

    from ._confine import Confined
    from ._hub import Feed
    from ._jobs import Jobs
    from ._limits import Limits
    from ._tokens import Principal
    from ._uploads import Uploads


@dataclass
class House:
    """What all calls of a server share.

    Attributes:
        manager: the catalogue.
        confined: what clients may name.
        limits: what the server takes on.
        jobs: long work.
        uploads: files that were brought.
        feed: events of what was written.
        turns: keeps writers of one artefact in this server from racing each other.
    """

    manager: DataManager
    confined: Confined
    limits: Limits
    jobs: Jobs
    uploads: Uploads
    feed: Feed
    turns: Turns = field(default_factory=Turns)
    closing: bool = field(default=False)


@dataclass
class Context:
    """One call on its way.

    Attributes:
        call: as it came.
        op: the operation.
        principal: who asks.
        manager: the catalogue, noting ``principal`` in histories.
        house: what all calls share.
    """

    call: Call
    op: Op
    principal: Principal
    manager: DataManager
    house: House

    @property
    def owner(self) -> str | None:
        """Whose jobs the caller sees: its own, or all for an admin."""
        return None if self.principal.scope == "admin" else self.principal.id

    @property
    def body(self) -> Any:
        """The pieces that come with the call."""
        return self.call.body if self.call.body is not None else iter(())
