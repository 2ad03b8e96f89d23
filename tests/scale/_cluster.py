"""A Ray cluster of two workers on this machine, for tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest


@contextmanager
def cluster() -> Iterator[Any]:
    """Two workers here, or the cluster that RAY_ADDRESS names.

    Ray gives its own agents 15 seconds to come up, so a busy machine tries again; one that is too
    busy for Ray itself skips the test.
    """
    ray = pytest.importorskip("ray", reason="ray is not installed (pip install 'lancenb[ray]')")
    before = set(psutil.Process().children())
    for left in (2, 1, 0):
        try:
            _start(ray)
            break
        except Exception as error:
            ray.shutdown()
            _end(set(psutil.Process().children()) - before)  # what Ray itself leaves running
            if not left:
                pytest.skip(f"Ray's own processes did not start here: {error!r:.200}")
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray
    finally:
        ray.shutdown()
    assert not ray.is_initialized()


def _start(ray: Any) -> None:
    here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": 2, "include_dashboard": False}
    ray.init(logging_level="warning", log_to_driver=False, **here)


def _end(processes: Iterable[psutil.Process]) -> None:
    gone = list(processes)
    for process in gone:
        process.kill()
    psutil.wait_procs(gone, 30)
