"""Engines beside their peers: reads beside pyarrow's Flight, small calls beside pylance's REST.

Run by hand: ``python -m tests.benchmarks.bench_remote [megabytes] [rounds]``. All servers live in a
process of their own, over one catalogue; contestants take turns, medians are compared. Goals: a
read reaches 0.8 times the throughput of Flight, a describe takes at most 1.5 times as long as
one by ``RestNamespace`` from ``RestAdapter``. That one is asked twice: plainly, which tells little
more than where the table is, and for version and schema (``rest+``), which is what ours tells. The
same client asks our server, too (``v1``, ``v1+``).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

THROUGHPUT, LATENCY = 0.8, 1.5
CALLS = 300
TOKEN = "a-token-for-the-benchmark-only"


def make_catalogue(root: Path, megabytes: int) -> None:
    """Write the table that is read, and a small one of Lance's own to be described."""
    import lancenb as lnb
    from lancenb.store._lance import lance_module

    rng = np.random.default_rng(0)
    rows = megabytes * (1 << 20) // 80
    columns: dict[str, Any] = {"id": np.arange(rows)}
    columns |= {f"x{i}": rng.normal(size=rows) for i in range(9)}
    lnb.DataManager(root / "catalogue").convert(pa.table(columns), "points")
    lance_module().write_dataset(pa.table({"id": [1, 2, 3]}), str(root / "rest" / "small.lance"))


def serve_all(root: Path) -> None:
    """Run all servers until standard input ends; say where they are."""
    import lance.namespace
    import pyarrow.flight

    import lancenb as lnb
    from lancenb.remote._serve import serve

    manager = lnb.DataManager(root / "catalogue")

    class Flight(pyarrow.flight.FlightServerBase):
        def do_get(self, context: Any, ticket: Any) -> Any:
            return pyarrow.flight.RecordBatchStream(manager.read("points"))

    places: dict[str, str] = {}
    for engine, wanted in (("http", {"grpc": None}), ("grpc", {"http": None})):
        try:
            server = serve(manager, token=TOKEN, **wanted)
        except ImportError as error:
            print(f"{engine} is left out: {error}", file=sys.stderr)
            continue
        places[engine] = server.url if engine == "http" else server.grpc_url
        places |= {"ws": server.ws_url} if engine == "http" else {}
    flight = Flight("grpc://127.0.0.1:0")
    adapter = lance.namespace.RestAdapter(
        "dir", {"root": str(root / "rest")}, host="127.0.0.1", port=0
    )
    adapter.start()
    places |= {"flight": f"grpc://127.0.0.1:{flight.port}",
               "rest": f"http://127.0.0.1:{adapter.port}"}  # fmt: skip
    print(json.dumps(places), flush=True)
    sys.stdin.read()


def reads(places: dict[str, str]) -> dict[str, Callable[[], int]]:
    """Return what reads the whole table, by engine."""
    import pyarrow.flight

    from lancenb.remote._connect import connect

    found: dict[str, Callable[[], int]] = {}
    client = pyarrow.flight.connect(places["flight"])
    ticket = pyarrow.flight.Ticket(b"points")
    found["flight"] = lambda: client.do_get(ticket).read_all().nbytes
    for engine in ("http", "grpc", "ws"):
        if engine in places:
            far = connect(places[engine], token=TOKEN)
            found[engine] = lambda far=far: far.read("points").read_all().nbytes
    return found


def describes(places: dict[str, str]) -> dict[str, Callable[[], object]]:
    """Return what describes a table, by engine."""
    import lance.namespace
    from lance_namespace import DescribeTableRequest

    from lancenb.remote._connect import connect

    found: dict[str, Callable[[], object]] = {}
    asked = {"rest": (places["rest"], "small", {})}
    if "http" in places:
        asked["v1"] = (places["http"], "points", {"header.Authorization": f"Bearer {TOKEN}"})
    for name, (uri, table, headers) in asked.items():
        namespace = lance.namespace.RestNamespace(uri=uri, **headers)
        for sign, fully in (("", None), ("+", True)):
            request = DescribeTableRequest(id=[table], load_detailed_metadata=fully)
            found[name + sign] = lambda n=namespace, r=request: n.describe_table(r)
    for engine in ("http", "grpc", "ws"):
        if engine in places:
            far = connect(places[engine], token=TOKEN)
            found[engine] = lambda far=far: far.get("points")
    return found


def timed(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(work: dict[str, Callable[[], object]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Let contestants take turns; return the median time of each."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for one in work.values():
        one()
    for _ in range(rounds):
        for name, one in work.items():
            times[name] += [timed(one) for _ in range(calls)]
    return {name: statistics.median(each) for name, each in times.items()}


def main(megabytes: int = 500, rounds: int = 5) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="lancenb-bench-") as folder:
        root = Path(folder)
        make_catalogue(root, megabytes)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.bench_remote", "--serve", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            places = json.loads(server.stdout.readline())
            work = reads(places)
            size = work["flight"]()
            for name, seconds in (found := medians(work, rounds)).items():
                ratio = found["flight"] / seconds
                verdict = "" if name == "flight" else f"  goal {THROUGHPUT}: {ratio >= THROUGHPUT}"
                print(f"read     {name:7} {size / seconds / 1e6:8.0f} MB/s  {ratio:5.2f}{verdict}")
            for name, seconds in (found := medians(describes(places), rounds, CALLS)).items():
                ratio, fully = seconds / found["rest"], seconds / found["rest+"]
                verdict = "" if "rest" in name else f"  goal {LATENCY}: {fully <= LATENCY}"
                print(
                    f"describe {name:7} {seconds * 1e3:8.2f} ms    {ratio:5.2f} of rest, "
                    f"{fully:5.2f} of rest+{verdict}"
                )
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_all(Path(sys.argv[2]))
    else:
        main(*(int(each) for each in sys.argv[1:]))
