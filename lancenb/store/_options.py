"""The options of an S3 store: names, checks, and what follows from the environment."""

from __future__ import annotations

import difflib
import ipaddress
import os
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from lancenb.errors import InvalidArgument, UnknownOption

from ._redact import redact

# Names other libraries use for the same thing.
_ALIASES = {
    "key": "access_key",
    "secret": "secret_key",
    "token": "session_token",
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "aws_access_key_id": "access_key",
    "aws_secret_access_key": "secret_key",
    "aws_session_token": "session_token",
    "aws_access_key": "access_key",
    "aws_secret_key": "secret_key",
    "aws_region": "region",
    "region_name": "region",
    "aws_endpoint": "endpoint",
    "aws_endpoint_url": "endpoint",
    "endpoint_url": "endpoint",
    "endpoint_override": "endpoint",
    "s3_endpoint": "endpoint",
    "aws_profile": "profile",
    "profile_name": "profile",
    "virtual_hosted_style": "path_style",
    "aws_virtual_hosted_style_request": "path_style",
    "addressing_style": "path_style",
    "use_ssl": "allow_http",
    "aws_allow_http": "allow_http",
    "request_timeout": "timeout",
    "read_timeout": "timeout",
    "max_retries": "retries",
    "client_max_retries": "retries",
    "client_retry_timeout": "retry_window",
    "anon": "anonymous",
    "aws_skip_signature": "anonymous",
    "server_side_encryption": "sse",
    "aws_server_side_encryption": "sse",
    "sse_kms_key_id": "kms_key",
    "aws_sse_kms_key_id": "kms_key",
    "storage_options": "the options one by one",
}
_SSE = ("AES256", "aws:kms", "aws:kms:dsse")
_SECRET_FIELDS = ("access_key", "secret_key", "session_token")


class Secret:
    """A value that shows itself only when asked; it survives pickling, never printing."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Secret, (self._value,))


@dataclass(frozen=True)
class S3Options:
    """Options as given, checked one by one; ``None`` means "not given"."""

    endpoint: str | None = None
    access_key: Secret | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None
    region: str | None = None
    profile: str | None = None
    path_style: bool | None = None
    allow_http: bool | None = None
    ca_bundle: str | None = None
    verify: bool = True
    connect_timeout: float = 3.0
    timeout: float = 30.0
    retries: int = 5
    retry_window: float = 60.0
    sse: str | None = None
    kms_key: str | None = None
    read_only: bool = False
    metadata_service: bool = False
    anonymous: bool = False

    @classmethod
    def of(cls, given: dict[str, Any]) -> S3Options:
        """Check ``given`` and return the options.

        Raises:
            UnknownOption: a name that nothing here understands.
            InvalidArgument: a value that cannot work.
        """
        known = {field.name for field in fields(cls)}
        for name in given:
            if name not in known:
                raise UnknownOption(
                    f"a store has no option {name!r}", hint=_did_you_mean(name, known)
                )
        values = {name: value for name, value in given.items() if value is not None}
        for name in _SECRET_FIELDS:
            if name in values:
                values[name] = _secret(name, values[name])
        for name in ("endpoint", "region", "profile", "sse", "kms_key"):
            if name in values:
                values[name] = _text(name, values[name])
        for name in (
            "path_style", "allow_http", "verify", "read_only", "metadata_service", "anonymous"
        ):  # fmt: skip
            if name in values and not isinstance(values[name], bool):
                raise InvalidArgument(f"{name}= is True or False, not {values[name]!r}")
        for name in ("connect_timeout", "timeout", "retry_window"):
            if name in values:
                values[name] = _seconds(name, values[name])
        if "retries" in values:
            values["retries"] = _count(values["retries"])
        if "ca_bundle" in values:
            values["ca_bundle"] = _existing_file(values["ca_bundle"])
        made = cls(**values)
        made._check_together()
        return made

    def _check_together(self) -> None:
        if (self.access_key is None) != (self.secret_key is None):
            given, missing = (
                ("access_key", "secret_key") if self.access_key else ("secret_key", "access_key")
            )
            raise InvalidArgument(f"{given}= is given without {missing}=", hint="give both")
        if self.session_token is not None and self.access_key is None:
            raise InvalidArgument(
                "session_token= is given without keys", hint="give access_key= and secret_key= too"
            )
        if self.anonymous and (self.access_key is not None or self.metadata_service):
            raise InvalidArgument("anonymous=True goes without credentials", hint="drop one")
        if self.sse is not None and self.sse not in _SSE:
            close = difflib.get_close_matches(self.sse, _SSE, 1, 0.4)
            raise InvalidArgument(
                f"sse={self.sse!r} is no server-side encryption known here",
                hint=f"did you mean {close[0]!r}?" if close else f"one of {', '.join(_SSE)}",
            )
        if self.kms_key is not None and self.sse not in ("aws:kms", "aws:kms:dsse"):
            raise InvalidArgument("kms_key= needs sse='aws:kms'", hint="add sse='aws:kms'")
        if self.endpoint is not None:
            check_endpoint(self.endpoint, self.path_style, self.allow_http)

    def given(self) -> dict[str, Any]:
        """Return what differs from the defaults, for rebuilding and for ``repr``."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


