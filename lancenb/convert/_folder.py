"""What lies in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

_MANY = 2000


def saved_dataset_kind(folder: Path) -> str | None:
    """Return the kind of a folder written by ``datasets`` ``save_to_disk``, ``None`` if it is not.

    Both layouts are known: one dataset, and a dictionary of splits.
    """
    splits = folder / "dataset_dict.json"
    if splits.exists():
        names = json.loads(splits.read_text(encoding="utf-8")).get("splits", [])
        return saved_dataset_kind(folder / names[0]) if names else None
    info = folder / "dataset_info.json"
    if not (info.exists() and (folder / "state.json").exists()):
        return None
    features = json.loads(info.read_text(encoding="utf-8")).get("features") or {}
    types = {f.get("_type") for f in features.values() if isinstance(f, dict)}
    return "images" if "Image" in types else "table"


def files_below(folder: Path) -> list[Path]:
    """Return the first couple of thousand files below ``folder``, hidden ones left out."""
    found: list[Path] = []
    for root, dirs, names in os.walk(folder):
        dirs[:] = sorted(d for d in dirs if not d.startswith((".", "__MACOSX")))
        found += [Path(root, n) for n in sorted(names) if not n.startswith(".")]
        if len(found) >= _MANY:
            break
    return found
