"""Pictures with annotations of COCO's form as a source of the image converter."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.convert.archive import Archive, Limits, open_archive
from lancenb.convert.images._hub import pick_split
from lancenb.convert.images._info import MAX_FILE_BYTES, Refusal
from lancenb.convert.images._layout import SPLIT_ORDER
from lancenb.convert.images._listing import Item
from lancenb.convert.images._read import Chunk, group, read_files, read_members
from lancenb.convert.images._source import Source
from lancenb.errors import InvalidArgument, SourceNotFound, UnsupportedFormat

from ._annotations import Annotations, open_annotations, same_categories
from ._find import AnnotationFile, annotation_files, no_pictures, open_files, picture_place
from ._objects import CATEGORIES_KEY, object_features, object_type

if TYPE_CHECKING:
    from lancenb.progress import Tracker

_SAMPLE = 20
_PACKED_TARS = (".gz", ".bz2", ".xz", ".tgz", ".tbz2", ".txz")


@dataclass
class _Part:
    """One annotation file with its pictures."""

    split: str | None
    annotations: Annotations
    place: str
    archive: Archive | None
    items: list[Item]


def coco_source(
    pictures: str | None,
    annotations: str | os.PathLike[str] | None,
    *,
    label: Any,
    split: str | None,
    limits: Limits | None,
) -> Source:
    """Make a source of pictures with annotations.

    Args:
        pictures: folder or zip file of the pictures, or the folder that holds all;
            ``None`` to look beside the annotations.
        annotations: the annotation file, or a zip file of such; ``None`` to look in ``pictures``.
        label: only the default is known: an object has a category, a picture none.
        split: only this split.
        limits: what archives may unpack to.

    Raises:
        SourceNotFound: annotations or pictures are not there, or the split is not.
        UnsupportedFormat: the annotations have no boxes.
        CorruptInput: they are not JSON, or none of them is sound.
    """
    if label not in ("folder", "auto", None):
        raise InvalidArgument(
            "label= means nothing for annotated pictures",
            hint="each object of the column 'objects' has its category",
        )
    limits = limits or Limits()
    with ExitStack() as stack:
        if annotations is not None:
            paths, given = [Path(annotations)], pictures
            if not paths[0].is_file():
                raise SourceNotFound(f"there is no file {paths[0]}", hint="check annotations=")
        else:
            paths, given = annotation_files(Path(str(pictures))), None
        files = open_files(paths, limits, stack)
        files = pick_split(files, [file.split for file in files], split, str(pictures or paths[0]))
        files.sort(key=lambda file: SPLIT_ORDER.get(file.split or "", 9))
        parts, skipped = _open_parts(files, given, limits, stack)
        made = _source(str(pictures or paths[0]), parts, skipped)
        made.close = stack.pop_all().close
    return made


def _open_parts(
    files: Sequence[AnnotationFile], given: str | None, limits: Limits, stack: ExitStack
) -> tuple[list[_Part], list[tuple[str, str]]]:
    parts: list[_Part] = []
    skipped: list[tuple[str, str]] = []
    for file in files:
        annotations = open_annotations(file.path, file.shown)
        place = picture_place(file, annotations.names[:_SAMPLE], given)
        if place is None and len(files) > 1:
            skipped.append((file.shown, "its pictures are not there"))
        elif place is None:
            raise no_pictures(file, given)
        else:
            parts.append(_part(file, annotations, place, limits, stack))
    if not parts:
        raise no_pictures(files[0], given)
    return parts, skipped


def _part(
    file: AnnotationFile, annotations: Annotations, place: str, limits: Limits, stack: ExitStack
) -> _Part:
    if os.path.isdir(place):
        items = [_file_item(place, name) for name in annotations.names]
        return _Part(file.split, annotations, place, None, items)
    if place.lower().endswith(_PACKED_TARS):
        raise UnsupportedFormat(
            f"{place} cannot be read out of order, as its annotations ask for",
            hint="unpack it, or pack the pictures as zip",
        )
    archive = stack.enter_context(open_archive(place, limits=limits))
    known = {member.name: member for member in archive.members}
    for member in archive.members:
        known.setdefault(os.path.basename(member.name), member)
    items = []
    for name in annotations.names:
        member = known.get(name) or known.get(os.path.basename(name))
        items.append(Item(name, member.size if member is not None else 0, member))
    return _Part(file.split, annotations, place, archive, items)


def _file_item(folder: str, name: str) -> Item:
    path = os.path.join(folder, name)
    try:
        return Item(name, os.stat(path).st_size, path)
    except OSError:
        return Item(name, 0, None)


def _source(where: str, parts: Sequence[_Part], skipped: list[tuple[str, str]]) -> Source:
    import pyarrow as pa

    files = [part.annotations for part in parts]
    known = same_categories(files)
    keypoints = any(file.keypoints for file in files)
    for file in files:
        file.keypoints = keypoints
    licensed = any(any(file.licences) for file in files)
    by_split = len({part.split for part in parts}) > 1
    extras = [
        pa.field("image_id", pa.int64()),
        pa.field("objects", pa.list_(object_type(keypoints=keypoints))),
    ]
    features: dict[str, Any] = {
        "image_id": {"dtype": "int64", "_type": "Value"},
        "objects": object_features(keypoints=keypoints),
    }
    for name, wanted in (("license", licensed), ("split", by_split)):
        if wanted:
            extras.append(pa.field(name, pa.string()))
            features[name] = {"dtype": "string", "_type": "Value"}
    kinds = {field.name: field.type for field in extras}

    def chunks() -> Iterator[Callable[[], Chunk]]:
        for part in parts:
            for start, batch in group(part.items):
                read = functools.partial(_read, part, start, batch, kinds)
                yield read if part.archive is None else functools.partial(_same, read())

    return Source(
        "coco",
        where,
        False,
        None,
        chunks,
        extras=extras,
        features=features,
        rows=sum(len(part.items) for part in parts),
        nbytes=sum(item.size for part in parts for item in part.items),
        skipped=skipped,
        faults=[one for file in files for one in file.faults],
        prepare=functools.partial(_checked, files),
        metadata={CATEGORIES_KEY: json.dumps(known, ensure_ascii=False)},
    )


def _checked(files: Sequence[Annotations], tracker: Tracker) -> Iterator[tuple[str, Refusal]]:
    for file in files:
        tracker.enter("check", file.where)
        yield from file.check(tracker)
    tracker.enter("write")


def _same(chunk: Chunk) -> Chunk:
    return chunk


def _read(part: _Part, start: int, batch: Sequence[Item], kinds: dict[str, Any]) -> Chunk:
    import pyarrow as pa

    there = [i for i, item in enumerate(batch) if item.handle is not None]
    some = [batch[i] for i in there]
    refused: dict[int, Refusal] = {}
    large = {i for i in there if batch[i].size > MAX_FILE_BYTES}
    some = [item for i, item in zip(there, some, strict=True) if i not in large]
    images, wrong = read_members(part.archive, some) if part.archive else read_files(some)
    values: list[bytes | None] = [None] * len(batch)
    kept = [i for i in there if i not in large]
    for place, value in zip(kept, images.to_pylist(), strict=True):
        values[place] = value
    refused |= {kept[place]: refusal for place, refusal in wrong.items()}
    for i, item in enumerate(batch):
        if item.handle is None:
            refused[i] = Refusal(f"its file is not in {part.place}", SourceNotFound)
        elif i in large:
            refused[i] = Refusal(f"larger than {MAX_FILE_BYTES >> 20:,} MiB")
        elif i not in refused and (reason := _other_size(values[i], part, start + i)):
            refused[i] = Refusal(reason)
    notes, places = part.annotations, range(start, start + len(batch))
    made: dict[str, Any] = {
        "image_id": [notes.ids[i] for i in places],
        "objects": [notes.objects(i) for i in places],
        "license": [notes.licences[i] for i in places],
        "split": [part.split] * len(batch),
    }
    extras = {name: pa.array(made[name], kind) for name, kind in kinds.items()}
    names = [item.name for item in batch]
    return Chunk(pa.array(values, pa.binary()), names, None, extras, refused)


def _other_size(data: bytes | None, part: _Part, place: int) -> str:
    """Say if a picture has another size than the annotations were made for."""
    from lancenb.convert.images._decode import Unreadable
    from lancenb.convert.images._inspect import inspect

    width, height = part.annotations.sizes[place]
    if not data or not width:
        return ""
    try:
        found = inspect(memoryview(data), verify="header", max_pixels=1 << 62)
    except Unreadable:
        return ""  # the full check of the converter says what is wrong
    if (found.width, found.height) == (width, height):
        return ""
    return f"is {found.width}x{found.height} pixels; its annotations are for {width}x{height}"
