"""The box that names a table by its address, or holds an object that has one."""

from __future__ import annotations

from typing import Any

from ._public import public
from ._recognise import Recognised
from ._spec_box import SpecBox


class TableBox(SpecBox):
    """A :class:`~lancenb.widgets._spec_box.SpecBox` for Lance tables: nothing is downloaded.

    >>> box = TableBox("Table", key="uri")
    >>> box.give("s3://key:secret@bucket/x.lance")
    >>> box.value, box.table
    ('s3://***@bucket/x.lance', 's3://key:secret@bucket/x.lance')
    """

    def __init__(self, description: str, **more: Any):
        super().__init__(
            description, understand=lambda _: Recognised(""), suggest=lambda _: (), **more
        )

    def give(self, table: Any) -> None:
        """Take an address, or an object, which shows its address."""
        if isinstance(table, str):
            self.value = table
        else:
            self.hold(table, public(str(getattr(table, "uri", getattr(table, "path", table)))))

    @property
    def table(self) -> Any:
        """What was given or typed, secrets included; ``""`` when nothing was."""
        return self.what.strip() if isinstance(self.what, str) else self.what
