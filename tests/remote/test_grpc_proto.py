"""The proto and its stubs come from the table of operations; JSON data passes without a loss."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lancenb.errors import InvalidArgument, LancenbError, ServerError
from lancenb.remote import _grpc_convert as convert
from lancenb.remote import _grpc_frames as framing
from lancenb.remote._grpc_make import HERE, known_numbers, make, proto_text
from lancenb.remote._grpc_proto import write
from lancenb.remote._grpc_slots import camel, record_slots, records, request_slots, response_slots
from lancenb.remote._op import EVENTS, Op
from lancenb.remote._ops import OPS

GENERATED = ("lancenb_pb2.py", "lancenb_pb2.pyi", "lancenb_pb2_grpc.py", "field_numbers.json")


def test_proto_is_what_the_table_says():
    numbers = known_numbers()
    before = json.dumps(numbers)
    assert proto_text(numbers) == (HERE / "lancenb.proto").read_text(encoding="utf-8"), (
        "run python -m lancenb.remote._grpc_make"
    )
    assert json.dumps(numbers) == before


def test_stubs_are_generated_byte_identically(tmp_path: Path):
    pytest.importorskip("grpc_tools")
    wrote = (HERE / "_pb" / "made_with.txt").read_text(encoding="utf-8").strip()
    if wrote != f"grpcio-tools {version('grpcio-tools')}":
        pytest.skip(f"the committed stubs are made with {wrote}, another version is installed")
    make(tmp_path)
    assert (tmp_path / "lancenb.proto").read_bytes() == (HERE / "lancenb.proto").read_bytes()
    for name in (*GENERATED, "__init__.py", "made_with.txt"):
        assert (tmp_path / "_pb" / name).read_bytes() == (HERE / "_pb" / name).read_bytes(), name


def test_stubs_are_importable_from_anywhere(tmp_path: Path):
    code = (
        "from lancenb.remote._pb import lancenb_pb2, lancenb_pb2_grpc\n"
        "print(lancenb_pb2_grpc.CatalogStub.__name__, len(lancenb_pb2.DESCRIPTOR.services_by_name))"
    )
    root = str(HERE.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout.split() == ["CatalogStub", "1"], done.stderr


def test_every_operation_is_a_documented_method_with_typed_messages():
    from lancenb.remote._pb import lancenb_pb2

    text = (HERE / "lancenb.proto").read_text(encoding="utf-8")
    methods = lancenb_pb2.DESCRIPTOR.services_by_name["Catalog"].methods_by_name
    assert set(methods) == {camel(name) for name in OPS}
    flat = " ".join(line.strip().removeprefix("// ") for line in text.splitlines())
    for op in OPS.values():
        assert f"{' '.join(op.doc.split())} Scope: {op.scope}." in flat, op.name
        request = lancenb_pb2.DESCRIPTOR.message_types_by_name[f"{camel(op.name)}Request"]
        fields = [field.name.removesuffix("_json") for field in request.fields]
        assert fields == [*op.params, "extra"], op.name
        assert all(field.has_presence for field in request.fields), op.name
    for record in records(OPS.values()):
        message = lancenb_pb2.DESCRIPTOR.message_types_by_name[record.__name__]
        assert [field.name for field in message.fields] == [s.field for s in record_slots(record)]


def _op(signature: Any, name: str = "sample") -> Op:
    return Op(name, "read", "POST", "/sample", "unary", signature)


def test_numbers_of_fields_stay_when_fields_come_and_go():
    def first(name: str, rows: int = 0, note: str = "") -> None:
        """Do something."""

    def second(name: str, colour: str = "", rows: str = "") -> None:
        """Do something."""

    numbers: dict[str, dict[str, int]] = {}
    write([_op(first)], numbers)
    text = write([_op(second)], numbers)
    request = text[text.index("message SampleRequest") :].split("}")[0]
    assert "optional string name = 1;" in request
    assert "optional string extra_json = 4;" in request
    assert "optional string colour = 5;" in request
    assert "optional string rows = 6;" in request  # another type is another field
    assert "reserved 2;" in request
    assert "reserved 3;" in request
    assert write([_op(second)], numbers) == text
    assert "optional int64 rows = 2;" in write([_op(first)], numbers)


# --- conversion

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=8)  # half characters, too
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(-3, 3) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False)
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


def same(one: Any, other: Any) -> bool:
    """Whether JSON data is the same to the letter: 1 is not 1.0, nor True."""
    return json.dumps(one) == json.dumps(other)


def fitting(kind: str) -> st.SearchStrategy[Any]:
    return {
        "string": st.text(max_size=5),
        "int64": st.integers(-(2**63), 2**63 - 1),
        "bool": st.booleans(),
        "double": st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from([{"$float": "nan"}, {"$float": "inf"}, {"$float": "-inf"}]),
        "bytes": st.sampled_from(["", "AAE=", "no base 64!"]),
        "json": JSON,
    }[kind]


def of_slots(slots: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({slot.name: of_slot(slot) for slot in slots})


def of_slot(slot: Any) -> st.SearchStrategy[Any]:
    one = fitting(slot.kind) if slot.record is None else of_slots(record_slots(slot.record))
    if slot.many:
        one = st.lists(one, max_size=3)
    return one | st.none() if slot.nullable else one


def _valid(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_arguments_pass_as_they_are(data: Any):
    op = data.draw(st.sampled_from(list(OPS.values())))
    names = st.sampled_from(sorted(op.params) or [""]) | TEXTS
    args = data.draw(st.dictionaries(names, JSON, max_size=4))
    for slot in request_slots(op):
        if data.draw(st.booleans()):
            args[slot.name] = data.draw(of_slot(slot))
    raw = convert.request_bytes(op, args)
    try:
        back = convert.request_args(op, raw)
    except InvalidArgument:
        assert not _valid(args)  # as over HTTP: half a character is refused
    else:
        assert same({k: back[k] for k in args}, args)
        assert len(back) == len(args)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_results_pass_as_they_are(data: Any):
    op = data.draw(st.sampled_from([op for op in OPS.values() if op.shape != EVENTS]))
    (slot,) = response_slots(op) or (None,)
    value = data.draw(JSON if slot is None else of_slot(slot) | JSON)
    assert same(convert.response_value(op, convert.response_bytes(op, value)), value)


@given(st.one_of(st.none(), st.integers(0, 2**60)), st.text(min_size=1), JSON)
def test_events_pass_as_they_are(seq: int | None, name: str, data: Any):
    event = {"event": name}
    if seq is not None:
        event = {"seq": seq, **event, "data": data}
    back = convert.event_from(convert.event_bytes(event))
    assert same({k: v for k, v in event.items() if v is not None}, back)


def test_typed_fields_are_used_where_values_fit():
    from lancenb.remote._pb import lancenb_pb2 as pb

    raw = convert.request_bytes(OPS["search"], {"text": "a", "kind": None, "limit": 5})
    message = pb.SearchRequest.FromString(raw)
    assert (message.text, message.limit) == ("a", 5)
    assert json.loads(message.extra_json) == {"kind": None}
    raw = convert.request_bytes(OPS["update"], {"name": "a", "tags": []})
    message = pb.UpdateRequest.FromString(raw)
    assert message.HasField("tags")
    assert not message.HasField("extra_json")
    job = {"job": "1", "op": "diff", "name": "n", "state": "running", "events": 0,
           "started": "2024-01-01T00:00:00+00:00", "ended": None}  # fmt: skip
    listed = pb.JobsResponse.FromString(convert.response_bytes(OPS["jobs"], [job]))
    assert listed.value[0].state == "running"
    assert not listed.value[0].HasField("ended")
    assert not listed.HasField("extra_json")


def test_results_of_the_catalogue_need_no_escape(tmp_path: Path):
    import lancenb as lnb
    from lancenb.remote import _typed
    from lancenb.remote._pb import lancenb_pb2 as pb

    dm = lnb.DataManager(tmp_path)
    dm.upsert("p", [{"id": 1, "x": 0.5}], key="id", create=True)
    dm.upsert("p", {"id": 2, "x": math.nan}, key="id")
    for name, args in {
        "get": ("p",), "list": (), "versions": ("p",), "lineage": ("p",), "rollback": ("p", 1),
        "delete": ("p",), "tags": ("p",), "row_history": ("p", "id", 2), "get_row": ("p", "id", 1),
    }.items():  # fmt: skip
        options = {"dry_run": True} if name == "delete" else {}
        value = _typed.dump(OPS[name].result, getattr(dm, name)(*args, **options))
        raw = convert.response_bytes(OPS[name], value)
        assert not getattr(pb, f"{camel(name)}Response").FromString(raw).HasField("extra_json")
        assert same(convert.response_value(OPS[name], raw), value), name


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xff\xff\xff", "not a GetRequest"),
        (b"\x0a\x02\xff\xff", "not a GetRequest"),
        (b"\xfa\x7f\x01x", "does not know"),
    ],
)
def test_strange_requests_are_refused(raw: bytes, says: str):
    with pytest.raises(InvalidArgument, match=says):
        convert.request_args(OPS["get"], raw)


@pytest.mark.parametrize("text", ["{", "[1]", "NaN", "[" * 100_000, '{"a": "\\ud800"}'])
def test_what_is_no_json_is_refused(text: str):
    from lancenb.remote._pb import lancenb_pb2 as pb

    with pytest.raises(LancenbError) as caught:
        convert.request_args(OPS["get"], pb.GetRequest(extra_json=text).SerializeToString())
    assert caught.value.code == "invalid_argument"


def test_strange_responses_are_an_error_of_the_server():
    with pytest.raises(ServerError, match="GetResponse"):
        convert.response_value(OPS["get"], b"\xff\xff\xff")


# --- frames


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 3))
def test_frames_are_messages(pieces: list[bytes], field: int):
    made = list(framing.frames(field, pieces))
    assert b"".join(framing.unframe(raw, lambda _: (0, b""))[1] for raw in made) == b"".join(pieces)
    assert all(framing.unframe(raw, lambda _: (0, b""))[0] == field for raw in made)


def test_frames_are_what_the_generated_code_reads_and_writes():
    from lancenb.remote._pb import lancenb_pb2 as pb

    big = bytes(3 << 20)
    made = list(framing.frames(2, [memoryview(big), b"x" * 10, b"", memoryview(b"yy")]))
    assert max(map(len, made)) < (1 << 20) + 16
    assert b"".join(pb.ReadPiece.FromString(raw).arrow for raw in made) == big + b"x" * 10 + b"yy"
    piece = pb.WritePiece(piece=b"abc").SerializeToString()
    assert framing.unframe(piece, lambda _: (0, b"")) == (2, b"abc")
    assert pb.WritePiece.FromString(framing.flag(3)).end


@pytest.mark.parametrize("raw", [b"", b"\x12", b"\x12\x05abc", b"\x18\x01", b"\x12\x01a\x12\x01b"])
def test_anything_else_is_left_to_the_generated_code(raw: bytes):
    assert framing.unframe(raw, lambda whole: (-1, whole)) == (-1, raw)
