"""One S3 place as Lance, boto3 and fsspec each want to hear it."""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lancenb.errors import AccessDenied, InvalidArgument

from . import _aws
from ._options import S3Options, check_endpoint

_NO_KEYS = (
    "pass access_key= and secret_key=, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a "
    "profile=; anonymous=True reads public buckets, metadata_service=True asks a cloud machine"
)


@dataclass(frozen=True)
class S3Place:
    """An endpoint with everything decided: explicit argument > environment or profile > none.

    Keys are looked up when they are needed, since those of the environment may expire.
    """

    options: S3Options
    endpoint: str | None
    region: str | None
    path_style: bool

    @classmethod
    def of(cls, options: S3Options, bucket: str) -> S3Place:
        """Decide endpoint, region and addressing style (TLS forbids dots before a host).

        Raises:
            InvalidArgument: no such profile, or an endpoint in the environment that cannot work.
        """
        made = _session(options)
        endpoint = options.endpoint or _aws.endpoint(made)
        if endpoint:
            endpoint = check_endpoint(endpoint, options.path_style, options.allow_http)
        region = options.region or _aws.region(made) or ("us-east-1" if endpoint else None)
        path_style = options.path_style
        if path_style is None:
            path_style = bool(endpoint) or "." in bucket
        return cls(options, endpoint, region, path_style)

    @property
    def key_source(self) -> str:
        """Where keys come from: ``arguments``, ``anonymous`` or ``environment or profile``."""
        if self.options.anonymous:
            return "anonymous"
        return "arguments" if self.options.access_key else "environment or profile"

    def keys(self, uri: str) -> _aws.Keys | None:
        """Return the credentials, or ``None`` for an anonymous store.

        Raises:
            AccessDenied: there are none, or a configured source fails.
        """
        given = self.options
        if given.anonymous:
            return None
        if given.access_key is not None and given.secret_key is not None:
            token = given.session_token.reveal() if given.session_token else None
            return _aws.Keys(given.access_key.reveal(), given.secret_key.reveal(), token)
        found = _aws.credentials(_session(given))
        if found is None and given.metadata_service and _metadata_forbidden():
            raise AccessDenied(
                f"there are no credentials for {uri}, and AWS_EC2_METADATA_DISABLED forbids what "
                "metadata_service=True asks for",
                hint="remove that variable from the environment",
            )
        if found is None:
            raise AccessDenied(
                f"there are no credentials for {uri}: none were given and the environment and "
                "AWS profile have none",
                hint=_NO_KEYS,
            )
        return found

    def lance(self, bucket: str, uri: str) -> dict[str, str]:
        """Return Lance's storage options: text values, credentials always explicit."""
        given = self.options
        out = {
            "connect_timeout": f"{given.connect_timeout:g}s",
            "timeout": f"{given.timeout:g}s",
            "client_max_retries": str(given.retries),
            "client_retry_timeout": str(max(1, round(given.retry_window))),
            "aws_virtual_hosted_style_request": "false" if self.path_style else "true",
            "aws_conditional_put": "disabled" if given.read_only else "etag",
            "allow_http": "false",
        }
        keys = self.keys(uri)
        # Said in both cases: AWS_SKIP_SIGNATURE of the environment would decide otherwise.
        out["aws_skip_signature"] = "true" if keys is None else "false"
        if keys is not None:
            out["aws_access_key_id"] = keys.access_key
            out["aws_secret_access_key"] = keys.secret_key
            token = keys.session_token or self._no_token(uri)
            if token is not None:
                out["aws_session_token"] = token
        if self.region:
            out["aws_region"] = self.region
        if self.endpoint:
            # Under both names: AWS_ENDPOINT_URL_S3 of the environment beats the first one alone.
            address = self.endpoint if self.path_style else _with_bucket(self.endpoint, bucket)
            out["aws_endpoint"] = out["aws_endpoint_url_s3"] = address
            out["allow_http"] = "true" if self.endpoint.startswith("http://") else "false"
            if given.ca_bundle and self.endpoint.startswith("https://"):
                _require_trust(given.ca_bundle)
        if not given.verify:
            out["allow_invalid_certificates"] = "true"
        if given.sse:
            out["aws_server_side_encryption"] = given.sse
        if given.kms_key:
            out["aws_sse_kms_key_id"] = given.kms_key
        return out

    def _no_token(self, uri: str) -> str | None:
        """Keep Lance from sending a token of the environment along with keys that have none.

        Lance takes the session token from any of four variables, one of them plain ``TOKEN``,
        even when keys are explicit. An empty option overrides that; AWS itself refuses an empty
        token, third-party servers take it for none.

        Raises:
            InvalidArgument: on AWS with such a variable set.
        """
        found = [name for name in os.environ if name.lower() in _TOKEN_VARIABLES]
        if not found or not any(os.environ[name] for name in found):
            return None
        if self.endpoint:
            return ""
        raise InvalidArgument(
            f"the keys for {uri} have no session token, but Lance would send the environment "
            f"variable {found[0]} as one",
            hint=f"remove it for this process (os.environ.pop({found[0]!r})) or give "
            "session_token=",
        )

    def client_config(self, **changes: Any) -> Any:
        """Return a botocore ``Config`` that third-party stores understand too."""
        from botocore import UNSIGNED
        from botocore.config import Config

        given = self.options
        settings: dict[str, Any] = {
            "connect_timeout": given.connect_timeout,
            "read_timeout": given.timeout,
            "retries": {"total_max_attempts": given.retries + 1, "mode": "standard"},
            # Presigned URLs would fall back to the old signature otherwise.
            "signature_version": UNSIGNED if given.anonymous else "s3v4",
            # Newer checksums break uploads and ranges on several third-party servers.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": "path" if self.path_style else "virtual"},
            # "auto" (possible by AWS_DEFAULTS_MODE) would ask the metadata service for a region.
            "defaults_mode": "legacy",
            "max_pool_connections": 32,
        }
        settings.update(changes)
        return Config(**settings)

    def client(self, uri: str, **changes: Any) -> Any:
        """Return a new boto3 S3 client; ``changes`` override the connection settings."""
        keys = self.keys(uri)
        verify: bool | str = self.options.ca_bundle or self.options.verify
        arguments: dict[str, Any] = {
            "region_name": self.region or "us-east-1",
            "endpoint_url": self.endpoint,
            "config": self.client_config(**changes),
            # None lets botocore read AWS_CA_BUNDLE.
            "verify": None if verify is True else verify,
        }
        if keys is not None:
            arguments["aws_access_key_id"] = keys.access_key
            arguments["aws_secret_access_key"] = keys.secret_key
            arguments["aws_session_token"] = keys.session_token
        with _CLIENT_LOCK:  # making clients is not thread-safe in boto3
            return _boto3_session(*_session_key(self.options)).client("s3", **arguments)

    def fsspec(self, uri: str) -> dict[str, Any]:
        """Return the protocol and the arguments of ``fsspec.filesystem`` for s3fs."""
        keys = self.keys(uri)
        verify: bool | str = self.options.ca_bundle or self.options.verify
        client: dict[str, Any] = {"region_name": self.region or "us-east-1"}
        if self.endpoint:
            client["endpoint_url"] = self.endpoint
        if verify is not True:
            client["verify"] = verify
        out: dict[str, Any] = {
            "protocol": "s3",
            "anon": keys is None,
            "client_kwargs": client,
            "config_kwargs": {
                "signature_version": "s3v4",
                "s3": {"addressing_style": "path" if self.path_style else "virtual"},
                "connect_timeout": self.options.connect_timeout,
                "read_timeout": self.options.timeout,
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        }
        if keys is not None:
            out |= {"key": keys.access_key, "secret": keys.secret_key, "token": keys.session_token}
        if self.options.sse:
            out["s3_additional_kwargs"] = self.put_arguments()
        return out

    def put_arguments(self) -> dict[str, str]:
        """Return what ``put_object`` needs for server-side encryption."""
        out: dict[str, str] = {}
        if self.options.sse:
            out["ServerSideEncryption"] = self.options.sse
        if self.options.kms_key:
            out["SSEKMSKeyId"] = self.options.kms_key
        return out


# Variables from which Lance's S3 client reads a session token, in any case of letters.
_TOKEN_VARIABLES = {"aws_session_token", "aws_token", "session_token", "token"}
_CLIENT_LOCK = threading.Lock()


_WATCHED = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HOME",
)  # fmt: skip
_Key = tuple[str | None, bool, tuple[str | None, ...], int]


