"""The namespace as ``lance.namespace.RestNamespace`` sees it, and the catalogue afterwards."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

lance_namespace = pytest.importorskip("lance_namespace")
pytest.importorskip("uvicorn")

from lance_namespace import errors as theirs  # noqa: E402
from lance_namespace_urllib3_client import models as m  # noqa: E402

from lancenb import DataManager  # noqa: E402
from tests.remote.namespace_parts import READ, Served, ipc, serving  # noqa: E402

POINTS = pa.table(
    {
        "id": [1, 2, 3],
        "v": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
        "s": ["a", "b", "c"],
    }
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(DataManager(tmp_path / "root", actor="tester")) as one:
        yield one


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one table, for requests that must not change it."""
    with serving(DataManager(tmp_path_factory.mktemp("points") / "root")) as one:
        one.manager.convert(POINTS, "points")
        yield one


class Plain(dict):
    """A request without a model of its own."""

    def model_dump(self) -> dict[str, Any]:
        return dict(self)


def create(rest: Any, name: str = "points", table: pa.Table = POINTS, **more: Any) -> Any:
    return rest.create_table(m.CreateTableRequest(id=[name], **more), ipc(table))


def query(rest: Any, name: str = "points", k: int = 0, vector: Any = (), **more: Any) -> pa.Table:
    asked = m.QueryTableRequestVector(single_vector=list(vector))
    answer = rest.query_table(m.QueryTableRequest(id=[name], k=k, vector=asked, **more))
    return pa.ipc.open_file(io.BytesIO(answer.data)).read_all()


def test_the_one_namespace(points: Served):
    rest = points.rest()
    assert rest.list_namespaces(m.ListNamespacesRequest(id=[])).namespaces == []
    assert rest.describe_namespace(m.DescribeNamespaceRequest(id=[])).properties == {}
    rest.namespace_exists(m.NamespaceExistsRequest(id=[]))
    with pytest.raises(theirs.NamespaceNotFoundError):
        rest.namespace_exists(m.NamespaceExistsRequest(id=["team"]))
    with pytest.raises(theirs.NamespaceNotFoundError):
        rest.describe_table(m.DescribeTableRequest(id=["team", "points"]))
    with pytest.raises(theirs.UnsupportedOperationError, match="namespaces within namespaces"):
        rest.create_namespace(m.CreateNamespaceRequest(id=["team"]))
    with pytest.raises(theirs.UnsupportedOperationError):
        rest.drop_namespace(m.DropNamespaceRequest(id=[]))


def test_what_is_created_is_an_artefact(served: Served):
    rest = served.rest()
    made = create(rest, properties={"team": "vision"})
    assert (made.version, made.properties) == (1, {"team": "vision"})
    artifact = served.manager["points"]
    assert artifact.kind == "table"
    assert artifact.uri == made.location
    assert artifact.metadata == {"team": "vision"}
    assert artifact.dataset().to_table().equals(POINTS)
    first = served.manager.versions("points")[0]
    assert first.properties["lancenb.engine"] == "rest"
    assert first.properties["lancenb.actor"] == "tester"
    assert served.manager.fsck().problems == []
    assert served.audited == [("create_table", "points", None, 1, "write-token", "done")]


def test_what_the_catalogue_makes_is_a_table(served: Served):
    manager, rest = served.manager, served.rest()
    manager.convert(POINTS, "points", description="three points", tags=["small"])
    manager.save_weights("net", {"w": __import__("torch").zeros(2)})
    assert rest.list_tables(m.ListTablesRequest(id=[])).tables == ["net", "points"]
    found = rest.describe_table(m.DescribeTableRequest(id=["points"], load_detailed_metadata=True))
    assert found.location == manager["points"].uri
    assert found.version == 1
    assert found.metadata["lancenb.kind"] == "table"
    assert found.metadata["lancenb.description"] == "three points"
    assert [field.name for field in found.var_schema.fields] == POINTS.schema.names
    assert found.stats.num_fragments == 1
    assert found.storage_options is None
    # Payloads of weights are blobs: a query leaves them out, as the catalogue does.
    assert "data" not in query(rest, "net").column_names


def test_pages_of_tables(served: Served):
    rest = served.rest()
    for name in "cabd":
        create(rest, name)
    seen, token, pages = [], None, 0
    while pages < 10:
        page = rest.list_tables(m.ListTablesRequest(id=[], limit=3, page_token=token))
        seen += page.tables
        token, pages = page.page_token, pages + 1
        if not token:
            break
    assert (seen, pages) == (["a", "b", "c", "d"], 2)
    assert rest.list_all_tables(m.ListTablesRequest()).tables == seen


