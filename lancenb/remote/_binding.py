"""From JSON data to the arguments of an operation; from its answer to an ETag."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lancenb.catalog.artifact import Artifact
from lancenb.errors import InvalidArgument, UnknownOption

from ._models import ArtifactFacts
from ._op import Op
from ._typed import argument, dump


def bind(op: Op, data: Any) -> dict[str, Any]:
    """Return the arguments of an operation from JSON data.

    Raises:
        InvalidArgument: one is missing or of another type.
        UnknownOption: one that the operation does not have.
    """
    if not isinstance(data, dict):
        raise InvalidArgument("the arguments are no JSON object")
    for name in data:
        if name not in op.params:
            raise UnknownOption(
                f"{op.name} has no argument {name!r:.60}", hint=f"it takes {', '.join(op.params)}"
            )
    args: dict[str, Any] = {}
    for name, param in op.params.items():
        if name in data:
            args[name] = argument(op.hints[name], data[name], name)
        elif param.default is param.empty:
            raise InvalidArgument(f"{op.name} needs {name}", details={"argument": name})
        else:
            args[name] = param.default
    return args


def etag_of(value: Any) -> str:
    """Return the state of an entry as an ETag."""
    text = json.dumps(value, sort_keys=True)
    return '"' + hashlib.sha256(text.encode()).hexdigest()[:20] + '"'


def etag_with_head(artifact: Artifact) -> str:
    """Return the state of an entry and of its table as an ETag."""
    facts = etag_of(dump(ArtifactFacts, ArtifactFacts.of(artifact)))
    return f'{facts[:-1]}.{artifact.version}"'


def still(artifact: Artifact, wanted: str) -> bool:
    """Whether an artefact has one of the states of an ``If-Match`` header.

    The ETag of ``get`` is of the entry (description, tags, metadata ...) only; that of ``head``
    also changes with every version.
    """
    tags = [tag.strip() for tag in wanted.split(",")]
    if "*" in tags or etag_of(dump(ArtifactFacts, ArtifactFacts.of(artifact))) in tags:
        return True
    return any("." in tag for tag in tags) and etag_with_head(artifact) in tags


def etag_for(op: Op, value: Any) -> str | None:
    """Return the ETag of an answer, ``None`` where it is not about one entry."""
    return etag_of(value) if op.result is Artifact else None
