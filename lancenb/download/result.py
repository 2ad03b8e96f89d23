"""What a download gives back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import _html
from ..errors import SourceNotFound
from .choose import DATA_SUFFIXES, WEIGHT_SUFFIXES

#: Names that a model's configuration has, whose weights may also end in ``.bin``.
_CONFIG = ("config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json")
_SHOWN = 50


@dataclass(frozen=True)
class DownloadedFile:
    """One file of a download; usable wherever a path is.

    Attributes:
        path: absolute path on this machine.
        name: path relative to the source (``/`` as separator).
        size: bytes.
        sha256: hex digest of the content, ``None`` when nobody computed it (local sources).
    """

    path: Path
    name: str
    size: int
    sha256: str | None = None

    def __fspath__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Download:
    """A finished download; ``lancenb.convert`` takes it as it is.

    Attributes:
        path: the file, or the folder that holds exactly the files that were asked for.
        files: its files with sizes and hashes.
        lineage: JSON-able facts on where the bytes come from (address without query or
            credentials, repository, requested revision, commit, hashes, time); never a token.
        from_cache: True when no content had to be transferred or generated.
        kind: ``"model"``, ``"dataset"``, ``"lance"`` (a Lance table as it is) or ``"file"``.
    """

    path: Path
    files: tuple[DownloadedFile, ...]
    lineage: dict[str, Any] = field(default_factory=dict)
    from_cache: bool = False
    kind: str = "file"

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(item.size for item in self.files)

    def __fspath__(self) -> str:
        return str(self.path)

    def __iter__(self) -> Iterator[DownloadedFile]:
        return iter(self.files)

    @property
    def origin(self) -> str:
        """Say where it was found: ``fetched``, ``from the cache``, ``here already``, ..."""
        source = str(self.lineage.get("source", ""))
        if source and Path(source).is_absolute() and "rows" not in self.lineage:
            return "here already" if Path(source) == self.path else "copied"
        if self.from_cache:
            return "from the cache"
        return "made here" if source.startswith("synthetic:") else "fetched"

    def summary(self) -> str:
        """Return kind, split, rows, files and bytes in a line of words."""
        rows = self.lineage.get("rows")
        words = [
            self.kind, self._split(), _html.count(rows, "row") if isinstance(rows, int) else "",
            _html.count(len(self.files), "file"), _html.size(self.size), self.origin,
        ]  # fmt: skip
        return ", ".join(filter(None, words))

    def _split(self) -> str:
        split = self.lineage.get("split")
        if not split:
            return ""
        notes = " ".join(map(str, self.lineage.get("notes") or ()))
        several = re.search(r"is one split of (\d+)", notes)  # nobody chose it
        more = f" (1 of {several[1]}; split='all' takes every one)" if several else ""
        return "all splits" if split == "all" else f"split {split}{more}"

    def __repr__(self) -> str:
        return f"<Download {self.summary()}: {self.path}>"

    def _repr_html_(self) -> str:
        facts = self.lineage
        pairs = [("path", str(self.path))]
        pairs += [
            (key, str(facts[key]))
            for key in ("source", "revision", "commit", "license", "downloaded")
            if facts.get(key)
        ]
        pairs += [("note", str(note)) for note in facts.get("notes") or ()]
        card = _html.facts(f"Download: {self.summary()}", pairs)
        rows = [
            (item.name, _html.size(item.size), f"sha256 {item.sha256[:12]}" if item.sha256 else "")
            for item in self.files[:_SHOWN]
        ]
        more = f"the first {_SHOWN} of {len(self.files):,}" if len(self.files) > _SHOWN else ""
        return card + _html.table(("file", "size", "hash"), rows, more)


def local_files(path: Path) -> tuple[DownloadedFile, ...]:
    """List a file, or the files below a folder, without reading them.

    Raises:
        SourceNotFound: a link there leads nowhere.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("hello")
    >>> [(item.name, item.size) for item in local_files(folder)]
    [('a.txt', 5)]
    """
    if path.is_file():
        return (DownloadedFile(path, path.name, path.stat().st_size),)
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            full = Path(folder) / name
            found.append(DownloadedFile(full, full.relative_to(path).as_posix(), _size_of(full)))
    return tuple(found)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        what = "a link to nothing" if path.is_symlink() else "not readable"
        raise SourceNotFound(
            f"{path} is {what}", hint="remove it, or bring back what it stands for"
        ) from error


def local_kind(path: Path, files: tuple[DownloadedFile, ...]) -> str:
    """Return what lies at a local path, by the names of its files.

    >>> local_kind(Path("x.safetensors"), (DownloadedFile(Path("x"), "x.safetensors", 1),))
    'model'
    """
    if path.suffix == ".lance":
        return "lance"
    names = [item.name.lower() for item in files]
    sure = tuple(suffix for suffix in WEIGHT_SUFFIXES if suffix != ".bin")
    configured = any(name.rpartition("/")[2] in _CONFIG for name in names)
    if any(name.endswith(sure) or (configured and name.endswith(".bin")) for name in names):
        return "model"
    weights_or_text = (*WEIGHT_SUFFIXES, ".json", ".txt", ".xml", ".yaml", ".yml")
    data = tuple(suffix for suffix in DATA_SUFFIXES if suffix not in weights_or_text)
    return "dataset" if any(name.endswith(data) for name in names) else "file"


def client_versions(*packages: str) -> dict[str, str]:
    """Return the versions of lancenb and of the packages that moved the bytes, for lineage.

    >>> sorted(client_versions("urllib3", "not-installed"))
    ['lancenb', 'urllib3']
    """
    from importlib import metadata

    from .. import __version__

    found = {"lancenb": __version__}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
