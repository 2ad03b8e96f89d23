"""Documentation and checks of arguments never disagree, and results are what is described."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb import DataManager
from lancenb.remote._ops import OPS
from lancenb.remote._schema import argument_schema, arguments_schema, result_schema
from lancenb.remote._typed import dump, fields_of, fits

HINTS = {
    repr(hint): hint for op in OPS.values() for key, hint in op.hints.items() if key != "return"
}
MORE = (timedelta, float, dict[str, list[int]], list[dict[str, str]], timedelta | str, bool | None)
HINTS |= {repr(hint): hint for hint in MORE}

# JSON Schema counts 1.0 among the whole numbers; JSON text tells them apart, and so do the checks.
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer()
)
data = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5) | st.just(10**11) | st.just(-0.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("hint", HINTS.values(), ids=HINTS)
@settings(max_examples=60, deadline=None)
@given(value=data)
def test_schemas_and_checks_agree(hint: Any, value: Any):
    schema = jsonschema.Draft202012Validator(argument_schema(hint))
    assert schema.is_valid(value) == fits(hint, value)


def test_all_arguments_of_an_operation():
    for op in OPS.values():
        schema = arguments_schema(op, op.params)
        jsonschema.Draft202012Validator.check_schema(schema)
        needed = [n for n, p in op.params.items() if p.default is p.empty]
        assert schema.get("required", []) == needed
        assert schema["additionalProperties"] is False
        for name, shown in schema["properties"].items():
            if "default" in shown:
                jsonschema.validate(shown["default"], argument_schema(op.hints[name]))


def test_results_validate_against_their_schema(tmp_path: Any):
    dm = DataManager(tmp_path)
    dm.upsert("p", [{"id": 1, "x": 0.5}, {"id": 2, "x": math.nan}], key="id", create=True)
    dm.upsert("p", {"id": 2, "x": 9.0}, key="id")
    dm.convert(pa.table({"id": np.arange(3)}), "q", metadata={"n": {"m": [1, None]}}, tags=["a"],
               parents=["p"])  # fmt: skip
    results = {
        "list": dm.list(), "search": dm.search("q"), "get": dm.get("q"),
        "versions": dm.versions("p"), "row_history": dm.row_history("p", "id", 2),
        "diff": dm.diff("p", 1, 2, key="id"),
        "lineage": dm.lineage("q"), "fsck": dm.fsck(), "rollback": dm.rollback("p", 1),
        "delete": dm.delete("p", dry_run=True), "optimize": dm.optimize("p"),
        "cleanup": dm.cleanup("p", keep=1, dry_run=True), "tags": dm.tags("p"),
        "get_row": dm.get_row("p", "id", 2), "tag_history": dm.tag_history("p"),
    }  # fmt: skip
    for name, value in results.items():
        defs: dict[str, Any] = {}
        schema = {**result_schema(OPS[name].result, defs), "$defs": defs}
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json.loads(json.dumps(dump(OPS[name].result, value))), schema)


def test_every_field_of_a_result_is_described():
    defs: dict[str, Any] = {}
    for op in OPS.values():
        result_schema(op.result, defs)
    from lancenb.remote._models import About, ArtifactFacts, JobFacts

    for cls in (About, ArtifactFacts, JobFacts):
        assert list(defs[cls.__name__]["properties"]) == list(fields_of(cls))
