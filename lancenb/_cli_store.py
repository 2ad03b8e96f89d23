"""Which store, or which server, a command is about."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from .errors import InvalidArgument, NotFound

_ROOT = "./lancenb-store"
_SERVERS = ("http://", "https://", "grpc://", "grpcs://", "ws://", "wss://")


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a folder or a bucket."""
    where = parser.add_argument_group("store")
    root = os.environ.get("LANCENB_ROOT", _ROOT)
    where.add_argument("--root", default=root, help="folder or s3:// (default: %(default)s)")
    where.add_argument("--s3-endpoint", metavar="URL", help="such as http://localhost:9000")
    where.add_argument("--bucket", metavar="NAME", help="with --prefix: s3://bucket/prefix")
    where.add_argument("--prefix", metavar="PATH", default="", help="with --bucket")
    where.add_argument("--aws-access-key", metavar="KEY", help="or AWS_ACCESS_KEY_ID")
    where.add_argument("--aws-secret-key", metavar="SECRET", help="or AWS_SECRET_ACCESS_KEY")
    where.add_argument("--aws-region", metavar="REGION", help="default: us-east-1 with an endpoint")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options of a catalogue that ``lancenb serve`` serves somewhere."""
    where = parser.add_argument_group("server (--root http://HOST:PORT, grpc://, ws://)")
    where.add_argument("--token", metavar="TOKEN",
                       help="better as LANCENB_TOKEN: others see command lines")  # fmt: skip
    where.add_argument("--ca", metavar="FILE", help="certificates to trust, for https://")


def store_of(args: argparse.Namespace) -> Any:
    """Return the store that the options name."""
    from .store import Store

    root, options = args.root, {}
    if is_server(root):
        raise InvalidArgument(
            f"{root} is a server, and this needs the store itself",
            hint="name the folder or the bucket, on the machine that has it",
        )
    if args.s3_endpoint or args.bucket:
        if args.bucket:
            root = f"s3://{args.bucket}/{args.prefix}".rstrip("/")
        elif not root.startswith("s3://"):
            raise InvalidArgument("--s3-endpoint needs --bucket", hint="or an s3://bucket/... root")
    if root.startswith("s3://"):
        options = {"endpoint": args.s3_endpoint, "access_key": args.aws_access_key}
        options |= {"secret_key": args.aws_secret_key, "region": args.aws_region}
    return Store(root, **options)


def manager_of(args: argparse.Namespace, *, must_exist: bool = True) -> Any:
    """Return the catalogue of the store, or the one behind a server."""
    if is_server(args.root):
        if args.bucket or args.s3_endpoint:
            raise InvalidArgument(
                "--bucket and --s3-endpoint name a store, and --root names a server",
                hint="the server knows its store: leave them out",
            )
        from .remote import connect

        return connect(args.root, token=args.token, ca=args.ca)
    if args.token or args.ca:
        raise InvalidArgument(
            "--token and --ca are for a server", hint="such as --root http://127.0.0.1:8080"
        )
    from .catalog import DataManager

    return DataManager(existing(args) if must_exist else store_of(args).create())


def existing(args: argparse.Namespace) -> Any:
    """Return the store of the arguments; a local one that is not there is an error."""
    store = store_of(args)
    if store.is_local and not Path(store.uri).is_dir():
        raise NotFound(
            f"there is no store at {args.root}",
            hint="--root names another one; lancenb convert and lancenb demo make one",
        )
    return store


def is_server(root: str) -> bool:
    """Tell the address of a server from a folder or a bucket.

    >>> is_server("http://127.0.0.1:8080"), is_server("s3://bucket"), is_server("./store")
    (True, False, False)
    """
    return root.lower().startswith(_SERVERS)
