"""What clients may name: things inside the root, and addresses that are open to everybody."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lancenb.catalog._names import check_name, check_tag
from lancenb.errors import InvalidArgument, InvalidName, LancenbError, NotFound, UnsafeInput

from ._sqlguard import check_condition, check_where

if TYPE_CHECKING:
    from lancenb.catalog import DataManager
    from lancenb.download import UrlPolicy

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_ACTIVE = re.compile(r"[\x00-\x1f\x7f\\%?#*]")
_UPLOAD = re.compile(r"[0-9a-f]{32}\Z")
_REPOSITORY = re.compile(r"[\w][\w.-]*(?:/[\w][\w.-]*)?(?:@[\w.-]+)?(?::[\w.-]+)?\Z")
_OWN = frozenset({"registry.lance", "audit.lance"})
#: Options that name files of the machine that converts or downloads, or switch off its guards.
_FILES = frozenset({"annotations", "cache", "hub_engine", "limits", "policy", "store", "to"})
#: Arguments of the verbs, which have places of their own in a request.
_VERBS = frozenset(
    {"cancel", "description", "kind", "lineage", "manager", "message", "metadata", "mode", "name"}
    | {"parents", "progress", "source", "state", "tags", "target", "uri"}
)
_MOST = {"max_pixels": 178_956_970, "threads": 16}
_MAX_TEXT = 4096


class Confined:
    """The rules for what a request names, applied before it is done.

    Args:
        manager: the catalogue.
        allow_private_downloads: also fetch from private networks and from this machine.
        trusted: origins (``"http://10.0.0.5:8080"``) exempt from that, one by one.
        uploads: tells whether there is an upload of that id.
    """

    def __init__(
        self,
        manager: DataManager,
        *,
        allow_private_downloads: bool = False,
        trusted: Sequence[str] = (),
        uploads: Callable[[str], bool] | None = None,
    ):
        self.store = manager.store
        self.allow_private_downloads = allow_private_downloads
        self.trusted = tuple(trusted)
        self._uploads = uploads

    @cached_property
    def policy(self) -> UrlPolicy:
        """What downloads of this server obey, on every connection and redirect."""
        from lancenb.download import UrlPolicy

        class AnyHost(UrlPolicy):
            """Private networks too; still no local path, which ``allow_private`` would let in."""

            def guards(self, url: str) -> bool:
                return False

        rules = AnyHost if self.allow_private_downloads else UrlPolicy
        return rules.for_servers(trusted=self.trusted)

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """Apply the rule for every argument that has one, by its name.

        Addresses are replaced by what they stand for below the root, so that nothing else can be
        found under them later.

        Raises:
            InvalidName, InvalidFilter, InvalidArgument, UnsafeInput: naming the argument.
        """
        for name in ("name", "new"):
            if name in args:
                self.name(args[name], name)
        if args.get("tag") is not None and "name" in args:
            self.tag(args["tag"])
        if "uri" in args:
            args["uri"] = self.uri(args["uri"])
        if "source" in args:
            self.source(args["source"])
        if args.get("options") is not None:
            self.options(args["options"])
        if args.get("where") is not None:
            self.where(args["where"], rows="name" in args)
        return args

    def name(self, value: Any, field: str = "name") -> str:
        """Return the name of an artefact.

        Raises:
            InvalidName: it breaks the rules.
        """
        return check_name(value)

    def tag(self, value: Any, field: str = "tag") -> str:
        """Return the name of a tag.

        Raises:
            InvalidName: it breaks the rules.
        """
        return check_tag(value)

    def where(self, value: Any, field: str = "where", *, rows: bool = True) -> Any:
        """Return a filter on rows, or (``rows=False``) a condition on the catalogue.

        Raises:
            InvalidFilter: too long, too deep, or it calls what a server does not run.
        """
        (check_where if rows else check_condition)(value)
        return value

    def uri(self, value: Any, field: str = "uri") -> str:
        """Return the full address of a table inside the root.

        Args:
            value: a path relative to the root, or a full address that begins with it.
            field: the argument, to be named in errors.

        Raises:
            UnsafeInput: it leads, or may lead, elsewhere.
            InvalidArgument: no text, or a table that is the catalogue's own.
        """
        text = _text(value, field)
        root = self.store.uri.rstrip("/")
        for start in {root, root.removeprefix("shared-")}:
            if text.startswith(f"{start}/"):
                text = text[len(start) + 1 :]
                break
        pieces = text.rstrip("/").split("/")
        reason = ""
        if _SCHEME.match(text) or "://" in text:
            reason = "it is the address of another place"
        elif text.startswith(("/", "~")) or os.path.isabs(text):
            reason = "it is an absolute path"
        elif _ACTIVE.search(text):
            reason = "it holds one of \\ % ? # * or a control character"
        elif any(piece in ("", ".", "..") for piece in pieces):
            reason = "it holds an empty piece, '.' or '..'"
        if not reason:
            try:
                full = self.store.join(text.rstrip("/"))
            except InvalidName as error:
                reason = error.message.rpartition("leads ")[2] if "leads" in error.message else ""
                reason = f"it leads {reason}" if reason else "it is no path"
        if reason:
            raise UnsafeInput(
                f"{field}={value!r:.120} does not name a table inside this server's root: {reason}",
                hint="give a path relative to the root, such as 'datasets/points.lance'",
                details={"field": field},
            )
        if pieces[0] in _OWN or pieces[0].startswith((".", "_")):
            raise InvalidArgument(
                f"{field}={value!r:.120} is kept by the server for itself",
                hint="name a table that holds data",
                details={"field": field},
            )
        return full

    def source(self, value: Any, field: str = "source") -> str:
        """Return what the server is to convert: an upload, or something to be downloaded.

        Where an address leads is looked at again on every connection, by :attr:`policy`.

        Raises:
            UnsafeInput: a file of the server, or an address inside its network.
            NotFound: there is no such upload.
        """
        text = _text(value, field).strip()
        if text.startswith("upload:"):
            self.upload(text.removeprefix("upload:"), field)
            return text
        scheme, colon, rest = text.partition(":")
        if scheme.lower() in ("http", "https") and rest.startswith("//"):
            self._address(text, field)
            return text
        if scheme == "hf" and colon:
            if "/../" in f"/{rest}/" or "\\" in rest:
                raise _no_source(value, field, "it is no repository")
            return text
        if scheme in ("datasets", "transformers", "torchvision") and colon:
            if not _REPOSITORY.match(rest) or os.path.lexists(rest.partition(":")[0]):
                raise _no_source(value, field, "it is no repository")
            return text
        if scheme == "synthetic" and re.fullmatch(r"synthetic(?::\w+)?", text):
            return text
        if re.fullmatch(r"[\w.-]+(?::official)?", text) and not os.path.lexists(text):
            from lancenb.download import registry

            if registry.find(text.removesuffix(":official")) is not None:
                return text
        raise _no_source(value, field, "it may be a file of the server")

    def _address(self, text: str, field: str) -> None:
        from urllib.parse import urlsplit

        from lancenb.download._addresses import is_public

        self.policy.check(text)  # scheme, credentials, control characters
        host = (urlsplit(text).hostname or "").rstrip(".")
        if not self.policy.guards(text):
            return
        try:
            open_to_all = is_public(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:  # a name: asked for when the connection is made
            open_to_all = host != "localhost" and not host.endswith((".localhost", ".internal"))
        if not open_to_all:
            raise _no_source(text, field, "it is inside a private network or on this machine")

    def upload(self, value: Any, field: str = "upload") -> str:
        """Return the id of an upload.

        Raises:
            NotFound: there is none.
        """
        known = isinstance(value, str) and bool(_UPLOAD.match(value))
        if not known or (self._uploads is not None and not self._uploads(value)):
            raise NotFound(
                f"there is no upload {value!r:.60}",
                hint="bring the files again; uploads are used once",
                details={"field": field},
            )
        return value

    def options(self, value: Any, field: str = "options") -> dict[str, Any]:
        """Return the options of a converter or download that mean the same on every machine.

        Raises:
            UnsafeInput: one names files of the server or lifts a limit.
            InvalidArgument: no options, or one that has a place of its own in the request.
        """
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise InvalidArgument(f"{field} is an object with the names of options as keys")
        for key, item in value.items():
            if key in _VERBS:
                raise InvalidArgument(
                    f"{field}: {key!r} is no option of a converter", hint="give it beside them"
                )
            high = key in _MOST and isinstance(item, (int, float)) and item > _MOST[key]
            named = key in _FILES and not (item is None or isinstance(item, bool))
            if high or named:
                raise UnsafeInput(
                    f"{field}: {key!r} is decided by the server" if named
                    else f"{field}: {key}={item} is more than this server allows",
                    hint="leave it out" if named else f"at most {_MOST[key]:,}",
                    details={"field": f"{field}.{key}"},
                )  # fmt: skip
            if key == "text_options" and item is not None:
                self.options(item, f"{field}.{key}")
        return value

    def rows(self, reader: Any) -> Any:
        """Return a reader of the same rows that refuses cells which name files of the server.

        Raises:
            UnsafeInput: while it is read, at the first batch with such a cell.
        """
        from ._foreign import refusing

        return refusing(reader)

    def table(self, place: Any) -> None:
        """Refuse an uploaded Lance table that names files which are not its own.

        Raises:
            UnsafeInput: a cell or a data file lies elsewhere.
        """
        from lancenb.store import check_self_contained, open_table

        if os.path.isdir(os.path.join(place, "_versions")):
            check_self_contained(open_table(place), "the uploaded table")


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT:
        raise InvalidArgument(
            f"{field} is a text of 1 to {_MAX_TEXT:,} characters", details={"field": field}
        )
    return value


def _no_source(value: Any, field: str, reason: str) -> LancenbError:
    from lancenb.store import redact

    return UnsafeInput(
        f"{field}={redact(value)!r:.120} is not converted by this server: {reason}",
        hint="name an address (https://...), a repository (hf:dataset:owner/name) or a known data "
        "set, or bring the files yourself",
        details={"field": field},
    )
