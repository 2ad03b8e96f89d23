"""Listening to a table: one clip at a time, its bytes sent only when it is chosen."""

from __future__ import annotations

import base64
from typing import Any

import traitlets as t

from lancenb.errors import ColumnNotFound, InvalidArgument

from ._assets import css, esm
from ._audio_clip import Clip, audio_column, clip_of
from ._display import card, esc, heading
from ._format import count, plural
from ._lane import Lane
from ._source import open_source
from ._view import View, sentence

#: A saved notebook holds the first clip only if it is small.
STATIC_BYTES = 300_000
_PART = 512_000
_WIDE, _HIGH = 480, 56


class AudioPlayer(View):
    """The sounds of a table: a player, the shape of the wave, and the row it came from.

    Columns may hold encoded files (WAV, FLAC, OGG, MP3: the browser plays them), records of
    ``bytes``, or samples: records of ``array`` and ``sampling_rate``, or lists with ``rate``.

    Args:
        target: an artefact, a table's path or URI, a conversion report, or an open Lance dataset.
        column: the column of sounds; found by its mark or name when left out.
        rate: samples per second, for a column of bare lists of samples.
        version: number or tag; the latest when left out.
        store: credentials and options for a URI that needs them.

    Attributes:
        row: the row that is loaded.

    Raises:
        ColumnNotFound: no such column, or none that holds sounds.
        NotFound: no such table, version or tag.

    >>> import tempfile, lancenb as lnb, pyarrow as pa
    >>> from lancenb.widgets.audio import AudioPlayer
    >>> beep = {"array": [0.0, 0.5, -0.5] * 800, "sampling_rate": 8000}
    >>> report = lnb.convert(pa.table({"audio": [beep]}), tempfile.mkdtemp() + "/beeps.lance")
    >>> player = AudioPlayer(report)
    >>> player.clip(0).facts
    ['0.3 s', '8,000 Hz', '2,400 samples']
    >>> player.close()
    """

    _esm = esm("audio")
    _css = css("table", "audio")

    kind = t.Unicode("audio").tag(sync=True)
    title = t.Unicode("").tag(sync=True)
    chips = t.List().tag(sync=True)
    total = t.Int(0).tag(sync=True)
    row = t.Int(0).tag(sync=True)

    def __init__(
        self,
        target: Any,
        column: str | None = None,
        *,
        rate: int | None = None,
        version: int | str | None = None,
        store: Any = None,
    ):
        self._lane = Lane("audio")
        self.source = open_source(target, version=version, store=store)
        names = list(self.source.schema.names)
        self.column = column or audio_column(self.source.schema) or ""
        if self.column not in names:
            wrong = f"no column {column!r}" if column else "no column of sounds"
            raise ColumnNotFound(
                f"{self.source.title} has {wrong}",
                hint="name one with column=...; there are: " + ", ".join(names[:30]),
            )
        self._rate = rate
        self._seen: tuple[int, Clip] | None = None
        version_chip = [f"version {self.source.version}"] if self.source.version else []
        super().__init__(
            title=f"{self.source.title} · {self.column}",
            label=f"sounds of {self.source.title}",
            chips=["audio", *version_chip],
            total=self.source.count(),
        )

    def clip(self, row: int) -> Clip:
        """Return the sound of one row.

        Raises:
            InvalidArgument: there is no such row, or no sound in it.
        """
        if not 0 <= row < self.total:
            raise InvalidArgument(f"{self.source.title} has no row {row:,}")
        seen = self._seen
        if seen is not None and seen[0] == row:
            return seen[1]
        scalar = self.source.take([row], [self.column])[self.column][0]
        found = clip_of(scalar, self._rate)
        if found is None:
            raise InvalidArgument(
                f"row {row:,} of {self.column!r} holds no sound that is known here",
                hint="WAV, FLAC, OGG, MP3 and samples are; rate= is needed for bare samples"
                if scalar.is_valid
                else "the value is null",
            )
        self._seen = (row, found)
        return found

    def settle(self, timeout: float = 10) -> bool:
        """Wait until everything the front end asked for is answered."""
        return self._lane.settle(timeout)

    def close(self) -> None:
        """Close the widget."""
        self._lane.close()
        super().close()

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        receive = super()._receive
        self._lane.do(lambda: receive(widget, content, buffers))

    def _answer_clip(self, row: int) -> dict[str, Any]:
        return self.clip(row).to_dict(f"row {count(row)} of {self.column}")

    def _answer_sound(self, row: int, start: int = 0) -> Any:
        return {}, [self.clip(row).data[start : start + _PART]]

    def _static(self) -> tuple[str, str]:
        facts = [plural(self.total, "row")]
        head = heading(self.title, self.chips, facts)
        if not self.total:
            return card(self.title, self.chips, facts, foot="The table is empty."), head
        row = min(self.row, self.total - 1)
        try:
            clip = self.clip(row)
        except Exception as error:
            foot = sentence(error)
            return card(self.title, self.chips, facts, foot=esc(foot)), f"{head}\n{foot}"
        about = f"Row {count(row)}: {' · '.join(clip.facts) or clip.problem}"
        parts = [waveform(clip), _control(clip, about)]
        return card(self.title, self.chips, facts, *parts, foot=esc(about)), f"{head}\n{about}"


def waveform(clip: Clip) -> str:
    """Return the shape of a clip as SVG; nothing where its samples are not known."""
    if not clip.peaks:
        return ""
    step, middle = _WIDE / len(clip.peaks), _HIGH / 2
    path = "".join(
        f"M{(i + 0.5) * step:.1f} {middle - high * middle - 0.4:.1f}"
        f"V{middle - low * middle + 0.4:.1f}"
        for i, (low, high) in enumerate(clip.peaks)
    )
    return (
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="waveform">'
        f'<line class="axis" x1="0" x2="{_WIDE}" y1="{middle}" y2="{middle}"/>'
        f'<path d="{path}" style="stroke:var(--brand);fill:none" stroke-width="{step * 0.7:.2f}"/>'
        "</svg>"
    )


def _control(clip: Clip, label: str) -> str:
    """Return a player that holds the clip itself, if it is small enough to be saved."""
    if not clip.data or len(clip.data) > STATIC_BYTES:
        return ""
    data = base64.b64encode(clip.data).decode()
    return (
        f'<audio controls preload="none" aria-label="{esc(label)}" '
        f'style="width:100%;max-width:520px" src="data:{clip.mime};base64,{data}"></audio>'
    )
