"""Command line of the demo, made from its settings."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from .settings import DATASET_MODES, MODEL_MODES, DemoSettings

EXAMPLES = """\
examples:
  lancenb demo
      no account, server or network needed: without a network the synthetic
      images and a ResNet18 drawn by seed are used, in ./lancenb-demo
  lancenb demo --dataset ~/data/cifar10 --limit 5000 --epochs 2
      a folder in the layout of the Hub, or one folder of images per class
  lancenb demo --s3-endpoint http://localhost:9000 \\
      --aws-access-key minioadmin --aws-secret-key minioadmin123
      everything into s3://my-bucket/resnet_demo of a MinIO on this machine;
      AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY keep the keys off the command line
"""

_HELP = {
    "cache": "folder for downloads and generated files",
    "model": "URL or path of weights, or a repository of the Hub with --model_mode repo",
    "model_mode": "how to get the model",
    "dataset": "cifar10, synthetic, a dataset of the Hub, or a local folder or file",
    "dataset_mode": "repo: the raw files; arrow: rows by the datasets library",
    "split": "rows to train on",
    "limit": "training rows at most (a fifth as many are held out for evaluation)",
    "batch": "rows per step",
    "epochs": "passes over the rows",
    "steps": "steps per epoch at most",
    "s3_endpoint": "S3-compatible server; without it everything stays in --root",
    "aws_access_key": "key of the endpoint (or AWS_ACCESS_KEY_ID, or a profile)",
    "aws_secret_key": "secret of the endpoint (or AWS_SECRET_ACCESS_KEY, or a profile)",
    "aws_region": "region",
    "bucket": "bucket, made if missing",
    "prefix": "everything goes below it",
    "root": "local store, used without --s3-endpoint",
    "seed": "of everything drawn at random",
    "lr": "highest learning rate",
}
_CHOICES = {"model_mode": MODEL_MODES, "dataset_mode": DATASET_MODES}
_NUMBERS: dict[str, Any] = {"limit": int, "batch": int, "epochs": int, "steps": int}
_NUMBERS |= {"seed": int, "lr": float}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option per setting, with its default; ``--model-mode`` is ``--model_mode`` too."""
    for setting in fields(DemoSettings):
        name = setting.name
        if name == "offline":
            continue
        dashed, low = "--" + name.replace("_", "-"), "--" + name
        flags = [low, dashed] if name.endswith("_mode") else [dashed]
        shown = "" if setting.default is None else " (default: %(default)s)"
        parser.add_argument(
            *flags,
            dest=name,
            default=setting.default,
            choices=_CHOICES.get(name),
            type=_NUMBERS.get(name, str),
            metavar=None if name in _CHOICES else name.split("_")[-1].upper(),
            help=_HELP[name] + shown,
        )
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--offline", dest="offline", action="store_true", default=None, help="never ask the network"
    )
    network.add_argument(
        "--online", dest="offline", action="store_false", help="do not look whether it answers"
    )


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings among parsed arguments."""
    return {setting.name: getattr(args, setting.name) for setting in fields(DemoSettings)}
