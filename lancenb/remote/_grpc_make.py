"""Regenerates the gRPC interface: ``lancenb.proto`` and the stubs in ``_pb``.

Run it after a change to the table of operations, or to a data class that operations answer with::

    python -m lancenb.remote._grpc_make

It needs grpcio-tools (part of the ``test`` extra). The same version of it writes the same bytes;
which one wrote the committed files stands in ``_pb/made_with.txt``. Commit everything it writes,
also ``_pb/field_numbers.json``, which keeps the numbers of fields stable.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
_INIT = '"""Generated code for ``lancenb.proto``; see ``lancenb.remote._grpc_make``."""\n'


def proto_text(numbers: dict[str, dict[str, int]]) -> str:
    """Return the text of the proto; ``numbers`` gets the numbers of new fields."""
    from ._grpc_proto import write
    from ._ops import OPS

    return write(OPS.values(), numbers)


def known_numbers() -> dict[str, dict[str, int]]:
    """Return the numbers of all fields there ever were."""
    path = HERE / "_pb" / "field_numbers.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def make(folder: Path) -> None:
    """Write the proto and the stubs below a folder, as they are below this one.

    Raises:
        MissingDependency: grpcio-tools is not installed.
        RuntimeError: the compiler refused the proto.
    """
    from lancenb.errors import MissingDependency

    try:
        from grpc_tools import protoc
    except ImportError:
        raise MissingDependency(
            "the gRPC stubs are made by grpcio-tools", hint="pip install 'lancenb[test]'"
        ) from None
    numbers = known_numbers()
    stubs = folder / "_pb"
    stubs.mkdir(parents=True, exist_ok=True)
    proto = folder / "lancenb.proto"
    proto.write_text(proto_text(numbers), encoding="utf-8")
    outputs = [f"--{kind}_out={stubs}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{folder}", *outputs, str(proto)]) != 0:
        raise RuntimeError(f"protoc refused {proto}")
    service = stubs / "lancenb_pb2_grpc.py"
    text = service.read_text(encoding="utf-8")
    # protoc imports its own output as a top-level module, which it is not inside a package.
    fixed = text.replace("\nimport lancenb_pb2 as", "\nfrom . import lancenb_pb2 as")
    if fixed == text:
        raise RuntimeError("protoc writes its imports in another way now")
    service.write_text(fixed, encoding="utf-8")
    (stubs / "__init__.py").write_text(_INIT, encoding="utf-8")
    (stubs / "made_with.txt").write_text(f"grpcio-tools {version('grpcio-tools')}\n", "utf-8")
    lock = json.dumps(numbers, indent=1) + "\n"
    (stubs / "field_numbers.json").write_text(lock, encoding="utf-8")


if __name__ == "__main__":
    make(HERE)
    sys.stdout.write(f"wrote {HERE / 'lancenb.proto'} and {HERE / '_pb'}\n")
