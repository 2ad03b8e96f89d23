"""Where the rows of each version came from, as its transaction properties say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lancenb.convert._words import form_of, made_of
from lancenb.store import redact_facts

from .. import _html

_FILES_SHOWN = 10
_ORIGINS_SHOWN = 10
_MODES = {"create": "created", "append": "appended", "overwrite": "replaced"}
_NOT_SHOWN = ("source", "files", "clients", "etag")


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its path or name, and hash and size when they were recorded."""

    path: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Origin:
    """What one version was made from; paths and addresses hold no credentials.

    Attributes:
        version: number of the version.
        time: when it was committed (UTC).
        converter: class name of the converter.
        mode: ``"create"``, ``"overwrite"`` or ``"append"``.
        format: what the source was, such as ``"csv"``.
        reader: how it was read.
        addresses: address, folder or type of the source, when one was recorded.
        files: the files read.
        download: facts of the download: ``endpoint``, ``repo_id``, ``revision``, ``commit``, ...
        options: options of the converter.
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``, as far as noted.
    """

    version: int
    time: datetime
    converter: str = ""
    mode: str = ""
    format: str = ""
    reader: str = ""
    addresses: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()
    download: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    kind: str = ""

    @property
    def labels(self) -> list[str]:
        """What the graph shows as the sources of this version."""
        named = list(self.addresses) or [file.path for file in self.files]
        return named if len(named) <= 20 else [*named[:20], f"and {len(named) - 20} more"]

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON-able values."""
        plain = {**self.__dict__, "time": self.time.isoformat()}
        return {
            **plain,
            "addresses": list(self.addresses),
            "files": [dict(file.__dict__) for file in self.files],
        }

    def title(self) -> str:
        """Return ``version 2: images from COCO annotations, appended, <time>``."""
        return f"version {self.version}: {', '.join(self.words())}"

    def words(self) -> list[str]:
        """Return what was made, how and when."""
        made = _MODES.get(self.mode, self.mode)
        what = made_of(self.kind, self.format) or self.converter
        return [part for part in (what, made, _html.when(self.time)) if part]

    def sources(self) -> list[str]:
        """Return the sources as lines of text."""
        lines = self.labels if self.addresses else []
        listed = self.download.get("files")
        downloaded = [item for item in listed if isinstance(item, dict)] if listed else []
        # where a download lay on somebody's disk says less than its name at the source
        names = {item["sha256"]: item.get("name") for item in downloaded if item.get("sha256")}
        for file in self.files[:_FILES_SHOWN]:
            name = str(names.get(file.sha256) or file.path)
            facts = [_html.size(file.size)] if file.size is not None else []
            facts += [f"sha256 {file.sha256}"] if file.sha256 else []
            lines.append(f"{name} ({', '.join(facts)})" if facts else name)
        more = len(self.files) - _FILES_SHOWN
        return [*lines, f"and {more:,} more files"] if more > 0 else lines

    def facts(self) -> list[str]:
        """Return download and options as lines of text."""
        shown = {k: v for k, v in self.download.items() if k not in _NOT_SHOWN and v is not None}
        pairs = (("download", shown), ("options", self.options))
        return [f"{what}: {_listed(values)}" for what, values in pairs if values]


def origin_of(version: int, time: datetime, properties: Mapping[str, str]) -> Origin | None:
    """Return what the properties of a version say about its origin, ``None`` if nothing."""
    stored = {
        key: redact_facts(_json(properties.get(f"lancenb.{key}")))
        for key in ("source", "files", "options", "converter", "mode", "format", "reader", "kind")
    }
    source = stored["source"]
    download = source if isinstance(source, dict) else {}
    files = stored["files"] or download.get("files")
    items = files if isinstance(files, list) else []
    names = _names(source)
    if not names and not items and not stored["converter"]:
        return None
    options = stored["options"]
    words = {k: str(stored[k] or "") for k in ("converter", "mode", "reader", "kind")}
    words["format"] = form_of(stored)
    return Origin(
        version,
        time,
        **words,
        addresses=tuple(names),
        files=tuple(file for item in items if (file := _file(item)) is not None),
        download=download,
        options=options if isinstance(options, dict) else {},
    )


def text_lines(origins: list[Origin]) -> list[str]:
    """Return the newest origins, indented, for the text form of a lineage."""
    lines = []
    for origin in reversed(origins[-_ORIGINS_SHOWN:]):
        lines.append(f"  {origin.title()}")
        lines += [f"    - {line}" for line in origin.sources()]
        lines += [f"    {line}" for line in origin.facts()]
    if len(origins) > _ORIGINS_SHOWN:
        lines.append(f"  and {len(origins) - _ORIGINS_SHOWN} earlier versions")
    return lines


def html_table(origins: list[Origin]) -> str:
    """Return the newest origins as a table; columns that would be empty are left out."""
    if not origins:
        return ""
    newest = list(reversed(origins[-_ORIGINS_SHOWN:]))
    columns: dict[str, list[Any]] = {
        "version": [origin.version for origin in newest],
        "made": [_html.lines([", ".join(origin.words()[:-1])], whole=True) for origin in newest],
        "time": [_html.lines([_html.when(origin.time)], whole=True) for origin in newest],
        "sources": [_html.lines(origin.sources()) for origin in newest],
        "details": [_html.lines(origin.facts()) for origin in newest],
    }
    said = {title: cells for title, cells in columns.items() if any(map(str, cells))}
    more = len(origins) - _ORIGINS_SHOWN
    caption = f"and {more} earlier versions" if more > 0 else ""
    return _html.table(tuple(said), zip(*said.values(), strict=True), caption)


def _json(text: str | None) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _names(source: Any) -> list[str]:
    if isinstance(source, str):
        return [source]
    if isinstance(source, dict):
        for key in ("uri", "url", "source", "spec", "repo_id", "path"):
            if isinstance(source.get(key), str):
                return [source[key]]
    if isinstance(source, list):
        return [name for item in source for name in _names(item)]
    return []


def _file(item: Any) -> SourceFile | None:
    if isinstance(item, str):
        return SourceFile(item)
    if not isinstance(item, dict):
        return None
    path = item.get("path") or item.get("name") or item.get("uri")
    size, sha256 = item.get("size"), item.get("sha256")
    if not isinstance(path, str):
        return None
    return SourceFile(
        path,
        sha256 if isinstance(sha256, str) else None,
        size if isinstance(size, int) and not isinstance(size, bool) else None,
    )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else text[:97] + "..."