def test_modes_of_create(served: Served):
    rest = served.rest()
    create(rest)
    with pytest.raises(theirs.TableAlreadyExistsError):
        create(rest)
    assert create(rest, table=POINTS.slice(1), mode="ExistOk").version == 1
    assert served.manager["points"].rows == 3
    assert create(rest, table=POINTS.slice(1), mode="Overwrite").version == 2
    assert served.manager["points"].rows == 2
    assert served.manager.dataset("points", 1).count_rows() == 3
    with pytest.raises(theirs.InvalidInputError):
        create(rest, "other", mode="replace")


def test_five_megabytes_in_and_out(served: Served):
    rest = served.rest()
    rows = np.random.default_rng(0).random(700_000)
    table = pa.table({"id": np.arange(len(rows)), "x": rows})
    assert table.nbytes > 10_000_000
    create(rest, "big", table)
    rest.insert_into_table(m.InsertIntoTableRequest(id=["big"]), ipc(table.slice(0, 350_000)))
    back = query(rest, "big")
    assert back.num_rows == 1_050_000
    assert back.slice(0, len(rows)).equals(table)
    assert served.manager["big"].version == 2


def test_insert_appends_or_replaces(served: Served):
    rest = served.rest()
    create(rest)
    done = rest.insert_into_table(m.InsertIntoTableRequest(id=["points"]), ipc(POINTS))
    assert (done.num_inserted_rows, done.version) == (3, 2)
    replace = m.InsertIntoTableRequest(id=["points"], mode="Overwrite")
    assert rest.insert_into_table(replace, ipc(POINTS.slice(2))).version == 3
    assert served.manager["points"].rows == 1
    with pytest.raises(theirs.TableSchemaValidationError):
        rest.insert_into_table(
            m.InsertIntoTableRequest(id=["points"]), ipc(pa.table({"id": ["no number"]}))
        )
    with pytest.raises(theirs.TableNotFoundError):
        rest.insert_into_table(m.InsertIntoTableRequest(id=["nope"], mode="overwrite"), ipc(POINTS))
    assert served.manager["points"].version == 3
    assert served.manager.list().names == ["points"]


def test_query(served: Served):
    rest = served.rest()
    create(rest)
    assert query(rest).equals(POINTS)
    assert query(rest, k=2).num_rows == 2
    names = m.QueryTableRequestColumns(column_names=["s"])
    found = query(rest, columns=names, filter="id > 1", offset=1)
    assert found.to_pylist() == [{"s": "c"}]
    renamed = m.QueryTableRequestColumns(column_aliases={"letter": "s"})
    assert query(rest, columns=renamed, k=1).to_pylist() == [{"letter": "a"}]
    assert "_rowid" in query(rest, with_row_id=True).column_names
    assert query(rest, filter="id > 100").num_rows == 0
    near = query(rest, vector=[3.1, 4.0], k=1, vector_column="v", distance_type="l2")
    assert near["id"].to_pylist() == [2]
    assert (
        query(rest, vector=[3.1, 4.0], k=2, filter="id < 2", prefilter=True)["id"][0].as_py() == 1
    )
    rest.insert_into_table(m.InsertIntoTableRequest(id=["points"]), ipc(POINTS))
    assert query(rest, version=1).num_rows == 3


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"filter": "nope > 1"}, theirs.TableColumnNotFoundError),
        ({"filter": "id >"}, theirs.InvalidInputError),
        ({"filter": "id > 1) OR (1 = 1"}, theirs.InvalidInputError),
        ({"filter": "id in (select 1)"}, theirs.InvalidInputError),
        ({"version": 9}, theirs.TableVersionNotFoundError),
        ({"vector": [1.0], "vector_column": "v"}, theirs.InvalidInputError),
        ({"vector": [1.0, 2.0], "vector_column": "s"}, theirs.InvalidInputError),
        ({"vector": [1.0, 2.0], "distance_type": "nearest"}, theirs.InvalidInputError),
        ({"branch": "side"}, theirs.TableBranchNotFoundError),
        (
            {"columns": m.QueryTableRequestColumns(column_names=["nope"])},
            theirs.TableColumnNotFoundError,
        ),
        (
            {
                "full_text_query": m.QueryTableRequestFullTextQuery(
                    string_query=m.StringFtsQuery(query="a", columns=["s"])
                ),
                "vector": [1.0, 2.0],
            },
            theirs.UnsupportedOperationError,
        ),
    ],
)
def test_queries_that_make_no_sense(points: Served, asked: dict[str, Any], error: type[Exception]):
    rest = points.rest()
    with pytest.raises(error) as caught:
        query(rest, **asked)
    assert ".rs" not in str(caught.value)
    assert points.manager.store.uri not in str(caught.value)


