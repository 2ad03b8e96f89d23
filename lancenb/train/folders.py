"""Folders of pictures as training data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..data.modules import LanceDataModule
from ..errors import SourceNotFound


def folder_data(
    path: str,
    manager: Any,
    name: str | None = None,
    *,
    val_fraction: float | None = 0.2,
    exam: bool = False,
    **options: Any,
) -> Any:
    """Convert a folder with one folder of pictures per class, once, and train on the artefact.

    Args:
        path: the folder.
        manager: catalogue to convert into.
        name: artefact; default: the folder's name. What is there already is used as it is.
        val_fraction: share of the pictures for validation; None: no validation data.
        exam: all pictures are the test data as well, for an evaluation.
        **options: of :class:`~lancenb.LanceDataModule`.

    Raises:
        SourceNotFound: there is no such folder.
    """
    place = Path(path).expanduser()
    if not place.is_dir():
        raise SourceNotFound(f"there is no folder {path}", hint="data.path=./photos")
    made = name or re.sub(r"[^A-Za-z0-9._-]+", "-", place.resolve().name).strip("-._") or "photos"
    if made not in manager:
        manager.convert(place, made, kind="images", message=f"pictures of the folder {place.name}")
    test = made if exam else None
    return LanceDataModule(made, test=test, manager=manager, val_fraction=val_fraction, **options)
