"""Whether an artefact is still the one that was shown: names can be given again."""

from __future__ import annotations

from typing import Any

from lancenb.errors import Conflict


def identity(artefact: Any) -> tuple[Any, ...]:
    """Return what an artefact keeps for life, whatever is written, tagged or renamed."""
    return (artefact.uri, artefact.created)


def insist(artefact: Any, known: tuple[Any, ...] | None) -> None:
    """Refuse an artefact that is another one than was shown; ``None`` when none was shown.

    Raises:
        Conflict: it was deleted and made again under the same name.
    """
    if known is not None and identity(artefact) != known:
        raise Conflict(
            f"{artefact.name} was deleted and made again meanwhile",
            hint="what is shown is fresh now: look again first",
        )
