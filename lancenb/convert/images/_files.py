"""Folders, lists, patterns, single files and archives as sources of pictures."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import EmptyInput, InvalidArgument, SourceNotFound

from ._info import MAX_FILE_BYTES
from ._layout import SPLITS, read_layout
from ._listing import (
    Item,
    Listing,
    has_image_suffix,
    is_litter,
    list_source,
    looks_like_image,
    natural_key,
    readable,
)
from ._read import Chunk, group, read_files, read_members
from ._source import Source

if TYPE_CHECKING:
    from lancenb.convert.archive import Archive, Limits

_PACKED_TARS = (".gz", ".bz2", ".xz", ".tgz", ".tbz2", ".txz")
LabelOption = None | str | Mapping[str, Any] | Callable[[str], Any]


def file_source(source: str | Sequence[Any], *, label: LabelOption, split: str | None) -> Source:
    """Make a source of a folder, a pattern, a file or a list."""
    listing = list_source(source)
    single = isinstance(source, str) and os.path.isfile(source)
    form = "folder" if isinstance(source, str) and os.path.isdir(source) else "files"
    where = str(source) if isinstance(source, str) else f"the list of {len(source):,} files"

    def load(items: Sequence[Item]) -> Any:
        return read_files(items)

    return _build(form, where, listing, load, label, split, single=single, parallel=True)


def archive_source(
    path: str, *, label: LabelOption, split: str | None, limits: Limits | None = None
) -> Source:
    """Make a source of a zip or tar archive; members are streamed, never extracted."""
    from lancenb.convert.archive import open_archive

    archive = open_archive(path, limits=limits)
    try:
        listing = _list_members(archive)
        made = _build(
            "archive",
            path,
            listing,
            functools.partial(read_members, archive),
            label,
            split,
            single=False,
            parallel=False,
        )
    except BaseException:
        archive.close()
        raise
    made.close = archive.close
    return made


def _list_members(archive: Archive) -> Listing:
    listing = Listing([])
    # Going back in a packed tar would unpack it again from the start.
    packed = archive.path.lower().endswith(_PACKED_TARS)
    for member in archive.members:
        name = readable(member.name)
        if is_litter(("", *name.split("/"))):
            listing.skipped.append((name, "a by-product of the system that packed the archive"))
        elif member.nested:
            listing.skipped.append((name, "an archive inside the archive"))
        elif member.size > MAX_FILE_BYTES:
            listing.skipped.append((name, f"larger than {MAX_FILE_BYTES >> 20:,} MiB"))
        elif has_image_suffix(name) or (not packed and _starts_like_image(archive, member)):
            listing.items.append(Item(name, member.size, member))
        else:
            listing.skipped.append((name, "not an image"))
    if not listing.items:
        raise EmptyInput(
            f"{archive.path} holds no images", hint="archives of other files are tables or text"
        )
    if not packed:
        listing.items.sort(key=lambda item: natural_key(item.name))
    return listing


def _starts_like_image(archive: Archive, member: Any) -> bool:
    try:
        with archive.open(member) as file:
            return looks_like_image(file.read(16))
    except Exception:
        return False


def _build(
    form: str,
    where: str,
    listing: Listing,
    load: Callable[[Sequence[Item]], Any],
    label: LabelOption,
    split: str | None,
    *,
    single: bool,
    parallel: bool,
) -> Source:
    import pyarrow as pa

    items = listing.items
    layout = read_layout([item.name for item in items], wrapped=form == "archive")
    splits = layout.splits
    classes: list[Any] = list(layout.classes)
    if split is not None:
        wanted = SPLITS.get(split.lower(), split)
        if splits is None or wanted not in splits:
            raise SourceNotFound(
                f"{where} has no split {split!r}",
                hint=f"it has: {', '.join(sorted({s for s in splits if s}))}"
                if splits
                else "it has no splits",
            )
        chosen = [i for i, name in enumerate(splits) if name == wanted]
        items = [items[i] for i in chosen]
        classes = [classes[i] for i in chosen]
        splits = None
    values = _labels(items, classes, label)
    names, ids = _number(values)
    labelled = ids is not None

    def chunks() -> Iterator[Callable[[], Chunk]]:
        for start, batch in group(items):
            end = start + len(batch)
            extras = {} if splits is None else {"split": pa.array(splits[start:end], pa.string())}
            labels = None if ids is None else pa.array(ids[start:end], pa.int64())
            read = functools.partial(_read_chunk, load, batch, labels, extras)
            yield read if parallel else functools.partial(_same, read())

    return Source(
        form,
        where,
        labelled,
        names,
        chunks,
        extras=[] if splits is None else [pa.field("split", pa.string())],
        features={} if splits is None else {"split": {"dtype": "string", "_type": "Value"}},
        rows=len(items),
        nbytes=sum(item.size for item in items),
        skipped=listing.skipped,
        single=single,
        apart=parallel,
        title=functools.partial(_title, form, where, single),
    )


def _title(form: str, where: str, single: bool, name: str) -> str:
    if single:
        return where
    return {"folder": f"{where}/{name}", "archive": f"{where}!{name}"}.get(form, name)


def _read_chunk(load: Any, batch: Sequence[Item], labels: Any, extras: dict[str, Any]) -> Chunk:
    images, refused = load(batch)
    return Chunk(images, [item.name for item in batch], labels, extras, refused)


def _same(chunk: Chunk) -> Chunk:
    return chunk


def _labels(items: Sequence[Item], folders: Sequence[str | None], label: LabelOption) -> list[Any]:
    """Return a class name, an id or ``None`` for each item."""
    if label is None:
        return [None] * len(items)
    if callable(label):
        return [label(item.name) for item in items]
    if isinstance(label, Mapping):
        pairs = zip(items, folders, strict=True)
        values = [_looked_up(label, item.name, folder) for item, folder in pairs]
        if items and all(value is None for value in values):
            raise InvalidArgument(
                f"none of the {len(items):,} images is named by the mapping label=",
                hint=f"its keys are paths such as {items[0].name!r}, file names or folders",
            )
        return values
    if label not in ("auto", "folder"):
        raise InvalidArgument(
            f"label={label!r} names a column, but the source has files",
            hint='use label="folder", None, a mapping from path or folder to class, or a function',
        )
    return list(folders)


def _looked_up(label: Mapping[str, Any], name: str, folder: str | None) -> Any:
    for key in (name, name.rpartition("/")[2], folder):
        if key is not None and key in label:
            return label[key]
    return None


def _number(values: Sequence[Any]) -> tuple[list[str] | None, list[int | None] | None]:
    """Return class names and ids; without names when the values are ids themselves."""
    present = {type(v) for v in values if v is not None}
    if not present:
        return None, None
    if present <= {int}:
        wild = next((v for v in values if v is not None and not -(2**63) <= v < 2**63), None)
        if wild is not None:
            raise InvalidArgument(f"label= gave {wild}, which is no 64-bit number")
        return None, list(values)
    if present != {str}:
        kinds = ", ".join(sorted(t.__name__ for t in present))
        raise InvalidArgument(
            f"label= gave values of type {kinds}; class names (str) or ids (int) are expected"
        )
    values = [None if v is None else readable(v) for v in values]
    names = sorted(set(values) - {None})
    ids = {name: i for i, name in enumerate(names)}
    return names, [None if v is None else ids[v] for v in values]
