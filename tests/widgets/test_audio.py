"""Sounds in tables: what bytes are, the shape of the wave, and what travels."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument
from lancenb.store import lance_module
from lancenb.widgets import _audio_clip
from lancenb.widgets._audio_clip import audio_column, from_bytes, recognise
from lancenb.widgets.audio import AudioPlayer


def tone(width: int = 2, ways: int = 1, rate: int = 8000, seconds: float = 0.5) -> bytes:
    """Return a WAV whose left channel rises from silence to full."""
    n = int(rate * seconds)
    rise = np.repeat(np.linspace(-1, 1, n)[:, None], ways, axis=1)
    if width == 1:
        raw = ((rise + 1) * 127.5).astype("u1").tobytes()
    elif width == 3:
        raw = b"".join(struct.pack("<i", int(v * 2147483647))[1:] for v in rise.ravel())
    else:
        raw = (rise * (2.0 ** (8 * width - 1) - 1)).astype(f"<i{width}").tobytes()
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(ways)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(raw)
    return out.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def go(columns: dict[str, Any], name: str = "sounds") -> str:
        uri = str(tmp_path / f"{name}.lance")
        lance_module().write_dataset(pa.table(columns), uri)
        return uri

    return go


def ask(view: Any, what: str, **args: Any) -> tuple[dict[str, Any], list[bytes]]:
    out: list[Any] = []
    view.send = lambda content, buffers=None: out.append((content, buffers))
    view._receive(view, {"ask": what, "id": "1", "args": args}, [])
    assert view.settle(20)
    return out[-1]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF\x00\x00\x00\x00WAVE", "WAV"),
        (b"RIFF\x00\x00\x00\x00WEBP", None),
        (b"fLaC\x00", "FLAC"),
        (b"OggS\x00", "OGG"),
        (b"ID3\x04", "MP3"),
        (b"\xff\xfb\x90\x00", "MP3"),
        (b"\xff\xff\xff\xff", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"\x00\x00\x00\x20ftypM4A ", "M4A"),
        (b"\x89PNG\r\n", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_known_by_its_first_bytes(head: bytes, name: str | None):
    found = recognise(head)
    assert (found and found[0]) == name


@pytest.mark.parametrize(("width", "ways"), [(1, 1), (2, 2), (3, 1), (4, 1)])
def test_the_wave_of_every_sample_width(width: int, ways: int):
    clip = from_bytes(tone(width, ways))
    assert clip is not None
    assert clip.facts[:3] == ["WAV", "0.5 s", "8,000 Hz"]
    low, high = [p[0] for p in clip.peaks], [p[1] for p in clip.peaks]
    assert low[0] == pytest.approx(-1, abs=0.02)
    assert high[-1] == pytest.approx(1, abs=0.02)
    assert high == sorted(high)


def test_a_damaged_wave_is_still_given_to_the_browser():
    for data in (tone()[:30], tone()[:500], b"RIFF\x00\x00\x00\x00WAVEjunk" * 3):
        clip = from_bytes(data)
        assert clip is not None
        assert (clip.mime, clip.data) == ("audio/wav", data)


def test_player_sends_one_clip_in_parts(write: Callable[..., str]):
    loud = tone(seconds=120)
    player = AudioPlayer(write({"id": [0, 1], "audio": [tone(), loud]}))
    content, _ = ask(player, "clip", row=1)
    assert content["body"]["nbytes"] == len(loud) > 1_000_000
    got = b""
    while len(got) < len(loud):
        _, parts = ask(player, "sound", row=1, start=len(got))
        assert len(parts[0]) < 1_000_000
        got += parts[0]
    assert got == loud


def test_records_and_bare_samples(write: Callable[..., str]):
    wav = tone()
    records = [{"bytes": wav, "path": "a.wav"}, {"bytes": None, "path": "b"}, None]
    player = AudioPlayer(write({"audio": records}))
    assert player.clip(0).data == wav
    for row, word in ((1, "WAV, FLAC"), (2, "null")):
        with pytest.raises(InvalidArgument, match="no sound") as caught:
            player.clip(row)
        assert word in caught.value.hint
    bare = write({"wave": [[0.0, 0.5, -1.0, float("nan")] * 100]}, "bare")
    assert AudioPlayer(bare, "wave", rate=400).clip(0).facts[0] == "1 s"
    with pytest.raises(InvalidArgument, match="no sound") as caught:
        AudioPlayer(bare, "wave").clip(0)
    assert "rate=" in caught.value.hint
    whole = {"audio": [{"array": [0, 32767], "sampling_rate": 2}]}
    kind = pa.struct([("array", pa.list_(pa.int16())), ("sampling_rate", pa.int64())])
    clip = AudioPlayer(write({"audio": pa.array(whole["audio"], kind)}, "whole")).clip(0)
    assert clip.peaks == [(0.0, 0.0), (1.0, 1.0)]


def test_a_clip_too_large_is_named_not_sent(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_audio_clip, "MAX_BYTES", 1000)
    player = AudioPlayer(write({"audio": [tone()]}))
    body = ask(player, "clip", row=0)[0]["body"]
    assert (body["nbytes"], body["problem"][:16]) == (0, "the clip has 8.0")
    assert "rows()" in body["hint"]
    assert "<audio" not in player._static()[0]


def test_the_column_is_found_or_asked_for(write: Callable[..., str]):
    assert audio_column(pa.schema([("audio", pa.string())])) is None
    with pytest.raises(ColumnNotFound, match="no column of sounds") as caught:
        AudioPlayer(write({"n": [1]}, "n"))
    assert "column=" in caught.value.hint
    with pytest.raises(ColumnNotFound, match="'x'"):
        AudioPlayer(write({"n": [1]}, "m"), "x")


def test_static_form_plays_a_small_first_clip(write: Callable[..., str]):
    player = AudioPlayer(write({"audio": [tone(seconds=0.1)]}))
    html, text = player._static()
    assert 'src="data:audio/wav;base64,' in html
    assert "<svg" in html
    assert "0.1 s" in text
    long = AudioPlayer(write({"audio": [tone(seconds=60)]}, "long"))
    assert "<audio" not in long._static()[0]
    none = AudioPlayer(write({"audio": pa.array([], pa.binary())}, "none"))
    assert "empty" in none._static()[0]


def test_a_manager_far_away_and_the_pane_of_a_table(far: Any, dm: lnb.DataManager):
    dm.convert(pa.table({"audio": [tone()], "n": [1]}), "noises")
    player = AudioPlayer(far.get("noises"))
    assert player.clip(0).data == tone()
    view = lnb.TableView(far.get("noises"))
    place = [c["name"] for c in view.columns].index("audio")
    content, _ = ask(view, "value", row=0, column=place, start=0, epoch=0)
    assert content["body"]["clip"]["facts"].startswith("WAV · 0.5 s")
    assert ask(view, "sound", row=0, column=place, start=0, epoch=0)[1][0] == tone()
    assert ask(view, "rows", offset=0, limit=1, columns=[place], epoch=0)[0]["body"]["rows"] == [
        [{"t": "♪ WAV  8.04 kB", "k": "aud"}]
    ]
