"""Whole batches, column by column, and samples, from memory and table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ._augment import augmented
from ._cache import PictureCache
from ._collate import collate
from ._pool import pinned
from ._reader import BAD, Values, samples_of
from ._rows import place_array
from ._seeded import one_thread, seeds_of
from ._sheet import PictureSheet
from ._tokens import Ragged

if TYPE_CHECKING:
    from .dataset import LanceTorchDataset

_POOLED = 1 << 17  # glibc gives larger blocks back to the system: fresh pages in every batch


def whole_batch(
    data: LanceTorchDataset, indices: Sequence[int], augment: Any, pin: bool
) -> Any | None:
    """A finished batch in the order of the indices, or None when no row of it can be read."""
    places = place_array(indices, len(data))
    if not len(places):
        return None
    pin = pin and torch.cuda.is_available()
    seeds = seeds_of(indices)
    with one_thread():
        if data.transform is not None and not data.plan.image_key:
            made = data.finish(fetched(data, indices))
            batch, kept = collate(made) if made else None, seeds
        else:
            columns, keep = _columns(data, places, seeds, pin)
            kept = seeds if keep is None or seeds is None else seeds[keep.numpy()]
            batch = data.plan.outer(columns) if columns is not None else None
        if batch is not None and augment is not None:
            batch = augmented(batch, augment, kept, getattr(indices, "seed", None))
        return pinned(batch) if pin else batch


class Fetched(list[dict[str, Any]]):
    """Samples without the transform, their rows, and the seeds of these where they have some."""

    rows: list[int] | None = None
    seeds: list[int] | None = None


def fetched(data: LanceTorchDataset, indices: Sequence[int]) -> Fetched:
    """Samples in the order of the indices; rows that cannot be read are left out."""
    places = place_array(indices, len(data))
    rows = data.row_numbers(places)
    cache = data.memory.asked(data, len(places))
    found: Values = {}
    at = torch.from_numpy(places)
    picture = cache.picture if cache is not None else None
    if picture is not None and not _fill(data, picture, places):
        picture = None
    if picture is not None:
        found[data.plan.image_key] = _known(picture, at)
    if cache is not None:
        found |= {key: kept.tensor[at] for key, kept in cache.columns.items()}
    rest = [key for key in data.plan.keys if key not in found]
    if rest:
        found |= data.reader.values(rows.tolist(), rest)
    ordered = samples_of(_in_order(data, found), len(places))
    made = Fetched(sample for sample in ordered if sample is not None)
    made.rows = [
        row for row, sample in zip(rows.tolist(), ordered, strict=True) if sample is not None
    ]
    seeds = seeds_of(indices) if data.transform is not None else None
    if seeds is not None:
        made.seeds = [
            seed for seed, sample in zip(seeds.tolist(), ordered, strict=True) if sample is not None
        ]
    return made


def _columns(
    data: LanceTorchDataset, places: np.ndarray, seeds: np.ndarray | None, pin: bool
) -> tuple[dict[str, Any] | None, torch.Tensor | None]:
    """Columns of a batch and which of its rows could be read (None: all of them)."""
    image = data.plan.image_key
    cache = data.memory.ready(data)
    at = torch.from_numpy(places)
    found: Values = {}
    sheet = PictureSheet(len(places), data.transform, seeds, data.reader.decoder, data.pool, pin)
    keep: torch.Tensor | None = None
    picture = cache.picture if cache is not None else None
    if picture is not None and _fill(data, picture, places):
        known = picture.known[at]
        keep = None if bool(known.all()) else known
        found[image] = _gathered(data, picture, at if keep is None else at[keep], pin, sheet, keep)
    if cache is not None:
        found |= {key: _rows_of(kept.tensor, at, data, pin) for key, kept in cache.columns.items()}
    rest = [key for key in data.plan.keys if key not in found]
    if rest:
        rows = data.row_numbers(places).tolist()
        found |= data.reader.values(rows, rest, sheet=sheet, ascending=True)
    unread = _unread(found, len(places))
    if unread is not None:
        keep = unread if keep is None else keep & unread
    if keep is not None and not bool(keep.any()):
        return None, keep
    columns: dict[str, Any] = {}
    for key, part in _in_order(data, found).items():
        if key == image and image in rest:
            columns[key] = _alone(sheet.stacked(keep))
        elif key == image:
            columns[key] = part
        else:
            columns[key] = _batched(key, part, keep)
    return columns, keep


def _unread(found: Values, count: int) -> torch.Tensor | None:
    bad = [
        number
        for part in found.values()
        if isinstance(part, list) and not isinstance(part, Ragged)
        for number, value in enumerate(part)
        if value is BAD
    ]
    if not bad:
        return None
    keep = torch.ones(count, dtype=torch.bool, device="cpu")
    keep[torch.tensor(bad, device="cpu")] = False
    return keep


def _batched(key: str, part: Any, keep: torch.Tensor | None) -> Any:
    if isinstance(part, Ragged):
        rows = part if keep is None else Ragged([part[i] for i in keep.nonzero().flatten()], 0)
        return Ragged(rows, part.pad).padded()
    if isinstance(part, torch.Tensor):
        return part if keep is None else part[keep]
    rows = list(part) if keep is None else [part[i] for i in keep.nonzero().flatten().tolist()]
    return collate(rows, key)


def _in_order(data: LanceTorchDataset, found: Values) -> Values:
    """Values in the order of the sample's keys (masks and tokens after what they belong to)."""
    order: dict[str, Any] = {}
    encoder = data.reader.encoder
    for key in data.plan.keys:
        names = [key, f"{key}_mask"]
        if encoder is not None and key == encoder.key:
            names = ["input_ids", "attention_mask", "token_type_ids", f"{key}_mask"]
        order.update({name: found[name] for name in names if name in found})
    return order


