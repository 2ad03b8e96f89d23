"""A table pinned to one version that reopens itself in worker processes."""

from __future__ import annotations

import os
from typing import Any

from ..errors import InvalidArgument, LancenbError
from ..store import Store, open_table


class ForkedReader(LancenbError):
    """A process was forked after the table had been read in its parent."""

    code = "forked_reader"


class PinnedTable:
    """One version of one table; pickles as (uri, version, store) and nothing else.

    Args:
        source: artefact, URI or open Lance dataset.
        version: version number or tag; ``None`` pins what is the head now.
        store: credentials for the URI.
    """

    def __init__(self, source: Any, version: int | str | None = None, store: Store | None = None):
        self.name = ""
        self.store = store
        self.options: dict[str, str] | None = None
        dataset = self._open(source, version)
        self.uri: str = str(dataset.uri)
        self.version: int = int(dataset.version)
        if self.uri.startswith("hf://"):  # the commit is in the options, the address has only main
            self.store, self.options = None, dict(dataset._storage_options or {})
        self._dataset: Any = dataset
        self._pid: int | None = os.getpid()

    def _open(self, source: Any, version: int | str | None) -> Any:
        if isinstance(source, str | os.PathLike):
            uri = os.fspath(source)
            self.name = uri.rstrip("/").rsplit("/", 1)[-1]
            return open_table(uri, self.store, version)
        if hasattr(source, "dataset") and hasattr(source, "uri"):  # an Artifact
            self.name = str(getattr(source, "name", source.uri))
            if self.store is None:
                self.store = getattr(getattr(source, "_manager", None), "store", None)
            return source.dataset(version)
        if hasattr(source, "take") and hasattr(source, "uri"):  # an open Lance dataset
            self.name = str(source.uri).rstrip("/").rsplit("/", 1)[-1]
            options = getattr(source, "_storage_options", None)
            self.options = dict(options) if options else None
            return source if version is None else source.checkout_version(version)
        raise InvalidArgument(
            f"a table is an artefact, a URI or a Lance dataset, not {type(source).__name__}",
            hint="for example LanceTorchDataset(dm['cifar10-train'])",
        )

    @property
    def dataset(self) -> Any:
        """The open Lance dataset of this process.

        Raises:
            ForkedReader: this process is a fork of the one that opened the table.
        """
        if self._dataset is None:
            self._pid = os.getpid()
            if self.options is not None and self.store is None:
                from ..store._lance import lance_module

                self._dataset = lance_module().dataset(
                    self.uri, version=self.version, storage_options=self.options
                )
            else:
                self._dataset = open_table(self.uri, self.store, self.version)
        elif self._pid != os.getpid():
            raise ForkedReader(
                f"'{self.name}' was opened before this worker process was forked; Lance's threads"
                " do not survive a fork",
                hint="use lancenb.data.loader(...), or DataLoader(...,"
                " multiprocessing_context='spawn')",
            )
        return self._dataset

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_dataset": None, "_pid": None}

    def __repr__(self) -> str:
        return f"<PinnedTable {self.name} version {self.version}>"
