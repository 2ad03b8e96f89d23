"""A round of training on a device: that the rows are right, the steps, and how busy it was."""

from __future__ import annotations

import contextlib
import copy
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

PADDING = 4
SMI = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]


# how busy it was ------------------------------------------------------------------------------
class Spans:
    """Time that a device spent on pieces of work, by an event before and one after each.

    The first event comes when the device has done all before it, the second when the work is
    done. Between them it may still wait for Python to launch the next kernel: that counts as work,
    and only what the driver says tells it apart.

    Args:
        event: makes an event, None where there are none.
    """

    def __init__(self, event: Callable[[], Any] | None):
        self._event = event
        self._pairs: list[tuple[Any, Any]] = []

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """One piece of work, put in line by this block."""
        if self._event is None:
            yield
            return
        begin, end = self._event(), self._event()
        begin.record()
        yield
        end.record()
        self._pairs.append((begin, end))

    def share(self, wall: float) -> float | None:
        """Share of ``wall`` seconds in which there was work, once all of it is done."""
        if self._event is None:
            return None
        return sum(begin.elapsed_time(end) for begin, end in self._pairs) / 1000 / wall


@dataclass(frozen=True)
class Reading:
    """Where the driver's figure comes from: ``read()`` gives percent, ``every`` so many seconds."""

    source: str
    read: Callable[[], float]
    every: float


class Sampled:
    """The driver's figure, read by a thread while a block runs.

    The driver looks back over up to a second: what it says in the first one is left out, and a
    block that is not longer has no figure.

    Args:
        reading: where it comes from, None where nothing knows it.
        settle: seconds that are left out.
    """

    def __init__(self, reading: Reading | None, settle: float = 1.0):
        self._reading = reading
        self._settle = settle
        self._found: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        assert self._reading is not None
        began = time.monotonic()
        while not self._end.wait(self._reading.every):
            try:
                percent = self._reading.read()
            except Exception:  # it answered before the run; one answer less is no reason to stop
                continue
            if time.monotonic() - began > self._settle and not self._end.is_set():
                self._found.append(percent)

    def __enter__(self) -> Sampled:
        if self._reading is not None:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        if self._reading is not None:
            self._thread.join()

    def share(self) -> float | None:
        """Mean of what was read, 0 to 1; None when nothing was."""
        return statistics.fmean(self._found) / 100 if self._found else None


def event_maker(device: Any) -> Callable[[], Any] | None:
    """What makes events with times on a device; None on the CPU."""
    import torch

    if device.type != "cuda":
        return None
    return lambda: torch.cuda.Event(enable_timing=True)


def driver_reading(device: Any) -> Reading | None:
    """What tells the utilisation of a GPU: NVML, else ``nvidia-smi``, else None."""
    import torch

    if device.type != "cuda":
        return None
    readings = [
        Reading("NVML", lambda: float(torch.cuda.utilization(device)), 0.1),
        Reading("nvidia-smi", lambda: by_smi(torch.cuda.get_device_properties(device).uuid), 0.5),
    ]
    for reading in readings:
        # no nvidia-ml-py, no program, no driver, a share of a GPU that has no such figure
        with contextlib.suppress(Exception):
            reading.read()
            return reading
    return None


