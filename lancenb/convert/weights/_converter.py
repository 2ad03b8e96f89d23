"""The converter for model weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from lancenb.errors import InvalidArgument

from .._base import Converter, Existing, Plan


class TensorConverter(Converter):
    """Turns checkpoints into weights tables: one row per tensor, bit for bit.

    Reads ``.safetensors .pth .pt .th .ckpt .bin .pth.tar`` files, shard indexes, model folders,
    ``dict[str, Tensor]`` and ``nn.Module``. Names are kept as written: wrappers such as
    ``state_dict`` and prefixes such as ``module.`` stay in them and are noted as metadata, so that
    ``load_weights(strip="auto")`` can remove them. What is not a tensor is kept as JSON.

    No code from a file ever runs. A pickle that refers to things only an attack needs is refused.

    ``mode="overwrite"`` of a weights table stores only the tensors that changed.

    Args:
        hash: store the SHA-256 of every tensor and of the source files.
        check_crc: verify the checksums of zip checkpoints before anything else.
        salvage: ``"auto"`` reads plain tensors beside objects of unknown classes, ``True`` also
            takes tensors out of such objects (a whole pickled module), ``False`` does neither.
        only: names or patterns of the tensors to take; everything when ``None``.

    >>> import tempfile, torch
    >>> folder = tempfile.mkdtemp()
    >>> torch.save({"state_dict": {"w": torch.ones(2, 2)}, "epoch": 3}, folder + "/m.pth")
    >>> report = TensorConverter().convert(folder + "/m.pth", folder + "/m.lance")
    >>> report.rows, report.bytes
    (1, 16)
    """

    kind: ClassVar[str] = "weights"

    def __init__(
        self,
        *,
        hash: bool = True,
        check_crc: bool = True,
        salvage: bool | str = "auto",
        only: Sequence[str] | str | None = None,
    ) -> None:
        if salvage not in ("auto", True, False):
            raise InvalidArgument(
                f"salvage={salvage!r} is not 'auto', True or False",
                hint="auto reads plain tensors beside objects of unknown classes",
            )
        self.hash = hash
        self.check_crc = check_crc
        self.salvage = salvage
        self.only = only

    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """Look at ``source`` and say what would be written.

        Raises:
            SourceNotFound, EmptyInput, CorruptInput, UnsafeInput, UnsupportedFormat: naming the
                file.
            SchemaMismatch: appending a tensor whose name the table holds already.
        """
        from ._plan import file_facts, weights_plan
        from ._read import read_tensors

        found = read_tensors(source, check_crc=self.check_crc, salvage=self.salvage)
        properties: dict[str, Any] = {}
        if found.files:
            facts = file_facts(found.files, _known_hashes(source), hashed=self.hash)
            properties["files"] = facts
        else:
            properties["source"] = type(source).__name__
        return weights_plan(
            found, existing=existing, hashed=self.hash, only=self.only, properties=properties
        )


def _known_hashes(source: Any) -> dict[str, str]:
    """Return the hashes that a download computed already."""
    files = getattr(source, "files", None) or ()
    return {
        str(Path(file.path).resolve()): file.sha256
        for file in files
        if getattr(file, "sha256", None) and getattr(file, "path", None)
    }
