"""Folders of pictures as training data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..data._splits import split_rows
from ..data.dataset import LanceTorchDataset
from ..data.modules import LanceDataModule
from ..errors import SourceNotFound
from ._folder_table import bring_folder


def folder_data(
    path: str,
    manager: Any,
    name: str | None = None,
    *,
    val_fraction: float | None = 0.2,
    exam: bool = False,
    **options: Any,
) -> Any:
    """Convert a folder with one folder of pictures per class, and train on the artefact.

    It is converted once; a folder that has changed since, again, as the next version.

    Args:
        path: the folder.
        manager: catalogue to convert into.
        name: artefact; default: the folder's name.
        val_fraction: share of the pictures for validation, where the folder has none of its own
            (in ``val``, beside ``train``); None: no validation data.
        exam: all pictures are the test data as well, for an evaluation, unless the folder tells
            ``train`` and ``test`` apart.
        **options: of :class:`~lancenb.LanceDataModule`.

    Raises:
        SourceNotFound: there is no such folder.
        InvalidArgument: the artefact of that name holds something else.
    """
    place = Path(path).expanduser()
    if not place.is_dir():
        raise SourceNotFound(f"there is no folder {path}", hint="data.path=./photos")
    made = name or re.sub(r"[^A-Za-z0-9._-]+", "-", place.resolve().name).strip("-._") or "photos"
    bring_folder(place, made, manager)
    told = split_rows(LanceTorchDataset(manager[made])) or {}
    test = made if exam and not told else None
    if "val" in told:
        val_fraction = None
    return LanceDataModule(made, test=test, manager=manager, val_fraction=val_fraction, **options)
