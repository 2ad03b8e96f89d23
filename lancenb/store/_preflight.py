"""Ask an S3 endpoint one small question, and say in one sentence what is wrong.

Lance itself takes between 2 seconds and 12 minutes to notice a wrong key or a dead endpoint and
then repeats an XML document; so every S3 store is asked by boto3 first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lancenb.errors import (
    AccessDenied,
    AlreadyExists,
    BucketNotFound,
    InvalidArgument,
    LancenbError,
    StoreError,
    StoreNotWritable,
    StoreUnreachable,
)

from ._redact import redact

if TYPE_CHECKING:
    from ._s3 import S3Place

DEADLINE = 8.0  # seconds for one question, everything included (names, TLS, slow answers)
QUICK = {"read_timeout": 4.0, "retries": {"total_max_attempts": 1, "mode": "standard"}}

_T = TypeVar("_T")
_KEYS = "check access_key=, secret_key= and session_token= (or the AWS_* variables, or profile=)"
_CONSOLE = "is endpoint= the S3 port of the server, not that of its web console?"

# Error code of S3 -> (class, sentence after "where", hint)
_CODES: dict[str, tuple[type[LancenbError], str, str]] = {
    "InvalidAccessKeyId": (AccessDenied, "does not know this access key", _KEYS),
    "InvalidClientTokenId": (AccessDenied, "does not know this access key", _KEYS),
    "SignatureDoesNotMatch": (AccessDenied, "refuses the secret key: it is wrong", _KEYS),
    "ExpiredToken": (AccessDenied, "says that the session token has expired", _KEYS),
    "InvalidToken": (AccessDenied, "does not accept the session token", _KEYS),
    "RequestTimeTooSkewed": (
        AccessDenied, "refuses: the clock of this machine is wrong", "set the clock"
    ),
    "AccessDenied": (AccessDenied, "denies access with these credentials", _KEYS),
    "AllAccessDisabled": (AccessDenied, "denies all access to this bucket", ""),
    "QuotaExceeded": (StoreNotWritable, "has reached its quota", "free some space there"),
    "InvalidBucketName": (InvalidArgument, "does not accept this bucket name",
                          "3 to 63 lower-case letters, digits and hyphens"),
    "TooManyBuckets": (StoreError, "allows no more buckets", "use a prefix in an existing one"),
    "BucketAlreadyExists": (AlreadyExists, "has this bucket already, owned by somebody else",
                            "choose another bucket name"),
    "SlowDown": (StoreError, "asks to slow down", "try again in a moment"),
    "ServiceUnavailable": (StoreError, "is not available now", "try again in a moment"),
    "InternalError": (StoreError, "has an internal error", "try again in a moment"),
}  # fmt: skip
_WRONG_REGION = {
    "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301", "307",
    "IllegalLocationConstraintException", "InvalidRegion",
}  # fmt: skip


def ask(place: S3Place, bucket: str, question: Callable[[], _T]) -> _T:
    """Run ``question`` within :data:`DEADLINE` seconds and map what it raises.

    The question runs in a daemon thread, since the look-up of a host name cannot be timed out.

    Raises:
        LancenbError: see :func:`explain`.
    """
    box: dict[str, Any] = {}

    def run() -> None:
        try:
            box["answer"] = question()
        except BaseException as error:
            box["error"] = error

    thread = threading.Thread(target=run, name="lancenb-preflight", daemon=True)
    thread.start()
    thread.join(DEADLINE)
    if thread.is_alive():
        raise StoreUnreachable(
            f"{where(place)} gave no complete answer within {DEADLINE:g} seconds",
            hint=_address_hint(place),
        )
    if "error" in box:
        error = box["error"]
        mapped = explain(error, place, bucket)
        if mapped is None:
            raise error
        if mapped is error:
            raise mapped
        # The cause may repeat key ids and signatures: it is not shown.
        raise mapped from None
    return box["answer"]


def where(place: S3Place) -> str:
    """Name the endpoint in a message."""
    return f"the S3 endpoint {redact(place.endpoint)}" if place.endpoint else "AWS S3"


def _address_hint(place: S3Place) -> str:
    if place.endpoint:
        return "check that the server runs and that endpoint= has its host and port"
    return "is there a network? for MinIO, Ceph and the like give endpoint="


def explain(error: BaseException, place: S3Place, bucket: str) -> LancenbError | None:
    """Return the typed error for what boto3 raised; ``None`` when it is not about storage."""
    from botocore import exceptions as b

    if isinstance(error, LancenbError):
        return error
    at = where(place)
    if isinstance(error, b.ClientError):
        return _client_error(error, place, bucket)
    if isinstance(error, b.ParamValidationError):
        return InvalidArgument(
            f"{bucket!r} is not a bucket name", hint="3 to 63 letters, digits and hyphens"
        )
    if isinstance(error, b.SSLError):
        plain = "wrong version number" in str(error).lower() or "record layer" in str(error).lower()
        return StoreUnreachable(
            f"{at} does not speak TLS" if plain else f"the certificate of {at} is not trusted",
            hint="write http:// in endpoint="
            if plain
            else "give ca_bundle='/path/to/ca.pem' (or verify=False on a network you trust)",
        )
    if isinstance(error, b.ProxyConnectionError):
        return StoreUnreachable(
            f"the proxy on the way to {at} does not answer", hint="check HTTP_PROXY and NO_PROXY"
        )
    if isinstance(error, (b.ConnectTimeoutError, b.ReadTimeoutError)):
        return StoreUnreachable(f"{at} does not answer in time", hint=_address_hint(place))
    if isinstance(error, b.EndpointConnectionError):
        text = str(error.kwargs.get("error", error)).lower()
        unknown = "resolve" in text or "name or service" in text or "nodename" in text
        why = "cannot be found: its host name is unknown" if unknown else "refuses the connection"
        return StoreUnreachable(f"{at} {why}", hint=_address_hint(place))
    if isinstance(error, b.ResponseStreamingError | b.ConnectionClosedError | b.HTTPClientError):
        return StoreUnreachable(
            f"{at} closed the connection without an answer",
            hint="is this an S3 endpoint, and is it http:// or https:// rightly?",
        )
    if isinstance(error, (b.BotoCoreError, ValueError)):
        return StoreError(
            f"{at} does not answer as S3 does ({type(error).__name__})",
            hint=_CONSOLE,
        )
    return None


def _client_error(error: Any, place: S3Place, bucket: str) -> LancenbError:
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    at = where(place)
    if code == "NoSuchBucket":
        return BucketNotFound(f"{at} has no bucket {bucket!r}", hint="Store(...).create() makes it")
    if code in _CODES:
        cls, sentence, hint = _CODES[code]
        about = f" (bucket {bucket!r})" if code in ("AccessDenied", "AllAccessDisabled") else ""
        return cls(f"{at} {sentence}{about}", hint=hint)
    if code in _WRONG_REGION:
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region") or answer.get("Error", {}).get("Region")
        return StoreError(
            f"{at} says that bucket {bucket!r} lives in another region than {place.region}",
            hint=f"give region={region!r}" if region else "give the right region=",
        )
    if status in (401, 403):
        return AccessDenied(f"{at} denies access to bucket {bucket!r}", hint=_KEYS)
    named = bool(code) and not code.isdigit() and code != "Unknown"
    if named and status >= 500:
        return StoreError(f"{at} answered {status} {redact(code)}", hint="try again in a moment")
    what = f"{status} {redact(code)[:60]}" if named else f"{status}, without an error code of S3"
    return StoreError(f"{at} does not answer as S3 does ({what})", hint=_CONSOLE)


def check(place: S3Place, bucket: str, prefix: str, uri: str) -> None:
    """List one key: the smallest request whose refusal says why.

    Raises:
        BucketNotFound: the bucket does not exist.
        AccessDenied: wrong key or secret, expired token, no permission, no credentials.
        StoreUnreachable: refused, timed out, unknown host, TLS trouble.
        StoreError: anything else that is not S3.
    """
    connect = min(place.options.connect_timeout, 3.0)

    def question() -> None:
        client = place.client(uri, connect_timeout=connect, **QUICK)
        answer = client.list_objects_v2(
            Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=1
        )
        # A web page with status 200 parses as an empty answer.
        if "Name" not in answer and "KeyCount" not in answer and "MaxKeys" not in answer:
            raise StoreError(
                f"{where(place)} does not answer as S3 does",
                hint=_CONSOLE,
            )

    ask(place, bucket, question)
