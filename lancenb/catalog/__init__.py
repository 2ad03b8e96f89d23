"""The catalogue: every artefact by name, with versions, tags, search and lineage."""

from __future__ import annotations

from ._verify import Examined, Verified
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
    "Examined",
    "FsckReport",
    "Lineage",
    "Optimized",
    "Problem",
    "Rollback",
    "RowChange",
    "Upsert",
    "Verified",
    "Version",
    "Versions",
]