def by_smi(uuid: object) -> float:
    """Percent that ``nvidia-smi`` tells of the GPU of this identity.

    Raises:
        OSError: there is no such program.
        ValueError: it knows no figure, as for a share of a GPU.
        subprocess.SubprocessError: it failed.
    """
    command = [*SMI, "--id=GPU-" + str(uuid).removeprefix("GPU-")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return float(done.stdout.strip().splitlines()[0])


# the rows that came --------------------------------------------------------------------------
def fingerprints(images: Any, labels: Any) -> Any:
    """One number int64 per picture (n, 3, 32, 32) with its label."""
    import torch

    flat = images.reshape(len(images), -1).to("cpu", torch.int64)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(1 << 62, (flat.shape[1],), generator=generator)
    return (flat * weights).sum(1) * 31 + labels.cpu()


class Truth:
    """Tells whether batches are made of these pictures (n, h, w, 3) uint8 and labels int64."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        import torch

        parts = []
        for start in range(0, len(labels), 4096):
            part = slice(start, start + 4096)
            pictures = torch.from_numpy(images[part].transpose(0, 3, 1, 2).copy())
            parts.append(fingerprints(pictures, torch.from_numpy(labels[part])))
        self._known, self._times = np.unique(torch.cat(parts).numpy(), return_counts=True)

    def check(self, name: str, batches: Iterator[Any], expected: int) -> None:
        """Raise unless so many rows come, none more often than the data has it."""
        import torch

        given = torch.cat([fingerprints(*batch) for batch in batches]).numpy()
        kinds, came = np.unique(given, return_counts=True)
        at = np.searchsorted(self._known, kinds).clip(max=len(self._known) - 1)
        right = np.array_equal(self._known[at], kinds)
        assert right, f"{name}: pixels and labels do not belong together"
        assert (came <= self._times[at]).all(), f"{name}: a row came twice"
        assert len(given) == expected, f"{name}: {len(given)} rows instead of {expected}"


# the training --------------------------------------------------------------------------------
class Training:
    """A model that starts from given weights, its optimizer and the augmentation."""

    def __init__(self, start: Any, device: Any):
        import torch

        self.model = copy.deepcopy(start).to(device).to(memory_format=torch.channels_last).train()
        self.optimizer = self.model.configure_optimizers()
        self.generator = torch.Generator(device).manual_seed(0)

    def step(self, images: Any, labels: Any) -> Any:
        """One step; the loss stays on the device, so that nobody waits for it."""
        import torch

        images = crop_flip(images, self.generator)
        with torch.autocast(images.device.type, torch.bfloat16):
            loss = self.model.loss(self.model(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def crop_flip(images: Any, generator: Any) -> Any:
    """Random crop after zero padding and mirror of (n, 3, h, w), on its device, channels last."""
    import torch

    count, _, high, wide = images.shape
    options = {"generator": generator, "device": images.device}
    top, left = torch.randint(2 * PADDING + 1, (2, count, 1), **options)
    mirrored = torch.rand((count, 1), **options) < 0.5
    down = top + torch.arange(high, device=images.device)
    across = torch.arange(wide, device=images.device).expand(count, -1)
    across = left + torch.where(mirrored, across.flip(1), across)
    padded = torch.nn.functional.pad(images, (PADDING,) * 4)
    each = torch.arange(count, device=images.device)
    picked = padded[each[:, None, None], :, down[:, :, None], across[:, None, :]]
    return picked.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Settings:
    """What all contestants have in common.

    Attributes:
        device: ``torch.device`` to train on.
        batch_size: rows of a step.
        epochs: epochs of a round.
        workers: threads or processes of contestants that decode each picture.
        warm: steps before a round.
    """

    device: Any
    batch_size: int
    epochs: int
    workers: int
    warm: int

    @property
    def pin(self) -> bool:
        """Whether batches go through pinned memory."""
        return self.device.type == "cuda"


def run_round(
    epochs: Callable[[int], Iterator[Any]],
    first: int,
    start: Any,
    settings: Settings,
    reading: Reading | None,
) -> dict[str, Any]:
    """Train ``start`` for a round of epochs, ``first`` and those after it; return the figures."""
    import torch

    device, size = settings.device, settings.batch_size
    training = Training(start, device)
    ready = torch.zeros(size, 3, 32, 32, dtype=torch.uint8, device=device)
    nothing = torch.zeros(size, dtype=torch.int64, device=device)
    for _ in range(settings.warm):  # cuDNN tries its algorithms, the clocks of the GPU rise
        training.step(ready, nothing)
    training = Training(start, device)
    spans = Spans(event_maker(device))
    losses: list[Any] = []
    synchronise(device)
    with Sampled(reading) as sampled:
        began = time.perf_counter()
        for epoch in range(first, first + settings.epochs):
            for images, labels in epochs(epoch):
                with spans.around():
                    losses.append(training.step(images, labels))
        synchronise(device)
        wall = time.perf_counter() - began
    last = losses[-(len(losses) // settings.epochs) :]
    return {
        "rate": len(losses) * size / wall,
        "driver": sampled.share(),
        "events": spans.share(wall),
        "loss": float(torch.stack(last).float().mean()),
    }


def synchronise(device: Any) -> None:
    """Wait until the device has done everything."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
