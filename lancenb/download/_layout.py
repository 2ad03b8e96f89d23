"""What ``datasets`` makes of a folder: its format, its splits and their files."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CorruptInput, SourceNotFound, UnsafeInput, UnsupportedFormat
from ..progress import CancelToken
from ._pull import called, undisturbed
from ._repo_files import CARDS, RepoFiles, relative_names

_FOLDERS = ("imagefolder", "audiofolder", "videofolder", "pdffolder", "meshfolder", "niftifolder")
_META = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_LISTED, _MEMBERS = 20, 1000
_MOST_REPEATED = 1000
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".rar")


class Layout:
    """One configuration of a data set.

    Args:
        files: its files.
        name: what to call it.
        config: configuration, ``None`` for the default one.
        scratch: folder for what the builder wants to keep.
        cancel: stops it.

    Attributes:
        builder: the builder of ``datasets``.
        format: its kind: ``parquet``, ``csv``, ``json``, ``imagefolder``, ``lance`` ...
        splits: file names (relative to the folder) of every split.

    Raises:
        SourceNotFound: no data files, or no such configuration.
        UnsafeInput: its card names files that are not its own.
        UnsupportedFormat: it needs its own code to load.
    """

    def __init__(
        self,
        files: RepoFiles,
        name: str,
        config: str | None,
        scratch: Path,
        cancel: CancelToken | None = None,
    ):
        self.files, self.name = files, name
        script = f"{name.rstrip('/').rpartition('/')[2]}.py"
        if (files.root / script).is_file():
            raise UnsupportedFormat(
                f"{name} is loaded by code of its own ({script}), which is not run",
                hint="mode='repo' takes its files as they are",
            )
        for card in CARDS[:2]:
            _check_card(files.root / card, name)

        def build() -> Any:
            import datasets

            with undisturbed():
                return datasets.load_dataset_builder(
                    str(files.root), config, cache_dir=str(scratch / "datasets")
                )

        try:
            self.builder: Any = called(build, cancel)
        except zipfile.BadZipFile:  # it looks into archives, which are not here yet
            _list_archives(files)
            self.builder = called(build, cancel)
        self.format = type(self.builder).__module__.rpartition(".")[2]
        found = self.builder.config.data_files or {}
        self.splits = {
            str(split): relative_names(files.root, map(str, paths), name)
            for split, paths in found.items()
        }

    @property
    def features(self) -> Any:
        """The features that its card declares, ``None`` if it does not."""
        return self.builder.info.features

    @property
    def of_single_files(self) -> bool:
        """Whether rows are files in folders (images, sounds)."""
        return self.format in _FOLDERS

    def choose(self, split: str | None) -> str:
        """Return the split to take: the one asked for, ``train``, or the first.

        Raises:
            SourceNotFound: there is no such split; the hint names those that are.
        """
        if split is None:
            return "train" if "train" in self.splits else next(iter(self.splits))
        if split not in self.splits:
            raise SourceNotFound(
                f"{self.name} has no split {split!r}", hint=f"it has: {', '.join(self.splits)}"
            )
        return split

    def needed_first(self, split: str) -> list[str]:
        """Return the files that must be whole before the first row of a split can be told.

        For folders of single files these are the archives and descriptions of *all* splits: the
        classes are numbered over all of them.
        """
        if not self.of_single_files:
            return []
        every = {name for names in self.splits.values() for name in names}
        return sorted(name for name in every if is_archive(name) or os.path.basename(name) in _META)

    def tables(self, split: str) -> list[str]:
        """Return the folders of the Lance tables of a split."""
        names = self.splits[split]
        return sorted({name.split("/_versions/")[0] for name in names if "/_versions/" in name})

    def stream(self, split: str, names: list[str] | None = None) -> Any:
        """Return an ``IterableDataset`` over files of a split that are in the folder.

        Args:
            split: the split.
            names: these of its files only.
        """
        from datasets.data_files import DataFilesDict, DataFilesList

        builder = self.builder
        found = builder.config.data_files
        if not self.of_single_files:
            inside = self.files.root.as_posix() + "/"
            kept = [p for p in found[split] if names is None or p.removeprefix(inside) in names]
            builder.config.data_files = DataFilesDict({split: DataFilesList(kept, [])})
        try:
            with undisturbed():
                return builder.as_streaming_dataset(split)
        finally:
            builder.config.data_files = found


def _list_archives(files: RepoFiles) -> None:
    """Put zip files with the right names of members, and nothing in them, in place of the real."""
    listed: list[Path] = []
    for path in sorted(files.root.rglob("*.zip")):
        name = path.relative_to(files.root).as_posix()
        if len(listed) >= _LISTED:  # more of the same, as far as the format is concerned
            path.write_bytes(listed[0].read_bytes())
            continue
        with zipfile.ZipFile(files.open(name)) as real:
            members = real.namelist()
        with zipfile.ZipFile(path, "w") as stub:
            for member in members[:_MEMBERS]:
                stub.writestr(member, b"")
        listed.append(path)


def is_archive(name: str) -> bool:
    """Whether a file is packed, by its name."""
    return name.lower().endswith(_ARCHIVES)


def _check_card(path: Path, name: str) -> None:
    """Refuse a description that names addresses or files outside, before anybody follows it."""
    if not path.is_file():
        return
    import yaml

    try:
        text = path.read_text("utf-8")
        if path.suffix == ".md":
            from huggingface_hub import DatasetCard
            from huggingface_hub.repocard import REGEX_YAML_BLOCK

            block = REGEX_YAML_BLOCK.search(text)
            _check_repeats(block[2] if block else "", name)
            found = DatasetCard.load(path).data.to_dict()  # the very parser that datasets uses
        else:
            _check_repeats(text, name)
            found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CorruptInput(
            f"the description of {name} ({path.name}) is not readable", hint="tell its owner"
        ) from error
    configs = found.get("configs") if isinstance(found, dict) else None
    known = [c for c in configs if isinstance(c, dict)] if isinstance(configs, list) else []
    for text in _texts([[c.get("data_files"), c.get("data_dir")] for c in known], set()):
        elsewhere = "://" in text or "::" in text or text.startswith(("/", "~"))
        if elsewhere or ".." in text.replace("\\", "/").split("/"):
            raise UnsafeInput(
                f"the description of {name} names a data file that is not one of its own: "
                f"{text.split('?')[0][:100]!r}",
                hint="mode='repo' takes its own files; other addresses are downloads of their own",
            )


def _check_repeats(text: str, name: str) -> None:
    """Refuse YAML that says little and means much, before anybody unfolds it.

    References to one place, and to itself, are written once and read any number of times: by
    merging keys while it is parsed, and by whoever prints or walks through what was parsed.
    """
    if "*" not in text:
        return
    import yaml

    sizes: dict[str, float] = {}
    open_: list[tuple[str | None, float]] = []
    total: float = 0
    repeated: float = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            grown = sizes.get(anchor or "", 0.0)
            repeated += grown
            total += grown
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            if anchor:  # until it is counted: if it holds itself, it has no end
                sizes[anchor] = 1 if isinstance(event, yaml.ScalarEvent) else float("inf")
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append((anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = total - before
        if repeated > _MOST_REPEATED:
            raise UnsafeInput(
                f"the description of {name} repeats itself more than {_MOST_REPEATED:,} times",
                hint="tell its owner; mode='repo' takes the files as they are",
            )


def _texts(value: Any, seen: set[int]) -> Iterator[str]:
    """Yield all texts in a value once; YAML may refer to one place any number of times."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)) and id(value) not in seen:
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item, seen)
