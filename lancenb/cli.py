"""The command ``lancenb``: the verbs of the package for a shell."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import (
    __version__,
    _cli_cache,
    _cli_download,
    _cli_lab,
    _cli_serve,
    _cli_show,
    _cli_token,
    _cli_train,
)
from . import errors as e
from ._cli_store import add_server, add_store, existing, is_server, manager_of, store_of
from ._cli_words import in_shell_words
from .errors import InvalidArgument, LancenbError, NotFound

_USAGE_ERRORS = (InvalidArgument, NotFound, e.AlreadyExists, e.ConfirmationRequired, e.Protected)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: words after ``lancenb``; default: those of this process.

    Returns:
        0 when it worked, 1 when the work failed, 2 when it was asked for wrongly, 130 when it was
        interrupted.

    >>> main(["ls", "--root", "/nowhere"])
    2
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if not hasattr(args, "run"):
        parser.print_help()
        return 0
    try:
        return int(args.run(args) or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LancenbError as error:
        if args.debug:
            raise
        print(f"error: {in_shell_words(str(error), args.command)}", file=sys.stderr)
        return 2 if isinstance(error, _USAGE_ERRORS) else 1
    except Exception as error:
        if args.debug:
            raise
        print(f"error: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        print("  hint: --debug shows where; please report it", file=sys.stderr)
        return 1


def _demo(args: argparse.Namespace) -> int:
    from .train.demo import run_demo
    from .train.demo._arguments import settings_of

    return 0 if run_demo(**settings_of(args)).ok else 1


def _convert(args: argparse.Namespace) -> None:
    common = {"mode": args.mode, "kind": args.kind, "message": args.message}
    common |= {"progress": sys.stderr.isatty(), **_options(args.option)}
    source = args.source[0] if len(args.source) == 1 else args.source
    if "/" in args.name or os.sep in args.name or args.name.endswith(".lance"):
        from .convert import convert

        store = store_of(args) if "://" in args.name and not is_server(args.root) else None
        report = convert(source, args.name, store=store, **common)
    else:
        report = manager_of(args, must_exist=False).convert(
            source, args.name, description=args.description, tags=args.tag, **common
        )
    print(report)
    for item, reason in report.skipped[:20]:
        print(f"  skipped {item}: {reason}")
    if len(report.skipped) > 20:
        print(f"  and {len(report.skipped) - 20:,} more")


def _delete(args: argparse.Namespace) -> None:
    dm, confirm = manager_of(args), args.confirm
    if confirm is None and not args.dry_run and sys.stdin.isatty():
        print(dm.delete(args.name, dry_run=True))
        confirm = input(f"type {args.name} to delete it: ").strip() or None
    done = dm.delete(args.name, dry_run=args.dry_run, confirm=confirm, force=args.force)
    print(in_shell_words(str(done)))


def _tag(args: argparse.Namespace) -> None:
    dm = manager_of(args)
    if args.delete:
        dm.untag(args.name, args.tag)
    elif args.tag is not None:
        dm.tag(args.name, args.tag, _version(args.version))
    for tag, version in dm.tags(args.name).items():
        print(f"{tag}  version {version}")


def _fsck(args: argparse.Namespace) -> int:
    report = manager_of(args).fsck(repair=args.repair)
    print(report)
    return 0 if report.ok or args.repair else 1


def _rows(args: argparse.Namespace) -> None:
    columns = args.columns.split(",") if args.columns else None
    found = manager_of(args).search_rows(
        args.name, args.where, columns=columns, limit=args.limit, order_by=args.order,
        version=_version(args.version),
    )  # fmt: skip
    for row in found.to_pylist():
        print("  ".join(f"{key}={_brief(value)}" for key, value in row.items()))


def _brief(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _show(verb: Callable[[Any, argparse.Namespace], Any]) -> Callable[[argparse.Namespace], None]:
    def run(args: argparse.Namespace) -> None:
        print(verb(manager_of(args), args))

    return run


def _version(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else text


def _options(pairs: Sequence[str]) -> dict[str, Any]:
    import json

    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidArgument(f"-o {pair!r} is not name=value", hint="-o split=train")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _parser() -> argparse.ArgumentParser:
    from .train.demo._arguments import EXAMPLES, add_arguments

    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="lancenb", formatter_class=plain,
        description="Model weights and datasets as versioned Lance tables.",
        epilog="start with: lancenb demo\nhelp on a command: lancenb COMMAND --help",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"lancenb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    debug = argparse.ArgumentParser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show the traceback of an error")
    store = argparse.ArgumentParser(add_help=False, parents=[debug])
    add_store(store)
    add_server(store)
    place = argparse.ArgumentParser(add_help=False, parents=[debug])
    add_store(place)

    def add(
        name: str, summary: str, run: Any, *words: tuple[str, dict[str, Any]], example: str,
        parent: argparse.ArgumentParser = store,
    ) -> argparse.ArgumentParser:  # fmt: skip
        command = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".",
            epilog=example if "\n" in example else f"example:\n  lancenb {name} {example}",
            formatter_class=plain, parents=[parent],
        )  # fmt: skip
        command.set_defaults(run=run, command=name)
        for flag, settings in words:
            command.add_argument(*flag.split("|"), **settings)
        return command

    artefact = ("name", {"help": "name of the artefact"})
    version = ("--version", {"metavar": "V", "help": "version number or tag (default: the head)"})
    kinds = ("weights", "images", "text", "table")
    kind = ("--kind", {"choices": kinds, "help": "what it holds"})
    flag = {"action": "store_true"}
    limit = ("--limit", {"type": int, "metavar": "N", "help": "at most so many"})
    where_sql = ("--where", {"metavar": "SQL", "help": 'such as "label = 3"'})
    message = ("--message", {"default": "", "help": "stored with the version"})
    tagged = ("--tag", {"help": "only artefacts with this tag"})

    demo = add("demo", "walk the whole road once: data, weights, training, versions, rollback",
               _demo, example=EXAMPLES, parent=debug)  # fmt: skip
    add_arguments(demo)
    add("lab", "open the notebooks of this package in JupyterLab", _cli_lab.run,
        *_cli_lab.words(), example=_cli_lab.EXAMPLE, parent=debug)  # fmt: skip
    add("download", "bring models and datasets to this machine", _cli_download.run,
        *_cli_download.words(limit), example=_cli_download.EXAMPLE, parent=debug)  # fmt: skip
    add("cache", "list, check or clear what downloads keep on this machine", _cli_cache.run,
        *_cli_cache.words(), example=_cli_cache.EXAMPLE, parent=debug)  # fmt: skip
    add("convert", "convert files to an artefact of the store, or to a table at a path", _convert,
        ("source", {"nargs": "+", "help": "file, folder, pattern, archive, or what lancenb "
                    "download takes by scheme (hf:model:ID, https://...)"}),
        ("name", {"help": "name in the catalogue, or a path such as ./flowers.lance"}),
        ("--mode", {"choices": ("create", "overwrite", "append"), "default": "create",
                    "help": "overwrite and append make a next version (default: create)"}), kind,
        ("--description", {"default": "", "help": "stored with the artefact"}), message,
        ("--tag", {"action": "append", "default": [], "help": "tag of the artefact"}),
        ("-o|--option", {"action": "append", "default": [], "metavar": "NAME=VALUE",
                         "help": "option of the converter"}),
        example="examples:\n  lancenb convert ./photos flowers --mode append -o on_error=raise\n"
        "  lancenb convert hf:model:hf-internal-testing/tiny-random-bert tiny-bert")  # fmt: skip
    for name, summary, work, example, of in (
        ("train", "train a classifier as a configuration says", _cli_train.train,
         _cli_train.TRAIN, "config"),
        ("eval", "score a stored model or a checkpoint", _cli_train.evaluate, _cli_train.EVAL,
         "eval"),
    ):  # fmt: skip
        command = add(name, summary, work, *_cli_train.words(), example=example)
        _cli_train.with_keys(command, of)
    add("serve", "serve a catalogue to others, over HTTP, WebSocket and gRPC", _cli_serve.run,
        *_cli_serve.words(), example=_cli_serve.EXAMPLE, parent=place)  # fmt: skip
    add("token", "make, list, replace or take back the tokens of a server",
        lambda a: _cli_token.run(a, store_of(a).create() if a.action == "add" else existing(a)),
        *_cli_token.words(),
        example=_cli_token.EXAMPLE, parent=place)  # fmt: skip
    add("ls", "list artefacts", _show(lambda dm, a: dm.list(kind=a.kind, tag=a.tag)), kind,
        tagged, example="--kind weights")  # fmt: skip
    add("show", "all facts about an artefact", _show(lambda dm, a: _cli_show.show(dm[a.name])),
        artefact, example="resnet18")  # fmt: skip
    add("versions", "list the versions of an artefact", _show(lambda dm, a: dm.versions(a.name)),
        artefact, example="resnet18")  # fmt: skip
    add("search", "search the catalogue", _show(lambda dm, a: dm.search(
        " ".join(a.text) or None, where=a.where, kind=a.kind, tag=a.tag, limit=a.limit)),
        ("text", {"nargs": "*", "help": "words of name, description or tags"}), where_sql, kind,
        tagged, (limit[0], {**limit[1], "default": 100}),
        example="cifar --where \"kind = 'images' AND rows > 100\"")  # fmt: skip
    add("rows", "find rows of an artefact", _rows, artefact, where_sql,
        ("--columns", {"metavar": "A,B", "help": "only these"}), (limit[0], {**limit[1],
        "default": 20}), ("--order", {"metavar": "COLUMN", "help": "sort by it"}), version,
        example="cifar10-train --where 'label = 3' --columns path,label")  # fmt: skip
    add("preview", "look at the content of an artefact",
        _show(lambda dm, a: dm[a.name].preview(version=_version(a.version))), artefact, version,
        example="cifar10-train")  # fmt: skip
    add("diff", "compare two versions", _show(lambda dm, a: dm.diff(
        a.name, _version(a.v1), _version(a.v2))), artefact,
        ("v1", {"help": "version or tag"}), ("v2", {"nargs": "?", "help": "default: the head"}),
        example="resnet18 1 2")  # fmt: skip
    add("lineage", "what an artefact was made from, and what from it",
        _show(lambda dm, a: dm.lineage(a.name)), artefact, example="resnet18")  # fmt: skip
    add("rollback", "make an older version the head again", _show(lambda dm, a: in_shell_words(str(
        dm.rollback(a.name, _version(a.version), message=a.message)))), artefact,
        ("version", {"help": "version number or tag to go back to"}), message,
        example="resnet18 1")  # fmt: skip
    add("tag", "set, move, delete or list tags of versions", _tag, artefact,
        ("tag", {"nargs": "?", "help": "tag to set; without it all are listed"}), version,
        ("--delete", {**flag, "help": "delete the tag, not the version"}),
        example="resnet18 prod --version 2")  # fmt: skip
    add("delete", "delete an artefact with all its versions", _delete, artefact,
        ("--dry-run", {**flag, "help": "only say what would go"}),
        ("--confirm", {"metavar": "NAME", "help": "the name again"}),
        ("--force", {**flag, "help": "even if tags protect it"}),
        example="old-set --dry-run")  # fmt: skip
    add("fsck", "look for debris and damage, or repair it", _fsck,
        ("--repair", {**flag, "help": "mend what is found"}), example="--repair")  # fmt: skip
    return parser
