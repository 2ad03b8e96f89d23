"""Reading the tensors of a pickled checkpoint without running any of its code.

Knows both containers of torch: the zip one (torch >= 1.6) and the older run of pickles followed by
the storages. Storages are slices of the mapped file, so memory stays small. Sources: the pickle
protocol (PEP 3154) and the layout described in torch's serialization notes,
https://pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, UnsupportedFormat

from ._dtypes import STORAGES, torch_dtype
from ._pages import FileMap
from ._sealed import Call, Inert, sealed
from ._stubs import HARMLESS, is_dangerous, stub_class

if TYPE_CHECKING:
    import torch

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_AGAIN = "fetch or export the file again"


@dataclass
class Salvaged:
    """What was found in a pickle.

    Attributes:
        root: the object, with inert stand-ins for unknown classes.
        unknown: names of classes and functions that were not resolved.
        dangerous: those among them that only an attack needs.
        mapped: the mapping that the tensors are views of.
    """

    root: Any = None
    unknown: list[str] = field(default_factory=list)
    dangerous: list[str] = field(default_factory=list)
    mapped: FileMap | None = None


@dataclass(slots=True)
class _Storage(Inert):
    """A slice of the file; ``payload`` is None while a legacy file is read the first time."""

    dtype: str | None
    payload: torch.Tensor | None


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, found: Salvaged, storage_of: Callable[..., Any]) -> None:
        super().__init__(file, encoding="utf-8", errors="surrogateescape")
        self._found = found
        self._storage_of = storage_of

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a name to something inert; nothing is ever imported."""
        known = f"{module} {name}"
        if known in HARMLESS:
            return HARMLESS[known]
        if known in _BUILDERS:
            return _BUILDERS[known]
        if module in ("torch", "torch.storage", "torch.cuda") and name in STORAGES:
            return name
        if module == "torch" and _is_dtype(name):
            return _DType(name)
        label = f"{module}.{name}"[:200]
        if label not in self._found.unknown:
            self._found.unknown.append(label)
            if is_dangerous(module, name):
                self._found.dangerous.append(label)
        return stub_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """Turn the reference to a storage into a slice of the file."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] in ("module", b"module"):
            return pid[1]  # a class with its source text, in legacy files; inert by now
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError("a persistent reference that is not a storage")
        return self._storage_of(*pid[1:])


class _DType(str):
    """A torch element type met in a pickle."""

    __slots__ = ()


def _is_dtype(name: str) -> bool:
    import torch

    return isinstance(getattr(torch, name, None), torch.dtype)


def _rebuild_v2(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    return _view(storage, storage.dtype, offset, size, stride)


def _rebuild_v3(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Any:
    return _view(storage, str(dtype), offset, size, stride)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _view(storage: Any, dtype: str | None, offset: Any, size: Any, stride: Any) -> Any:
    import torch

    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    if storage.payload is None:
        return None
    kind = torch_dtype(dtype or "uint8")
    shape, steps, first = tuple(map(int, size)), tuple(map(int, stride)), int(offset)
    if len(shape) != len(steps) or first < 0 or min((*shape, *steps), default=0) < 0:
        raise pickle.UnpicklingError("a tensor of impossible shape")
    if 0 in shape:
        return sealed(torch.empty(shape, dtype=kind))
    last = first + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    payload = storage.payload
    if (last + 1) * kind.itemsize > payload.numel():
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    if (payload.data_ptr() % kind.itemsize) or (payload.storage_offset() % kind.itemsize):
        payload = payload.clone()
    whole = payload[: payload.numel() // kind.itemsize * kind.itemsize].view(kind)
    return sealed(torch.as_strided(whole, shape, steps, whole.storage_offset() + first))


_BUILDERS: dict[str, Any] = {
    "torch._utils _rebuild_tensor": Call(_rebuild_v2),
    "torch._utils _rebuild_tensor_v2": Call(_rebuild_v2),
    "torch._utils _rebuild_tensor_v3": Call(_rebuild_v3),
    "torch._utils _rebuild_parameter": Call(_rebuild_parameter),
    "torch._utils _rebuild_parameter_with_state": Call(_rebuild_parameter),
}


def salvage(path: Path, container: str) -> Salvaged:
    """Read a checkpoint; see the module's description.

    Args:
        path: the file.
        container: ``"zip"`` or ``"pickle"``.

    Raises:
        CorruptInput: the pickle or the storages are damaged.
        UnsupportedFormat: a plain pickle that torch did not write.
    """
    try:
        return _salvage_zip(path) if container == "zip" else _salvage_legacy(path)
    except UnsupportedFormat as error:
        raise UnsupportedFormat(_named(path, error.message), hint=error.hint) from None
    except CorruptInput:
        raise
    except RecursionError:
        raise CorruptInput(f"{path} is nested too deeply to be a checkpoint") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CorruptInput(
            f"{path} is a damaged or truncated checkpoint ({type(error).__name__})", hint=_AGAIN
        ) from None


def _named(path: Path, message: str) -> str:
    return message if str(path) in message else f"{path}: {message}"


def _dtype_of(kind: Any) -> str | None:
    if isinstance(kind, str) and kind in STORAGES:
        return STORAGES[kind]
    name = getattr(kind, "stub_name", str(kind))[:80]
    raise UnsupportedFormat(
        f"it holds a {name}, whose elements are not plain memory",
        hint="quantised or exotic tensors have to be turned into plain ones first",
    )


def _salvage_zip(path: Path) -> Salvaged:
    import torch

    found = Salvaged(mapped=FileMap(path))
    assert found.mapped is not None
    payload = torch.from_numpy(found.mapped.array)
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: m for m in archive.infolist()}
        pickled = next(n for n in members if n.count("/") == 1 and n.endswith("/data.pkl"))
        root = pickled.split("/")[0]
        order = f"{root}/byteorder"
        if order in members and archive.read(order) != b"little":
            raise UnsupportedFormat(f"{path} was written on a big-endian machine")
        stream = io.BytesIO(archive.read(pickled))
    cache: dict[str, _Storage] = {}

    def storage_of(kind: Any, key: Any, *_: Any) -> _Storage:
        key = str(key)
        if key not in cache:
            member = members[f"{root}/data/{key}"]
            start = _data_offset(payload, member.header_offset)
            cache[key] = _Storage(_dtype_of(kind), payload[start : start + member.file_size])
        return cache[key]

    found.root = _Reader(stream, found, storage_of).load()
    return found


def _data_offset(payload: torch.Tensor, header: int) -> int:
    local = bytes(payload[header : header + 30].numpy())
    name, extra = local[26:28], local[28:30]
    return header + 30 + int.from_bytes(name, "little") + int.from_bytes(extra, "little")


def _salvage_legacy(path: Path) -> Salvaged:
    found = Salvaged()
    kinds: dict[str, str | None] = {}
    slices: dict[str, torch.Tensor] = {}

    def storage_of(
        kind: Any, key: Any, _device: Any, _numel: Any, view: Any = None, *_: Any
    ) -> _Storage:
        dtype = kinds.setdefault(str(key), _dtype_of(kind))
        payload = slices.get(str(key))
        if view is not None and payload is not None:
            _key, first, count = view
            width = torch_dtype(dtype or "uint8").itemsize
            payload = payload[int(first) * width : (int(first) + int(count)) * width]
        return _Storage(dtype, payload)

    with path.open("rb") as file:

        def load() -> Any:
            return _Reader(file, found, storage_of).load()

        first = load()
        if first != LEGACY_MAGIC:
            if found.dangerous:
                return found
            raise UnsupportedFormat(
                f"{path} is a Python pickle that torch did not write",
                hint="load it where you trust it and save the tensors with torch.save",
            )
        _version, system = load(), load()
        if isinstance(system, dict) and system.get("little_endian") is False:
            raise UnsupportedFormat(f"{path} was written on a big-endian machine")
        # The storages follow the pickle that refers to them, so it is read twice.
        start = file.tell()
        load()
        keys = load()
        found.mapped = FileMap(path)
        slices.update(_slices(path, found.mapped, kinds, keys, file.tell()))
        file.seek(start)
        found.root = load()
    return found


def _slices(
    path: Path, mapped: FileMap, kinds: dict[str, str | None], keys: Any, at: int
) -> dict[str, torch.Tensor]:
    import torch

    payload = torch.from_numpy(mapped.array)
    out = {}
    for key in keys:
        count = int.from_bytes(bytes(payload[at : at + 8].numpy()), "little")
        at += 8
        size = count * torch_dtype(kinds[str(key)] or "uint8").itemsize
        if at + size > payload.numel():
            raise CorruptInput(
                f"{path} is truncated: {at + size:,} bytes expected, {payload.numel():,} present",
                hint=_AGAIN,
            )
        out[str(key)] = payload[at : at + size]
        at += size
    return out
