"""The GPU benchmark: its whole way on the CPU, and how it tells how busy a GPU was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import lancenb
from tests.benchmarks import _gpu_rounds as rounds
from tests.benchmarks import bench_gpu
from tests.conftest import REPO

SCRIPT = REPO / "tests" / "benchmarks" / "bench_gpu.py"
NAMES = [bench_gpu.CEILING, bench_gpu.CACHED, "lancenb, cache=False", "Dataset in memory"]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script where there is no GPU."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True, text=True, timeout=600, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def test_without_a_gpu_one_line_says_so():
    done = bench()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "no device cuda: torch finds no GPU here; --device cpu goes the whole way without"
    ]


@pytest.mark.slow
def test_the_whole_way_on_the_cpu(tmp_path: Path):
    figures = tmp_path / "figures.json"
    small = "--device cpu --rows 600 --model simple_cnn --batch-size 128 --epochs 1 --rounds 1"
    places = ["--folder", str(tmp_path), "--json", str(figures)]
    done = bench(*small.split(), "--workers", "1", *places)
    assert done.returncode == 0, done.stderr
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + len(NAMES)
    for name, cells in zip(NAMES, lines[1:], strict=True):
        assert name in cells[0]
        rate = float(cells[1].partition("±")[0].replace(",", ""))
        assert rate > 0
        assert float(cells[2]) > 0
        assert [cell.strip() for cell in cells[3:5]] == ["n/a", "n/a"]
        assert 1.2 < float(cells[5].rstrip(" |")) < 3, "a first epoch of ten classes"
    assert float(lines[1][2]) == 1.0
    runs = json.loads(figures.read_text())["runs"]
    assert [len(turns) for turns in runs.values()] == [1] * len(NAMES)
    assert os.listdir(tmp_path) == ["figures.json"], "the table is gone"


# the rows and what is done to them -------------------------------------------------------------
def pictures(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (number, 8, 8, 3), np.uint8), np.arange(number)


def batches(images: np.ndarray, labels: Sequence[int]):
    yield torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.tensor(labels)


def test_rows_of_a_copy_found_here_are_repeated_as_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn = lancenb.DatasetDownloader("synthetic", "train", tmp_path / "cache", limit=30).download()
    (file,) = Path(drawn.path).rglob("*.parquet")
    found = tmp_path / "data" / "cifar10" / "data" / "train-00000-of-00001.parquet"
    found.parent.mkdir(parents=True)
    shutil.copy(file, found)
    monkeypatch.setenv("LANCENB_TEST_DATA", str(tmp_path / "data"))
    rows = bench_gpu.make_rows(tmp_path, None, 70)
    assert rows.told == f"70 rows of {tmp_path}/data/cifar10 (30 different ones, repeated)"
    assert (rows.images.shape, rows.labels.shape) == ((70, 32, 32, 3), (70,))
    for first, again in ((0, 30), (0, 60)):
        part, same = slice(first, first + 10), slice(again, again + 10)
        assert np.array_equal(rows.images[part], rows.images[same])
        assert np.array_equal(rows.labels[part], rows.labels[same])
    rows = bench_gpu.make_rows(tmp_path / "drawn", "synthetic", 20)
    assert (rows.told, len(rows.images)) == ("20 drawn rows", 20)


def test_rows_are_checked():
    images, labels = pictures(6)
    truth = rounds.Truth(np.concatenate([images, images[:2]]), np.array([*labels, 0, 1]))
    truth.check("one", batches(images[::-1], [5, 4, 3, 2, 1, 0]), 6)
    truth.check("one", batches(images[[0, 0, 5]], [0, 0, 5]), 3)
    for rows, named, problem in (
        ([0, 1, 2], [0, 2, 1], "do not belong together"),
        ([5, 5, 2], [5, 5, 2], "a row came twice"),
        ([0, 1], [0, 1], "2 rows instead of 3"),
    ):
        with pytest.raises(AssertionError, match=problem):
            truth.check("one", batches(images[rows], named), 3)


def test_pictures_are_cropped_and_mirrored_each_in_its_own_way():
    images = torch.from_numpy(pictures(1)[0].transpose(0, 3, 1, 2)).expand(400, -1, -1, -1)
    moved = rounds.crop_flip(images, torch.Generator().manual_seed(1))
    assert moved.dtype == torch.uint8
    assert moved.is_contiguous(memory_format=torch.channels_last)
    wide = np.pad(images[0].numpy(), ((0, 0), (4, 4), (4, 4)))
    crops = [wide[:, y : y + 8, x : x + 8] for y in range(9) for x in range(9)]
    plain, turned = ({np.ascontiguousarray(crop[:, :, ::way]).tobytes() for crop in crops}
                     for way in (1, -1))  # fmt: skip
    came = [picture.contiguous().numpy().tobytes() for picture in moved]
    assert set(came) <= plain | turned
    assert len(set(came)) > 100
    assert 120 < sum(each in turned and each not in plain for each in came) < 280


# what only a GPU has, by stand-ins ---------------------------------------------------------------
class Event:
    """An event that takes the time where the device would."""

    now = staticmethod(time.perf_counter)

    def record(self) -> None:
        self.at = self.now()

    def elapsed_time(self, other: Event) -> float:
        return 1000.0 * (other.at - self.at)


class Ticks(Event):
    """An event whose time is the number of its record."""

    now = count().__next__


def test_busy_is_the_time_from_begin_to_end_of_the_steps():
    spans = rounds.Spans(Ticks)
    for _ in range(3):
        with spans.around():
            Ticks.now()  # a step is 2 long
        Ticks.now()  # and nothing happens for 2 until the next one
    assert spans.share(12.0) == pytest.approx(0.5)
    assert rounds.Spans(None).share(1.0) is None


def test_a_round_with_events_and_readings(monkeypatch: pytest.MonkeyPatch):
    from lancenb.train import ImageClassifier

    start = ImageClassifier("simple_cnn", image_size=32, schedule="constant")
    before = {name: value.clone() for name, value in start.state_dict().items()}
    asked = []

    def epochs(epoch: int):
        asked.append(epoch)
        for _ in range(3):
            yield torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.arange(4)

    monkeypatch.setattr(rounds, "event_maker", lambda device: Event)
    monkeypatch.setattr(rounds.Sampled, "share", lambda self: 0.75)
    settings = rounds.Settings(torch.device("cpu"), batch_size=4, epochs=2, workers=1, warm=1)
    found = rounds.run_round(epochs, 5, start, settings, rounds.Reading("made", float, 60))
    assert asked == [5, 6]
    assert found["rate"] > 0
    assert found["driver"] == 0.75
    assert 0 < found["events"] <= 1
    assert 0 < found["loss"] < 5
    kept = start.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in before.items())


def test_the_first_readings_are_left_out(monkeypatch: pytest.MonkeyPatch):
    clock = iter([10.0, 10.5, 11.0, *(11.5 + number for number in range(10_000))])
    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    said = iter([0.0, 3.0, *[80.0] * 10_000])
    enough, asked = threading.Event(), count()

    def read() -> float:
        number = next(asked)
        if number == 4:
            raise RuntimeError("it did not answer once")
        if number == 8:
            enough.set()
        return next(said)

    with rounds.Sampled(rounds.Reading("made", read, 0.001)) as sampled:
        assert enough.wait(60)
    assert sampled.share() == pytest.approx(0.8)


def test_too_short_a_round_has_no_reading():
    with rounds.Sampled(rounds.Reading("made", lambda: 50.0, 0.001), settle=3600) as sampled:
        pass
    assert sampled.share() is None
    with rounds.Sampled(None) as sampled:
        pass
    assert sampled.share() is None


def test_nvidia_smi_is_asked_where_nvml_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def absent(device: torch.device) -> int:
        raise ModuleNotFoundError("nvidia-ml-py")

    device, program = torch.device("cuda", 0), tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(torch.cuda, "utilization", absent)
    described = SimpleNamespace(uuid="11-22")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: described)
    for answer, percent in (("37", 37.0), ("[N/A]", None)):
        program.write_text(f'#!/bin/sh\ncase "$*" in *--id=GPU-11-22*) echo "{answer}";; esac\n')
        program.chmod(0o755)
        reading = rounds.driver_reading(device)
        assert (reading.read() if reading else None) == percent
        assert reading is None or reading.source == "nvidia-smi"
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 91)
    reading = rounds.driver_reading(device)
    assert reading is not None
    assert (reading.source, reading.read()) == ("NVML", 91.0)
    assert rounds.driver_reading(torch.device("cpu")) is None


def test_a_goal_for_each_measure(capsys: pytest.CaptureFixture[str]):
    def found(driver: float | None, events: float | None):
        return {bench_gpu.CACHED: [{"driver": driver, "events": events}]}

    assert bench_gpu.goals(found(0.95, 0.88)) == 1
    met, missed = capsys.readouterr().out.splitlines()
    assert met.startswith("met ")
    assert met.endswith("by its driver: 95.0%")
    assert missed.startswith("MISSED ")
    assert missed.endswith("by its steps: 88.0%")
    assert bench_gpu.goals(found(None, 0.9)) == 0
    assert bench_gpu.goals(found(None, None)) == 0
