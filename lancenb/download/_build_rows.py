"""Builds the folder of Parquet files that holds the rows of a data set."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..progress import CancelToken, Tracker
from ._dataset_errors import dataset_errors
from ._files import disk_errors, link_or_copy
from ._kept import NEW, WORK
from ._layout import Layout
from ._parquet import write_parquet
from ._records import Record
from ._repo_files import HubFiles
from ._row_sources import Folder, Repo
from ._rows_parquet import parquet_file
from ._saved import choose_saved, is_saved, saved_rows
from ._snapshot import Snapshot
from ._stream import SplitRows, self_describing

#: The name that stands for every split.
ALL = "all"
_MANY = 1000


@contextmanager
def layout_of(snapshot: Snapshot, record: Record, config: str | None) -> Iterator[Layout]:
    """Look at one configuration of a repository; of its files only the card is fetched."""
    with tempfile.TemporaryDirectory(prefix="lancenb-") as work:
        files = Path(work) / "files"
        files.mkdir()
        name = snapshot.repo_id
        with dataset_errors(name, snapshot.revision):
            yield Layout(HubFiles(snapshot, record, files), name, config, Path(work) / "scratch")


@dataclass(frozen=True)
class Build:
    """Makes the folder of Parquet files."""

    source: Folder | Repo
    config: str | None
    split: str | None
    limit: int | None
    tracker: Tracker
    cancel: CancelToken | None

    def make(self, path: Path) -> dict[str, Any]:
        """Build ``path`` and return its lineage."""
        import datasets

        if isinstance(self.source, Folder) and is_saved(self.source.path):
            return self._from_saved(self.source.path, path)

        source, work = self.source, path.with_name(WORK)
        with disk_errors(work):
            (work / "files").mkdir(parents=True)
        try:
            with dataset_errors(source.name, source.revision):
                layout = Layout(
                    source.files(work / "files"), source.name, self.config, work / "scratch",
                    self.cancel,
                )  # fmt: skip
                chosen = [layout.choose(None if self.split == ALL else self.split)]
                chosen = list(layout.splits) if self.split == ALL else chosen
                notes = self._notes(layout, chosen)
                self.tracker.enter("download", f"{source.name} {' '.join(chosen)}")
                if self.limit is not None:
                    self.tracker.total_rows = self.limit * len(chosen)
                rows = self._write(layout, chosen, path)
                partly = sorted(getattr(layout.files, "partly", ()))  # ranges have no hash
        finally:
            shutil.rmtree(work, ignore_errors=True)
        names = [name for split in chosen for name in layout.splits[split]]
        return {
            **source.facts,
            "config": self.config,
            "split": self.split or chosen[0],
            "splits": rows,
            "limit": self.limit,
            "rows": sum(rows.values()),
            "format": layout.format,
            "notes": notes,
            "source_files": source.origin(names[:_MANY]),
            "partly_read": partly,
            "clients": {"datasets": datasets.__version__},
            "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _from_saved(self, folder: Path, path: Path) -> dict[str, Any]:
        split, part = choose_saved(folder, self.split)
        schema, tables = saved_rows(part, self.limit, self.cancel)
        rows = write_parquet(path, schema, tables, self.tracker)
        facts = {"split": split, "splits": {split: rows}, "limit": self.limit, "rows": rows}
        return {**self.source.facts, **facts, "format": "saved", "notes": []}

    def _write(self, layout: Layout, chosen: list[str], path: Path) -> dict[str, int]:
        if self.split != ALL:
            return {chosen[0]: self._one(layout, chosen[0], path)}
        fresh = path.with_name(f"{NEW}{path.name}")
        rows = {split: self._one(layout, split, fresh / split) for split in chosen}
        with disk_errors(path):
            for split in chosen:  # names that tell the split, to us and to datasets
                parts = sorted((fresh / split).iterdir())
                for number, part in enumerate(parts):
                    part.rename(part.with_name(f"{split}-{number:05d}-of-{len(parts):05d}.parquet"))
            shutil.rmtree(path, ignore_errors=True)
            os.replace(fresh, path)
        return rows

    def _one(self, layout: Layout, split: str, path: Path) -> int:
        files, names = layout.files, layout.splits[split]
        if layout.format == "parquet" and self.limit is None:
            files.bring(names)
            paths = [files.root / name for name in names]
            if self_describing(paths):
                return _link(path, paths, self.tracker)
        rows = SplitRows(layout, split, self.limit, self.cancel)
        return write_parquet(path, rows.schema, iter(rows), self.tracker)

    def _notes(self, layout: Layout, chosen: list[str]) -> list[str]:
        notes = []
        others = [split for split in layout.splits if split not in chosen]
        if self.split is None and others:
            notes.append(
                f"{chosen[0]} is one split of {len(layout.splits)} (also: {', '.join(others)}); "
                "split='all' takes every one"
            )
        count = sum(len(layout.splits[split]) for split in chosen)
        count = min(count, self.limit or count)
        if layout.of_single_files and count > _MANY and isinstance(self.source, Repo):
            notes.append(
                f"{count:,} single files mean at least as many requests; if there is a Parquet or "
                "zip form of the same data, take that"
            )
            self.tracker.enter("resolve", notes[-1])
        return notes


def _link(path: Path, files: list[Path], tracker: Tracker) -> int:
    """Make a folder of links to files that can be used as they are; return their rows."""
    rows = 0
    fresh = path.with_name(f"{NEW}{path.name}")
    with disk_errors(path):
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)
        fresh.mkdir(parents=True)
        for number, file in enumerate(files):
            link_or_copy(file.resolve(), fresh / f"part-{number:05d}.parquet")
            with parquet_file(file) as opened:
                count = opened.metadata.num_rows
            rows += count
            tracker.advance(count)
        os.replace(fresh, path)
    return rows
