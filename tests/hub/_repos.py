"""The content of the stand-in Hub: repositories, commits, files with git and LFS hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

LFS_SUFFIXES = {
    ".safetensors", ".bin", ".pt", ".pth", ".parquet", ".arrow", ".zip", ".png", ".jpg", ".onnx",
    ".h5", ".msgpack", ".gguf", ".lance",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file of a commit."""

    path: str
    data: bytes | Path
    size: int
    oid: str
    sha256: str | None

    def to_json(self, *, expand: bool = False) -> dict[str, object]:
        """Return the tree listing's form."""
        item: dict[str, object] = {
            "type": "file",
            "oid": self.oid,
            "size": self.size,
            "path": self.path,
        }
        if self.sha256:
            item["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        if expand:
            item["lastCommit"] = {"id": "0" * 40, "title": "x", "date": "2024-01-01T00:00:00.000Z"}
        return item


def make_entry(path: str, data: bytes | Path) -> Entry:
    """Hash a file as git (small) or git-LFS (by suffix) would."""
    content = data if isinstance(data, bytes) else data.read_bytes()
    lfs = Path(path).suffix in LFS_SUFFIXES
    sha256 = hashlib.sha256(content).hexdigest()
    stored = (
        (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\n"
            f"size {len(content)}\n"
        ).encode()
        if lfs
        else content
    )
    oid = hashlib.sha1(b"blob %d\0" % len(stored) + stored, usedforsecurity=False).hexdigest()
    return Entry(path, data, len(content), oid, sha256 if lfs else None)


@dataclass
class Repo:
    """A repository with its commits and refs."""

    kind: str
    name: str
    private: bool = False
    gated: bool = False
    card: dict[str, object] = field(default_factory=dict)
    commits: dict[str, dict[str, Entry]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes | Path], ref: str = "main", keep: bool = True) -> str:
        """Add a commit (on top of ``ref`` when ``keep``) and return its hash."""
        tree = dict(self.commits[self.refs[ref]]) if keep and ref in self.refs else {}
        tree.update({path: make_entry(path, data) for path, data in files.items()})
        text = "\n".join(f"{path} {tree[path].oid}" for path in sorted(tree))
        seed = f"{self.name} {self.refs.get(ref)} {len(self.commits)} {text}"
        sha = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = tree
        self.refs[ref] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the commit of a branch, tag or commit hash."""
        if revision in self.refs:
            return self.refs[revision]
        return revision if revision in self.commits else None


class Repos:
    """All repositories."""

    def __init__(self) -> None:
        self._repos: dict[tuple[str, str], Repo] = {}

    def create(self, kind: str, name: str, **options: object) -> Repo:
        """Make an empty repository; ``kind`` is ``model`` or ``dataset``."""
        repo = Repo(kind, name, **options)  # type: ignore[arg-type]
        self._repos[kind, name] = repo
        return repo

    def import_folder(self, kind: str, name: str, folder: Path, **options: object) -> Repo:
        """Make a repository with one commit of a folder's files."""
        repo = self.create(kind, name, **options)
        repo.commit(
            {
                path.relative_to(folder).as_posix(): path
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
        )
        return repo

    def split(self, kind: str, route: str) -> tuple[Repo | None, str]:
        """Find the repository that ``route`` begins with; return it and the rest."""
        for (found, name), repo in self._repos.items():
            if found == kind and (route == name or route.startswith(name + "/")):
                return repo, route[len(name) :].lstrip("/")
        return None, route
