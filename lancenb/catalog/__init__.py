"""The catalogue: every artefact by name, with versions, tags, search and lineage."""

from __future__ import annotations

from .artifact import Artifact, Artifacts
from .diff import Diff
from .fsck import FsckReport, Problem
from .lineage import Lineage
from .manager import DataManager
from .results import Cleanup, Deletion, Optimized, Rollback, RowChange, Upsert, Version, Versions

__all__ = [
    "Artifact",
    "Artifacts",
    "Cleanup",
    "DataManager",
    "Deletion",
    "Diff",
    "FsckReport",
    "Lineage",
    "Optimized",
    "Problem",
    "Rollback",
    "RowChange",
    "Upsert",
    "Version",
    "Versions",
]