def test_fields_within_columns(served: Served):
    rest = served.rest()
    create(rest, table=pa.table({"size": [{"w": 1, "h": 2}, {"w": 3, "h": 4}]}))
    names = m.QueryTableRequestColumns(column_names=["size.w"])
    assert query(rest, columns=names, filter="size.h > 2").to_pylist() == [{"size.w": 3}]
    aliases = m.QueryTableRequestColumns(column_aliases={"width": "size.w"})
    assert query(rest, columns=aliases)["width"].to_pylist() == [1, 3]
    gone = m.QueryTableRequestColumns(column_names=["size.depth"])
    with pytest.raises(theirs.TableColumnNotFoundError):
        query(rest, columns=gone)


def test_search_for_words(served: Served):
    rest = served.rest()
    create(rest, table=pa.table({"s": ["red apple", "green pear", "red pear"]}))
    words = m.QueryTableRequestFullTextQuery(
        string_query=m.StringFtsQuery(query="apple", columns=["s"])
    )
    assert query(rest, k=5, full_text_query=words)["s"].to_pylist() == ["red apple"]


def test_count(served: Served):
    rest = served.rest()
    create(rest)
    count = rest.count_table_rows
    assert count(m.CountTableRowsRequest(id=["points"])).count == 3
    assert count(m.CountTableRowsRequest(id=["points"], predicate="id > 1")).count == 2
    rest.delete_from_table(m.DeleteFromTableRequest(id=["points"], predicate="id = 1"))
    assert count(m.CountTableRowsRequest(id=["points"])).count == 2
    assert count(m.CountTableRowsRequest(id=["points"], version=1)).count == 3
    with pytest.raises(theirs.TableVersionNotFoundError):
        count(m.CountTableRowsRequest(id=["points"], version=7))


def test_update_delete_and_merge_are_versions(served: Served):
    rest, manager = served.rest(), served.manager
    create(rest)
    change = m.UpdateTableRequest(id=["points"], predicate="id = 1", updates=[["s", "upper(s)"]])
    done = rest.update_table(change)
    assert (done.updated_rows, done.version) == (1, 2)
    assert manager.get_row("points", "id", 1)["s"] == "A"
    gone = rest.delete_from_table(m.DeleteFromTableRequest(id=["points"], predicate="id = 2"))
    assert gone.version == 3
    merge = m.MergeInsertIntoTableRequest(
        id=["points"], on=["id"], when_matched_update_all=True, when_not_matched_insert_all=True
    )
    merged = rest.merge_insert_into_table(merge, ipc(POINTS))
    assert (merged.num_updated_rows, merged.num_inserted_rows, merged.version) == (2, 1, 4)
    assert manager["points"].rows == 3
    done = [fact[:1] + fact[2:4] for fact in served.audited]
    assert done[1:] == [("update_rows", 1, 2), ("delete_rows", 2, 3), ("merge_insert", 3, 4)]


@pytest.mark.parametrize(
    "updates",
    [
        [["nope", "1"]],
        [["s", "nope"]],
        [["s", "'a'), (id = 3"]],
        [["s", "(select 1)"]],
        [["s", "'a'"], ["s", "'b'"]],
        [["id", "1; drop table x"]],
    ],
)
def test_updates_are_expressions_and_nothing_more(points: Served, updates: Any):
    rest = points.rest()
    with pytest.raises((theirs.InvalidInputError, theirs.TableColumnNotFoundError)) as caught:
        rest.update_table(m.UpdateTableRequest(id=["points"], updates=updates))
    assert ".rs" not in str(caught.value)
    assert points.manager["points"].version == 1


def test_merging_in_other_ways_is_refused(points: Served):
    rest = points.rest()
    for more in (
        {"when_not_matched_insert_all": True},
        {
            "when_matched_update_all": True,
            "when_not_matched_insert_all": True,
            "when_not_matched_by_source_delete": True,
        },
        {
            "when_matched_update_all": True,
            "when_not_matched_insert_all": True,
            "when_matched_update_all_filt": "id > 1",
        },
    ):
        asked = m.MergeInsertIntoTableRequest(id=["points"], on=["id"], **more)
        with pytest.raises(theirs.UnsupportedOperationError):
            rest.merge_insert_into_table(asked, ipc(POINTS))
    assert points.manager["points"].version == 1


