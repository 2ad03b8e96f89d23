"""Small real artefacts, a manager as seen from afar, and callbacks whose errors are heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from ipywidgets.widgets.widget import CallbackDispatcher
from PIL import Image

import lancenb as lnb
from lancenb.store import lance_module
from lancenb.widgets import _fields, _gallery_rows
from lancenb.widgets._lane import Lane
from lancenb.widgets._latest import Latest


class Gate:
    """Stands in the way of ``real``: ``began`` tells that somebody waits, ``go`` lets all pass."""

    def __init__(self, real: Callable[..., Any]):
        self.real, self.began, self.go = real, threading.Event(), threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.began.set()
        assert self.go.wait(600)
        return self.real(*args)


class Held:
    """A lock that opens a gate for who has to wait for it."""

    def __init__(self, lock: Any, gate: threading.Event):
        self._lock, self._gate = lock, gate

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._gate.set()
            assert self._lock.acquire(timeout=60)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def make_images(folder: Path, count: int = 24) -> Path:
    """Write ``count`` tiny pictures of three classes, one folder per class."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / ("circle", "square", "star")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:03}.png")
    return folder


def make_weights(seed: int) -> dict[str, torch.Tensor]:
    """Return a little model's weights."""
    torch.manual_seed(seed)
    return {
        "layer1.weight": torch.randn(8, 4),
        "layer1.bias": torch.zeros(8),
        "layer2.conv.weight": torch.randn(4, 3, 3, 3),
        "head.weight": torch.randn(2, 8),
    }


def make_table(count: int = 50) -> pa.Table:
    """Return a table with text, numbers and gaps."""
    return pa.table(
        {
            "id": list(range(count)),
            "text": [f"sentence number {i}" if i % 7 else None for i in range(count)],
            "score": [i / count for i in range(count)],
            "split": ["train" if i % 5 else "test" for i in range(count)],
        }
    )


def fill(root: Path, scratch: Path) -> lnb.DataManager:
    """Return a manager with ``shapes`` (images), ``net`` (weights, two versions) and ``table``."""
    manager = lnb.DataManager(root)
    manager.convert(make_images(scratch / "shapes"), "shapes")
    for seed in (1, 2):
        manager.save_weights("net", make_weights(seed))
    manager.convert(make_table(), "table")
    return manager


@pytest.fixture
def dm(tmp_path: Path) -> lnb.DataManager:
    """A manager with three small artefacts: ``shapes``, ``net`` (two versions), ``table``."""
    return fill(tmp_path / "store", tmp_path / "scratch")


class Far:
    """What a remote manager will be: public methods only, artefacts without a Lance dataset.

    Calling anything private, the store, or ``dataset()`` fails the test that did it.
    """

    _LOCAL = ("store", "root", "dataset")

    def __init__(self, inner: Any):
        self.__dict__["_Far__inner"] = inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in self._LOCAL:
            raise AttributeError(f"a remote manager has no {name!r}")
        return _wrap(getattr(self.__inner, name))

    def __dir__(self) -> list[str]:
        return [n for n in dir(self.__inner) if not n.startswith("_") and n not in self._LOCAL]

    def __repr__(self) -> str:
        return "far away"


class FarArtifact:
    """An artefact seen from afar: facts and verbs, no files."""

    _LOCAL = ("dataset", "manager", "store")

    def __init__(self, inner: Any):
        self.__dict__["_FarArtifact__inner"] = inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in self._LOCAL:
            raise AttributeError(f"a remote artefact has no {name!r}")
        return _wrap(getattr(self.__inner, name))

    def __dir__(self) -> list[str]:
        return [n for n in dir(self.__inner) if not n.startswith("_") and n not in self._LOCAL]

    def __repr__(self) -> str:
        return repr(self.__inner)


def _near(value: Any) -> Any:
    return (
        vars(value)[f"_{type(value).__name__}__inner"] if isinstance(value, FarArtifact) else value
    )


def _wrap(value: Any) -> Any:
    if isinstance(value, lnb.Artifact):
        return FarArtifact(value)
    if isinstance(value, list) and any(isinstance(each, lnb.Artifact) for each in value):
        return [_wrap(each) for each in value]
    if not callable(value) or isinstance(value, type):
        return value

    def call(*args: Any, **kwargs: Any) -> Any:
        near = {name: _near(each) for name, each in kwargs.items()}
        return _wrap(value(*map(_near, args), **near))

    return call


@pytest.fixture
def far(dm: lnb.DataManager) -> Far:
    """The same artefacts through public verbs only."""
    return Far(dm)


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """Fail the test when a widget callback raises (ipywidgets would only log it)."""
    heard: list[BaseException] = []

    def call(self: CallbackDispatcher, *args: Any, **kwargs: Any) -> Any:
        value = None
        for callback in self.callbacks:
            try:
                found = callback(*args, **kwargs)
            except Exception as error:
                heard.append(error)
                raise
            value = found if found is not None else value
        return value

    monkeypatch.setattr(CallbackDispatcher, "__call__", call)
    yield heard
    assert not heard, f"a widget callback raised {heard[0]!r}"


def left_threads(known: set[threading.Thread]) -> list[str]:
    """Wait for the threads of ours that began after ``known`` was noted; name those that stay."""
    end = time.monotonic() + 120
    while True:
        new = [thread for thread in threading.enumerate() if thread not in known]
        names = [thread.name for thread in new if thread.name.startswith("lancenb")]
        if not names or time.monotonic() > end:
            return names
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What people are not kept waiting for must not depend on the speed of this machine here.

    Who waits for the end of work waits for minutes, and the clocks that cut a page of pictures
    short and forget a first click stand still.
    """
    for kind in (Latest, Lane):

        def settle(self: Any, timeout: float = 10, inner: Any = kind.settle) -> bool:
            return inner(self, timeout if timeout < 5 else max(timeout, 200))

        monkeypatch.setattr(kind, "settle", settle)
    for module in (_fields, _gallery_rows):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    monkeypatch.setattr(_fields, "_ARMED_SECONDS", 900.0)  # the front end has a clock of its own


@pytest.fixture(autouse=True)
def no_widget_left() -> Iterator[None]:
    """Close every widget a test made."""
    yield
    import ipywidgets

    ipywidgets.Widget.close_all()


@pytest.fixture
def numbers(tmp_path: Path) -> str:
    """A table of 20 rows and three columns of numbers."""
    uri = str(tmp_path / "numbers.lance")
    lance_module().write_dataset(pa.table({name: range(20) for name in "abc"}), uri)
    return uri
