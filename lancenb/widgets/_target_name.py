"""The name a conversion writes to: suggested, checked while typed, and what would happen."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lancenb.errors import ArtifactNotFound, InvalidName, LancenbError

_SUFFIXES = re.compile(
    r"(\.(tar|pth))?\.[A-Za-z][A-Za-z0-9]{0,11}$"  # photos.tar.gz, model.pth.tar, table.parquet
)
_ROWS = {"text", "table"}  # a CSV file is text that becomes a table


@dataclass(frozen=True)
class Target:
    """What is known of a name.

    Attributes:
        name: the name.
        problem: why it cannot be used at all; empty when it can.
        kind: what is there under the name; empty when nothing is.
        version: the newest version there.
        rows: rows of that version.
    """

    name: str
    problem: str = ""
    kind: str = ""
    version: int = 0
    rows: int = 0


def look_up(manager: Any, name: str) -> Target:
    """Ask the manager what is there under a name; writes nothing.

    >>> import tempfile, lancenb
    >>> look_up(lancenb.DataManager(tempfile.mkdtemp()), "a b").problem
    "'a b' cannot name an artefact"
    """
    from lancenb.catalog._names import check_name

    try:
        check_name(name)
        found = manager.get(name)
        return Target(name, "", found.kind, found.version, found.rows)
    except ArtifactNotFound:
        return Target(name)
    except InvalidName as error:
        return Target(name, error.message)
    except LancenbError as error:
        return Target(name, error.message)


def forecast(target: Target, mode: str, kind: str = "") -> tuple[str, bool]:
    """Say in a sentence what converting would do, and whether it can.

    >>> forecast(Target("pets"), "create")
    ('Makes pets, version 1.', True)
    >>> forecast(Target("pets", kind="images", version=2, rows=10), "append")[0]
    'Adds rows to the 10 of pets, as version 3.'
    """
    name, unit = target.name, "tensor" if target.kind == "weights" else "row"
    if not name:
        return "Give it a name.", False
    if target.problem:
        return f"{target.problem[:1].upper()}{target.problem[1:]}.", False
    if not target.kind:
        if mode == "append":
            return f"There is no {name} yet to append to: choose create.", False
        return f"Makes {name}, version 1.", True
    if mode == "create":
        return f"{name} is there already ({target.kind}, version {target.version}): " + (
            "choose overwrite or append, or another name."
        ), False
    if kind and kind != target.kind and {kind, target.kind} != _ROWS:
        return f"{name} holds {target.kind}, this is {kind}: choose another name.", False
    after = f"as version {target.version + 1}"
    if mode == "append":
        return f"Adds {unit}s to the {target.rows:,} of {name}, {after}.", True
    return (
        f"Replaces the {target.rows:,} {unit}s of {name}, {after}; "
        f"version {target.version} stays and can be brought back.",
        True,
    )


def suggest(source: str, taken: Collection[str] = ()) -> str:
    """Return a free name made from a path, pattern, spec or address.

    >>> suggest("hf:dataset:uoft-cs/cifar10@v1:data/*"), suggest("/a/My photos.tar.gz", {"x"})
    ('cifar10', 'My-photos')
    >>> suggest("https://a.org/resnet18-f37072fd.pth?sig=1"), suggest("x/pets/*.png", {"pets"})
    ('resnet18', 'pets-2')
    """
    text = source.strip().rstrip("/")
    spec = re.match(
        r"(?:hf:(?:model|dataset)s?|transformers|datasets|torchvision|synthetic):", text
    )
    if spec:
        rest = text[spec.end() :]
        is_torch = text.startswith("torchvision:")
        rest = re.split(r"[/@:]" if is_torch else r"[@:]", rest)[0]
        stem = rest.rpartition("/")[2]
    else:
        text = re.split(r"[?#]", text)[0] if "://" in text else text
        parts = [part for part in PurePath(text).parts if not re.search(r"[*?\[]", part)]
        stem = _SUFFIXES.sub("", parts[-1]) if parts else ""
        stem = re.sub(r"-[0-9a-f]{8,64}$", "", stem)  # the digest that torch puts into names
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")
    stem = re.sub(r"\.\.+", ".", stem)[:100]
    if not stem:
        return ""
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name
