"""``lancenb train`` and ``lancenb eval``: groups and keys of a configuration in a shell."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ._cli_store import manager_of
from ._cli_words import in_shell_words
from .errors import InvalidArgument

TRAIN = """examples:
  lancenb train model=simple_cnn data=synthetic trainer=quick
      offline, in a minute: drawn pictures, a network of four layers
  lancenb train model=resnet18 data=cifar10 trainer.max_epochs=5 lr=1e-3
  lancenb train data=lance data.train=flowers data.val_fraction=0.1
  lancenb train model=resnet50 data=folder data.path=./photos resume=true
  lancenb train data=cifar10 logger=tensorboard root=./store
  lancenb train data=cifar10 trainer=gpu trainer.devices=4 trainer.strategy=ddp"""
EVAL = """examples:
  lancenb eval checkpoint=resnet18-checkpoints@best data=cifar10
  lancenb eval checkpoint=./last.ckpt data=lance data.test=flowers
  lancenb eval checkpoint=resnet18@3 data=synthetic name=resnet18-metrics"""


#: A key of a configuration that was written as an option.
_DASHED = re.compile(r"--?[A-Za-z_][\w/]*(\.[\w.]+(=.*)?|=.*)", re.DOTALL)


def words() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the arguments of both commands."""
    flag = {"action": "store_true"}
    return (
        ("override", {"nargs": "*", "metavar": "KEY=VALUE",
                      "help": "a group and its choice, or a key and its value; see below"}),
        ("--show", {**flag, "help": "print the composed configuration, and do nothing else"}),
        ("--quiet", {**flag, "help": "no progress bar"}),
    )  # fmt: skip


def with_keys(command: argparse.ArgumentParser, of: str) -> None:
    """Finish a command: overrides before and after options, groups and keys in its help.

    The files of the configuration are read when somebody asks for the help.
    """
    plain, parse = command.format_help, command.parse_known_args
    given: list[str] = []

    def parse_known_args(args: Any = None, namespace: Any = None) -> Any:
        # argparse takes only the first run of words for itself
        given[:] = sys.argv[1:] if args is None else args
        found, rest = parse(args, namespace)
        found.override = [*found.override, *(word for word in rest if not word.startswith("-"))]
        options = [word for word in rest if word.startswith("-")]
        for word in filter(_DASHED.fullmatch, options):
            key = word.lstrip("-")
            meant = key if "=" in key else f"{key}=..."
            command.error(f"{word} is written without the dashes: {meant}")
        return found, options

    def format_help() -> str:
        from .train.configs import describe

        return f"{plain()}\n{describe(of, given)}\n"

    command.format_help = format_help  # type: ignore[method-assign]
    command.parse_known_args = parse_known_args  # type: ignore[method-assign]


def train(args: argparse.Namespace) -> None:
    """Train, and say what is stored where."""
    config = _composed(args, "config")
    if config is None:
        return
    from .train.running import run

    with _notes():
        result = run(config, manager=_manager(args, config), progress=_bar(args))
    if os.environ.get("LOCAL_RANK", "0") != "0":  # another process of the same training
        return
    steps = f"{result.history.num_rows:,} steps"
    if result.steps_here != result.history.num_rows:
        steps += f" ({result.steps_here:,} here)"
    print(f"{result.model.architecture}: {steps} in {result.seconds:.0f} s,"
          f" loss {result.first_loss:.3f} -> {result.last_loss:.3f}")  # fmt: skip
    if "split" in result.run["data"]:
        print(_rows(result.run))
    accuracy = result.run.get("val_acc")
    if accuracy is not None:
        print(f"validation accuracy {accuracy:.1%}")
    if result.version is not None:
        print(f"stored as {result.name} version {result.version}")
        for name, version in result.artefacts.values():
            print(f"  and {name} version {version}")


def evaluate(args: argparse.Namespace) -> None:
    """Score a stored model or checkpoint, and print the figures."""
    config = _composed(args, "eval")
    if config is None:
        return
    from .train.running import run_evaluation

    with _notes():
        found = run_evaluation(config, manager=_manager(args, config), progress=_bar(args))
    top = f"  top-5 {found.top5:.4f}" if found.tells_top5 else ""
    print(f"accuracy {found.accuracy:.4f}{top}  F1 {found.f1:.4f}"
          f"  loss {found.loss:.4f}  on {found.rows_told}")  # fmt: skip
    for row in found.per_class.to_pylist():
        print(f"  {row['class']:<20} {row['rows']:>7,} rows  precision {row['precision']:.3f}"
              f"  recall {row['recall']:.3f}  F1 {row['f1']:.3f}")  # fmt: skip
    if config.name:
        print(f"stored as {config.name}")


def _rows(run: dict[str, Any]) -> str:
    """Which rows of a table with a column ``split`` were used, as a line."""
    data, held_out = run["data"], run.get("validation") or {}
    told = f"trained on the {data['rows']:,} train rows of {data.get('name')}"
    if "split" in held_out:
        told += f", validated on its {held_out['rows']:,} val rows"
    return told


def _composed(args: argparse.Namespace, of: str) -> Any:
    from .train.configs import compose

    config = compose(args.override, of=of)
    if not args.show:
        return config
    from omegaconf import OmegaConf

    from .train._targets import stored_form

    print(OmegaConf.to_yaml(OmegaConf.create(stored_form(config))), end="")
    return None


def _manager(args: argparse.Namespace, config: Any) -> Any:
    if config.root is not None:
        default = os.environ.get("LANCENB_ROOT", "./lancenb-store")
        if args.root not in (default, config.root):
            raise InvalidArgument(
                f"root={config.root} and --root {args.root} name two stores", hint="give one"
            )
        args.root = str(config.root)
    return manager_of(args, must_exist=False)


@contextmanager
def _notes() -> Iterator[None]:
    """Print what a training warns of as a line, without the place in the code."""
    plain = warnings.showwarning

    def note(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if category is UserWarning:
            print(f"note: {in_shell_words(str(message), 'train')}", file=sys.stderr)
        else:
            plain(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note
        yield


def _bar(args: argparse.Namespace) -> bool:
    return sys.stderr.isatty() and not args.quiet
