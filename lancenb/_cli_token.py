"""``lancenb token``: who may use the server of a root."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING, Any

from . import _html
from .errors import InvalidArgument

if TYPE_CHECKING:
    from .remote._tokens import Tokens
    from .store import Store

EXAMPLE = """examples:
  lancenb token add ci --scope write --expires 90d
  lancenb token list
  lancenb token rotate 3f2a91bc --grace 10m
  lancenb token revoke 3f2a91bc"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
# which options mean something for which action, and what WHO is there
_TAKES = {"add": {"scope", "expires"}, "list": set(), "revoke": set(), "rotate": {"grace"}}
_WHO = {"add": "whom or what it is for", "revoke": "its id", "rotate": "its id"}


def words() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the arguments of the command."""
    return (
        ("action", {"nargs": "?", "choices": tuple(_TAKES), "default": "list",
                    "help": "make one, list them (default), take one back, or replace one"}),
        ("who", {"nargs": "?", "help": "with add: whom or what it is for; else: its id"}),
        ("--scope", {"choices": ("read", "write", "admin"),
                     "help": "with add: what it allows (default: read)"}),
        ("--expires", {"metavar": "AGE", "help": "with add: ends after so long: 12h, 30d, 8w"}),
        ("--grace", {"metavar": "AGE", "help": "with rotate: the old one works so much longer"}),
        ("--json", {"action": "store_true", "help": "one JSON object per line"}),
    )  # fmt: skip


def run(args: argparse.Namespace, store: Store) -> int:
    """Change or list the tokens of a root; a running server notices by itself."""
    from .remote._state import token_file
    from .remote._tokens import Tokens

    for name in ("scope", "expires", "grace"):
        if getattr(args, name) is not None and name not in _TAKES[args.action]:
            owner = next(action for action, takes in _TAKES.items() if name in takes)
            raise InvalidArgument(
                f"--{name} means nothing for {args.action}", hint=f"it goes with {owner}"
            )
    if (args.who is None) != (args.action == "list"):
        raise InvalidArgument(
            f"token {args.action} takes no name" if args.who else f"token {args.action} needs WHO",
            hint="lancenb token list shows them" if args.who else f"WHO is {_WHO[args.action]}",
        )
    tokens = Tokens(token_file(store))
    if args.action == "list":
        _list(tokens, as_json=args.json)
    elif args.action == "revoke":
        tokens.revoke(args.who)
        print(json.dumps({"id": args.who, "revoked": True}) if args.json
              else f"{args.who} is revoked; a running server refuses it from now on")  # fmt: skip
    elif args.action == "add":
        ends = None if args.expires is None else _seconds("--expires", args.expires)
        _show(*tokens.add(args.who, args.scope or "read", ends), as_json=args.json)
    else:
        grace = 0.0 if args.grace is None else _seconds("--grace", args.grace)
        _show(args.who, tokens.rotate(args.who, grace), as_json=args.json)
    return 0


def _show(id: str, token: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"id": id, "token": token}))
    else:
        print(f"{token}\n  id {id}; shown only now, keep it safe")


def _list(tokens: Tokens, *, as_json: bool) -> None:
    found = tokens.list()
    if as_json:
        for each in found:
            print(json.dumps({
                "id": each.id, "name": each.name, "scope": each.scope, "state": each.state,
                "created": each.created.isoformat(),
                "expires": each.expires and each.expires.isoformat(),
            }))  # fmt: skip
    elif not found:
        print("no tokens; lancenb token add NAME makes one")
    else:
        rows = [
            (each.id, each.name, each.scope, each.state, f"{each.created:%Y-%m-%d}",
             f"{each.expires:%Y-%m-%d %H:%M}" if each.expires else "never")
            for each in found
        ]  # fmt: skip
        print(_html.columns([("id", "name", "scope", "state", "created", "expires"), *rows]))


def _seconds(flag: str, text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if match is None:
        raise InvalidArgument(f"{flag} {text!r} is no age", hint="12h, 30d or 8w")
    return float(match[1]) * _UNITS[match[2]]
