"""What is known of one picture, and why one was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lancenb.errors import CorruptInput, LancenbError

DEFAULT_MAX_PIXELS = 178_956_970
MAX_FILE_BYTES = (1 << 31) - (1 << 24)  # one Arrow batch with 32-bit offsets must hold it


class Header(NamedTuple):
    """Size, mode and format as Pillow names them."""

    width: int
    height: int
    mode: str
    format: str


@dataclass(frozen=True)
class Refusal:
    """Why one item is no row of the table.

    Attributes:
        reason: what is wrong, without the item's name.
        error: the class to raise when the refusal has to stop everything.
        hint: what can be done about it.
    """

    reason: str
    error: type[LancenbError] = field(default=CorruptInput)
    hint: str = ""

    def raised(self, item: str, **details: Any) -> LancenbError:
        """Return the typed error that names the item."""
        return self.error(
            f"{item}: {self.reason}", hint=self.hint, details={"item": item, **details}
        )