def check_endpoint(endpoint: str, path_style: bool | None, allow_http: bool | None) -> str:
    """Check an endpoint and return it without a slash at the end.

    Raises:
        InvalidArgument: no scheme, no host, credentials or a query in it, plain http forbidden,
            or virtual-hosted style with an address that cannot have sub-domains.
    """
    shown = redact(endpoint)
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or "://" not in endpoint:
        scheme_like = parts.scheme if "://" in endpoint else ""
        if scheme_like:
            hint = "an endpoint starts with http:// or https://"
        else:
            bare = endpoint.strip("/")
            local = bare.startswith(("localhost", "127.", "[::1]")) or bare.split(":")[0] == "minio"
            hint = f"write {'http' if local else 'https'}://{redact(bare)}"
        raise InvalidArgument(f"the endpoint {shown!r} has no http:// or https://", hint=hint)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if not parts.hostname or port == -1 or any(c.isspace() for c in endpoint):
        raise InvalidArgument(f"the endpoint {shown!r} has no usable host and port")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidArgument(
            f"the endpoint {shown!r} holds more than an address",
            hint="credentials go into access_key= and secret_key=",
        )
    if parts.scheme == "http" and allow_http is False:
        raise InvalidArgument(
            f"the endpoint {shown!r} is not encrypted and allow_http=False forbids that",
            hint="use https://, or drop allow_http=False",
        )
    if path_style is False and not has_subdomains(parts.hostname):
        raise InvalidArgument(
            f"path_style=False needs a host with sub-domains, which {parts.hostname!r} is not",
            hint="drop path_style=False",
        )
    return endpoint.rstrip("/")


def has_subdomains(host: str) -> bool:
    """Tell whether ``bucket.host`` can be an address: no IP address, no single name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".")
    return False


def _did_you_mean(name: str, known: set[str]) -> str:
    alias = _ALIASES.get(name.lower())
    if alias in ("path_style", "allow_http") and not name.lower().endswith("allow_http"):
        return f"the option here is {alias}=, with True or False"
    if alias:
        return f"did you mean {alias}?"
    close = difflib.get_close_matches(name.lower(), sorted(known), 1, 0.6)
    return f"did you mean {close[0]}?" if close else f"options: {', '.join(sorted(known))}"


def _secret(name: str, value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value.strip():
        # The value itself is not repeated: it may be half a secret.
        raise InvalidArgument(f"{name}= is empty or not text")
    if value != value.strip() or any(ord(c) < 32 or ord(c) > 126 for c in value):
        raise InvalidArgument(
            f"{name}= holds blanks, line breaks or other characters that no key has",
            hint="a copy-and-paste accident, usually",
        )
    return Secret(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(f"{name}= is empty or not text")
    if name == "region" and not all(c.isalnum() or c in "-_" for c in value):
        raise InvalidArgument(f"{value!r} is not a region", hint="as in us-east-1")
    return value.strip()


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 86_400:
        raise InvalidArgument(f"{name}= is a number of seconds above 0, not {value!r}")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise InvalidArgument(f"retries= is a number from 0 to 100, not {value!r}")
    return value


def _existing_file(value: Any) -> str:
    path = os.path.abspath(os.path.expanduser(os.fspath(value)))
    if not os.path.isfile(path):
        raise InvalidArgument(f"ca_bundle= names {path}, which is no file")
    return path
