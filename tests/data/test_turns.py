"""Threads decode tiny pictures in turns, larger ones side by side, and all to the same batches."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from lancenb.data import LanceTorchDataset, RandomCropResize, _turns, loader
from lancenb.data._cells import cell_of
from lancenb.data._decode import PictureDecoder
from lancenb.data._turns import decoded_in_turn
from lancenb.errors import CorruptInput
from tests.data.tables import image_table, pattern, patterns, png, write

MINUTE = 60.0


def _cells(count: int, side: int = 16):
    return [cell_of(png(pattern(0, number, side))) for number in range(count)]


class Knocking:
    """A lock that tells when somebody comes to it."""

    def __init__(self, lock: threading.Lock):
        self.lock = lock
        self.knocks = threading.Semaphore(0)

    def __enter__(self):
        self.knocks.release()
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)


def test_a_batch_does_not_begin_while_another_thread_decodes(monkeypatch):
    turn = Knocking(threading.Lock())
    monkeypatch.setattr(_turns, "_turn", turn)
    log: list[str] = []
    both_there: list[bool] = []

    class Noting(PictureDecoder):
        def __init__(self, name: str, other: threading.Thread | None = None):
            super().__init__()
            self.of, self.other = name, other

        def __call__(self, cell):
            log.append(self.of)
            if self.other is not None and log.count(self.of) == 1:
                self.other.start()
                knocks = [turn.knocks.acquire(timeout=MINUTE) for _ in range(2)]
                both_there.append(all(knocks))
            return super().__call__(cell)

    second = threading.Thread(target=decoded_in_turn, args=(Noting("second"), _cells(5)))
    first = threading.Thread(target=decoded_in_turn, args=(Noting("first", second), _cells(5)))
    first.start()
    first.join(3 * MINUTE)
    second.join(MINUTE)
    assert both_there == [True], "the second one waits where the first one has passed"
    assert log == ["first"] * 5 + ["second"] * 5


def _batches(data: LanceTorchDataset, threads: int, **options):
    return list(loader(data, 4, shuffle=True, seed=3, threads=threads, prefetch=2, **options))


def test_larger_pictures_are_decoded_side_by_side(tmp_path, monkeypatch):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 8, side=64), cache=False)
    together = threading.Barrier(2)
    decode = PictureDecoder.__call__

    def meeting(self, cell):
        together.wait(MINUTE)  # nobody passes alone
        return decode(self, cell)

    monkeypatch.setattr(PictureDecoder, "__call__", meeting)
    assert len(_batches(data, 2)) == 2


def test_transforms_of_tiny_pictures_run_side_by_side(tmp_path):
    together = threading.Barrier(2)

    def meeting(picture):
        together.wait(MINUTE)
        return picture

    uri = patterns(tmp_path / "p.lance", 8)
    data = LanceTorchDataset(uri, transform=meeting, cache=False)
    assert len(_batches(data, 2)) == 2


class Noise:
    """Random numbers for each row, from torch."""

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        return picture + torch.randint(0, 9, picture.shape, dtype=torch.uint8)


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("transform", [None, Noise(), RandomCropResize(10)])
def test_batches_are_the_same_with_and_without_turns(tmp_path, monkeypatch, cache, transform):
    cells = [png(pattern(i % 3, i)) for i in range(24)]
    cells[7] = cells[20][:60]
    uri = write(image_table(cells, [i % 3 for i in range(24)]), tmp_path / "t.lance")

    def seen(tiny: int, threads: int):
        monkeypatch.setattr(_turns, "_TINY", tiny)
        data = LanceTorchDataset(uri, transform=transform, on_error="skip", cache=cache)
        found = _batches(data, threads)
        assert [bad.row for bad in data.skipped] == [7]
        return found

    wanted = seen(0, 0)
    assert sum(len(labels) for _, labels in wanted) == 23
    for threads in (0, 3):
        for batch, other in zip(wanted, seen(1 << 20, threads), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(batch, other, strict=True))


def test_an_unreadable_or_missing_tiny_picture_is_named(tmp_path):
    cells = [png(pattern(0, i)) for i in range(3)] + [png(pattern(0, 3))[:70]]
    uri = write(image_table(cells, [0] * 4), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, cache=False)
    assert len(data.read_batch([0, 1])[0]) == 2
    with pytest.raises(CorruptInput, match=r"row 3 \('folder/0003.png'\)"):
        data.read_batch([0, 3])


def _encoded(shape: tuple[int, ...], kind: str) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.zeros(shape, np.uint8)).save(sink, kind)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "turns"),
    [
        (_encoded((32, 32, 3), "PNG"), True),
        (_encoded((28, 28), "PNG"), True),
        (_encoded((2000, 2000), "PNG"), False),  # a few bytes only, and many pixels
        (_encoded((16, 16, 3), "JPEG"), False),
        (b"\x89PNG\r\n\x1a\n", False),
    ],
)
def test_only_tiny_pngs_take_turns(data, turns):
    assert (decoded_in_turn(PictureDecoder(), [cell_of(data)] * 2) is not None) is turns
