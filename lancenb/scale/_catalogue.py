"""Writing an artefact by a converter that the catalogue did not choose itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalog._edges import check_lineage
from ..errors import LocalOnly

if TYPE_CHECKING:
    from ..catalog import DataManager
    from ..convert import Converter, ConvertReport
    from ..progress import CancelToken, ProgressCallback


@dataclass(frozen=True)
class Facts:
    """What is said about an artefact when it is made; see :meth:`DataManager.convert`."""

    description: str = ""
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] | None = None
    parents: Sequence[Any] = ()
    message: str = ""
    lineage: Mapping[str, Any] | None = None


def local_manager(manager: Any) -> DataManager:
    """Return a manager whose files this process reaches.

    Raises:
        LocalOnly: it is a connection to a server, or none at all.
    """
    from ..catalog import DataManager

    if not isinstance(manager, DataManager):
        raise LocalOnly(
            f"a {type(manager).__name__} does not reach the files themselves",
            hint="use DataManager(root) with the root that the server has",
        )
    return manager


def convert_into(
    manager: DataManager,
    name: str,
    converter: Converter,
    source: Any,
    *,
    mode: str,
    facts: Facts,
    progress: ProgressCallback | bool | None,
    cancel: CancelToken | None,
) -> ConvertReport:
    """Convert ``source`` with ``converter`` to an artefact, as ``manager.convert`` does.

    Raises:
        AlreadyExists: the name is taken.
        ArtifactNotFound: ``mode="append"`` and there is no such artefact.
        SchemaMismatch: the artefact is of another kind, or appended rows do not fit.
    """
    ready = manager._prepare(
        name, mode, facts.description, facts.tags, facts.metadata, facts.parents, facts.message
    )
    common: dict[str, Any] = {"progress": progress, "cancel": cancel, "message": facts.message}
    common["lineage"] = check_lineage(facts.lineage)
    return manager._convert_by(converter, source, name, mode, facts.description, ready, common)
