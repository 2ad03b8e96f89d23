"""Settings and credentials of the AWS environment, without ever asking a metadata service."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from lancenb.errors import AccessDenied, InvalidArgument, StoreError

# Providers of botocore's chain that ask the machine they run on (EC2, ECS, EKS).
_METADATA_PROVIDERS = ("iam-role", "container-role")


@dataclass(frozen=True)
class Keys:
    """One set of credentials; never shown."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Keys(***)"


def session(profile: str | None, *, metadata_service: bool) -> Any:
    """Return a botocore session for ``profile``.

    The session reads environment variables, the shared config and credential files, SSO caches
    and ``credential_process``; it asks a metadata service only when that is chosen.

    Raises:
        InvalidArgument: there is no such profile.
        StoreError: the AWS configuration files cannot be parsed.
    """
    import botocore.session
    from botocore.exceptions import ConfigParseError

    made = botocore.session.Session(profile=profile)
    try:
        known = made.available_profiles
        # A profile named by AWS_PROFILE that does not exist fails like one given by argument.
        chosen = profile or made.get_config_variable("profile")
        if chosen and chosen != "default" and chosen not in known:
            raise InvalidArgument(
                f"there is no AWS profile {chosen!r}",
                hint=f"profiles here: {', '.join(sorted(known)) or 'none'}",
            )
        resolver = made.get_component("credential_provider")
    except ConfigParseError as error:
        raise StoreError(
            "the AWS configuration file cannot be read", hint="check ~/.aws/config for mistakes"
        ) from error
    if not metadata_service:
        for name in _METADATA_PROVIDERS:
            resolver.remove(name)
    return made


def credentials(made: Any) -> Keys | None:
    """Return the credentials of a session, refreshed when they are about to expire.

    Raises:
        AccessDenied: a configured source (SSO, role, process) fails.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = made.get_credentials()
        if found is None:
            return None
        frozen = found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise AccessDenied(
            f"the AWS credentials configured here cannot be had ({type(error).__name__})",
            hint="renew them (aws sso login, or the credential process), or pass access_key= and "
            "secret_key=",
        ) from None
    return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def region(made: Any) -> str | None:
    """Return the region of the environment or profile."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(name):
            return os.environ[name]
    return made.get_scoped_config().get("region") or None


def endpoint(made: Any) -> str | None:
    """Return the S3 endpoint of the environment or profile, in the order boto3 uses.

    ``AWS_ENDPOINT`` comes last: only Lance reads it, and a store must mean one place to all.
    """
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if os.environ.get(name):
            return os.environ[name]
    scoped = made.get_scoped_config()
    services = made.full_config.get("services", {}).get(scoped.get("services"), {})
    found = services.get("s3", {})
    if isinstance(found, dict) and found.get("endpoint_url"):
        return found["endpoint_url"]
    return scoped.get("endpoint_url") or os.environ.get("AWS_ENDPOINT") or None
