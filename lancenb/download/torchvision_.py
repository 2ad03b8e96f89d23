"""Addresses of torchvision's weights; the transfer itself is our engine's.

torchvision's own loader checks no hash unless told to, never looks at a cached file again and has
no resume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import MissingDependency, SourceNotFound


@dataclass(frozen=True)
class Weights:
    """Published weights: ``url`` (its name carries the sha256 prefix) and ``facts`` for lineage."""

    url: str
    facts: dict[str, Any]


def weights(name: str) -> Weights:
    """Look up ``resnet18`` or ``resnet18/IMAGENET1K_V1``.

    Raises:
        SourceNotFound: no such model or weights; the hint lists what there is.
        MissingDependency: torchvision is not installed.
    """
    try:
        from torchvision.models import get_model_weights, list_models
    except ImportError as error:
        raise MissingDependency(
            "torchvision knows these addresses, and is not installed",
            hint="pip install torchvision",
        ) from error
    model, _, wanted = name.partition("/")
    try:
        known = get_model_weights(model)
    except ValueError as error:
        close = [other for other in list_models() if other.startswith(model[:4])][:8]
        raise SourceNotFound(
            f"torchvision has no model {model!r}",
            hint=f"such as {', '.join(close)}" if close else "see torchvision.models.list_models()",
        ) from error
    try:
        chosen: Any = known[wanted] if wanted else known.DEFAULT  # type: ignore[attr-defined]
    except (KeyError, AttributeError) as error:
        raise SourceNotFound(
            f"torchvision has no weights {wanted or 'DEFAULT'!r} for {model}",
            hint=f"it has: {', '.join(item.name for item in known)}",
        ) from error
    meta = chosen.meta
    facts = {
        "torchvision": f"{model}/{chosen.name}",
        "num_params": meta.get("num_params"),
        "recipe": meta.get("recipe"),
        "classes": len(meta.get("categories") or []),
    }
    return Weights(chosen.url, {key: value for key, value in facts.items() if value})
