"""Parts of stored tensors, read without the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lancenb.convert.weights import save_weights
from lancenb.convert.weights.ranges import open_tensor
from lancenb.errors import InvalidArgument, NotFound, SchemaMismatch

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float8_e4m3fn, torch.int64,
          torch.uint16, torch.bool, torch.complex64]  # fmt: skip


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    out = {str(d): torch.randint(0, 2, (5, 7)).to(d) for d in DTYPES}
    return {
        **out,
        "empty": torch.empty(0, 3),
        "one": torch.tensor(4.0),
        "tied": out[str(DTYPES[0])],
    }


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def check(table: object, state: dict[str, torch.Tensor], local: bool) -> None:
    for name, tensor in state.items():
        with open_tensor(table, name) as opened:
            assert opened.shape == tuple(tensor.shape)
            assert opened.local == (local and tensor.numel() > 0)
            if tensor.dim() != 2 or not tensor.numel():
                [found] = opened.read([(0, tensor.numel())])
                assert same(found, tensor.reshape(-1))
                continue
            flat = tensor.reshape(-1)
            pieces = opened.read([(30, 5), (0, 1), (4, 0), (3, 9)])
            for piece, want in zip(
                pieces, [flat[30:], flat[:1], flat[:0], flat[3:12]], strict=True
            ):
                assert piece.dtype == tensor.dtype
                assert same(piece, want)
            assert opened.bytes_read == 15 * tensor.element_size()


def test_ranges_of_every_type_are_the_stored_bytes(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    uri = str(tmp_path / "m.lance")
    save_weights(state, uri)
    check(uri, state, local=True)


@pytest.mark.s3
def test_ranges_come_from_an_object_store(s3_store, state: dict[str, torch.Tensor]) -> None:
    from lancenb.store import open_table

    report = save_weights(state, f"{s3_store.uri}/m.lance", store=s3_store)
    check(open_table(report.uri, store=s3_store), state, local=False)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    import lance
    import pyarrow as pa

    uri = str(tmp_path / "m.lance")
    save_weights({"w": torch.ones(3)}, uri)
    with pytest.raises(NotFound, match="no tensor 'v'"):
        open_tensor(uri, "v")
    with open_tensor(uri, "w") as opened:
        for bad in [(-1, 1), (2, 2), (0, -1)]:
            with pytest.raises(InvalidArgument, match="3 elements"):
                opened.read([bad])
    other = lance.write_dataset(pa.table({"n": [1]}), str(tmp_path / "t.lance"))
    with pytest.raises(SchemaMismatch):
        open_tensor(other, "w")


def test_a_moved_file_is_read_through_lance(tmp_path: Path, monkeypatch) -> None:
    uri = str(tmp_path / "m.lance")
    save_weights({"w": torch.arange(9.0)}, uri)
    monkeypatch.setattr("lancenb.convert.weights.ranges.local_blob_files", lambda dataset: None)
    with open_tensor(uri, "w") as opened:
        assert not opened.local
        assert opened.read([(2, 3)])[0].tolist() == [2.0, 3.0, 4.0]
