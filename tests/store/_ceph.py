"""One-node Ceph with its S3 gateway, started as plain processes in a temporary folder."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.store._servers import LOOPBACK, free_port, start, stop, wait_for_port

BINARIES = (
    "ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"
)  # fmt: skip

CONFIG = """\
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 1
osd crush chooseleaf type = 0
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd max object name len = 256
osd objectstore = memstore
memstore device bytes = 4294967296
osd data = {folder}/osd
mon data = {folder}/mon
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {folder}/rgw
rgw thread pool size = 64
keyring = /dev/null
"""


def missing_binaries() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in BINARIES if shutil.which(name) is None]


class NotStarted(Exception):
    """Ceph is installed, but no cluster comes up on this machine."""


class Ceph:
    """A running cluster; the gateway can be killed and started again."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = folder / "ceph.conf"
        self.mon_port, self.port = free_port(), free_port()
        self.endpoint = f"http://{LOOPBACK}:{self.port}"
        self.access_key = "LAB" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_hex(20)
        self.daemons: list[subprocess.Popen] = []
        self.gateway: subprocess.Popen | None = None

    @classmethod
    @contextlib.contextmanager
    def start(cls, attempts: int = 3) -> Iterator[Ceph]:
        """Start everything (15 to 60 seconds), and stop and remove it at the end.

        A young cluster sometimes hangs at its first command; it is then thrown away for another.

        Raises:
            NotStarted: no cluster came up.
        """
        reason = ""
        for _ in range(attempts):
            ceph = cls(Path(tempfile.mkdtemp(prefix="ceph-", dir="/tmp")))
            try:
                ceph._boot()
                break
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                reason = str(error).replace(ceph.secret_key, "***")[:300]
                ceph._remove()
        else:
            raise NotStarted(reason)
        try:
            yield ceph
        finally:
            ceph._remove()

    def _remove(self) -> None:
        for process in [self.gateway, *reversed(self.daemons)]:
            if process is not None:
                stop(process, kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *command: str, seconds: float = 60) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-1500:]}")
        return done.stdout

    def _daemon(self, name: str, *arguments: str) -> subprocess.Popen:
        return start([name, "-c", str(self.config), *arguments, "-f"], self.folder / f"{name}.out")

    def _boot(self) -> None:
        for name in ("mon", "osd", "run", "rgw", "log"):
            (self.folder / name).mkdir()
        fsid, conf = str(uuid.uuid4()), str(self.config)
        self.config.write_text(
            CONFIG.format(fsid=fsid, mon_port=self.mon_port, port=self.port, folder=self.folder)
        )
        monmap = str(self.folder / "monmap")
        address = f"[v1:{LOOPBACK}:{self.mon_port}]"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        mkfs = ("--mkfs", "-i", "a", "--monmap", monmap, "--keyring", "/dev/null")
        self._run("ceph-mon", "-c", conf, *mkfs)
        mon = self._daemon("ceph-mon", "-i", "a")
        self.daemons.append(mon)
        if not wait_for_port(self.mon_port, mon, 60):
            raise RuntimeError("the monitor did not start: " + self._log("ceph-mon"))
        osd = str(uuid.uuid4())
        self._run("ceph", "-c", conf, "osd", "new", osd, "0")
        where = ("osd.0", "1.0", "root=default", "host=localhost")
        self._run("ceph", "-c", conf, "osd", "crush", "add", *where)
        self._run("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.daemons.append(self._daemon("ceph-osd", "-i", "0"))
        keys = ("--access-key", self.access_key, "--secret-key", self.secret_key)
        user = ("user", "create", "--uid", "lab", "--display-name", "lab")
        made = self._run("radosgw-admin", "-c", conf, *user, *keys, seconds=75)
        assert json.loads(made)["user_id"] == "lab"
        self.start_gateway()

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(errors="replace")[-1500:]

    def start_gateway(self) -> None:
        """Start radosgw and wait until it answers."""
        self.gateway = self._daemon("radosgw", "-n", "client.rgw.a")
        if not wait_for_port(self.port, self.gateway, 60):
            raise RuntimeError("the gateway did not start: " + self._log("radosgw"))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(self.endpoint, timeout=5) as answer,
            ):
                if answer.status == 200:
                    return
            time.sleep(0.2)
        raise RuntimeError("the gateway does not answer: " + self._log("radosgw"))

    def kill_gateway(self) -> None:
        """Kill radosgw at once, as a power cut would."""
        assert self.gateway is not None
        stop(self.gateway, kill=True)
