"""Stand-ins for everything a pickle may name, so that reading one runs nothing.

A pickle can call any importable function. The reader in ``_salvage`` resolves every name to one
of the harmless functions below or to an inert class that only remembers what it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._sealed import Call

# Modules and builtins that no checkpoint needs and that attacks use.
_MODULES = (
    "posix nt os sys subprocess commands popen2 pty shutil socket socketserver ssl http urllib "
    "requests httpx ftplib smtplib telnetlib xmlrpc webbrowser importlib runpy imp zipimport "
    "pkgutil ctypes cffi code codeop marshal types pickle _pickle cloudpickle dill joblib shelve "
    "operator _operator inspect timeit pdb bdb profile cProfile trace pip ensurepip venv "
    "setuptools distutils multiprocessing threading _thread asyncio concurrent signal io _io "
    "tempfile fileinput glob platform resource atexit gc pydoc doctest lib2to3 idlelib antigravity "
    "sqlite3 IPython nose pytest tkinter"
)
_DANGEROUS_MODULES = frozenset(_MODULES.split())
_NAMES = (
    "eval exec execfile compile open __import__ getattr setattr delattr globals locals vars input "
    "breakpoint apply file reload exit quit memoryview help map filter"
)
_DANGEROUS_NAMES = frozenset(_NAMES.split())
_DANGEROUS_FUNCTIONS = frozenset(
    (
        "torch load",
        "torch.serialization load",
        "torch.jit load",
        "torch.hub load",
        "torch.hub load_state_dict_from_url",
        "torch.storage _load_from_bytes",
        "torch.utils.cpp_extension load",
        "torch.utils.cpp_extension load_inline",
        "numpy load",
        "numpy.f2py compile",
        "numpy.testing._private.utils runstring",
        "functools reduce",
        "logging.config listen",
    )
)


def is_dangerous(module: str, name: str) -> bool:
    """Tell whether a global a pickle refers to has no place in a checkpoint.

    >>> is_dangerous("posix", "system"), is_dangerous("collections", "OrderedDict")
    (True, False)
    """
    top = module.split(".")[0]
    if top in _DANGEROUS_MODULES:
        return True
    if top in ("builtins", "__builtin__"):
        return name.split(".")[0] in _DANGEROUS_NAMES
    return f"{module} {name}" in _DANGEROUS_FUNCTIONS or "__" in name.strip("_")


class Stub:
    """An object of a class that was not imported; it holds what the pickle put into it."""

    stub_name = "?"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stub_args = args
        self.stub_kwargs = kwargs
        self.stub_state: Any = None
        self.stub_items: list[Any] = []

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Stub:
        made = object.__new__(cls)
        made.stub_args, made.stub_kwargs = (), {}
        made.stub_state, made.stub_items = None, []
        return made

    def __setstate__(self, state: Any) -> None:
        self.stub_state = state

    def append(self, item: Any) -> None:
        """Keep an element of a list-like object."""
        self.stub_items.append(item)

    def extend(self, items: Any) -> None:
        """Keep elements of a list-like object."""
        self.stub_items.extend(items)

    def add(self, item: Any) -> None:
        """Keep an element of a set-like object."""
        self.stub_items.append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.stub_items.append((key, value))

    @property
    def stub_parts(self) -> list[Any]:
        """Everything the object was given."""
        return [self.stub_args, self.stub_kwargs, self.stub_state, self.stub_items]


def stub_class(module: str, name: str) -> type[Stub]:
    """Make an inert class that carries the name of the real one."""
    return type("Stub", (Stub,), {"stub_name": f"{module}.{name}"})


class Namespace:
    """What became of an ``argparse.Namespace``: its attributes as a dictionary."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.values.update(state)


def _ordered(*args: Any) -> dict[Any, Any]:
    pairs = args[0] if args else ()
    if isinstance(pairs, dict):
        return _Dict(pairs)
    return _Dict((k, v) for k, v in pairs) if isinstance(pairs, (list, tuple)) else _Dict()


class _Dict(dict):
    """A dictionary that accepts (and forgets) attributes, as OrderedDict and Counter do."""

    def __setstate__(self, state: Any) -> None:
        self.stub_state = state


def _default_dict(*_args: Any) -> dict[Any, Any]:
    return _Dict()


def _concrete(kind: type) -> Callable[..., Any]:
    # Only from real containers: list(range(10**12)) would eat the memory.
    def make(*args: Any) -> Any:
        first = args[0] if args else ()
        return kind(first) if isinstance(first, (list, tuple, set, frozenset, dict)) else kind()

    return make


def _encode(text: Any, encoding: Any = "latin1", *_rest: Any) -> bytes:
    # How pickle protocol 2 writes bytes.
    return text.encode("latin1") if isinstance(text, str) and encoding == "latin1" else b""


def _bytes(*args: Any) -> bytes:
    return bytes(args[0]) if args and isinstance(args[0], (bytes, bytearray)) else b""


def _complex(*args: Any) -> Any:
    return complex(*args) if all(isinstance(a, (int, float)) for a in args) else None


def _path(*parts: Any) -> str:
    return "/".join(str(p) for p in parts if isinstance(p, str)).replace("//", "/")


def _size(*args: Any) -> list[Any]:
    return list(args[0]) if args and isinstance(args[0], (list, tuple)) else []


def _device(*args: Any) -> str:
    return ":".join(str(a) for a in args)


HARMLESS: dict[str, Any] = {
    "collections OrderedDict": _ordered,
    "collections Counter": _ordered,
    "collections defaultdict": _default_dict,
    "argparse Namespace": Namespace,
    "types SimpleNamespace": Namespace,
    "_codecs encode": _encode,
    "torch Size": _size,
    "torch device": _device,
}
for _module in ("builtins", "__builtin__"):
    for _kind in (set, frozenset, list, tuple):
        HARMLESS[f"{_module} {_kind.__name__}"] = _concrete(_kind)
    HARMLESS[f"{_module} dict"] = _ordered
    HARMLESS[f"{_module} complex"] = _complex
    HARMLESS[f"{_module} bytes"] = HARMLESS[f"{_module} bytearray"] = _bytes
HARMLESS = {k: v if isinstance(v, type) else Call(v) for k, v in HARMLESS.items()}
for _kind_name in ("PosixPath", "WindowsPath", "Path", "PurePosixPath", "PureWindowsPath"):
    HARMLESS[f"pathlib {_kind_name}"] = Call(_path)
    HARMLESS[f"pathlib._local {_kind_name}"] = Call(_path)
