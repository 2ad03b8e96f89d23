"""An evaluation as tables: for the catalogue, with lineage, and for pandas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..catalog._names import a_kind
from ..errors import InvalidArgument, SchemaMismatch

if TYPE_CHECKING:
    from ._evaluation import Evaluation

#: Parts in the order in which they are stored: who finds the last one finds all the others.
PARTS = {"metrics": "-metrics", "confusion": "-confusion", "mistakes": "-mistakes", "classes": ""}


def metrics(found: Evaluation) -> pa.Table:
    """One row: the figures, and what they are about."""
    model, data = found.model or (None, None), found.data or (None, None)
    return pa.table(
        {
            "accuracy": pa.array([found.accuracy], pa.float64()),
            "top5": pa.array([found.top5], pa.float64()),
            "f1": pa.array([found.f1], pa.float64()),
            "loss": pa.array([found.loss], pa.float64()),
            "rows": pa.array([found.rows], pa.int64()),
            "wrong": pa.array([found.wrong], pa.int64()),
            "skipped": pa.array([found.skipped], pa.int64()),
            "classes": pa.array([len(found.confusion)], pa.int64()),
            "model": pa.array([model[0]], pa.string()),
            "model_version": pa.array([model[1]], pa.int64()),
            "data": pa.array([data[0]], pa.string()),
            "data_version": pa.array([data[1]], pa.int64()),
            "seconds": pa.array([found.seconds], pa.float64()),
            "at": pa.array([datetime.now(UTC)], pa.timestamp("us", "UTC")),
        }
    )


def confusion(found: Evaluation) -> pa.Table:
    """The counts that are not zero: ``true, predicted, rows, label, predicted_label``."""
    at = np.nonzero(found.confusion)
    names = np.asarray(found.class_names, dtype=object)
    return pa.table(
        {
            "true": pa.array(names[at[0]], pa.string()),
            "predicted": pa.array(names[at[1]], pa.string()),
            "rows": pa.array(found.confusion[at], pa.int64()),
            "label": pa.array(at[0], pa.int64()),
            "predicted_label": pa.array(at[1], pa.int64()),
        }
    )


def store(found: Evaluation, manager: Any, name: str, parents: Sequence[Any] = ()) -> Any:
    """Store all parts; see :meth:`lancenb.train.Evaluation.save`."""
    for suffix in PARTS.values():
        if name + suffix in manager and manager[name + suffix].kind != "table":
            there = manager[name + suffix]
            raise SchemaMismatch(
                f"'{there.name}' holds {a_kind(there.kind)}, an evaluation is stored as tables",
                hint="choose another name for the evaluation",
            )
    tables = {
        "classes": found.per_class,
        "confusion": confusion(found),
        "mistakes": found.mistakes,
        "metrics": metrics(found),
    }
    edges = [*_lineage(found, manager), *parents]
    message = f"evaluation: accuracy {found.accuracy:.4f} on {found.rows_told}"
    reports = [
        manager.convert(
            tables[part], name + suffix, kind="table", mode="overwrite", parents=edges,
            description=_described(part, found), message=message,
            lineage={"source": {}},  # made here: its origin are its parents
        )
        for part, suffix in PARTS.items()
    ]  # fmt: skip
    return reports[-1]


def _described(part: str, found: Evaluation) -> str:
    of = f"{found.model[0]}" if found.model else "a model"
    rows = f"the {found.split} rows of " if found.split else ""
    on = f" on {rows}{found.data[0]}" if found.data else ""
    words = {
        "classes": "figures per class",
        "confusion": "confusion counts",
        "mistakes": "surest mistakes",
        "metrics": "metrics",
    }
    return f"{words[part]} of {of}{on}"


def _lineage(found: Evaluation, manager: Any) -> list[dict[str, Any]]:
    """The model and the data as parents; data from elsewhere by its address."""
    edges: list[dict[str, Any]] = []
    if found.model is not None and found.model[0] in manager:
        name, version = found.model
        edges.append({"name": name, "version": version, "relation": "evaluated"})
    if found.data is None:
        return edges
    name, version = found.data
    known = name in manager and found.data_uri in ("", manager[name].uri)
    if known or found.data_uri:
        place = {"name": name} if known else {"uri": found.data_uri}
        edges.append({**place, "version": version, "relation": "evaluated-on"})
    return edges


def frame(found: Evaluation, what: str) -> Any:
    """A part as a pandas DataFrame; see :meth:`lancenb.train.Evaluation.to_pandas`."""
    if what == "classes":
        return found.per_class.to_pandas()
    if what == "mistakes":
        return found.mistakes.to_pandas()
    if what == "metrics":
        return metrics(found).to_pandas()
    if what != "confusion":
        raise InvalidArgument(f"there is {', '.join(PARTS)} of an evaluation, not {what!r}")
    import pandas as pd

    names = pd.Index(found.class_names, name="true")
    return pd.DataFrame(
        found.confusion, index=names, columns=pd.Index(found.class_names, name="predicted")
    )
