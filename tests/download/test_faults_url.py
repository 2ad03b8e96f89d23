"""The table of faults: whatever a server does, right bytes or a typed error, never a wrong file."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from lancenb.download import Fetched, Fetcher
from lancenb.errors import ChecksumMismatch, DownloadFailed, LancenbError
from lancenb.testing import FileServer

DATA = random.Random(0).randbytes(2_000_000)
SHA = hashlib.sha256(DATA).hexdigest()
ENGINES = {
    "serial": Fetcher(retries=3, backoff=0.01, parts=1),
    "ranges": Fetcher(retries=3, backoff=0.01, parts=4, parallel_from=256 << 10),
}
FAULTS = {
    "cut": {},
    "rst": {},
    "truncate": {},
    "corrupt": {},
    "stall": {"seconds": 0.1},
    "status": {"status": 503, "retry_after": "0"},
    "rate": {"status": 429, "retry_after": "0"},
    "norange": {},
    "slow": {"rate": 20 << 20},
    "early cut": {"early": True},
    "early rst": {"early": True},
}


def plan_fault(files: FileServer, name: str, **when: int) -> None:
    kind = {"rate": "status"}.get(name, name.removeprefix("early "))
    files.faults.add(kind, **FAULTS[name], **when)


def outcome(engine: str, url: str, into: Path, sha256: str | None) -> Fetched | LancenbError:
    """Fetch; a file at the target and an error may never come together."""
    target = into / "f.bin"
    failure: LancenbError | None = None
    fetched = None
    try:
        fetched = ENGINES[engine].fetch(url, into, "f.bin", sha256=sha256)
    except LancenbError as error:
        failure = error
    if failure is not None:
        assert not target.exists()
        assert failure.hint
        return failure
    assert fetched is not None
    assert fetched.path == target
    assert fetched.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert [p.name for p in into.iterdir() if p.suffix != ".lock"] == ["f.bin"]
    return fetched


UNDETECTABLE = ("corrupt", None)  # see test_a_flipped_byte_that_nobody_promised_against
CELLS = [
    pytest.param(engine, sha256, fault, id=f"{engine}-{'sha256' if sha256 else 'unknown'}-{fault}")
    for engine in ENGINES
    for sha256 in (SHA, None)
    for fault in FAULTS
    if (fault, sha256) != UNDETECTABLE
]


@pytest.mark.parametrize(
    ("engine", "sha256", "fault", "skip"),
    [
        pytest.param(*cell.values, skip, id=f"{cell.id}-{skip}")
        for cell in CELLS
        for skip in ((0, 1, 5) if cell.values[0] == "ranges" else (0,))
    ],
)
def test_a_fault_that_passes_ends_with_the_right_bytes(
    files: FileServer, tmp_path: Path, engine: str, sha256: str | None, fault: str, skip: int
) -> None:
    url = files.add("/f.bin", DATA)
    plan_fault(files, fault, skip=skip)
    fetched = outcome(engine, url, tmp_path, sha256)
    assert isinstance(fetched, Fetched), fetched
    assert fetched.path.read_bytes() == DATA
    assert files.faults.planned()[0].used == 1
    if engine == "ranges" and fault not in ("norange", "corrupt"):
        assert len({seen.headers.get("range") for seen in files.log}) > 8
    if fault in ("cut", "truncate"):  # a reset also takes what is still on its way
        # what had arrived was not asked for again; the first of several ranges is never read out
        later = files.log[1:] if engine == "ranges" else files.log
        assert sum(seen.sent for seen in later) < 1.1 * len(DATA)


@pytest.mark.parametrize(("engine", "sha256", "fault"), CELLS)
def test_a_fault_that_stays_ends_well_or_with_a_typed_error(
    files: FileServer, tmp_path: Path, engine: str, sha256: str | None, fault: str
) -> None:
    url = files.add("/f.bin", DATA)
    plan_fault(files, fault, times=0)
    result = outcome(engine, url, tmp_path, sha256)
    if fault in ("stall", "norange", "slow"):
        assert isinstance(result, Fetched)
    if fault == "corrupt":
        assert isinstance(result, ChecksumMismatch)
        assert os.listdir(tmp_path) == [next(tmp_path.glob(".*.lock")).name]
    if "early" in fault or fault in ("status", "rate"):
        assert isinstance(result, DownloadFailed)
    if isinstance(result, Fetched):
        assert result.path.read_bytes() == DATA
        return
    files.faults.clear()  # and when it passes after all, the next run ends well
    again = outcome(engine, url, tmp_path, sha256)
    assert isinstance(again, Fetched)
    assert again.path.read_bytes() == DATA


@pytest.mark.parametrize("engine", ENGINES)
def test_a_flipped_byte_that_nobody_promised_against(
    files: FileServer, tmp_path: Path, engine: str
) -> None:
    """Without any promise nobody can know; what is recorded is then the truth about the file."""
    url = files.add("/f.bin", DATA)
    plan_fault(files, "corrupt", skip=int(engine == "ranges"))
    fetched = outcome(engine, url, tmp_path, None)
    assert isinstance(fetched, Fetched)
    assert fetched.sha256 != SHA


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("promise", ["name", "server"])
def test_a_flipped_byte_against_other_promises(
    files: FileServer, tmp_path: Path, engine: str, promise: str
) -> None:
    digest = base64.b64encode(bytes.fromhex(SHA)).decode()
    headers = {"Repr-Digest": f"sha-512=:AAAA:, sha-256=:{digest}:"} if promise == "server" else {}
    url = files.add("/f.bin" if promise == "server" else f"/f-{SHA[:8]}.bin", DATA, headers=headers)
    plan_fault(files, "corrupt")
    fetched = outcome(engine, url, tmp_path, None)
    assert isinstance(fetched, Fetched)
    assert fetched.sha256 == SHA
    plan_fault(files, "corrupt", times=0)
    (tmp_path / "f.bin").unlink()
    assert isinstance(outcome(engine, url, tmp_path, None), ChecksumMismatch)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sha256", [SHA, None], ids=["sha256", "unknown"])
def test_a_server_that_stays_silent_is_asked_again(
    files: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    sha256: str | None,
) -> None:
    # ours is short, and a server that is only slow is borne as often as it takes
    monkeypatch.setattr("lancenb.download._http.READ_TIMEOUT", 2.0)
    monkeypatch.setattr("lancenb.download._patience._UNREACHED_LIMIT", 60.0)
    monkeypatch.setattr(ENGINES[engine], "retries", 50)
    url = files.add("/f.bin", DATA)
    files.faults.add("stall", seconds=600, skip=int(engine == "ranges"))
    fetched = outcome(engine, url, tmp_path, sha256)
    assert isinstance(fetched, Fetched)
    assert fetched.path.read_bytes() == DATA
    assert fetched.retries >= 1
    assert fetched.seconds < 120


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sha256", [True, False], ids=["sha256", "unknown"])
@pytest.mark.parametrize("etag", [True, False])
def test_a_file_that_changes_on_the_way_is_fetched_anew(
    files: FileServer, tmp_path: Path, engine: str, sha256: bool, etag: bool
) -> None:
    """Also between two requests of one transfer, and also without a validator."""
    other = bytes(reversed(DATA))
    url = files.add("/f.bin", DATA, etag=etag)
    files.faults.add("cut", at=0.6)

    class Changing(dict[str, object]):
        asked = 0
        one = threading.Lock()  # a request each: several at the same time

        def get(self, key: str, default: object = None) -> object:
            with self.one:
                Changing.asked += 1
                if Changing.asked == 2:
                    files.add("/f.bin", other, etag=etag)
            return super().get(key, default)

    files._plain.files = Changing(files._plain.files)  # type: ignore[assignment]
    digest = hashlib.sha256(other).hexdigest() if sha256 else None
    fetched = outcome(engine, url, tmp_path, digest)
    assert isinstance(fetched, Fetched)
    assert fetched.path.read_bytes() == other