def test_versions_and_restore(served: Served):
    rest, manager = served.rest(), served.manager
    create(rest)
    for _ in range(2):
        rest.insert_into_table(m.InsertIntoTableRequest(id=["points"]), ipc(POINTS))
    page = rest.list_table_versions(Plain(id=["points"], limit=2, descending=True))
    assert [v.version for v in page.versions] == [3, 2]
    rest_of = rest.list_table_versions(
        Plain(id=["points"], limit=2, descending=True, page_token=page.page_token)
    )
    assert [v.version for v in rest_of.versions] == [1]
    assert rest_of.page_token is None
    version = rest.describe_table_version({"id": ["points"], "version": 2})["version"]
    path = f"{manager['points'].uri}/{version['manifest_path']}"
    assert version["version"] == 2
    assert manager.store.exists(path)
    rest.restore_table(m.RestoreTableRequest(id=["points"], version=1))
    assert manager["points"].rows == 3
    assert manager["points"].version == 4
    assert manager.forward("points").restored_from == 3
    with pytest.raises(theirs.TableVersionNotFoundError):
        rest.restore_table(m.RestoreTableRequest(id=["points"], version=99))
    rest.restore_table(m.RestoreTableRequest(id=["points"], version=5))
    assert manager["points"].version == 5


def test_tags(served: Served):
    rest, manager = served.rest(), served.manager
    create(rest)
    rest.insert_into_table(m.InsertIntoTableRequest(id=["points"]), ipc(POINTS))
    rest.create_table_tag(m.CreateTableTagRequest(id=["points"], tag="prod", version=1))
    with pytest.raises(theirs.TableTagAlreadyExistsError):
        rest.create_table_tag(m.CreateTableTagRequest(id=["points"], tag="prod", version=1))
    assert manager["points"].aliases == {"prod": 1}
    at = m.GetTableTagVersionRequest(id=["points"], tag="prod")
    assert rest.get_table_tag_version(at).version == 1
    rest.update_table_tag(m.UpdateTableTagRequest(id=["points"], tag="prod", version=2))
    tags = rest.list_table_tags(m.ListTableTagsRequest(id=["points"])).tags
    assert tags["prod"].version == 2
    assert tags["prod"].manifest_size > 0
    by_tag = m.DescribeTableRequest(id=["points"], tag="prod", load_detailed_metadata=True)
    assert rest.describe_table(by_tag).version == 2
    with pytest.raises(theirs.InvalidTableStateError, match="tagged prod"):
        rest.drop_table(m.DropTableRequest(id=["points"]))
    rest.delete_table_tag(m.DeleteTableTagRequest(id=["points"], tag="prod"))
    assert manager.tags("points") == {}
    assert [change["what"] for change in manager.tag_history("points")] == ["tag", "tag", "untag"]
    for call, asked in (
        (rest.get_table_tag_version, at),
        (rest.update_table_tag, m.UpdateTableTagRequest(id=["points"], tag="prod", version=1)),
        (rest.delete_table_tag, m.DeleteTableTagRequest(id=["points"], tag="prod")),
    ):
        with pytest.raises(theirs.TableTagNotFoundError):
            call(asked)
    with pytest.raises(theirs.TableVersionNotFoundError):
        rest.create_table_tag(m.CreateTableTagRequest(id=["points"], tag="x", version=9))
    with pytest.raises(theirs.InvalidInputError):
        rest.create_table_tag(m.CreateTableTagRequest(id=["points"], tag="../x", version=1))


def test_drop_rename_and_forget(served: Served):
    rest, manager = served.rest(), served.manager
    create(rest)
    create(rest, "other")
    rest.rename_table(m.RenameTableRequest(id=["points"], new_table_name="dots"))
    assert manager.list().names == ["dots", "other"]
    with pytest.raises(theirs.TableAlreadyExistsError):
        rest.rename_table(m.RenameTableRequest(id=["dots"], new_table_name="other"))
    place = rest.deregister_table(m.DeregisterTableRequest(id=["dots"])).location
    assert manager.list().names == ["other"]
    rest.register_table(m.RegisterTableRequest(id=["again"], location=place))
    assert manager["again"].rows == 3
    with pytest.raises(theirs.TableAlreadyExistsError):
        rest.register_table(m.RegisterTableRequest(id=["again"], location=place))
    dropped = rest.drop_table(m.DropTableRequest(id=["again"]))
    assert dropped.id == ["again"]
    assert not manager.store.exists(dropped.location)
    with pytest.raises(theirs.TableNotFoundError):
        rest.drop_table(m.DropTableRequest(id=["again"]))
    assert manager.fsck().problems == []


