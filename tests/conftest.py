"""Shared fixtures: an isolated environment, the optional folder of real files, S3 servers."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.common_fixtures import *  # noqa: F403
from tests.s3_fixtures import *  # noqa: F403

# How long an example takes says something about the machine only. And a change is judged on its
# own: in CI the property tests try the same examples every time.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("calm"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "calm")

REPO = Path(__file__).resolve().parent.parent


def _isolate() -> None:
    """Give the whole run its own caches and no credentials, before anything heavy is imported."""
    home = Path(tempfile.mkdtemp(prefix="lancenb-test-"))
    owner = os.getpid()
    atexit.register(
        lambda: shutil.rmtree(home, ignore_errors=True) if os.getpid() == owner else None
    )
    for name in list(os.environ):
        if name.startswith(("AWS_", "HF_", "LANCE_")):
            del os.environ[name]
    os.environ.update(
        LANCENB_CACHE=str(home / "cache"),
        HF_HOME=str(home / "hf"),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        TORCH_HOME=str(home / "torch"),
        MPLBACKEND="agg",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=str(home / "aws-config"),
        AWS_SHARED_CREDENTIALS_FILE=str(home / "aws-credentials"),
    )


_isolate()

for _name in ("botocore", "boto3", "urllib3", "werkzeug", "filelock", "lightning.pytorch"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def find_shared_data() -> Path | None:
    """Return the folder of real files: ``LANCENB_TEST_DATA``, or ``shared/data`` beside us."""
    named = os.environ.get("LANCENB_TEST_DATA")
    for folder in [Path(named)] if named else [REPO.parent / "shared" / "data"]:
        if (folder / "expectations.csv").is_file():
            return folder
    return None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real files that are not part of this repository; tests skip without it."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("the folder of real test files is absent (set LANCENB_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def repo() -> Path:
    """Root of the working copy."""
    return REPO


@pytest.fixture
def store_root(tmp_path: Path) -> Path:
    """A fresh local folder for a store."""
    return tmp_path / "store"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a test in a real browser one more try: on a busy machine a page can miss a key press.

    A second failure counts, and every second try is listed in the summary.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))
