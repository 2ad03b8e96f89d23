"""Which columns become which parts of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ..errors import ColumnNotFound, InvalidArgument
from ._schema import is_picture

_LABEL_NAMES = ("label", "labels", "fine_label", "class")


@dataclass(frozen=True)
class SamplePlan:
    """Keys of a sample, their columns and the outer form.

    Attributes:
        keys: ``{key: column}`` in order.
        form: ``"pair"`` (image, label), ``"single"`` (image) or ``"dict"``.
        image_key: key of the first picture, or ``""``.
        label_key: key of the label, or ``""``.
    """

    keys: dict[str, str]
    form: str
    image_key: str
    label_key: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns to read, each once."""
        return tuple(dict.fromkeys(self.keys.values()))

    def shape(self, sample: dict[str, Any], transform: Callable[[Any], Any] | None = None) -> Any:
        """Give one sample its outer form, transformed."""
        if transform is not None and self.image_key:
            sample = {**sample, self.image_key: transform(sample[self.image_key])}
        elif transform is not None:
            return transform(sample)
        if self.form == "dict":
            return sample
        image = sample[self.image_key]
        return (image, sample[self.label_key]) if self.form == "pair" else image

    def outer(self, columns: dict[str, Any]) -> Any:
        """Give the columns of a batch their outer form."""
        if self.form == "dict":
            return columns
        image = columns[self.image_key]
        return (image, columns[self.label_key]) if self.form == "pair" else image


def sample_plan(
    name: str,
    schema: pa.Schema,
    columns: Sequence[str] | None,
    mapping: Mapping[str, str] | None,
) -> SamplePlan:
    """Decide what a sample is.

    Raises:
        InvalidArgument: a weights table, or both ``columns`` and ``mapping``.
        ColumnNotFound: a column that the table does not have.
    """
    kind = (schema.metadata or {}).get(b"lancenb.kind", b"").decode()
    weights_like = {"seq", "shape", "dtype", "data"} <= set(schema.names)
    if kind == "weights" or (not kind and weights_like):
        raise InvalidArgument(
            f"'{name}' holds model weights, not samples to train on",
            hint="dm.load_weights(name, into=model) loads them",
        )
    if mapping is not None and not isinstance(mapping, Mapping):
        raise InvalidArgument(f"mapping={mapping!r:.60} is no dict from key to column")
    if columns is not None and not isinstance(columns, (str, Sequence)):
        raise InvalidArgument(f"columns={columns!r:.60} is no list of names")
    if columns is not None and mapping is not None:
        raise InvalidArgument("give columns or mapping, not both")
    if isinstance(columns, str):
        raise InvalidArgument(f"columns is a list of names, not the text {columns!r}")
    for column in columns if columns is not None else (mapping or {}).values():
        if column not in schema.names:
            raise ColumnNotFound(
                f"'{name}' has no column '{column}'",
                hint=f"it has {', '.join(schema.names)}",
            )
    pictures = [field.name for field in schema if is_picture(field, schema)]
    if columns is None and mapping is None and pictures:
        label = next((n for n in _LABEL_NAMES if n in schema.names), "")
        keys = {pictures[0]: pictures[0], **({label: label} if label else {})}
        return SamplePlan(keys, "pair" if label else "single", pictures[0], label)
    keys = dict(mapping) if mapping is not None else {c: c for c in columns or schema.names}
    if not keys:
        raise InvalidArgument(f"no columns were chosen from '{name}'")
    image = next((key for key, column in keys.items() if column in pictures), "")
    label = next((n for n in _LABEL_NAMES if n in keys), "")
    return SamplePlan(keys, "dict", image, label)
