"""CPU and memory of fetching one large file, beside the Hub's own client and curl.

Run by hand: ``python -m tests.benchmarks.bench_download [--gb 1] [--rounds 3]``. Everybody
fetches the same file from a server in a process of its own, each in a process of its own too,
taking turns; what is compared is the CPU time of those processes, interpreter start included.
Goals: ours, sha256 included, takes at most half of ``huggingface_hub``'s ``http_get`` (which
hashes nothing) and at most 1.2 times ``curl`` and then ``sha256sum``; a file of 4 GB needs less
than 100 MB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CURL = "curl and sha256sum"
HUB = "huggingface_hub http_get (no hash)"
OURS = {"lancenb, one request": 1, "lancenb, 4 ranges": 4}
OUR_CODE = """
import sys
from lancenb.download import Fetcher
fetched = Fetcher(parts=int(sys.argv[3])).fetch(sys.argv[1], sys.argv[2], "ours.bin")
print(fetched.sha256)
"""
HUB_CODE = """
import sys
from huggingface_hub.file_download import http_get
with open(sys.argv[2] + "/hub.bin", "wb") as file:
    http_get(sys.argv[1], file)
"""


def serve(path: Path) -> None:
    """Serve one file over HTTP with ranges, by sendfile; print the port."""
    size = path.stat().st_size

    def answer(client: socket.socket) -> None:
        with client, path.open("rb") as file, client.makefile("rb") as lines:
            while lines.readline():
                head = "".join(iter(lambda: lines.readline().decode("latin-1").strip("\r\n"), ""))
                wanted = re.search(r"bytes=(\d+)-(\d*)", head)
                start = int(wanted[1]) if wanted else 0
                stop = int(wanted[2]) + 1 if wanted and wanted[2] else size
                status = "206 Partial Content" if wanted else "200 OK"
                where = f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n" if wanted else ""
                client.sendall(
                    f'HTTP/1.1 {status}\r\nContent-Length: {stop - start}\r\nETag: "one"\r\n'
                    f"Accept-Ranges: bytes\r\n{where}\r\n".encode()
                )
                while start < stop:
                    start += os.sendfile(client.fileno(), file.fileno(), start, stop - start)

    def patient(client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # clients hang up
            answer(client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=patient, args=(server.accept()[0],), daemon=True).start()


def measure(commands: list[list[str]], env: dict[str, str]) -> tuple[float, float, int]:
    """Run commands one after the other; return CPU seconds, wall seconds and peak memory."""
    cpu, peak, began = 0.0, 0, time.monotonic()
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss * 1024)
    return cpu, time.monotonic() - began, peak


def contestants(url: str, folder: Path) -> dict[str, list[list[str]]]:
    """Return the commands of everybody."""
    python = [sys.executable, "-c"]
    commands = {
        name: [[*python, OUR_CODE, url, str(folder), str(parts)]] for name, parts in OURS.items()
    }
    commands[HUB] = [[*python, HUB_CODE, url, str(folder)]]
    if shutil.which("curl") and shutil.which("sha256sum"):
        target = str(folder / "curl.bin")
        commands[CURL] = [["curl", "-sS", "-o", target, url], ["sha256sum", target]]
    return commands


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=1.0, help="size of the file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="contestants whose name contains this")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.bin"
        with source.open("wb") as file:
            file.truncate(int(options.gb * 1e9))  # sparse: zeros cost a server nothing
        command = [sys.executable, "-m", __spec__.name, "--serve", str(source)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/file.bin"
            report(compare(url, folder, options), options.gb)
        finally:
            server.kill()
            server.wait()


def compare(
    url: str, folder: Path, options: argparse.Namespace
) -> dict[str, list[tuple[float, float, int]]]:
    """Let everybody take turns."""
    env = {**os.environ, "NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    results: dict[str, list[tuple[float, float, int]]] = {}
    for _ in range(options.rounds):
        for name, commands in contestants(url, folder).items():
            if options.only in name:
                results.setdefault(name, []).append(measure(commands, env))
                for left in folder.glob("*.bin"):
                    if left.name != "source.bin":
                        left.unlink()
    return results


def report(results: dict[str, list[tuple[float, float, int]]], size: float) -> None:
    """Print the least of all rounds (what disturbs only adds) and what it is of the others'."""
    cpu = {name: min(row[0] for row in rows) / size for name, rows in results.items()}
    print(f"{'':36} {'CPU s/GB':>9} {'MB/s':>7} {'peak MB':>8}")
    for name, rows in results.items():
        wall = min(row[1] for row in rows)
        peak = max(row[2] for row in rows) / 1e6
        print(f"{name:36} {cpu[name]:9.2f} {1000 * size / wall:7.0f} {peak:8.0f}")
    for ours in filter(cpu.get, OURS):
        for other, goal in ((HUB, 0.5), (CURL, 1.2)):
            if other in cpu:
                print(f"{ours} / {other}: {cpu[ours] / cpu[other]:.2f} (goal: at most {goal})")


if __name__ == "__main__":
    main()
