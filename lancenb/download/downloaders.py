"""The two front ends with a mode: :class:`ModelDownloader` and :class:`DatasetDownloader`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, MissingDependency
from ..progress import CancelToken, ProgressCallback, Tracker
from . import registry
from ._download import download
from .cache import Cache
from .result import Download


@dataclass(frozen=True)
class ModelDownloader:
    """Gets a model's files.

    Args:
        name: ``owner/name`` on the Hub, an address, or a name of torchvision (``resnet18``).
        cache_dir: cache root; None for the default.
        mode: ``repo`` (Hub repository: one weight set, configuration, tokenizer), ``url`` (an
            address, or the address of torchvision's weights of that name), ``transformers`` (as
            ``repo``; :meth:`load` builds the objects).
        revision: branch, tag or commit.
        token: access token.
        allow: file patterns instead of the automatic choice.
        ignore: file patterns to leave out.
        sha256: expected digest (mode ``url``).
        offline: cache only.
        force: get it again.

    >>> ModelDownloader("resnet18", mode="url").spec
    'torchvision:resnet18'
    """

    name: str
    cache_dir: str | os.PathLike[str] | None = None
    _: KW_ONLY
    mode: str = "repo"
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    allow: Sequence[str] | None = None
    ignore: Sequence[str] | None = None
    sha256: str | bool | None = None
    offline: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        _check_mode(self.mode, ("repo", "url", "transformers"))

    @property
    def spec(self) -> str:
        """The spec that :func:`~lancenb.download.download` gets."""
        if ":" in self.name or Path(self.name).expanduser().exists():
            return self.name
        prefix = {"repo": "hf:model:", "url": "torchvision:", "transformers": "transformers:"}
        return prefix[self.mode] + self.name

    def download(
        self,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> Download:
        """Download; see :func:`~lancenb.download.download` for what is raised."""
        return download(
            self.spec, cache=self.cache_dir, revision=self.revision, token=self.token,
            allow=self.allow, ignore=self.ignore, sha256=self.sha256, offline=self.offline,
            force=self.force, progress=progress, cancel=cancel,
        )  # fmt: skip

    def load(self, *, trust_remote_code: bool = False, **options: Any) -> tuple[Any, Any]:
        """Download and build ``(model, tokenizer)`` with transformers (mode ``transformers``).

        Args:
            trust_remote_code: run Python code from the repository; off unless you read it.
            **options: for ``AutoModel.from_pretrained``.

        Returns:
            The model and its fast tokenizer, None in place of a tokenizer if there is none.

        Raises:
            MissingDependency: transformers is not installed.
        """
        try:
            from transformers import AutoModel, AutoTokenizer  # type: ignore[import-not-found]
        except ImportError as error:
            raise MissingDependency(
                "building a model needs transformers", hint="pip install transformers"
            ) from error
        folder = self.download().path
        model = AutoModel.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True, **options
        )
        if not any((folder / name).is_file() for name in _TOKENIZERS):
            return model, None
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
        return model, tokenizer


@dataclass(frozen=True)
class DatasetDownloader:
    """Gets a data set.

    Args:
        name: known name (``cifar10``, ``synthetic``), Hub id, or a local folder in Hub layout.
        split: split to take (mode ``arrow``).
        cache_dir: cache root; None for the default.
        mode: ``arrow`` (one split as Parquet, undecoded) or ``repo`` (the repository's files).
        limit: first rows only, read as such at the source (mode ``arrow``).
        revision: branch, tag or commit.
        token: access token.
        config: configuration of the data set.
        allow: file patterns (mode ``repo``).
        ignore: file patterns to leave out (mode ``repo``).
        offline: cache only.
        force: get it again.
    """

    name: str
    split: str | None = "train"
    cache_dir: str | os.PathLike[str] | None = None
    _: KW_ONLY
    mode: str = "arrow"
    limit: int | None = None
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    config: str | None = None
    allow: Sequence[str] | None = None
    ignore: Sequence[str] | None = None
    offline: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        _check_mode(self.mode, ("arrow", "repo"))

    def download(
        self,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> Download:
        """Download; see :func:`~lancenb.download.download` for what is raised."""
        name = self.name.removeprefix("datasets:").removeprefix("hf:dataset:")
        entry = None if Path(name).expanduser().exists() else registry.find(name)
        if entry is not None and entry.source == "synthetic":
            return self._draw(entry.target, progress, cancel)
        if name.startswith("synthetic:"):
            return self._draw(name.partition(":")[2], progress, cancel)
        shared: dict[str, Any] = {
            "cache": self.cache_dir, "offline": self.offline, "force": self.force,
            "progress": progress, "cancel": cancel,
        }  # fmt: skip
        local = Path(name).expanduser().exists()
        remote = {} if local else {"revision": self.revision, "token": self.token}
        if self.mode == "arrow":
            if self.allow or self.ignore:
                raise InvalidArgument("allow= and ignore= choose files", hint="mode='repo'")
            spec = f"datasets:{name}" + (f":{self.config}" if self.config else "")
            if entry is not None and entry.source != "hub":
                spec = name
            return download(spec, split=self.split, limit=self.limit, **remote, **shared)
        if self.limit is not None:
            raise InvalidArgument("limit= counts rows", hint="mode='arrow', or allow= for files")
        if local:
            return download(name, **shared)
        if entry is not None and entry.source == "hub":
            name = entry.target
        spec = name if entry is not None and entry.source != "hub" else f"hf:dataset:{name}"
        return download(spec, allow=self.allow, ignore=self.ignore, **remote, **shared)

    def _draw(
        self, which: str, progress: ProgressCallback | bool | None, cancel: CancelToken | None
    ) -> Download:
        from .synthetic import synthetic_dataset

        tracker = Tracker(progress, cancel)
        result = synthetic_dataset(
            which, split=self.split, limit=self.limit, mode=self.mode, force=self.force,
            cache=Cache(self.cache_dir), tracker=tracker, cancel=cancel,
        )  # fmt: skip
        tracker.enter("done", str(result.path))
        return result


_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model")


def _check_mode(mode: str, known: tuple[str, ...]) -> None:
    if mode not in known:
        raise InvalidArgument(f"mode={mode!r} is not known", hint=f"one of {', '.join(known)}")