def _rows_of(
    kept: torch.Tensor, at: torch.Tensor, data: LanceTorchDataset, pin: bool
) -> torch.Tensor:
    nbytes = len(at) * (kept[:1].numel() * kept.element_size())
    if not pin and nbytes < _POOLED:
        return kept.index_select(0, at)
    out = data.pool.empty((len(at), *kept.shape[1:]), kept.dtype, pin=pin)
    return torch.index_select(kept, 0, at, out=out)


def _gathered(
    data: LanceTorchDataset,
    picture: PictureCache,
    at: torch.Tensor,
    pin: bool,
    sheet: PictureSheet,
    keep: torch.Tensor | None,
) -> Any:
    if data.transform is None:
        return _rows_of(picture.images, at, data, pin)
    numbers = range(len(at)) if keep is None else keep.nonzero().flatten().tolist()
    for number, place in zip(numbers, at.tolist(), strict=True):
        shown = picture.images[place]
        # a transform may write into what it is given, or give a view of it to the consumer
        try:
            sheet.add(shown if sheet.crops else shown.clone(), number)
        except Exception as error:
            data.reader.note(error, int(data.row_numbers([place])[0]))
            raise
    return _alone(sheet.stacked(None))


def _alone(batch: Any) -> Any:
    """A batch in memory of its own size: behind one of fewer rows there are those of an older one.

    They would be written with it when it is saved.
    """
    whole = not isinstance(batch, torch.Tensor) or batch.untyped_storage().nbytes() == batch.nbytes
    return batch if whole else batch.clone()


def _known(picture: PictureCache, at: torch.Tensor) -> list[Any]:
    known = picture.known[at].tolist()
    # a copy: what a caller writes into a sample must not change the memory of later epochs
    return [
        picture.images[place].clone() if there else BAD
        for place, there in zip(at.tolist(), known, strict=True)
    ]


def _fill(data: LanceTorchDataset, picture: PictureCache, places: np.ndarray) -> bool:
    """Read the pictures that are not in memory yet; False when their sizes turn out to differ."""
    missing = picture.missing(torch.from_numpy(places)).unique().tolist()
    if missing:
        rows = data.row_numbers(np.array(missing, dtype=np.int64)).tolist()
        image = data.plan.image_key
        for place, value in zip(missing, data.reader.values(rows, [image])[image], strict=True):
            if value is not BAD:
                picture.put(place, value)
    return picture.usable
