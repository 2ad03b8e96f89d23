"""The files of a data set as one folder: those of a local folder, or of a Hub repository on demand.

``datasets`` understands folders: which files belong to which split, what a card says, how CSV and
images become rows. For a repository it gets a folder of empty files with the right names, in which
the real ones appear when they are needed. So every byte comes through our own engine: verified,
resumed, under the policy, and without the dozens of questions its own client asks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from ..errors import UnsafeInput
from ..store import check_self_contained, open_table
from ._files import disk_errors, link_or_copy
from ._hub_bodies import trusting
from ._range_file import RangeFile
from ._records import Record
from ._snapshot import Snapshot
from .choose import Choice, is_unsafe
from .errors import DownloadDenied
from .fetch import Fetcher

CARDS = ("README.md", ".huggingface.yaml", "dataset_infos.json")


class RepoFiles(Protocol):
    """A folder whose files may still be elsewhere."""

    root: Path

    def bring(self, names: Iterable[str]) -> None:
        """Make these files real."""
        ...

    def open(self, name: str) -> Any:
        """Return something that pyarrow reads ranges of."""
        ...

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        ...

    def bring_start(self, name: str, nbytes: int, by_line: bool) -> bool:
        """Make the first bytes (whole lines of them) real; return whether that is all of it."""
        ...

    def table(self, root: str, whole: bool) -> Any:
        """Open the Lance table in a folder, where it is if not all of it is wanted."""
        ...


class FolderFiles:
    """A folder of this machine: all its files are there."""

    def __init__(self, root: Path):
        self.root = root.resolve()

    def bring(self, names: Iterable[str]) -> None:
        """Do nothing."""

    def open(self, name: str) -> Any:
        """Return the path."""
        return self.root / name

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        return (self.root / name).stat().st_size

    def bring_start(self, name: str, nbytes: int, by_line: bool) -> bool:
        """Return True: the file is whole."""
        return True

    def table(self, root: str, whole: bool) -> Any:
        """Open the Lance table in a folder."""
        return _checked(self.root / root, root)


class HubFiles:
    """The files of one commit of a repository.

    Args:
        snapshot: the repository.
        record: the commit and its listing.
        work: an empty folder for this object alone.
        force: fetch files again that are in the cache.

    Attributes:
        partly: files of which only ranges were read; no hash covers these.
    """

    def __init__(self, snapshot: Snapshot, record: Record, work: Path, force: bool = False):
        self.snapshot, self.record, self.force = snapshot, record, force
        self.commit: str = record.facts["commit"]
        self.root = work.resolve()
        self.partly: set[str] = set()
        self._real: set[str] = set()
        self._tails: dict[str, bytes] = {}
        with disk_errors(self.root):
            for name in record.tree:
                if is_unsafe(name):
                    raise UnsafeInput(
                        f"{snapshot.source} has a file with the unsafe name {name!r}",
                        hint="tell its owner; mode='repo' with allow= takes single files",
                    )
                path = self.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        self.bring(name for name in CARDS if name in record.tree)

    def bring(self, names: Iterable[str]) -> None:
        """Fetch what is not here yet, verified, and link it into the folder."""
        wanted = [n for n in dict.fromkeys(names) if n in self.record.tree and n not in self._real]
        if not wanted:
            return
        choice = Choice(tuple(wanted), ("*",))
        self.snapshot.fetch(self.record, choice, offline=False, force=self.force)
        folder = self.snapshot.layout.snapshot(self.commit)
        with disk_errors(self.root):
            for name in wanted:
                path = self.root / name
                path.unlink(missing_ok=True)
                link_or_copy((folder / name).resolve(), path)
        self._real.update(wanted)
        self.partly.difference_update(wanted)

    def open(self, name: str) -> Any:
        """Return the path of a file that is here, else a reader of ranges on the Hub."""
        if not self.size(name):
            self.bring([name])
        if name in self._real:
            return self.root / name
        return RangeFile(lambda start, length: self._range(name, start, length), self.size(name))

    def size(self, name: str) -> int:
        """Return the bytes of a file, as the listing has them."""
        return self.record.tree[name].get("size") or 0

    def bring_start(self, name: str, nbytes: int, by_line: bool) -> bool:
        """Append to the file in the folder until it has ``nbytes`` or is complete."""
        if nbytes >= self.size(name):
            self.bring([name])
        if name in self._real:
            return True
        path, tail = self.root / name, self._tails.get(name, b"")
        start = path.stat().st_size + len(tail)
        if nbytes > start:
            block = tail + self._range(name, start, nbytes - start)
            cut = block.rfind(b"\n") + 1 if by_line else len(block)
            self._tails[name] = block[cut:]
            with disk_errors(path), path.open("ab") as file:
                file.write(block[:cut])
        return False

    def table(self, root: str, whole: bool) -> Any:
        """Open a Lance table: a copy, or where it is when only some of it is wanted."""
        policy = self.snapshot.policy
        if whole or (policy is not None and not policy.allow_private):
            self.bring(name for name in self.record.tree if name.startswith(f"{root}/"))
            return _checked(self.root / root, root)
        from .lance_repo import HubTable, open_at

        self.partly.add(root)
        table = HubTable("dataset", self.snapshot.repo_id, root, self.commit)
        return open_at(table, self.record, None, self.snapshot.known_token())

    def _range(self, name: str, start: int, length: int) -> bytes:
        snapshot = self.snapshot
        url = f"{snapshot.page}/resolve/{self.commit}/{quote(name)}"
        try:
            block = Fetcher(trusting(snapshot.policy, snapshot.endpoint)).read_range(
                url, start, length, token=snapshot.known_token(), cancel=snapshot.cancel
            )
        except DownloadDenied:
            snapshot.check_access(self.commit, name)  # tells gated, private, bad token
            raise
        snapshot.tracker.advance(0, len(block))
        self.partly.add(name)
        return block


def _checked(path: Path, name: str) -> Any:
    table = open_table(path)
    check_self_contained(table, name)
    return table


def relative_names(root: Path, paths: Iterable[str], name: str) -> list[str]:
    """Return paths below ``root`` as names relative to it.

    Raises:
        UnsafeInput: one lies elsewhere: cards may name any address and any file of this machine.
    """
    inside = root.as_posix().rstrip("/") + "/"
    names = []
    for path in paths:
        place = path.rpartition("::")[2]
        if not place.startswith(inside) or ".." in place.split("/"):
            raise UnsafeInput(
                f"the description of {name} names a data file that is not one of its own: "
                f"{os.path.basename(place)!r}",
                hint="mode='repo' takes its own files; other addresses are downloads of their own",
            )
        names.append(place.removeprefix(inside))
    return names
