"""A temporary folder that several hold: it is removed when the last one lets go."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from pathlib import Path


class Parcel:
    """Holds what was uploaded, for the box that received it and for work that reads it.

    >>> parcel = Parcel().hold()
    >>> parcel.release(); parcel.folder.exists()
    True
    >>> parcel.release(); parcel.folder.exists()
    False
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lancenb-upload-"))
        self._holders, self._lock = 1, threading.Lock()
        # also when a holder is lost without a word
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def hold(self) -> Parcel:
        """Keep the folder for one more holder."""
        with self._lock:
            self._holders += 1
        return self

    def release(self) -> None:
        """Let go; the last holder removes the folder."""
        with self._lock:
            self._holders -= 1
            last = self._holders <= 0
        if last:
            self._remove()
