"""The form for what the catalogue says about one artefact, without what registers another."""

from __future__ import annotations

from typing import Any

from .register_panel import RegisterPanel

_REGISTERS = ("uri", "name", "kind", "replace")


class DetailsPanel(RegisterPanel):
    """Edits description, tags, parents and metadata of an artefact.

    >>> import tempfile, lancenb, pyarrow as pa
    >>> dm = lancenb.DataManager(tempfile.mkdtemp())
    >>> _ = dm.convert(pa.table({"x": [1]}), "mine")
    >>> DetailsPanel(dm, "mine", key="").run(description="numbers").description
    'numbers'
    """

    title = "Details"
    lead = "What the catalogue says about it; the data stay as they are."
    verb = "Save changes"

    def __init__(self, manager: Any, name: str, *, key: str | None = None):
        self.title = f"Details of {name}"
        super().__init__(manager, name=name, key=key)
        for field in _REGISTERS:
            self.fields[field].layout.display = "none"
        for child in self.children:  # Advanced holds nothing else
            if "lnb-fold-box" in getattr(child, "_dom_classes", ()):
                child.layout.display = "none"

    def _summary(self) -> list[tuple[str, str]]:
        hidden = {self.fields[field].description for field in _REGISTERS}
        return [pair for pair in super()._summary() if pair[0] not in hidden]
