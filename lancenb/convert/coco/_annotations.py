"""One annotation file: its pictures, categories, and which annotations belong to which picture.

The file is mapped, not loaded: of each annotation only the place is kept (16 bytes), and the
annotations of a picture are parsed when its row is made. A file of 471 MB with 860,001 annotations
so needs about 200 MB of memory, most of it for parsing and for the pictures on their way.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.convert.images._info import Refusal
from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound, UnsupportedFormat

from ._json_map import JsonMap
from ._objects import fault, shown, storable, to_object

if TYPE_CHECKING:
    import numpy as np

    from lancenb.progress import Tracker

_STEP = 1000


@dataclass
class Annotations:
    """An annotation file; :meth:`check` comes before :meth:`objects`.

    Attributes:
        where: its name, for messages.
        names: file names of the pictures.
        ids: ids of the pictures, in the same order.
        sizes: width and height of each, 0 when the file does not say.
        licences: licence of each, as far as the file says.
        categories: what the file says of them.
        keypoints: whether annotations have any.
        faults: pictures that are left out, and why.
    """

    where: str
    names: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    licences: list[str | None] = field(default_factory=list)
    categories: list[dict[str, Any]] = field(default_factory=list)
    keypoints: bool = False
    faults: list[tuple[str, Refusal]] = field(default_factory=list)
    _map: Any = None
    _order: np.ndarray[Any, Any] | None = None  # places of annotations, by picture
    _first: np.ndarray[Any, Any] | None = None  # for each picture its first in _order

    def check(self, tracker: Tracker) -> Iterator[tuple[str, Refusal]]:
        """Check every annotation and note which picture it belongs to.

        Yields:
            The annotations that are left out, and why.

        Raises:
            CorruptInput: none of them is sound, or it is not JSON.
            Cancelled: a stop was asked for.
        """
        import numpy as np

        place_of = {image: place for place, image in enumerate(self.ids)}
        names = {one["id"]: one["name"] for one in self.categories}
        total = len(self._map.spans["annotations"])
        picture = np.full(total, -1, np.int64)
        last = ("", "")
        for place, item in enumerate(self._map.read_all("annotations")):
            if place % _STEP == 0:
                tracker.advance(message=f"{place:,} of {total:,} annotations checked")
            known = item if isinstance(item, dict) else {}
            at = _place(known, place_of)
            if at is None:
                reason = f"image_id {shown(known.get('image_id'))} is not among the pictures"
            else:
                reason = fault(known, names, *self.sizes[at])
            if reason or at is None:
                number = known.get("id", f"number {place}")
                last = (f"annotation {shown(number)}", reason)
                yield f"{self.where}: {last[0]}", Refusal(reason)
            else:
                picture[place] = at
        if total and (picture < 0).all():
            raise CorruptInput(
                f"none of the {total:,} annotations in {self.where} is sound; the last is "
                f"{last[0]}: {last[1]}"
            )
        order = np.argsort(picture, kind="stable")
        self._order = order[int((picture < 0).sum()) :]
        counts = np.bincount(picture[picture >= 0], minlength=len(self.ids))
        self._first = np.concatenate(([0], np.cumsum(counts)))

    def objects(self, picture: int) -> list[Any]:
        """Return the objects of one picture."""
        assert self._order is not None
        assert self._first is not None
        places = self._order[self._first[picture] : self._first[picture + 1]]
        names = {one["id"]: one["name"] for one in self.categories}
        found = self._map.read("annotations", places.tolist())
        return [to_object(item, names, keypoints=self.keypoints) for item in found]


def open_annotations(path: str, where: str) -> Annotations:
    """Map an annotation file and read what it says of its pictures and categories.

    Raises:
        UnsupportedFormat: it has no pictures, no categories, or annotations without boxes.
        CorruptInput: it is not JSON.
    """
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise EmptyInput(f"{where} is empty (0 bytes)", hint="fetch the file again")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise SourceNotFound(f"{where} cannot be read: {error.strerror}") from None
    mapped = JsonMap(data, where)
    for name in ("images", "annotations", "categories"):
        if name not in mapped.spans:
            raise UnsupportedFormat(
                f"{where} has no list {name!r}, and so is no annotation file of COCO",
                hint=f"it has: {', '.join([*mapped.spans, *mapped.others]) or 'nothing'}; "
                "annotations=False converts the pictures alone",
            )
    if len(mapped.spans["annotations"]) and data.find(b'"bbox"') < 0:
        raise UnsupportedFormat(
            f"{where} holds annotations without boxes (captions?)",
            hint="instances_*.json has boxes and masks; TextConverter reads other JSON",
        )
    made = Annotations(where, keypoints=data.find(b'"keypoints"') >= 0, _map=mapped)
    _read_categories(made, mapped)
    _read_pictures(made, mapped)
    return made


def _read_categories(made: Annotations, mapped: JsonMap) -> None:
    for one in mapped.read_all("categories"):
        if not (
            isinstance(one, dict)
            and type(one.get("id")) is int
            and abs(one["id"]) < 2**62
            and isinstance(one.get("name"), str)
        ):
            raise CorruptInput(f"{made.where}: the category {shown(one, 80)} has no id and name")
        _check_text(one, f"{made.where}: category {one['id']}")
        made.categories.append(one)
    if len({one["id"] for one in made.categories}) != len(made.categories):
        raise CorruptInput(f"{made.where}: two categories have the same id")


def _check_text(category: dict[str, Any], where: str) -> None:
    """Raise for what the table cannot keep of a category; all of it is kept."""
    try:
        json.dumps(category, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        wrong = [key for key, value in category.items() if not _keepable(key, value)]
        raise CorruptInput(
            f"{where} holds text or a number that cannot be stored, in "
            f"{', '.join(shown(key) for key in wrong[:3])}",
            hint="fetch or export the file again",
        ) from None


def _keepable(*values: Any) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _read_pictures(made: Annotations, mapped: JsonMap) -> None:
    licences: dict[int | str, str] = {}
    for one in mapped.read_all("licenses") if "licenses" in mapped.spans else ():
        known = isinstance(one, dict) and type(one.get("id")) in (int, str)
        if known and isinstance(one.get("name"), str):
            if not storable(one["name"]):
                raise CorruptInput(
                    f"{made.where}: the name of licence {shown(one['id'])} cannot be stored: "
                    f"{shown(one['name'], 80)}",
                    hint="fetch or export the file again",
                )
            licences[one["id"]] = one["name"]
    seen: set[int] = set()
    for place, one in enumerate(mapped.read_all("images")):
        reason = _picture_fault(one, seen)
        if reason:
            made.faults.append((f"{made.where}: picture {place}", Refusal(reason)))
            continue
        seen.add(one["id"])
        made.names.append(one["file_name"])
        made.ids.append(one["id"])
        width, height = one.get("width"), one.get("height")
        known = type(width) is int and type(height) is int and width > 0 and height > 0
        made.sizes.append((width, height) if known else (0, 0))
        licence = one.get("license")
        made.licences.append(licences.get(licence) if type(licence) in (int, str) else None)
    if not made.names:
        raise EmptyInput(f"{made.where} lists no picture")


def _picture_fault(one: Any, seen: set[int]) -> str:
    if not isinstance(one, dict) or type(one.get("id")) is not int or abs(one["id"]) >= 2**62:
        return "it has no id that is a number"
    if one["id"] in seen:
        return f"image_id {one['id']} is taken by an earlier picture"
    name = one.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        return "it has no file_name"
    if not storable(name):
        return f"its file_name {shown(name, 80)} cannot be stored"
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        return f"its file_name {shown(name, 80)} leaves the folder of the pictures"
    return ""


def _place(item: dict[str, Any], place_of: dict[int, int]) -> int | None:
    image = item.get("image_id")
    return place_of.get(image) if type(image) is int else None


def same_categories(files: Sequence[Annotations]) -> list[dict[str, Any]]:
    """Return the categories that all files share.

    Raises:
        CorruptInput: an id means different things in two of them.
    """
    names: dict[int, str] = {}
    found: dict[int, dict[str, Any]] = {}
    for file in files:
        for one in file.categories:
            if names.setdefault(one["id"], one["name"]) != one["name"]:
                raise CorruptInput(
                    f"category {one['id']} is {names[one['id']]!r} in {files[0].where} and "
                    f"{one['name']!r} in {file.where}",
                    hint="convert the two into tables of their own",
                )
            found.setdefault(one["id"], one)
    return [found[key] for key in sorted(found)]
