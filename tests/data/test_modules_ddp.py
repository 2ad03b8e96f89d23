"""Two processes over gloo: each row once, equal batches, resumed at the very batch."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lancenb.data import LanceTorchDataset, loader
from tests.data.ddp_models import EPOCHS, diary, marks
from tests.data.pictures import picture_tree
from tests.data.ports import reserved_port
from tests.data.tables import patterns

REPO = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # two processes import everything again


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder in which two processes have written down what they were given."""
    folder = tmp_path_factory.mktemp("ddp")
    table = patterns(folder / "t.lance", 38)
    tree = picture_tree(folder / "pictures", train=15)
    words = [sys.executable, "-m", "tests.data.ddp_models", str(folder), table, str(tree)]
    ranks = []
    with reserved_port() as port:
        try:
            for rank in range(2):
                place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
                env = {**os.environ, **place, "NODE_RANK": "0", "LOCAL_RANK": str(rank)}
                with open(folder / f"log-{rank}.txt", "w") as log:
                    ranks.append(subprocess.Popen(words, cwd=REPO, env=env, stdout=log, stderr=log))
            codes = [process.wait(timeout=500) for process in ranks]
        finally:
            for process in ranks:
                process.kill()
    assert codes == [0, 0], (folder / "log-0.txt").read_text()[-3000:]
    return folder


def expected(table, rank):
    """The batches of one rank of two, read in this process."""
    batches = loader(LanceTorchDataset(table), 4, shuffle=True, rank=rank, world_size=2)
    return [marks(images) for _ in range(EPOCHS) for images, _ in batches]


def test_two_ranks_cover_the_rows_and_resume_at_the_very_batch(runs):
    table = str(runs / "t.lance")
    seen = []
    for rank in range(2):
        before, after = diary(runs / "one", rank), diary(runs / "two", rank)
        assert len(before) == 7
        assert before + after == expected(table, rank)
        seen.append(before + after)
    every = {crc for batch in seen[0] + seen[1] for crc in batch}
    assert len(every) == 38
    assert [len(batch) for batch in seen[0]] == [len(batch) for batch in seen[1]]
    for epoch in range(EPOCHS):
        part = slice(epoch * 5, epoch * 5 + 5)
        rows = [crc for rank in seen for batch in rank[part] for crc in batch]
        assert set(rows) == every
        assert len(rows) == 38
    validated = [diary(runs / "two", rank, "val")[-5:] for rank in range(2)]
    last = [list(itertools.chain(*batches)) for batches in validated]
    assert set(last[0]) | set(last[1]) == every
    assert len(last[0]) == len(last[1]) == 19


def test_pictures_in_folders_are_shared_out_without_overlap(runs):
    ranks = [diary(runs / "tree", rank) for rank in range(2)]
    assert [[len(batch) for batch in rank] for rank in ranks] == [[3, 3, 1] * EPOCHS] * 2
    for epoch in range(EPOCHS):
        part = slice(epoch * 3, epoch * 3 + 3)
        rows = [[crc for batch in rank[part] for crc in batch] for rank in ranks]
        assert not set(rows[0]) & set(rows[1]), "ranks share no row"
        assert len(set(rows[0]) | set(rows[1])) == 14
    validated = [diary(runs / "tree", rank, "val") for rank in range(2)]
    assert len({crc for rank in validated for batch in rank for crc in batch}) == 6
