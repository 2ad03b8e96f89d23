"""The front end for models: :class:`ModelDownloader`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback
from ._download import download
from .plan import DownloadPlan, plan
from .policy import UrlPolicy
from .result import Download
from .sources import check_mode


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
        variant: form of the weights (``fp16``).
        sha256: expected digest (mode ``url``).
        offline: cache only.
        force: get it again.
        policy: which addresses may be asked.
        hub_engine: who moves the bytes of Hub files, see :func:`~lancenb.download.download`.

    >>> ModelDownloader("resnet18", mode="url").spec
    'torchvision:resnet18'
    """

    name: str
    cache_dir: str | os.PathLike[str] | None = None
    _: KW_ONLY
    mode: str = "repo"
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    allow: str | Sequence[str] | None = None
    ignore: str | Sequence[str] | None = None
    variant: str | None = None
    sha256: str | bool | None = None
    offline: bool = False
    force: bool = False
    policy: UrlPolicy | None = None
    hub_engine: str | None = None

    def __post_init__(self) -> None:
        check_mode(self.mode, ("repo", "url", "transformers"))

    @property
    def spec(self) -> str:
        """The spec that :func:`~lancenb.download.download` gets."""
        if ":" in self.name or Path(self.name).expanduser().exists():
            return self.name
        prefix = {"repo": "hf:model:", "url": "torchvision:", "transformers": "transformers:"}
        return prefix[self.mode] + self.name

    def plan(self, cancel: CancelToken | None = None) -> DownloadPlan:
        """Say what :meth:`download` would bring; see :func:`~lancenb.download.plan`."""
        return plan(self.spec, cancel=cancel, **self._options())

    def download(
        self,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> Download:
        """Download; see :func:`~lancenb.download.download` for what is raised."""
        options = self._options()
        return download(self.spec, force=self.force, progress=progress, cancel=cancel, **options)

    def load(
        self,
        *,
        trust_remote_code: bool = False,
        model_class: str = "AutoModel",
        tokenizer_class: str | None = "AutoTokenizer",
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> tuple[Any, Any]:
        """Download and build ``(model, tokenizer)`` with transformers (mode ``transformers``).

        Args:
            trust_remote_code: run Python code from the repository; off unless you have read it.
            model_class: class of transformers, such as ``AutoModelForSequenceClassification``.
            tokenizer_class: class of transformers; None builds no tokenizer.
            progress: as of :meth:`download`.
            cancel: as of :meth:`download`.
            **options: for the model's ``from_pretrained``.

        Returns:
            The model and its (fast) tokenizer, None in place of a tokenizer if there is none.

        Raises:
            MissingDependency: transformers, or what this model needs besides, is not installed.
            UnsafeInput: the model needs code from its repository to run.
            CorruptInput: transformers cannot build a model of these files.
        """
        if self.mode == "url":
            raise InvalidArgument(
                "mode='url' brings one file, from which transformers builds nothing",
                hint="mode='transformers' with owner/name of the Hub, or a local folder",
            )
        from ._transformers import build

        folder = self.download(progress, cancel).path
        return build(
            folder, self.spec, model_class, tokenizer_class,
            trust_remote_code=trust_remote_code, variant=self.variant, options=options,
        )  # fmt: skip

    def _options(self) -> dict[str, Any]:
        return {
            "cache": self.cache_dir, "revision": self.revision, "token": self.token,
            "allow": self.allow, "ignore": self.ignore, "variant": self.variant,
            "sha256": self.sha256, "offline": self.offline, "policy": self.policy,
            "hub_engine": self.hub_engine,
        }  # fmt: skip
