"""Putting stored tensors into a module, and saying exactly what fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from lancenb.convert._report import shown_size
from lancenb.errors import InvalidArgument, WeightsMismatch

from ._items import on_device
from ._modules import fill, own_tensors
from ._plan import EXTRAS_KEY, FORM_KEY
from .table import load_tensors, open_weights

if TYPE_CHECKING:
    import torch

STRICT = ("exact", "backbone", "loose")


@dataclass
class WeightsLoad:
    """What was loaded and what did not fit.

    Attributes:
        state_dict: the tensors read, under their final names.
        loaded: names that went into the module (all names when there is no module).
        missing: names the module has and the table lacks.
        unexpected: names the table has and the module lacks.
        mismatched: ``(name, stored shape, shape in the module)``.
        cast: ``(name, stored type, type in the module)`` of values that were converted.
        extras: what was stored beside the tensors (epoch, metrics, configuration).
        uri: the table.
        version: its version.
        module: class of the module that was filled, empty when none was given.
    """

    state_dict: dict[str, torch.Tensor]
    loaded: list[str]
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    cast: list[tuple[str, str, str]] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)
    uri: str = ""
    version: int = 0
    module: str = ""

    @property
    def complete(self) -> bool:
        """Whether every name fitted."""
        return not (self.missing or self.unexpected or self.mismatched)

    def problems(self) -> list[str]:
        """One line per kind of misfit."""
        shapes = [f"{n} {list(a)} vs {list(b)}" for n, a, b in self.mismatched]
        groups = [
            ("missing in the table", self.missing),
            ("unknown to the module", self.unexpected),
            ("of another shape (table vs module)", shapes),
        ]
        return [f"{len(names)} {what}: {_some(names)}" for what, names in groups if names]

    def __repr__(self) -> str:
        size = sum(t.numel() * t.element_size() for t in self.state_dict.values())
        text = (
            f"<WeightsLoad {len(self.loaded)} tensor{'' if len(self.loaded) == 1 else 's'}, "
            f"{shown_size(size)}, version {self.version}"
            f"{', filled a ' + self.module if self.module else ''}"
        )
        for line in self.problems():
            text += f"\n  {line}"
        if self.cast:
            casts = [f"{name} {old} -> {new}" for name, old, new in self.cast]
            text += f"\n  {len(casts)} converted: {_some(casts)}"
        return text + ">"

    def _repr_html_(self) -> str:
        head = repr(self).strip("<>").splitlines()[0]
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.problems())
        return f"<div>{escape(head)}" + (f"<ul>{lines}</ul>" if lines else "") + "</div>"


def load_weights(
    dataset: Any,
    into: torch.nn.Module | None = None,
    *,
    only: Sequence[str] | str | None = None,
    strict: str = "exact",
    strip: Sequence[str] | str = (),
    device: Any = "cpu",
) -> WeightsLoad:
    """Load a weights table, into a module if one is given.

    Nothing is left out silently: with ``strict="exact"`` every name and shape has to fit, or the
    module stays as it was and the error lists the names.

    Args:
        dataset: a Lance dataset, artefact, path or URI of a weights table.
        into: the module to fill; its types and devices stay as they are, values are converted.
        only: names or patterns of stored tensors, as stored; everything when ``None``.
        strict: ``"exact"``; ``"backbone"`` lets the last layer differ (another number of
            classes); ``"loose"`` takes what fits.
        strip: prefixes removed from stored names, such as ``"state_dict.module."``, each at most
            once, in the order given. ``"auto"`` takes the level that holds the model (and nothing
            beside it) and removes that level and a ``module.`` prefix.
        device: where the tensors of ``state_dict`` go.

    Raises:
        WeightsMismatch: names or shapes do not fit.
        NotFound: a pattern of ``only`` fits nothing.

    >>> import tempfile, torch
    >>> from lancenb.convert.weights import save_weights
    >>> model = torch.nn.Linear(3, 2)
    >>> uri = save_weights(model, tempfile.mkdtemp() + "/m.lance").uri
    >>> load_weights(uri, torch.nn.Linear(3, 2)).loaded
    ['weight', 'bias']
    """
    _check_strict(strict)
    dataset = open_weights(dataset)
    metadata = dataset.schema.metadata or {}
    stored = load_tensors(dataset, only=stored_only(metadata, only, strip), device=device)
    facts: dict[str, Any] = {"uri": str(dataset.uri), "version": int(dataset.version)}
    return fit_weights(stored, metadata, into, strict=strict, strip=strip, **facts)


def stored_only(
    metadata: Mapping[bytes, bytes], only: Sequence[str] | str | None, strip: Sequence[str] | str
) -> Sequence[str] | str | None:
    """Return which tensors :func:`load_weights` reads: ``only``, or what ``strip="auto"`` means.

    Args:
        metadata: metadata of the schema of the weights table.
        only: as for :func:`load_weights`.
        strip: as for :func:`load_weights`.
    """
    wrapper = _form(metadata).get("wrapper")
    return f"{_literal(wrapper + '.')}*" if strip == "auto" and only is None and wrapper else only


def fit_weights(
    state: dict[str, torch.Tensor],
    metadata: Mapping[bytes, bytes],
    into: torch.nn.Module | None = None,
    *,
    uri: str = "",
    version: int = 0,
    strict: str = "exact",
    strip: Sequence[str] | str = (),
    device: Any = "cpu",
) -> WeightsLoad:
    """Do with tensors that were read elsewhere what :func:`load_weights` does with a table.

    Args:
        state: the tensors that :func:`stored_only` names, under their stored names.
        metadata: metadata of the schema of the weights table.
        into: as for :func:`load_weights`.
        uri: the table, for messages.
        version: its version.
        strict: as for :func:`load_weights`.
        strip: as for :func:`load_weights`.
        device: where the tensors go.

    Raises:
        WeightsMismatch: names or shapes do not fit.

    >>> import torch
    >>> fit_weights({"m.weight": torch.ones(1, 1)}, {}, strip="m.").loaded
    ['weight']
    """
    _check_strict(strict)
    form = _form(metadata)
    prefixes = [strip] if isinstance(strip, str) else list(strip)
    if strip == "auto":
        wrapper = f"{form['wrapper']}." if form.get("wrapper") else ""
        prefixes = [wrapper, *(p for p in (form.get("prefix"),) if p in ("module.", "_orig_mod."))]
    result = WeightsLoad(
        state_dict=_strip(on_device(state, device), [p for p in prefixes if p]),
        loaded=[],
        extras=json.loads(metadata.get(EXTRAS_KEY.encode(), b"{}")),
        uri=uri,
        version=version,
    )
    if into is None:
        result.loaded = list(result.state_dict)
        return result
    _fit(result, into)
    _judge(result, into, strict, form)
    fill(into, {name: result.state_dict[name] for name in result.loaded})
    result.module = type(into).__name__
    return result


def _check_strict(strict: str) -> None:
    if strict not in STRICT:
        raise InvalidArgument(f"strict={strict!r} is not one of {', '.join(STRICT)}")


def _form(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    return json.loads(metadata.get(FORM_KEY.encode(), b"{}"))


def _literal(text: str) -> str:
    """Escape a name so that it matches only itself as a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _strip(state: dict[str, Any], prefixes: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, tensor in state.items():
        short = name
        for prefix in prefixes:
            short = short.removeprefix(prefix)
        if short in out:
            raise WeightsMismatch(
                f"after strip={prefixes} two stored tensors would be called {short!r}",
                hint="strip less, or choose tensors with only=",
            )
        out[short] = tensor
    return out


def _fit(result: WeightsLoad, module: torch.nn.Module) -> None:
    own = own_tensors(module)
    for name, target in own.items():
        found = result.state_dict.get(name)
        if found is None:
            result.missing.append(name)
        elif found.shape != target.shape:
            result.mismatched.append((name, tuple(found.shape), tuple(target.shape)))
        else:
            result.loaded.append(name)
            if found.dtype != target.dtype:
                old, new = (str(t.dtype).removeprefix("torch.") for t in (found, target))
                result.cast.append((name, old, new))
    result.unexpected = [name for name in result.state_dict if name not in own]


def _judge(result: WeightsLoad, module: torch.nn.Module, strict: str, form: dict[str, Any]) -> None:
    if strict == "loose" and (result.loaded or not result.state_dict):
        return
    odd = [*result.missing, *result.unexpected, *(name for name, _, _ in result.mismatched)]
    if strict == "backbone" and result.loaded:
        heads = [_owner(list(names)[-1]) for names in (own_tensors(module), result.state_dict)]
        odd = [n for n in odd if not any(_owner(n) == h or n.startswith(f"{h}.") for h in heads)]
    if not odd:
        return
    raise WeightsMismatch(
        f"the weights of {result.uri} do not fit {type(module).__name__}: "
        + "; ".join(result.problems()),
        hint=_advice(result, strict, form),
        details={
            "missing": result.missing,
            "unexpected": result.unexpected,
            "mismatched": [[n, list(a), list(b)] for n, a, b in result.mismatched],
        },
    )


def _owner(name: str) -> str:
    return name.rpartition(".")[0] or name


def _advice(result: WeightsLoad, strict: str, form: dict[str, Any]) -> str:
    if result.missing and result.unexpected:
        ends = [n for n in result.unexpected if n.endswith(result.missing[0])]
        if ends and ends[0] != result.missing[0]:
            prefix = ends[0].removesuffix(result.missing[0])
            automatic = ' (strip="auto" finds that out)' if form else ""
            return (
                f"stored names carry a prefix: only={prefix + '*'!r}, strip={prefix!r}{automatic}"
            )
    if strict == "exact" and result.loaded:
        return 'strict="backbone" lets the last layer differ, strict="loose" takes what fits'
    return "is this the right model? see tensor_index(dataset) for the stored names"


def _some(names: list[str]) -> str:
    more = f" ... ({len(names) - 6} more)" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
