"""Which rows of a DataModule are for what, and that their own transforms do what was asked."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..errors import EmptyInput, InvalidArgument
from ._module_inputs import open_data
from ._module_trial import tried
from ._splits import split_rows, split_values, tell_mixed
from .dataset import LanceTorchDataset
from .subsets import split

_LONG = {"val": "validation", "test": "test"}


def opened_parts(
    sources: Mapping[str, Any],
    manager: Any = None,
    versions: Mapping[str, int] | None = None,
    on_error: str = "raise",
    fraction: float | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], bool]:
    """Open what a DataModule was given, the training table by its column ``split``.

    Args:
        sources: ``{part: name, artefact, URI or data set}``; parts with None are left out.
        manager: catalogue for names.
        versions: versions of tables, by part.
        on_error: ``"raise"`` or ``"skip"`` unreadable pictures.
        fraction: share of the training rows that is split off them for validation.
        seed: of that split.

    Returns:
        Data sets by part, and whether the column ``split`` told the rows of the training table
        apart. What was given for a part goes before what the column says.

    Raises:
        EmptyInput: no rows to train on.
        InvalidArgument: a fraction of data that comes from no table, or of too few rows.
    """
    opened = {
        part: open_data(source, manager, (versions or {}).get(part), on_error)
        for part, source in sources.items()
        if source is not None
    }
    train = opened.pop("train")
    rows = split_rows(train)
    tell_mixed(train)
    parts = {"train": train}
    if rows is not None:
        parts = {part: train.subset(places) for part, places in rows.items()}
    if not len(parts["train"]):
        raise EmptyInput(
            f"'{getattr(train, 'name', 'the data')}' has no rows to train on",
            hint=split_values(train),
        )
    if fraction is not None:
        if not isinstance(train, LanceTorchDataset):
            raise InvalidArgument(
                "a validation fraction needs data from a table", hint="give val= instead"
            )
        parts["train"], parts["val"] = split(parts["train"], fraction, seed=seed)
    return {**parts, **opened}, rows is not None


def check_transforms(
    parts: Mapping[str, Any], image_size: int | None = None, *, stacklevel: int = 3
) -> None:
    """See what transforms of the user's own do: they give the size asked for, or it is refused.

    A warning says where one draws random numbers though a model is measured by its rows.

    Args:
        parts: data sets by part.
        image_size: side of the pictures in pixels, when it was given.
        stacklevel: as if ``warnings.warn`` stood where this is called.

    Raises:
        InvalidArgument: a transform gives pictures of another size.
    """
    random = []
    for part, data in parts.items():
        if data is None or (part == "train" and image_size is None):
            continue
        made = tried(data)
        if made is None:
            continue
        if image_size is not None and made.size not in (None, (image_size, image_size)):
            raise InvalidArgument(
                f"the transform of '{data.name}' gives pictures of"
                f" {' x '.join(map(str, made.size))} pixels, image_size says {image_size}",
                hint="leave image_size= out, or end the transform with v2.Resize(...)",
            )
        if made.random and part in _LONG:
            random.append(_LONG[part])
    if random:
        warnings.warn(
            f"the transform of the {' and '.join(random)} rows draws random numbers, so that their"
            " scores are those of changed samples; give val= and test= as data sets with a"
            " transform of their own: by a filter, or part.with_transform(...) after"
            " rest, part = lancenb.data.split(data, 0.2)",
            stacklevel=stacklevel,
        )
