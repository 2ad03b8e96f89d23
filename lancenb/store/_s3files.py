"""File operations of a store on S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lancenb.errors import AlreadyExists, StoreError

from ._files import FileInfo
from ._preflight import QUICK, ask, check, explain
from ._s3 import S3Place

_BATCH = 1000  # keys per request, the limit of S3


class S3Files:
    """The objects below a bucket and prefix."""

    def __init__(self, place: S3Place, bucket: str, prefix: str, uri: str, client: Any):
        self.place, self.bucket, self.prefix, self.uri = place, bucket, prefix, uri
        self._client = client  # a function that returns the shared client

    def key(self, rel: str) -> str:
        """Return the key of ``rel``, without a slash at the end."""
        return "/".join(part for part in (self.prefix, rel) if part)

    def _below(self, rel: str) -> str:
        key = self.key(rel)
        return f"{key}/" if key else ""

    def _call(self, name: str, **arguments: Any) -> Any:
        self.check()  # the client itself would retry a dead endpoint for minutes
        try:
            return getattr(self._client(), name)(Bucket=self.bucket, **arguments)
        except Exception as error:
            mapped = explain(error, self.place, self.bucket)
            if mapped is None or mapped is error:
                raise
            raise mapped from None

    def check(self) -> None:
        """Ask the endpoint one small question."""
        check(self.place, self.bucket, self.prefix, self.uri)

    def create(self, exist_ok: bool) -> None:
        """Make the bucket unless it is there."""
        from botocore.exceptions import ClientError

        arguments: dict[str, Any] = {"Bucket": self.bucket}
        region = self.place.region
        if region and region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": region}

        def question() -> bool:
            client = self.place.client(self.uri, connect_timeout=3.0, **QUICK)
            try:
                client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
                return False
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                    raise
            try:
                client.create_bucket(**arguments)
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code == "BucketAlreadyOwnedByYou":
                    return False
                if code != "InvalidLocationConstraint" or "CreateBucketConfiguration" not in (
                    arguments
                ):
                    raise
                # Servers other than AWS have places of their own and need none named.
                client.create_bucket(Bucket=self.bucket)
            return True

        made = ask(self.place, self.bucket, question)
        if not made and not exist_ok:
            raise AlreadyExists(
                f"the bucket {self.bucket!r} exists already", hint="pass exist_ok=True to use it"
            )

    def exists(self, rel: str) -> bool:
        """Tell whether an object or anything below it is there."""
        key = self.key(rel)
        if not key:
            self.check()
            return True
        answer = self._call("list_objects_v2", Prefix=f"{key}/", MaxKeys=1)
        if answer.get("Contents"):
            return True
        answer = self._call("list_objects_v2", Prefix=key, MaxKeys=1)
        return any(item["Key"] == key for item in answer.get("Contents", ()))

    def _pages(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", **arguments, **token)
            yield page
            if not page.get("IsTruncated") or not page.get("NextContinuationToken"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def names(self, rel: str) -> list[str]:
        """Return the names directly below."""
        base = self._below(rel)
        found: set[str] = set()
        for page in self._pages(Prefix=base, Delimiter="/"):
            found.update(
                item["Prefix"][len(base) :].strip("/") for item in page.get("CommonPrefixes", ())
            )
            found.update(item["Key"][len(base) :] for item in page.get("Contents", ()))
        found.discard("")
        return sorted(found)

    def walk(self, rel: str) -> Iterator[FileInfo]:
        """Yield every object below ``rel``; 0-byte folder markers are left out."""
        skip = len(self.prefix) + 1 if self.prefix else 0
        base = self._below(rel)
        any_below = False
        for page in self._pages(Prefix=base):
            for item in page.get("Contents", ()):
                any_below = True
                if not item["Key"].endswith("/"):
                    yield FileInfo(item["Key"][skip:], item["Size"], item["LastModified"])
        if not any_below and rel:
            answer = self._call("list_objects_v2", Prefix=self.key(rel), MaxKeys=1)
            for item in answer.get("Contents", ()):
                if item["Key"] == self.key(rel):
                    yield FileInfo(rel, item["Size"], item["LastModified"])

    def delete_tree(self, rel: str) -> int:
        """Remove every object below ``rel``, the versions of a table first."""
        skip = len(self.prefix) + 1 if self.prefix else 0
        found: list[tuple[str, int]] = []
        for page in self._pages(Prefix=self._below(rel)):
            found.extend((item["Key"], item["Size"]) for item in page.get("Contents", ()))
        if not found:
            found = [(self.key(info.path), info.size) for info in self.walk(rel)]
        found.sort(key=lambda item: ("/_versions/" not in f"/{item[0][skip:]}", item[0]))
        for start in range(0, len(found), _BATCH):
            self._delete([key for key, _ in found[start : start + _BATCH]])
        return sum(size for _, size in found)

    def _delete(self, keys: list[str]) -> None:
        request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        failed = self._call("delete_objects", Delete=request).get("Errors", [])
        if failed:
            first = failed[0]
            raise StoreError(
                f"{len(failed)} of {len(keys)} objects of {self.uri} could not be removed "
                f"({first.get('Code', 'no reason')}: {first.get('Key', '')})",
                hint="repeat the call; what is gone already does no harm",
            )