def _session_key(options: S3Options) -> _Key:
    """Return what a session depends on: it is made anew when the environment changes."""
    environment = tuple(os.environ.get(name) for name in _WATCHED)
    return options.profile, options.metadata_service, environment, os.getpid()


@functools.lru_cache(maxsize=32)
def _core_session(
    profile: str | None, metadata_service: bool, environment: tuple[str | None, ...], pid: int
) -> Any:
    return _aws.session(profile, metadata_service=metadata_service)


@functools.lru_cache(maxsize=32)
def _boto3_session(
    profile: str | None, metadata_service: bool, environment: tuple[str | None, ...], pid: int
) -> Any:
    import boto3

    core = _core_session(profile, metadata_service, environment, pid)
    return boto3.Session(botocore_session=core)


def _session(options: S3Options) -> Any:
    return _core_session(*_session_key(options))


def _metadata_forbidden() -> bool:
    return os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"


def _require_trust(ca_bundle: str) -> None:
    """Make sure that Lance will trust what boto3 is told to trust.

    Lance has no option for it: its TLS reads authorities from ``SSL_CERT_FILE``.

    Raises:
        InvalidArgument: neither ``SSL_CERT_FILE`` nor ``SSL_CERT_DIR`` is set.
    """
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        raise InvalidArgument(
            "ca_bundle= alone does not reach Lance, which reads certificates from SSL_CERT_FILE",
            hint=f"set SSL_CERT_FILE={ca_bundle} for this process too",
        )


def _with_bucket(endpoint: str, bucket: str) -> str:
    """Return the address of a bucket in virtual-hosted style."""
    parts = urlsplit(endpoint)
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()
