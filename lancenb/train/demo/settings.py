"""Parameters of the demo, their defaults, and what they mean for the store."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ...errors import InvalidArgument, UnknownOption

MODEL_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
MODEL_MODES = ("url", "repo", "transformers")
DATASET_MODES = ("repo", "arrow")


@dataclass(frozen=True)
class DemoSettings:
    """Parameters of :func:`~lancenb.train.demo.run_demo`; the first sixteen are its classic ones.

    Attributes:
        cache: folder for downloads and generated files.
        model: URL or path of weights, or a repository on the Hub (``model_mode="repo"``).
        model_mode: ``"url"``, ``"repo"`` or ``"transformers"``.
        dataset: ``"cifar10"``, ``"synthetic"``, a data set on the Hub, or a local folder or file.
        dataset_mode: ``"arrow"`` (rows by the datasets library) or ``"repo"`` (raw files).
        split: rows to train on.
        limit: training rows at most; a fifth as many held-out rows.
        batch: rows per step.
        epochs: passes.
        steps: steps per epoch at most.
        s3_endpoint: such as ``http://localhost:9000``; None keeps everything in ``root``.
        aws_access_key: key of the endpoint; default: environment or profile.
        aws_secret_key: secret of the endpoint; default: environment or profile.
        aws_region: region.
        bucket: bucket, made if missing.
        prefix: everything goes below it.
        root: local store used without ``s3_endpoint``, or an ``s3://`` address.
        seed: of everything drawn at random.
        lr: highest learning rate.
        offline: True never asks the network, False insists on it, None looks first.
    """

    cache: str = "./_cache"
    model: str = MODEL_URL
    model_mode: str = "url"
    dataset: str = "cifar10"
    dataset_mode: str = "arrow"
    split: str = "train"
    limit: int = 1000
    batch: int = 32
    epochs: int = 1
    steps: int = 50
    s3_endpoint: str | None = None
    aws_access_key: str | None = field(default=None, repr=False)
    aws_secret_key: str | None = field(default=None, repr=False)
    aws_region: str = "us-east-1"
    bucket: str = "my-bucket"
    prefix: str = "resnet_demo"
    root: str = "./lancenb-demo"
    seed: int = 42
    lr: float = 0.01
    offline: bool | None = None

    def __post_init__(self) -> None:
        for name, known in (("model_mode", MODEL_MODES), ("dataset_mode", DATASET_MODES)):
            if getattr(self, name) not in known:
                raise InvalidArgument(
                    f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        for name in ("limit", "batch", "epochs", "steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidArgument(f"{name} must be a whole number >= 1, not {value!r}")
        if self.limit < 10:
            raise InvalidArgument("limit must be at least 10 rows, or there is nothing to learn")
        if (self.aws_access_key is None) != (self.aws_secret_key is None):
            raise InvalidArgument("aws_access_key and aws_secret_key belong together: give both")

    @classmethod
    def of(cls, options: dict[str, Any]) -> DemoSettings:
        """Settings from keyword arguments.

        Raises:
            UnknownOption: a parameter that does not exist.
        """
        known = [f.name for f in fields(cls)]
        for name in options:
            if name not in known:
                raise UnknownOption(
                    f"the demo has no parameter '{name}'", hint=f"it has {', '.join(known)}"
                )
        return cls(**options)

    @property
    def held_out(self) -> int:
        """Rows to evaluate on."""
        return max(10, self.limit // 5)

    def store(self) -> Any:
        """The store these settings name, not touched yet."""
        from ...store import Store

        if self.s3_endpoint is None:
            options: dict[str, Any] = {}
            if self.root.startswith("s3://"):
                options = {"region": self.aws_region}
                if self.aws_access_key is not None:
                    options |= {
                        "access_key": self.aws_access_key,
                        "secret_key": self.aws_secret_key,
                    }
            return Store(self.root, **options)
        return Store(
            f"s3://{self.bucket}/{self.prefix}".rstrip("/"),
            endpoint=self.s3_endpoint,
            access_key=self.aws_access_key,
            secret_key=self.aws_secret_key,
            region=self.aws_region,
        )
