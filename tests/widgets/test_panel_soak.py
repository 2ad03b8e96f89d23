"""Panels started, cancelled and made anew hundreds of times in a real kernel leave nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("jupyter_client", reason="there is no kernel to soak")

from tests.lab._kernel import Kernel

pytestmark = pytest.mark.slow

SETUP = """
import gc, json, os, tempfile, threading, time
from pathlib import Path
home = Path({home!r})
tempfile.tempdir = str(home / "tmp")
os.mkdir(tempfile.tempdir)
import ipywidgets, lancenb as lnb
from comm import get_comm_manager
(home / "much.csv").write_bytes(b"a,b,c\\n" + b"1,2.5,some words here\\n" * 400_000)
dm = lnb.DataManager(home / "store")

def left():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        threads = [t.name for t in threading.enumerate() if t.name.startswith("lancenb")]
        if not threads:
            break
        time.sleep(0.02)
    gc.collect()
    return dict(threads=threads, comms=len(get_comm_manager().comms),
                widgets=len(ipywidgets.widgets.widget._instances),
                files=sorted(os.listdir(tempfile.gettempdir())),
                handles=len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
                tables=sorted(p.name for p in (home / "store").rglob("much*")
                              if p.name.startswith("much")),
                names=[artefact.name for artefact in dm.list()])
"""
CANCEL = """
panel = lnb.ConvertPanel(dm, home / "much.csv", "much", key="")
panel.settle()
panel.run(wait=False); panel.cancel(); panel.card.wait(60)
before, states = left(), {}
for number in range(200):
    job = panel.run(wait=False)
    if number % 3:
        time.sleep(0.004 * (number % 7))
    panel.cancel()
    assert panel.card.wait(60)
    states[job.state] = states.get(job.state, 0) + 1
    if job.state == "done":
        dm.delete("much", confirm="much")
after, end = left(), time.monotonic() + 120
# ipykernel closes what it opened for a thread that sent messages within ten seconds of its end
while after["handles"] > before["handles"] + 3 and time.monotonic() < end:
    time.sleep(1)
    after = left()
print(json.dumps([before, after, states]))
"""
AGAIN = """
made = [panel_class(dm, key="soak") for panel_class in (
    lnb.DownloadPanel, lnb.ConvertPanel, lnb.RegisterPanel, lnb.RollbackPanel)]
"""


def test_two_hundred_cancelled_conversions_leave_nothing(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run(SETUP.format(home=str(tmp_path)))
        before, after, states = json.loads(kernel.run(CANCEL))
    assert set(states) <= {"cancelled", "done"}
    assert states["cancelled"] > 100
    assert (after["threads"], after["files"]) == ([], [])
    assert (after["tables"], after["names"]) == ([], [])
    assert (after["comms"], after["widgets"]) == (before["comms"], before["widgets"])
    assert after["handles"] <= before["handles"] + 3


def test_panels_made_fifty_times_are_one_panel_of_each_kind(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.run(SETUP.format(home=str(tmp_path)))
        show = "print(json.dumps(left()))"
        kernel.run(AGAIN)
        before = json.loads(kernel.run(show))
        for _ in range(50):
            kernel.run(AGAIN)
        after = json.loads(kernel.run(show))
    assert after["threads"] == []
    assert (after["comms"], after["widgets"]) == (before["comms"], before["widgets"])
    assert before["comms"] > 40
