"""Two processes on the CPU over gloo: rows once, one of them stores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.ports import reserved_port

REPO = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, os, sys
from pathlib import Path
import lightning as L
from lancenb.train import fit
from tests.train.runs import store

class Rows(L.Callback):
    def __init__(self):
        self.seen, self.sizes = [], []
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen += [int(v) for v in batch[0].to(int).sum(dim=(1, 2, 3))]
        self.sizes.append(len(batch[1]))

root, rows = Path(sys.argv[1]), Rows()
dm = store(root)
result = fit("simple_cnn", "pics", manager=dm, name="m", epochs=1, batch_size=8, augment=False,
             val="pics", accelerator="cpu", devices=2, strategy="ddp", checkpoint=True,
             callbacks=[rows])
rank = os.environ.get("LOCAL_RANK", "0")
found = {"seen": rows.seen, "sizes": rows.sizes, "version": result.version,
         "val": result.run["val_acc"], "weights": float(result.model.net.fc.weight.double().sum()),
         "steps": result.history.num_rows, "lr": result.history["lr"].to_pylist()}
(root / f"rank{rank}.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    root = tmp_path_factory.mktemp("ddp")
    from tests.train.runs import store

    store(root)
    (root / "script.py").write_text(SCRIPT)
    with reserved_port() as port:
        done = subprocess.run(
            [sys.executable, str(root / "script.py"), str(root)], cwd=REPO, capture_output=True,
            text=True, timeout=800, env={**_environment(), "MASTER_PORT": str(port)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return root, [json.loads((root / f"rank{rank}.json").read_text()) for rank in (0, 1)]


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}


def test_ranks_share_the_rows(ranks):
    from lancenb import LanceTorchDataset

    root, (one, two) = ranks
    data = LanceTorchDataset(root / "p.lance")
    wanted = [int(data[i][0].to(int).sum()) for i in range(60)]
    assert sorted(one["seen"] + two["seen"]) == sorted(wanted), "60 rows: each exactly once"
    assert one["sizes"] == two["sizes"] == [8, 8, 8, 6], "as many batches, as large"


def test_both_have_the_same_weights_and_the_first_alone_stores(ranks):
    from lancenb import DataManager

    root, (one, two) = ranks
    assert one["weights"] == two["weights"]
    assert one["val"] == two["val"]
    assert (one["version"], two["version"]) == (1, None)
    assert one["steps"] == two["steps"] == 4
    assert one["lr"][-1] < max(one["lr"]) / 2, "the schedule knows its four steps"
    dm = DataManager(root / "store")
    assert [dm[name].version for name in ("m", "m-history")] == [1, 1]
    assert set(dm.tags("m-checkpoints")) == {"last", "best"}
