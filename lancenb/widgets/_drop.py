"""Files dropped into the browser: received in pieces, kept in a folder that goes away again."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import traitlets as t

from lancenb._html import count, size
from lancenb.download._names import safe_name
from lancenb.errors import Conflict, InvalidArgument

from ._assets import css, esm
from ._display import esc
from ._parcel import Parcel
from ._view import View, sentence

#: Bytes that may come through the browser; larger things are named by path or address.
LIMIT = 64_000_000
_FILES = 2000
_GAP = 0.1


class Drop(View):
    """Takes files from the browser.

    Args:
        limit: bytes of one upload at most.

    Attributes:
        state: ``"idle"``, ``"sending"``, ``"done"`` or ``"failed"``.
        path: the uploaded file, or the folder of several; ``None`` until all have arrived.
        disabled: what is here stays, and nothing new is taken; an upload under way arrives.
        batch: which upload is shown, so that a late message cannot mean another one.

    >>> drop = Drop()
    >>> drop.put_files({"../a.csv": b"x,y"}).name
    'a.csv'
    >>> drop.discard(); drop.path is None
    True
    """

    _esm, _css = esm("drop"), css("drop")
    kind = t.Unicode("drop").tag(sync=True)
    label = t.Unicode("upload").tag(sync=True)
    state = t.Unicode("idle").tag(sync=True)
    fraction = t.Float(0.0).tag(sync=True)
    said = t.Unicode("").tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)
    batch = t.Unicode("").tag(sync=True)

    def __init__(self, *, limit: int = LIMIT, **traits: Any):
        self._limit = limit
        self._id = ""
        self._earlier: deque[str] = deque(maxlen=100)
        self.parcel: Parcel | None = None
        self._files: list[tuple[Path, int]] = []
        self._got: list[int] = []
        self._last = 0.0
        self._hear: list[Callable[[], Any]] = []
        super().__init__(**traits)
        self._rest()

    @property
    def path(self) -> Path | None:
        """The uploaded file, or the folder of several; ``None`` until all have arrived."""
        if self.state != "done" or self.parcel is None:
            return None
        return self._files[0][0] if len(self._files) == 1 else self.parcel.folder

    @property
    def names(self) -> list[str]:
        """The names of the files, as they are stored."""
        return [path.name for path, _ in self._files]

    def on_change(self, act: Callable[[], Any]) -> None:
        """Call ``act()`` when everything has arrived, and when it was removed."""
        self._hear.append(act)

    def put_files(self, files: Mapping[str, bytes]) -> Path:
        """Do what the browser does, from Python."""
        self._begin("python", [{"name": name, "size": len(data)} for name, data in files.items()])
        for n, data in enumerate(files.values()):
            if data:
                self._piece("python", n, 0, data)
        path = self.path
        assert path is not None
        return path

    def discard(self, only: Parcel | None = None) -> None:
        """Remove what was uploaded; with ``only``, unless something else is here by now."""
        with self._guard:
            if only is not None and only is not self.parcel:
                return
            had = self.state == "done"
            self._drop_folder()
            self._rest()
        if had:
            self._tell()

    def close(self) -> None:
        """Close the widget and remove what was uploaded."""
        self._drop_folder()
        super().close()

    # What the front end sends --------------------------------------------------------------

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        if not (isinstance(content, dict) and "up" in content):
            super()._receive(widget, content, buffers)
            return
        what, number = content["up"], str(content.get("id", ""))
        mine = number == self._id or (what == "clear" and not number)
        if not self._listens(what, number, mine):
            self.send({"up": number, "ok": False})
            return
        try:
            if what == "begin":
                self._begin(number, content["files"])
            elif what == "piece":
                self._piece(number, int(content["n"]), int(content["at"]), bytes(buffers[0]))
            elif what == "broken":
                raise InvalidArgument("the browser cannot read a file; is it a folder?")
            else:
                self.discard()
        except Exception as error:
            self._fail(error, mine or not self._id)
            self.send({"up": number, "ok": False})
            return
        if what in ("begin", "piece"):
            self.send({"up": number, "ok": True})

    def _listens(self, what: object, number: str, mine: bool) -> bool:
        """Whether a message is about what is here: it may be late, repeated, or of another tab."""
        if what == "begin":
            return mine or not (self.disabled or number in self._earlier)
        return mine and not (self.disabled and self.state != "sending")

    def _begin(self, number: str, files: list[dict[str, Any]]) -> None:
        if number == self._id and self.state in ("sending", "done") and number != "python":
            return  # the front end repeats what was not answered
        if self.disabled:
            raise Conflict("the upload before is in use", hint="wait for the end of the work")
        total = sum(int(item["size"]) for item in files)
        if not files or len(files) > _FILES or any(int(item["size"]) < 0 for item in files):
            raise InvalidArgument(f"{len(files):,} files are more than {_FILES:,}: pack them")
        if total > self._limit:
            raise InvalidArgument(
                f"{size(total)} are more than the {size(self._limit)} that a browser should send: "
                "put the files beside the notebook and name their path"
            )
        with self._guard:
            had = self.state == "done"
            self._drop_folder()
            self.parcel = Parcel()
            self._id, self._got = number, [0] * len(files)
            if number != "python":
                self._earlier.append(number)
            taken: set[str] = set()
            folder = self.parcel.folder
            self._files = [
                (folder / _free(safe_name(str(item["name"]), "upload"), taken), int(item["size"]))
                for item in files
            ]
            for path, _ in self._files:
                path.touch()
            self.put(state="sending", fraction=0.0, said=f"Receiving {self._what()}", batch=number)
        if had:
            self._tell()
        self._look()

    def _piece(self, number: str, n: int, at: int, data: bytes) -> None:
        with self._guard:
            if number != self._id or self.state not in ("sending", "done"):
                raise InvalidArgument("this upload was replaced by another one")
            path, expected = self._files[n]
            if at + len(data) <= self._got[n]:
                return  # said twice
            if at != self._got[n] or at + len(data) > expected:
                raise InvalidArgument(f"{path.name}: a piece is missing or too long; try again")
            with open(path, "ab") as file:
                file.write(data)
            self._got[n] += len(data)
        self._look()

    def _look(self) -> None:
        """Say how far it is, at most ten times a second, and when it is complete."""
        total, got = sum(expected for _, expected in self._files), sum(self._got)
        if got < total:
            if time.monotonic() - self._last > _GAP:
                self._last = time.monotonic()
                self.put(fraction=got / total)
            return
        self.put(state="done", fraction=1.0, said=f"{self._what()}, {size(total)}")
        self._tell()

    def _what(self) -> str:
        return self._files[0][0].name if len(self._files) == 1 else count(len(self._files), "file")

    def _fail(self, error: Exception, mine: bool) -> None:
        """Say what went wrong; only an upload's own error ends it."""
        words = sentence(error)
        words = f"{words[:1].upper()}{words[1:]}."
        with self._guard:
            if not mine:
                self.put(said=f"{words} {self._what()} stays.")
                return
            self._drop_folder()
            self.put(state="failed", fraction=0.0, said=words, batch="")

    def _rest(self) -> None:
        words = f"or drop them here, up to {size(self._limit)}"
        self.put(state="idle", fraction=0.0, said=words, batch="")

    def _drop_folder(self) -> None:
        if self.parcel is not None:
            self.parcel.release()
        self.parcel, self._files, self._id = None, [], ""

    def _tell(self) -> None:
        for act in list(self._hear):
            act()

    def _static(self) -> tuple[str, str]:
        return f"<p>Upload: {esc(self.said)}</p>", f"Upload: {self.said}"


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no other file of this upload has, whatever the case of its letters."""
    stem, suffix = os.path.splitext(name)
    number, found = 2, name
    while found.lower() in taken:
        found, number = f"{stem}-{number}{suffix}", number + 1
    taken.add(found.lower())
    return found
