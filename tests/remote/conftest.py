"""One catalogue by four engines, on disk and on S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lancenb import DataManager

from ._engines import REMOTE, Served, cases

#: Every test of the contract runs with every engine, on disk and on S3. A bucket served by moto
#: takes seconds where a disk takes none, so only these run every time; the soak has the others.
SOON_ON_S3 = {
    "test_every_type_arrives_as_it_was_sent",
    "test_upserts_of_all_forms",
    "test_versions_back_and_forth",
    "test_deleting",
    "test_weights_keep_everything",
    "test_a_folder_of_pictures",
    "test_every_mistake_is_told_alike",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of S3 to the runs that take longer."""
    for item in items:
        contract = item.path.parent == Path(__file__).parent and "case" in item.fixturenames
        if contract and "-s3]" in item.name and item.originalname not in SOON_ON_S3:
            item.add_marker(pytest.mark.soak)


@pytest.fixture(autouse=True, scope="session")
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what servers of buckets note on this machine inside the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("LANCENB_TOKEN", raising=False)
        yield


@pytest.fixture(scope="module")
def roots(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Served]]:
    """One root per kind of store for the tests of a module, served once."""
    from lancenb.store import Store

    made: dict[str, Served] = {}

    def root(kind: str) -> Served:
        if kind not in made:
            if kind == "s3":
                store = request.getfixturevalue("s3_server").store("tables")
            else:
                store = Store(tmp_path_factory.mktemp("root") / "store").create()
            made[kind] = Served(store)
        return made[kind]

    yield root
    for served in made.values():
        served.close()


@pytest.fixture(params=cases(), ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Engine and store of a test of the contract."""
    return request.param


@pytest.fixture
def served(case: tuple[str, str], roots: Callable[[str], Served]) -> Served:
    """The root of a test; tests of a module share it, so they take names from ``fresh``."""
    return roots(case[1])


@pytest.fixture
def dm(case: tuple[str, str], served: Served) -> Any:
    """The catalogue by an engine."""
    return served.reach(case[0])


@pytest.fixture
def twin(served: Served) -> DataManager:
    """The same root without any engine, to compare with."""
    return served.twin()


@pytest.fixture
def fresh(served: Served) -> Callable[[str], str]:
    """Return names that no other test has."""
    served.count += 1
    number = served.count
    return lambda stem: f"{stem}-{number}"


@pytest.fixture(params=REMOTE)
def engine(request: pytest.FixtureRequest) -> str:
    """An engine that has a server."""
    return request.param
