"""Ranks: equal numbers of batches, policies for what does not share out, torch.distributed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from lancenb.data import EpochBatches, LanceTorchDataset, loader
from lancenb.errors import CorruptInput, InvalidArgument
from tests.data.tables import image_table, pattern, png, write


def _ranks(rows, size, world, **options):
    return [
        loader(list(range(rows)), size, rank=rank, world_size=world, **options)
        for rank in range(world)
    ]


def _rows(batches):
    return [batch.tolist() for batch in batches]


def test_ranks_take_turns_in_the_order():
    first, second = (_rows(rank) for rank in _ranks(12, 2, 2))
    assert first == [[0, 1], [4, 5], [8, 9]]
    assert second == [[2, 3], [6, 7], [10, 11]]


@pytest.mark.parametrize(
    ("uneven", "wanted", "told"),
    [
        ("pad", ([8, 9], [10, 0]), "1 row repeated"),
        ("drop", ([8], [9]), "1 row dropped"),
    ],
)
def test_what_does_not_share_out_evenly(uneven, wanted, told):
    ranks = _ranks(11, 2, 2, uneven=uneven)
    assert tuple(_rows(rank)[-1] for rank in ranks) == wanted
    assert {len(rank) for rank in ranks} == {3}
    assert (ranks[0].padded, ranks[0].dropped) == ((1, 0) if uneven == "pad" else (0, 1))
    assert told in repr(ranks[0])
    assert "rank 0 of 2" in repr(ranks[0])


def test_fewer_rows_than_ranks():
    assert [_rows(rank) for rank in _ranks(2, 4, 3)] == [[[0]], [[1]], [[0]]]
    assert [_rows(rank) for rank in _ranks(2, 4, 3, uneven="drop")] == [[], [], []]
    assert [_rows(rank) for rank in _ranks(0, 4, 3)] == [[], [], []]
    with pytest.raises(InvalidArgument, match="leave 2 for a last batch of 3 ranks"):
        _ranks(2, 4, 3, uneven="error")


def test_drop_last_leaves_out_the_incomplete_global_batch():
    ranks = _ranks(15, 2, 3, drop_last=True)
    assert [len(_rows(rank)) for rank in ranks] == [2, 2, 2]
    assert ranks[0].dropped == 3


@pytest.mark.parametrize(
    ("rank", "world"), [(0, None), (None, 2), (2, 2), (-1, 2), (0, 0), ("0", 2)]
)
def test_ranks_that_cannot_be(rank, world):
    with pytest.raises(InvalidArgument):
        EpochBatches(10, 2, rank=rank, world_size=world)


def test_a_batch_without_a_readable_row_stops_ranks_and_not_a_single_process(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(8)]
    for row in (2, 3):
        cells[row] = b"junk"
    uri = write(image_table(cells, [i % 3 for i in range(8)]), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, on_error="skip")
    assert [len(labels) for _, labels in loader(data, 2)] == [2, 2, 2]
    assert [len(labels) for _, labels in loader(data, 2, rank=0, world_size=2)] == [2, 2]
    with pytest.raises(CorruptInput, match="rank 1 could read none of the 2 rows") as caught:
        list(loader(data, 2, rank=1, world_size=2))
    assert "check()" in caught.value.hint


SCRIPT = """
import json, sys
import torch.distributed as dist
from lancenb.data import EpochBatches, loader

early = loader(list(range(23)), 3, shuffle=True, seed=4)
place = "file://" + sys.argv[1]
dist.init_process_group("gloo", init_method=place, rank=int(sys.argv[2]), world_size=2)
late = loader(list(range(23)), 3, shuffle=True, seed=4)
told = {"repr": repr(late), "lengths": [len(early), len(late)]}
told["early"] = [batch.tolist() for batch in early]
run = iter(late)
told["part"] = [next(run).tolist() for _ in range(2)]
told["state"] = late.state_dict()
everyone = [None, None]
dist.all_gather_object(everyone, told["state"])
told["same"] = everyone[0] == everyone[1]
dist.destroy_process_group()
print(json.dumps(told))
"""


def test_ranks_of_two_real_processes_are_found_by_themselves(tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(SCRIPT)
    group = tmp_path / "group"
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(group), str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = []
    for process in running:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        told.append(json.loads(out.splitlines()[-1]))
    wanted = [
        [list(batch) for batch in EpochBatches(23, 3, seed=4, rank=rank, world_size=2)]
        for rank in range(2)
    ]
    for rank in range(2):
        assert told[rank]["early"] == wanted[rank], "made before the process group"
        assert told[rank]["part"] == wanted[rank][:2]
        assert told[rank]["lengths"] == [4, 4]
        assert f"rank {rank} of 2" in told[rank]["repr"]
        assert told[rank]["same"]
    alone = loader(list(range(23)), 5, shuffle=True, seed=4)  # one process goes on for both
    alone.load_state_dict(told[0]["state"])
    rest = [row for batch in alone for row in batch.tolist()]
    before = [row for rank in range(2) for batch in told[rank]["part"] for row in batch]
    assert Counter(before + rest) == Counter(range(23))


def test_the_repr_tells_what_is_left_of_a_resumed_epoch():
    first = loader(list(range(50)), 5)
    for _ in zip(range(3), first, strict=False):
        pass
    again = loader(list(range(50)), 5)
    assert "left" not in repr(again)
    again.load_state_dict(first.state_dict())
    assert "10 batches of 5 rows (7 left)" in repr(again)
