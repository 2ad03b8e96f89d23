"""The files of CIFAR in a folder or an archive, or one of them by itself."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from lancenb.convert._folder import files_below
from lancenb.convert._layouts import is_cifar_batch, is_cifar_meta
from lancenb.convert._scratch import scratch_folder, unpack
from lancenb.convert.archive import Limits, open_archive
from lancenb.errors import EmptyInput, UnsupportedFormat

from ._listing import natural_key


class BatchFile(NamedTuple):
    """One file.

    Attributes:
        name: its base name.
        path: where it lies on disk.
        shown: what to call it in messages.
    """

    name: str
    path: str
    shown: str


def cifar_files(path: str, limits: Limits, stack: ExitStack) -> list[BatchFile]:
    """Return batches and files of class names, in natural order.

    Members of an archive are unpacked to a temporary folder that ``stack`` deletes: the order in
    the archive is not that of the batches, and large batches then need no memory.

    Raises:
        EmptyInput: there is no batch.
        UnsupportedFormat: there are several sets.
    """
    if os.path.isdir(path):
        files = [BatchFile(found.name, str(found), str(found)) for found in files_below(Path(path))]
    elif is_cifar_batch(os.path.basename(path), os.listdir(os.path.dirname(path) or ".")):
        beside = sorted(Path(path).parent.iterdir())
        files = [BatchFile(p.name, str(p), str(p)) for p in beside if is_cifar_meta(p.name)]
        files.append(BatchFile(os.path.basename(path), path, path))
    else:
        files = _unpacked(path, limits, stack)
    names = {file.name for file in files}
    chosen = [f for f in files if is_cifar_meta(f.name) or is_cifar_batch(f.name, names)]
    folders = sorted({os.path.dirname(f.shown) for f in chosen if not is_cifar_meta(f.name)})
    if not folders:
        raise EmptyInput(f"{path} holds no batch of CIFAR")
    kinds = {f.name.endswith(".bin") for f in chosen if not is_cifar_meta(f.name)}
    if len(folders) > 1 or len(kinds) > 1:
        raise UnsupportedFormat(
            f"{path} holds more than one set of batches ({', '.join(folders[:2])})",
            hint="convert each of these folders into a table of its own",
        )
    chosen = [file for file in chosen if os.path.dirname(file.shown) == folders[0]]
    return sorted(chosen, key=lambda file: natural_key(file.name))


def _unpacked(path: str, limits: Limits, stack: ExitStack) -> list[BatchFile]:
    folder = scratch_folder(stack)
    files = []
    with open_archive(path, limits=limits) as archive:
        names = {os.path.basename(member.name) for member in archive.members}
        for number, member in enumerate(archive.members):
            name = os.path.basename(member.name)
            if not member.litter and (is_cifar_meta(name) or is_cifar_batch(name, names)):
                target = folder / str(number)
                unpack(archive, member, target)
                files.append(BatchFile(name, str(target), str(member)))
    return files
