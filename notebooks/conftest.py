"""Surroundings of the notebooks when they run as tests.

Notebook cells run in kernels of their own: fixtures do not reach them, the environment does, and it
has to be set when this module is imported.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import nbmake.nb_run
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from traitlets import Integer

_home = tempfile.mkdtemp(prefix="lancenb-notebooks-")
_owner = os.getpid()
atexit.register(lambda: shutil.rmtree(_home, ignore_errors=True) if os.getpid() == _owner else None)
for _name in [n for n in os.environ if n.startswith(("AWS_", "HF_"))]:
    del os.environ[_name]
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    LANCENB_CACHE=os.path.join(_home, "cache"),
    HF_HOME=os.path.join(_home, "hf"),
    IPYTHONDIR=os.path.join(_home, "ipython"),
    JUPYTER_RUNTIME_DIR=os.path.join(_home, "runtime"),
    MPLBACKEND="agg",
    AWS_EC2_METADATA_DISABLED="true",
)


class _Patient(NotebookClient):
    """Waits for a kernel as long as for a cell, and hears by files what no other process can take.

    The usual minute is short for the imports of a kernel on a busy machine, and a port that was
    free when it was chosen may be taken by the time the kernel listens there.
    """

    startup_timeout = Integer(300)
    iopub_timeout = Integer(60)

    def create_kernel_manager(self) -> KernelManager:
        made = super().create_kernel_manager()
        made.transport = "ipc"
        made.ip = os.path.join(tempfile.mkdtemp(dir=_home), "kernel")
        return made


nbmake.nb_run.NotebookClient = _Patient


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A notebook that hangs must not take the whole run with it."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.timeout(1500))
