"""From a nested checkpoint to flat dotted names, and what remains to JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from lancenb.errors import CorruptInput, UnsupportedFormat

from ._stubs import Namespace, Stub

_MAX_NODES = 2_000_000
_MAX_DEPTH = 200
_MAX_EXTRA = 1 << 20
_MAX_BITS = 4096
_WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
    "params_ema",
    "ema",
)
_PREFIXES = ("module.", "_orig_mod.", "model.")


@dataclass
class Flat:
    """A checkpoint taken apart.

    Attributes:
        tensors: dotted names and tensors, in order.
        extras: what fits JSON.
        left_out: ``(where, type)`` of what does not.
        notes: ``wrapper`` (the level that holds the model) and ``prefix`` (shared by all names).
    """

    tensors: list[tuple[str, Any]] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


class _Gone:
    """Marks a container in which nothing but tensors was found."""


def flatten(root: Any, where: str) -> Flat:
    """Take a checkpoint apart; names join the keys of every level by dots.

    Args:
        root: a dict, list, tensor, or what the code-free reader made of an object.
        where: the source, named in errors.

    Raises:
        UnsupportedFormat: there is nothing like weights in it, or two tensors get one name.

    >>> import torch
    >>> flat = flatten({"state_dict": {"w": torch.zeros(2)}, "epoch": 3}, "here")
    >>> [name for name, _ in flat.tensors], flat.extras, flat.notes["wrapper"]
    (['state_dict.w'], {'epoch': 3}, 'state_dict')
    """
    import torch

    flat = Flat()
    if not isinstance(root, (dict, list, tuple, torch.Tensor, Stub, Namespace)):
        raise UnsupportedFormat(
            f"{where} holds a {type(root).__name__}, not tensors by name",
            hint="save a state dict: torch.save(model.state_dict(), path)",
        )
    left = _Walk(flat, where).visit(root, "", 0)
    _check_unique(flat, where)
    if isinstance(left, dict):
        flat.extras = _bounded(left, flat)
    elif left is not _Gone and left is not None:
        flat.extras = _bounded({"content": left}, flat)
    flat.notes.update(_wrapper(root))
    return flat


class _Walk:
    def __init__(self, flat: Flat, where: str) -> None:
        self.flat = flat
        self.where = where
        self.nodes = 0
        self.path: set[int] = set()

    def visit(self, node: Any, name: str, depth: int) -> Any:
        import torch

        self.nodes += 1
        if depth > _MAX_DEPTH or self.nodes > _MAX_NODES:
            raise CorruptInput(f"{self.where} is nested too deeply or too widely for a checkpoint")
        if isinstance(node, torch.Tensor):
            self.flat.tensors.append((name, node))
            return _Gone
        if isinstance(node, Stub):
            return self._stub(node, name, depth)
        if isinstance(node, Namespace) or type(node).__name__ == "Namespace":
            node = getattr(node, "values", None) or dict(vars(node))
        if not isinstance(node, (dict, list, tuple)):
            return self._leaf(node, name)
        if id(node) in self.path:
            raise CorruptInput(f"{self.where} contains itself at {name!r}")
        self.path.add(id(node))
        try:
            if isinstance(node, dict):
                return self._dict(node, name, depth)
            return self._list(node, name, depth)
        finally:
            self.path.discard(id(node))

    def _dict(self, node: dict[Any, Any], name: str, depth: int) -> Any:
        kept = {}
        for key, value in node.items():
            text = _key(key)
            child = self.visit(value, f"{name}.{text}" if name else text, depth + 1)
            if child is not _Gone:
                kept[text] = child
        return kept if kept or not node else _Gone

    def _list(self, node: Any, name: str, depth: int) -> Any:
        kept = [
            self.visit(value, f"{name}.{index}" if name else str(index), depth + 1)
            for index, value in enumerate(node)
        ]
        if kept and all(child is _Gone for child in kept):
            return _Gone
        return [
            {"tensor": f"{name}.{index}" if name else str(index)} if child is _Gone else child
            for index, child in enumerate(kept)
        ]

    def _stub(self, node: Stub, name: str, depth: int) -> Any:
        before = len(self.flat.tensors)
        for part in _module_parts(node):
            self.visit(part, name, depth + 1)
        if len(self.flat.tensors) == before:
            self.flat.left_out.append((name or ".", type(node).stub_name))
        return _Gone

    def _leaf(self, value: Any, name: str) -> Any:
        plain = jsonable(value)
        if plain is NotImplemented:
            kind = type(value)
            label = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
            self.flat.left_out.append((name or ".", label))
            return _Gone
        return plain


def _module_parts(node: Stub) -> list[Any]:
    """Order what a stand-in holds the way ``state_dict()`` would name it."""
    state = node.stub_state
    if isinstance(state, tuple) and len(state) == 2:
        state = {**(state[0] or {}), **(state[1] or {})}
    if not (isinstance(state, dict) and "_parameters" in state):
        return [p for p in node.stub_parts if p]
    hidden = state.get("_non_persistent_buffers_set") or ()
    buffers = {k: v for k, v in (state.get("_buffers") or {}).items() if k not in hidden}
    parts = [state.get("_parameters"), buffers, state.get("_modules")]
    return [{k: v for k, v in p.items() if v is not None} for p in parts if isinstance(p, dict)]


def jsonable(value: Any) -> Any:
    """Return the JSON form of a plain value, ``NotImplemented`` when there is none."""
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return hex(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value.encode("utf-8", "backslashreplace"), "utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, complex):
        return str(value)
    if isinstance(value, (set, frozenset)):
        # Sets in sets could repeat each other without end.
        nested = any(isinstance(v, (set, frozenset)) for v in value)
        items = [NotImplemented] if nested else [jsonable(v) for v in value]
        if any(i is NotImplemented for i in items):
            return NotImplemented
        return sorted(items, key=lambda v: (str(type(v)), str(v)))
    module = type(value).__module__.split(".")[0]
    if module == "torch" and type(value).__name__ in ("dtype", "device"):
        return str(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    # Never a structured type: a forged one makes numpy read whatever memory it names.
    if module == "numpy" and kind in tuple("biufU") and getattr(value, "size", 0) <= 4096:
        items = value.tolist()
        flat = items if isinstance(items, list) else [items]
        simple = all(isinstance(v, (bool, int, float, str, list)) for v in flat)
        return _nested(items) if simple else NotImplemented
    return NotImplemented


def _nested(items: Any) -> Any:
    return [_nested(i) for i in items] if isinstance(items, list) else jsonable(items)


def _key(key: Any) -> str:
    if isinstance(key, int) and key.bit_length() > _MAX_BITS:
        key = hex(key)
    text = key if isinstance(key, str) else str(key)
    return str(text.encode("utf-8", "backslashreplace"), "utf-8")


def _check_unique(flat: Flat, where: str) -> None:
    seen: set[str] = set()
    for name, _ in flat.tensors:
        if name in seen:
            raise UnsupportedFormat(
                f"two tensors of {where} would both be called {name!r}",
                hint="rename one of the keys; levels are joined by dots",
            )
        seen.add(name)


def _bounded(extras: dict[str, Any], flat: Flat) -> dict[str, Any]:
    """Leave out entries that are too big for metadata that every version carries."""
    total, kept = 0, {}
    for key, value in extras.items():
        size = len(json.dumps(value, ensure_ascii=False))
        if total + size > _MAX_EXTRA:
            flat.left_out.append((key, f"{size:,} bytes of JSON"))
            continue
        total += size
        kept[key] = value
    return kept


def _wrapper(root: Any) -> dict[str, Any]:
    """Find the level that holds the model and the prefix that its names share."""
    import torch

    path: list[str] = []
    node = root
    while isinstance(node, dict):
        below = [k for k, v in node.items() if isinstance(k, str) and isinstance(v, dict) and v]
        ending = [k for k in below if k.endswith("state_dict")]
        ending = [k for k in ending if "optim" not in k and "sched" not in k]
        # Beside single tensors (a best score, say) only an unmistakable name counts.
        bare = any(isinstance(v, torch.Tensor) for v in node.values())
        known = [k for k in _WRAPPERS if k in (ending if bare else below)] + ending
        if not known:
            break
        path.append(known[0])
        node = node[known[0]]
    notes: dict[str, Any] = {}
    if path:
        notes["wrapper"] = ".".join(path)
    names = [k for k in node if isinstance(k, str)] if isinstance(node, dict) else []
    for prefix in _PREFIXES:
        if names and all(n.startswith(prefix) for n in names):
            notes["prefix"] = prefix
            break
    return notes


def find_stubs_with_tensors(root: Any) -> list[str]:
    """Name the unknown classes whose objects hold tensors."""
    import torch

    found: list[str] = []
    seen: set[int] = set()
    stack: list[tuple[Any, str]] = [(root, "")]
    while stack and len(found) < 20:
        node, owner = stack.pop()
        if isinstance(node, torch.Tensor):
            if owner and owner not in found:
                found.append(owner)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Stub):
            stack.extend((part, owner or type(node).stub_name) for part in node.stub_parts)
        elif isinstance(node, dict):
            stack.extend((v, owner) for v in node.values())
        elif isinstance(node, (list, tuple, set, frozenset)):
            stack.extend((v, owner) for v in node)
        elif isinstance(node, Namespace):
            stack.append((node.values, owner))
    return found
