"""``python -m lancenb.testing``: a local Hub for other processes, until it is interrupted."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lancenb._signals import stop_asked

from . import HubStub
from ._repos import KINDS

_EPILOG = """\
It prints the environment for the clients as shell commands. While it runs:

  curl -d '{"kind": "cut", "side": "cdn", "path": "*", "at": 0.7}' $HF_ENDPOINT/_stub/fault
  curl -X DELETE $HF_ENDPOINT/_stub/fault     # behave again
  curl $HF_ENDPOINT/_stub/log                 # every request: path, range, token or not, bytes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        argv: words after the command; default: those of this process.

    Returns:
        0, or 2 when it was asked for wrongly.
    """
    args = _parser().parse_args(argv)
    tokens = dict(word.split(":", 1) for word in args.token) or None
    hub = HubStub(
        args.root,
        tokens=tokens,
        members=tuple(args.member or ["ann"]),
        port=args.port,
        page_size=args.page_size,
        resolve_cache=args.resolve_cache,
        gzip_text=args.gzip_text,
    )
    with hub, stop_asked() as stopped:
        try:
            _fill(hub, args)
        except (OSError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        for name, value in hub.env(args.home or Path.cwd() / "hf-home").items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"# plain files and LFS content: {hub.cdn.url}", flush=True)
        stopped()
    return 0


def _fill(hub: HubStub, args: argparse.Namespace) -> None:
    for what, folder in args.imports:
        kind, name, branch = _named(what)
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder")
        repo = hub.repos.get(kind, name) or hub.repos.create(kind, name)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        repo.commit({path.relative_to(folder).as_posix(): path for path in files}, ref=branch)
    for option in ("private", "gated"):
        for what in getattr(args, option):
            repo = hub.repos.get(*_named(what)[:2])
            if repo is None:
                raise ValueError(f"--{option} {what}: import it first")
            setattr(repo, option, True)
    for path, file in args.plain:
        if not file.is_file():
            raise ValueError(f"{file} is no file")
        hub.add_plain(path, file)


def _named(what: str) -> tuple[str, str, str]:
    kind, _, name = what.partition(":")
    name, _, branch = name.partition("@")
    if kind not in KINDS or "/" not in name:
        raise ValueError(f"{what!r} is not of the form model:acme/x or dataset:acme/x@branch")
    return kind, name, branch or "main"


def _pair(text: str) -> tuple[str, Path]:
    left, mark, right = text.partition("=")
    if not mark or not left or not right:
        raise argparse.ArgumentTypeError(f"{text!r} has no '='")
    return left, Path(right)


def _token(text: str) -> str:
    if ":" not in text:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form TOKEN:USER or TOKEN:USER:read"
        )
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lancenb.testing",
        description="A Hugging Face Hub on 127.0.0.1 for tests and offline work.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("root", nargs="?", help="folder for the content (default: a temporary one)", type=Path)
    add(
        "--import",
        dest="imports",
        action="append",
        default=[],
        type=_pair,
        metavar="KIND:OWNER/NAME[@BRANCH]=FOLDER",
        help="make a commit of a folder's files",
    )
    add("--private", action="append", default=[], metavar="KIND:OWNER/NAME")
    add("--gated", action="append", default=[], metavar="KIND:OWNER/NAME")
    add(
        "--token",
        action="append",
        default=[],
        type=_token,
        metavar="TOKEN:USER[:read]",
        help="a token (default: hf_ann:ann, hf_bob:bob, hf_ann_read:ann:read)",
    )
    add(
        "--member",
        action="append",
        metavar="USER",
        help="a user with access to what is private or gated (default: ann)",
    )
    add(
        "--plain",
        action="append",
        default=[],
        type=_pair,
        metavar="/PATH=FILE",
        help="serve a plain file beside the LFS content",
    )
    add("--port", type=int, default=0, help="port of the endpoint (default: any)")
    add("--page-size", type=int, default=1000, help="entries on one page of lists")
    add("--resolve-cache", action="store_true", help="redirect small files on the same origin")
    add("--gzip-text", action="store_true", help="compress small files, without a length")
    add("--home", type=Path, help="HF_HOME to print (default: hf-home in this folder)")
    return parser  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
