"""One piece of sound: what its bytes are, how long it is, and the shape of its wave."""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._format import count, size
from ._table_cells import is_bytes, is_text, plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Clips beyond this are named, not loaded into the page.
MAX_BYTES = 64_000_000
PEAKS = 240
_MAGIC = (
    (b"fLaC", "FLAC", "audio/flac"),
    (b"OggS", "OGG", "audio/ogg"),
    (b"ID3", "MP3", "audio/mpeg"),
)


@dataclass
class Clip:
    """Sound as bytes a browser can play, or the reason why it cannot."""

    data: bytes = b""
    name: str = ""
    mime: str = ""
    facts: list[str] = field(default_factory=list)
    peaks: list[tuple[float, float]] = field(default_factory=list)
    problem: str = ""
    hint: str = ""

    def to_dict(self, title: str) -> dict[str, Any]:
        """Return what the front end needs to know before it asks for the bytes."""
        return {
            "title": title, "facts": " · ".join(self.facts), "peaks": self.peaks,
            "mime": self.mime, "nbytes": len(self.data), "problem": self.problem,
            "hint": self.hint,
        }  # fmt: skip


def recognise(data: bytes) -> tuple[str, str] | None:
    r"""Return the name and the media type of encoded sound, None for anything else.

    >>> recognise(b"fLaC...."), recognise(b"\x89PNG")
    (('FLAC', 'audio/flac'), None)
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "WAV", "audio/wav"
    for magic, name, mime in _MAGIC:
        if data.startswith(magic):
            return name, mime
    if data[4:8] == b"ftyp" and data[8:11] in (b"M4A", b"M4B"):
        return "M4A", "audio/mp4"
    return ("MP3", "audio/mpeg") if _mp3_frame(data[:4]) else None


def _mp3_frame(head: bytes) -> bool:
    """Tell whether these are the first bytes of an MPEG audio frame with sensible settings."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    layer, rate, sampling = head[1] & 0x06, head[2] >> 4, head[2] >> 2 & 3
    return layer != 0 and head[1] & 0x18 != 0x08 and 0 < rate < 15 and sampling != 3


def clip_of(scalar: pa.Scalar, rate: int | None = None) -> Clip | None:
    """Return the sound in a cell: encoded bytes, or samples; None when there is none."""
    data = bytes_of(scalar)
    if data is not None:
        return from_bytes(data)
    samples = samples_of(scalar, rate)
    return None if samples is None else from_samples(*samples)


def bytes_of(scalar: pa.Scalar) -> bytes | None:
    """Return the bytes in a cell, also where they are a field of it."""
    import pyarrow as pa

    scalar = plain(scalar)
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StructScalar):
        names = [f.name for f in scalar.type]
        found = next((n for n in ("bytes", "data") if n in names), None)
        return None if found is None else bytes_of(scalar[found])
    return bytes(scalar.as_buffer()) if is_bytes(scalar.type) else None


def samples_of(scalar: pa.Scalar, rate: int | None = None) -> tuple[np.ndarray, int] | None:
    """Return raw samples and how many make a second: ``{array, sampling_rate}`` or a list."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as pt

    scalar = plain(scalar)
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StructScalar):
        names = [f.name for f in scalar.type]
        if not {"array", "sampling_rate"} <= set(names):
            return None
        stated = scalar["sampling_rate"].as_py()
        return samples_of(scalar["array"], rate or stated)
    if not hasattr(scalar, "values") or not rate or pt.is_map(scalar.type):
        return None
    kind = scalar.type.value_type
    if not (pt.is_floating(kind) or pt.is_integer(kind)):
        return None
    values = scalar.values.to_numpy(zero_copy_only=False)
    full = float(np.iinfo(values.dtype).max) if pt.is_integer(kind) else 1.0
    return np.nan_to_num(values.astype(np.float64)) / full, int(rate)


def from_bytes(data: bytes) -> Clip | None:
    """Return encoded sound as a clip."""
    known = recognise(data)
    if known is None:
        return None
    clip = Clip(data, known[0], known[1], [known[0], size(len(data))])
    if clip.name == "WAV":
        _read_wave(clip)
    return _bounded(clip)


def from_samples(samples: np.ndarray, rate: int) -> Clip:
    """Return samples between -1 and 1 as a clip."""
    import numpy as np

    whole = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(whole.tobytes())
    clip = Clip(buffer.getvalue(), "samples", "audio/wav")
    clip.facts = [
        _seconds(samples.size / rate),
        f"{count(rate)} Hz",
        f"{count(samples.size)} samples",
    ]
    clip.peaks = peaks(np.clip(samples, -1, 1))
    return _bounded(clip)


def _bounded(clip: Clip) -> Clip:
    if len(clip.data) > MAX_BYTES:
        clip.problem = (
            f"the clip has {size(len(clip.data))}, more than the {size(MAX_BYTES)} played here"
        )
        clip.hint = "rows() gives its bytes to Python"
        clip.data = b""
    return clip


def _read_wave(clip: Clip) -> None:
    """Add length, rate and shape; a WAV of an unusual encoding is played without them."""
    import numpy as np

    try:
        with wave.open(io.BytesIO(clip.data)) as sound:
            frames, rate = sound.getnframes(), sound.getframerate()
            width, ways = sound.getsampwidth(), sound.getnchannels()
            raw = sound.readframes(frames)
    except (wave.Error, EOFError, struct.error):
        return
    word = "mono" if ways == 1 else "stereo" if ways == 2 else f"{ways} channels"
    clip.facts[1:1] = [_seconds(frames / rate if rate else 0), f"{count(rate)} Hz", word]
    raw = raw[: len(raw) - len(raw) % (width * ways)]
    if width == 3:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        values = wide.view("<i4").ravel() / 2.0**31
    elif width == 1:
        values = np.frombuffer(raw, np.uint8) / 127.5 - 1
    else:
        values = np.frombuffer(raw, f"<i{width}") / 2.0 ** (8 * width - 1)
    clip.peaks = peaks(values.reshape(-1, ways).mean(axis=1))


def peaks(values: np.ndarray, points: int = PEAKS) -> list[tuple[float, float]]:
    """Return lowest and highest sample of equal parts.

    >>> import numpy as np
    >>> peaks(np.array([0.0, 0.5, -0.5, 1.0]), 2)
    [(0.0, 0.5), (-0.5, 1.0)]
    """
    import numpy as np

    if not values.size:
        return []
    edges = np.linspace(0, values.size, min(points, values.size) + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
    return [(round(float(a), 3), round(float(b), 3)) for a, b in zip(low, high, strict=True)]


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def audio_column(schema: pa.Schema) -> str | None:
    """Return the column that holds sound, as marked by ``datasets`` or by its name.

    >>> import pyarrow as pa
    >>> audio_column(pa.schema([("id", pa.int64()), ("audio", pa.binary())]))
    'audio'
    """
    from ._target import features

    marked = [
        name
        for name, feature in features(schema).items()
        if isinstance(feature, dict) and feature.get("_type") == "Audio" and name in schema.names
    ]
    usual = [
        n for n in ("audio", "sound", "clip", "speech", "wav", "mp3", "flac") if n in schema.names
    ]
    return next((n for n in [*marked, *usual] if _may_sound(schema.field(n).type)), None)


def _may_sound(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    storage = getattr(kind, "storage_type", kind)
    return not is_text(storage) and (is_bytes(storage) or pt.is_nested(storage))
