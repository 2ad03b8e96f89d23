"""What a failed first try taught about a source; the plan is then made again with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lancenb.convert._base import StaleLabels

from ._encoding import Guess


class PlanAgain(StaleLabels):
    """Something met late in a file changes the plan: it is made again, knowing it.

    The write path removes what was written so far and asks the converter for a new plan.
    """

    code = "plan_again"
    learned: Learned


@dataclass
class Learned:
    """Facts found while reading, by piece name.

    Attributes:
        encodings: of files that only began like UTF-8.
        types: column types after a look at the whole file.
        blocks: parser block sizes, for files with very long rows.
        exact: files in which numbers have to be checked as text (leading zeros).
        thorough: look at whole files before writing, since surprises were met already.
    """

    encodings: dict[str, Guess] = field(default_factory=dict)
    types: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)
    thorough: bool = False
    surprises: int = 0

    def again(self, what: str) -> PlanAgain:
        """Return the error that asks for a new plan; the second one makes plans thorough."""
        self.surprises += 1
        self.thorough = self.surprises > 1
        error = PlanAgain(what)
        error.learned = self
        return error

    def merge(self, other: Learned) -> None:
        """Add what another reader of the same files found."""
        self.encodings |= other.encodings
        self.types |= other.types
        self.blocks |= other.blocks
        self.exact |= other.exact