def test_used_tables_are_not_dropped(served: Served):
    rest = served.rest()
    create(rest)
    served.manager.convert(POINTS, "made", parents=["points"])
    with pytest.raises(theirs.InvalidTableStateError, match="used by made"):
        rest.drop_table(m.DropTableRequest(id=["points"]))
    assert "points" in served.manager


@pytest.mark.parametrize("place", ["../x.lance", "/etc", "s3://other/x.lance", "file:///etc/x"])
def test_only_what_lies_in_the_root_is_registered(points: Served, place: str):
    with pytest.raises(theirs.InvalidInputError):
        points.rest().register_table(m.RegisterTableRequest(id=["x"], location=place))
    assert points.manager.list().names == ["points"]


def test_figures_indices_plans_and_metadata(served: Served):
    rest, manager = served.rest(), served.manager
    create(rest)
    stats = rest.get_table_stats(m.GetTableStatsRequest(id=["points"]))
    assert (stats.num_rows, stats.total_bytes) == (3, manager["points"].nbytes)
    assert stats.fragment_stats.lengths.p99 == 3
    manager.dataset("points").create_scalar_index("id", "BTREE")
    listed = rest.list_table_indices(m.ListTableIndicesRequest(id=["points"])).indexes
    assert [(i.columns, i.num_indexed_rows) for i in listed] == [(["id"], 3)]
    asked = m.QueryTableRequest(k=1, vector=m.QueryTableRequestVector(single_vector=[]))
    plan = rest.explain_table_query_plan(m.ExplainTableQueryPlanRequest(id=["points"], query=asked))
    assert "LanceRead" in plan
    assert manager.store.uri.strip("/") not in plan
    texts = m.UpdateTableSchemaMetadataRequest(id=["points"], metadata={"owner": "me"})
    assert rest.update_table_schema_metadata(texts).metadata["owner"] == "me"
    assert manager["points"].kind == "table"
    mine = m.UpdateTableSchemaMetadataRequest(id=["points"], metadata={"lancenb.kind": "weights"})
    with pytest.raises(theirs.InvalidInputError):
        rest.update_table_schema_metadata(mine)


def test_tokens(served: Served):
    create(served.rest())
    reader = served.rest(READ)
    assert reader.count_table_rows(m.CountTableRowsRequest(id=["points"])).count == 3
    for call, asked in (
        (reader.drop_table, m.DropTableRequest(id=["points"])),
        (reader.delete_from_table, m.DeleteFromTableRequest(id=["points"], predicate="true")),
        (reader.declare_table, m.DeclareTableRequest(id=["new"])),
    ):
        with pytest.raises(theirs.PermissionDeniedError):
            call(asked)
    with pytest.raises(theirs.PermissionDeniedError):
        create(reader, "new")
    stranger = served.rest("guessed")
    with pytest.raises(theirs.UnauthenticatedError):
        stranger.list_tables(m.ListTablesRequest(id=[]))
    rows = pa.table({"x": np.arange(1_000_000)})
    with pytest.raises(theirs.UnauthenticatedError):
        create(stranger, "new", rows)
    assert served.manager.list().names == ["points"]
    assert served.manager["points"].version == 1


def test_unsupported_says_so(points: Served):
    rest = points.rest()
    added = m.AlterTableAddColumnsRequest(
        id=["points"], new_columns=[m.AddColumnsEntry(name="n", expression="id + 1")]
    )
    for call, asked in (
        (rest.alter_table_add_columns, added),
        (rest.create_table_branch, m.CreateTableBranchRequest(id=["points"], name="b")),
        (rest.create_table_version, {"id": ["points"], "version": 9, "manifest_path": "x"}),
    ):
        with pytest.raises(theirs.UnsupportedOperationError, match="does not"):
            call(asked)
    with pytest.raises(theirs.TransactionNotFoundError):
        rest.describe_transaction(m.DescribeTransactionRequest(id=["points", "1"]))


def test_one_of_many_creators_wins(served: Served):
    outcomes: list[Any] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        rest, table = served.rest(), pa.table({"who": [number] * 100})
        start.wait(120)
        try:
            create(rest, "prize", table)
            outcomes.append(number)
        except Exception as error:
            outcomes.append(type(error))

    racers = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winners) == 1
    assert outcomes.count(theirs.TableAlreadyExistsError) == 7
    assert set(served.manager.dataset("prize").to_table()["who"].to_pylist()) == set(winners)
    assert served.manager.fsck().problems == []
