"""A notebook that is connected over gRPC may start other programs, and says so when it may not."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lancenb.remote._grpc_make import HERE
from lancenb.remote._serve import serve

from .grpc_parts import TOKEN

pytest.importorskip("grpc")

_CONNECTED = """
import os, sys
sys.path.insert(0, {root!r})
import lancenb as lnb
import lancenb.remote._grpc_settings as settings
settings.PING_WITHIN = 60.0  # the server is no worse for being slow here
from lancenb.remote._connect import connect
far = connect({url!r}, token={token!r})
far.upsert("points", [{{"id": 1}}], key="id", create=True)
events = far._transport.call(
    __import__("lancenb.remote._ops", fromlist=["OPS"]).OPS["watch"], {{}}, request_id="r"
)
next(events.body)  # a stream is open while others fork
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path / "root", http=None, token=TOKEN) as server:
        yield server.grpc_url


def connected(url: str) -> str:
    return _CONNECTED.format(root=str(HERE.parent.parent), url=url, token=TOKEN)


def run(code: str, url: str) -> list[str]:
    """Run code in a connected process; it must come to its end and say nothing besides."""
    whole = connected(url) + textwrap.dedent(code) + "\nevents.close()\nfar.close()\nprint('end')\n"
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[-1] == "end"
    return said[:-1]


def test_other_programs_can_be_started(url: str):
    code = """
    import pty, subprocess
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            os.execvp("true", ["true"])
        assert os.waitpid(pid, 0)[1] == 0
        assert subprocess.run(["echo", "hello"], capture_output=True).stdout == b"hello\\n"
        assert os.system("true") == 0
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("echo", ["echo", "from a terminal"])
        assert b"from a terminal" in os.read(terminal, 100)
        assert os.waitpid(pid, 0)[1] == 0
        os.close(terminal)
        assert far.get("points").version == 1
    assert far.read("points").read_all().num_rows == 1
    """
    assert run(code, url) == []


def test_a_forked_child_gets_one_clear_error(url: str):
    code = """
    import gc, tempfile, time
    from lancenb import errors as e
    from lancenb.remote._connect import reconnect

    def child():
        start = time.monotonic()
        for work in (
            lambda: far.get("points"), lambda: reconnect(far._transport.reach).about(),
            lambda: lnb.serve(tempfile.mkdtemp(), http=None), far.close,
        ):
            try:
                work()
            except e.LocalOnly as error:
                print(error.code, "spawn" in error.hint, flush=True)
        print(time.monotonic() - start < 60, flush=True)  # else it waited for threads of the parent

    for end in (os._exit, sys.exit):
        pid = os.fork()
        if pid == 0:
            child()
            far._transport._channel = None
            gc.collect()
            end(0)
        assert os.waitpid(pid, 0)[1] == 0
    assert far.get("points").version == 1
    """
    said = run(code, url)
    assert said == ["local_only True", "local_only True", "local_only True", "True"] * 2


def test_workers_by_fork_and_by_spawn(url: str, tmp_path: Path):
    script = tmp_path / "workers.py"
    body = """
    import multiprocessing

    def rows(far):
        try:
            return far.read("points").read_all().num_rows
        except lnb.errors.LocalOnly as error:
            return error.code

    if __name__ == "__main__":
        for way in ("fork", "spawn"):
            with multiprocessing.get_context(way).Pool(1) as pool:
                print(pool.apply(rows, (far,)))
        events.close()
        far.close()
    """
    guarded = connected(url).replace("far = connect", 'if __name__ == "__main__":\n  far = connect')
    head, _, rest = guarded.partition("far.upsert")
    rest = textwrap.indent("far.upsert" + rest, "  ")
    script.write_text(head + rest + textwrap.dedent(body), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["local_only", "1"], done.stderr
    assert done.stderr == ""


def test_a_server_in_the_same_process_does_not_mind(tmp_path: Path):
    code = f"""
    import subprocess, sys
    sys.path.insert(0, {str(HERE.parent.parent)!r})
    import logging
    from lancenb.remote._serve import serve
    logging.getLogger("lancenb.server").setLevel("ERROR")
    with serve({str(tmp_path / "root")!r}, http=None, token={TOKEN!r}) as server:
        far = server.connect("grpc")
        for _ in range(10):
            assert subprocess.run(["true"]).returncode == 0
            pid = __import__("os").fork()
            if pid == 0:
                __import__("os").execvp("true", ["true"])
            assert __import__("os").waitpid(pid, 0)[1] == 0
            assert len(far.list()) == 0
        far.close()
    print("end")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.stderr) == ("end\n", "")


def test_shell_lines_in_a_real_kernel(url: str):
    client = pytest.importorskip("jupyter_client")

    def cell(code: str) -> dict[str, Any]:
        """Run a cell; return what it wrote, by stream."""
        wrote = {"stdout": "", "stderr": "", "error": ""}

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                wrote[content["name"]] += content["text"]
            elif message["msg_type"] == "error":
                wrote["error"] += "\n".join(content["traceback"])

        kernel.execute_interactive(code, output_hook=note, timeout=120)
        return wrote

    manager = client.KernelManager(kernel_name="python3")
    manager.start_kernel()
    kernel = manager.client()
    kernel.start_channels()
    try:
        kernel.wait_for_ready(timeout=120)
        assert cell(connected(url))["error"] == ""
        for number in range(5):  # one that hangs is a TimeoutError
            wrote = cell(f"!echo line {number}\nprint(far.get('points').version)")
            assert wrote["error"] == ""
            assert wrote["stderr"] == ""
            assert wrote["stdout"].split() == ["line", str(number), "1"]
        assert cell("!ls > /dev/null")["stderr"] == ""
        assert cell("files = !echo one\nassert files == ['one']")["error"] == ""
        assert cell("events.close(); far.close()")["error"] == ""
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
