"""A shuffled epoch from S3 on this machine beside the same table on the local disk.

    python tests/benchmarks/bench_s3_loading.py [--rounds 5] [--quick] [--only global]

The server is Ceph's gateway where it is installed, else moto, which reads a whole object for every
range and says little about loading. It shares the cores with the loader: its work slows down the
contestants on S3, but is not charged to them, so look at rows per second. Pictures are not cached:
every epoch reads everything again.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _peers_suite as suites
from tests.benchmarks._peers_cells import CROP, picture_check, picture_source
from tests.benchmarks._peers_formats import write_lance
from tests.benchmarks._peers_run import main
from tests.store import _servers
from tests.store._ceph import Ceph, NotStarted, missing_binaries

SERVER = "LANCENB_BENCH_S3"


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """Start Ceph or moto; the options of a Store go to the contestants by the environment."""
    with contextlib.ExitStack() as stack:
        try:
            if missing_binaries():
                raise NotStarted("it is not installed")
            ceph = stack.enter_context(Ceph.start())
            options = {
                "endpoint": ceph.endpoint,
                "access_key": ceph.access_key,
                "secret_key": ceph.secret_key,
            }
        except NotStarted as error:
            print(f"no Ceph ({error}): moto instead", file=sys.stderr)
            process, endpoint = _servers.start_moto(folder)
            stack.callback(_servers.stop, process)
            options = {"endpoint": endpoint, "access_key": "bench", "secret_key": "bench-secret"}
        yield {SERVER: json.dumps(options)}


def _store(folder: Path) -> Any:
    from lancenb.store import Store

    # the folder's name and its parents' tell runs and sizes apart
    bucket = f"{folder.parents[1].name}-{folder.parent.name}".lower().replace("_", "-")
    return Store(f"s3://{bucket}", **json.loads(os.environ[SERVER]))


def write_s3(source: Path, out: Path) -> None:
    """The same table, copied into a bucket file by file."""
    import boto3

    local = out.parent / "for-s3"
    write_lance(source, local)
    out.mkdir()
    store = _store(out).create()
    options = json.loads(os.environ[SERVER])
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint"],
        aws_access_key_id=options["access_key"],
        aws_secret_access_key=options["secret_key"],
        region_name="us-east-1",
    )
    bucket = store.uri.removeprefix("s3://").partition("/")[0]
    for path in sorted(local.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), bucket, path.relative_to(local).as_posix())


def lancenb(shuffle: str, *, s3: bool) -> Any:
    """lancenb's loader with full decode."""

    def open_(folder: Path, settings: suites.Settings) -> suites.Epochs:
        from lancenb.data import LanceTorchDataset, loader
        from lancenb.data.transforms import RandomCropResize

        store = _store(folder) if s3 else None
        data = LanceTorchDataset(
            f"{store.uri}/t.lance" if store else str(folder / "t.lance"),
            transform=RandomCropResize(CROP, flip=False),
            store=store,
            cache=False,
        )
        batches = loader(data, settings.batch, shuffle=shuffle, threads=settings.threads)

        def epochs(epoch: int) -> Iterator[Any]:
            batches.set_epoch(epoch)
            return iter(batches)

        return epochs

    return open_


CONTESTANTS = [
    suites.Contestant(
        f"{place}, {shuffle} shuffle", data, lancenb(shuffle, s3=place == "S3"), note=""
    )
    for shuffle in ("global", "block")
    for place, data in (("local disk", "lance"), ("S3", "s3"))
]
GOALS = [
    suites.Goal(f"S3, {shuffle} shuffle", 0.7, f"local disk, {shuffle} shuffle", "wall", phase)
    for shuffle in ("global", "block")
    for phase in ("first", "later")
]
SUITE = suites.Suite(
    __file__,
    picture_source,
    {"lance": (write_lance, ""), "s3": (write_s3, "")},
    CONTESTANTS,
    GOALS,
    rows=1024,
    batch=64,
    limit="local disk, global shuffle",
    check=picture_check,
    around=s3_server,
    quick=4,
)

if __name__ == "__main__":
    raise SystemExit(main(SUITE, __doc__ or ""))
