"""What a check of a root reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import _html


@dataclass
class Problem:
    """One finding.

    Attributes:
        kind: ``orphan_directory``, ``unregistered_table``, ``stale_reservation``,
            ``stale_deletion``, ``stale_entry``, ``stale_lease``, ``uncommitted_files``,
            ``missing_table`` or ``alias_mismatch``.
        where: the artefact or path concerned.
        detail: one sentence.
        bytes: bytes that the debris takes.
        repaired: whether it was put right.
        paths: the files concerned, relative to the root.
    """

    kind: str
    where: str
    detail: str
    bytes: int = 0
    repaired: bool = False
    paths: list[str] = field(default_factory=list)


@dataclass(repr=False)
class FsckReport:
    """What a check of the root found.

    Attributes:
        root: the root.
        problems: findings, repaired ones included.
        tables: tables checked.
    """

    root: str
    problems: list[Problem] = field(default_factory=list)
    tables: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, or no longer."""
        return all(problem.repaired for problem in self.problems)

    @property
    def bytes(self) -> int:
        """Bytes that all debris takes or took."""
        return sum(problem.bytes for problem in self.problems)

    def of(self, kind: str) -> list[Problem]:
        """Return the findings of one kind."""
        return [problem for problem in self.problems if problem.kind == kind]

    def _title(self) -> str:
        if not self.problems:
            return f"{self.root}: {self.tables} tables checked, all in order"
        done = sum(problem.repaired for problem in self.problems)
        return (
            f"{self.root}: {self.tables} tables checked, {len(self.problems)} findings "
            f"({done} repaired), {_html.size(self.bytes)} of debris"
        )

    _HEADERS = ("", "finding", "where", "size", "detail")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                "repaired" if p.repaired else "open",
                *(p.kind.replace("_", " "), p.where, _html.size(p.bytes) if p.bytes else ""),
                p.detail,
            )
            for p in self.problems
        ]

    def __repr__(self) -> str:
        if not self.problems:
            return self._title()
        return f"{self._title()}\n{_html.columns([self._HEADERS, *self._rows()])}"

    def _repr_html_(self) -> str:
        return _html.table(self._HEADERS, self._rows(), self._title())
