"""The report a conversion gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class ConvertReport:
    """What a conversion made.

    Attributes:
        uri: the Lance table.
        version: the version this conversion committed.
        rows: rows it added (tensors, for weights).
        bytes: payload bytes it read and stored, before encoding.
        seconds: wall time.
        skipped: ``(item, reason)`` for everything left out.
        schema: Arrow schema of the table.
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``.
        converter: class name of the converter.
        mode: ``"create"``, ``"overwrite"`` or ``"append"``.
        name: name in the catalogue, when converted through one.
        lineage: where the rows came from, as stored with the version.
        notes: what you may want to know about the result, in sentences.
    """

    uri: str
    version: int
    rows: int
    bytes: int
    seconds: float
    skipped: list[tuple[str, str]]
    schema: pa.Schema
    kind: str
    converter: str
    mode: str
    name: str | None = None
    lineage: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        label = self.name or self.uri
        text = (
            f"<ConvertReport {label} v{self.version}: {self.rows:,} {_unit(self.kind, self.rows)}, "
            f"{shown_size(self.bytes)} in {self.seconds:.2f} s"
        )
        if self._idle:
            text += f", {self._idle}"
        elif self.skipped:
            text += f", {len(self.skipped):,} skipped"
        return "\n".join([text + ">", *(f"  note: {note}" for note in self.notes)])

    @property
    def _idle(self) -> str:
        """Why there was nothing to write, or nothing."""
        first = self.skipped[0] if self.skipped else ("", "")
        return first[1] if first[0] == "(everything)" else ""

    def _repr_html_(self) -> str:
        rows = [
            ("table", self.name or self.uri),
            ("version", str(self.version)),
            (_unit(self.kind, self.rows), f"{self.rows:,}"),
            ("payload", f"{shown_size(self.bytes)} in {self.seconds:.2f} s"),
            ("columns", ", ".join(f.name for f in self.schema)),
        ]
        rows += [("note", note) for note in (self._idle, *self.notes) if note]
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(key)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for key, value in rows
        )
        html = f"<table>{cells}</table>"
        if self.skipped and not self._idle:
            items = "".join(
                f"<li><code>{escape(item)}</code>: {escape(reason)}</li>"
                for item, reason in self.skipped[:50]
            )
            more = len(self.skipped) - 50
            tail = f"<li>… and {more:,} more</li>" if more > 0 else ""
            title = f"<summary>{len(self.skipped):,} skipped</summary>"
            html += f"<details>{title}<ul>{items}{tail}</ul></details>"
        return html


def _unit(kind: str, number: int) -> str:
    unit = {"weights": "tensor", "images": "image"}.get(kind, "row")
    return unit if number == 1 else unit + "s"


def shown_size(nbytes: float) -> str:
    """Return bytes for people, in steps of 1000."""
    for unit in ("B", "kB", "MB"):
        if nbytes < 999.5:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:,.2f} GB"
