"""S3 servers for tests of every room: moto by default, Ceph's radosgw where it is installed.

``s3_server`` (moto in a subprocess, shared by the run) and ``ceph_server`` give an
:class:`S3Server`; ``server.store("prefix")`` gives a Store on a fresh bucket. ``s3_store`` is
that in one step; ``s3_auth_server`` is a moto that checks keys. Keep tables on moto small: it reads
a whole object for every range.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.store import _servers
from tests.store._ceph import Ceph, NotStarted, missing_binaries

if TYPE_CHECKING:
    from lancenb.store import Store

__all__ = [
    "S3Server",
    "ceph_server",
    "ceph_store",
    "s3_auth_server",
    "s3_server",
    "s3_store",
    "unsafe_s3_server",
]


@dataclass(frozen=True)
class S3Server:
    """A running S3 server and the keys it was given for this run."""

    endpoint: str
    access_key: str
    secret_key: str
    kind: str
    process: Any = None

    def options(self, **changes: Any) -> dict[str, Any]:
        """Return the options of a Store on this server; ``None`` removes one."""
        given = {
            "endpoint": self.endpoint,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
        } | changes
        return {name: value for name, value in given.items() if value is not None}

    def bucket(self) -> str:
        """Return a bucket name nobody used yet."""
        return f"lancenb-{uuid.uuid4().hex[:12]}"

    def store(self, prefix: str = "", *, create: bool = True, **changes: Any) -> Store:
        """Return a Store on a fresh bucket, made unless ``create=False``."""
        from lancenb.store import Store

        uri = f"s3://{self.bucket()}/{prefix}".rstrip("/")
        store = Store(uri, **self.options(**changes))
        return store.create() if create else store


def _require_moto() -> None:
    for module in ("moto", "flask", "flask_cors"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"no S3 server: {module} is not installed (pip install -e '.[test]')")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto in a subprocess on loopback; it accepts any key."""
    _require_moto()
    process, endpoint = _servers.start_moto(tmp_path_factory.mktemp("moto"))
    try:
        yield S3Server(endpoint, "minioadmin", "minioadmin123", "moto", process)
    finally:
        _servers.stop(process)


@pytest.fixture(scope="session")
def s3_auth_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A second moto that checks every signature against one user it made itself."""
    import boto3

    _require_moto()
    process, endpoint = _servers.start_moto(tmp_path_factory.mktemp("moto-auth"), free_actions=3)
    try:
        iam = boto3.client(
            "iam",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="first",
            aws_secret_access_key="actions",
        )
        allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.create_user(UserName="lab")
        iam.put_user_policy(UserName="lab", PolicyName="all", PolicyDocument=policy)
        made = iam.create_access_key(UserName="lab")["AccessKey"]
        yield S3Server(endpoint, made["AccessKeyId"], made["SecretAccessKey"], "moto", process)
    finally:
        _servers.stop(process)


@pytest.fixture
def s3_store(s3_server: S3Server) -> Store:
    """A Store on a fresh bucket of moto, with a prefix."""
    return s3_server.store("tables")


@pytest.fixture(scope="session")
def unsafe_s3_server(s3_server: S3Server) -> Iterator[S3Server]:
    """moto behind a proxy that drops If-None-Match: commits can be lost there."""
    with _servers.forgetful_proxy(s3_server.endpoint) as endpoint:
        yield S3Server(endpoint, s3_server.access_key, s3_server.secret_key, "moto, careless")


@pytest.fixture(scope="session")
def ceph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Ceph's S3 gateway with one monitor and one object store daemon, on loopback."""
    missing = missing_binaries()
    if missing:
        pytest.skip(
            f"no Ceph here ({', '.join(missing)} missing): apt-get install "
            "--no-install-recommends ceph-mon ceph-osd radosgw ceph-common"
        )
    # Unix socket paths are short: Ceph's folder cannot be deep inside pytest's.
    with contextlib.ExitStack() as stack:
        try:
            ceph = stack.enter_context(Ceph.start())
        except NotStarted as error:
            pytest.skip(f"Ceph is installed but does not start here: {error}")
        yield S3Server(ceph.endpoint, ceph.access_key, ceph.secret_key, "ceph", ceph)


@pytest.fixture
def ceph_store(ceph_server: S3Server) -> Store:
    """A Store on a fresh bucket of Ceph, with a prefix."""
    return ceph_server.store("tables")
