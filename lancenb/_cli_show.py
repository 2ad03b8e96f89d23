"""``lancenb show``: the facts about an artefact and, for trained weights, about their run."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import LancenbError

_WIDTH = 80


def show(artifact: Any) -> str:
    """Return the facts as lines of text.

    Args:
        artifact: of a catalogue.
    """
    return "\n".join([repr(artifact), *_told(_run_of(artifact))])


def _run_of(artifact: Any) -> dict[str, Any]:
    """What a training has stored beside its weights; empty for everything else."""
    if artifact.kind != "weights":
        return {}
    try:
        extras = json.loads((artifact.schema.metadata or {}).get(b"lancenb.extras", b"{}"))
    except (LancenbError, ValueError, RecursionError):  # the facts above say what is wrong
        return {}
    found = extras.get("lancenb.run") if isinstance(extras, dict) else None
    return found if isinstance(found, dict) else {}


def _told(run: Mapping[str, Any]) -> Iterator[str]:
    """The lines about a run; what another version wrote in another form is left out."""
    parts = {
        "trained on": _table(run.get("data")),
        "validated on": _table(run.get("validation")),
        "started from": _table(run.get("start")),
        "outcome": _outcome(run),
        "settings": _pairs(run.get("settings")),
        "classifier": _pairs(run.get("classifier")),
        "versions": _pairs(run.get("versions")),
    }
    if any(parts.values()):
        yield "run:"
    for name, text in parts.items():
        if text:
            yield from _wrapped(f"{name}: {text}")
    config = run.get("config")
    if isinstance(config, Mapping) and config:
        yield "configuration:"
        yield from (f"  {key}={value}" for key, value in _leaves(config))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="  ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _table(found: Any) -> str:
    if not isinstance(found, Mapping) or "name" not in found:
        return ""
    rows = found.get("rows")
    part = f"{found['split']} " if found.get("split") else ""
    counted = f", {rows:,} {part}rows" if isinstance(rows, int) else ""
    share = found.get("fraction")
    split_off = f" ({share:g} of the data, split off)" if isinstance(share, float) else ""
    return f"{found['name']} version {found.get('version')}{counted}{split_off}"


def _outcome(run: Mapping[str, Any]) -> str:
    steps, seconds = run.get("steps_done"), run.get("seconds")
    if not isinstance(steps, int):
        return ""
    here = run.get("steps_here")
    words = [
        f"{steps:,} steps" + (f" ({here:,} after a resume)" if here not in (None, steps) else "")
    ]
    if isinstance(seconds, (int, float)):
        words[0] += f" in {seconds:.1f} s on {run.get('device')}"
    losses = [run.get("loss_first"), run.get("loss_last")]
    if all(isinstance(loss, (int, float)) for loss in losses):
        words.append(f"loss {losses[0]:.3f} -> {losses[1]:.3f}")
    accuracy = run.get("val_acc")
    if isinstance(accuracy, (int, float)):
        words.append(f"validation accuracy {accuracy:.1%}")
    return ", ".join(words)


def _pairs(found: Any) -> str:
    if not isinstance(found, Mapping):
        return ""
    return ", ".join(f"{key}={_short(v)}" for key, v in found.items() if v is not None)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        listed = ", ".join(map(_short, value[:10]))
        return f"[{listed}{', ...' if len(value) > 10 else ''}]"
    return str(value)


def _leaves(config: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Keys and values as they are written in a shell, without those that are open."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{at}{key}.")
        elif value is not None and value != "" and key != "_partial_":
            yield f"{at}{key}", str(value).lower() if isinstance(value, bool) else value
