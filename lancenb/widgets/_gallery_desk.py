"""Answers of a gallery to the pages that show it: in threads, the newest question first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InvalidArgument, LancenbError
from ..store import redact
from ._gallery_rows import Shown, Thumbs
from ._latest import Latest
from ._thumbs import Picture
from ._view import sentence

Answer = tuple[dict[str, Any], list[bytes]]
_QUESTIONS = ("page", "one", "find")
#: Thumbnails are drawn in this range of sides; one question names at most so many places.
_SIDES, _PLACES = (64, 448), 400
#: Browser pages that are remembered, one thread for each kind of question while it is answered.
_PAGES = 8


class Desk:
    """Takes questions from any thread and answers them by ``tell``.

    Each browser page has its own lane per kind of question; a newer question in a lane makes the
    older one end early, so that fast scrolling reads what is in sight and little else.
    """

    def __init__(
        self,
        thumbs: Thumbs,
        state: Callable[[], tuple[Shown, int]],
        tell: Callable[[dict[str, Any], list[bytes]], None],
    ):
        self._thumbs, self._state, self._tell = thumbs, state, tell
        self._lock = threading.Lock()
        self._asked: dict[str, Any] = {}
        self._lanes: OrderedDict[str, Latest] = OrderedDict()
        self._closed = False

    def take(self, content: Any) -> bool:
        """Begin to answer a message; False when it is no question for this desk."""
        if not isinstance(content, Mapping) or content.get("ask") not in _QUESTIONS:
            return False
        with self._lock:
            if self._closed:
                return True
            lane = f"{_args(content).get('client', '')}-{content['ask']}"
            self._asked[lane] = content.get("id")
            if lane not in self._lanes:
                self._lanes[lane] = Latest(self._answer, pause=0)
            self._lanes.move_to_end(lane)
            while len(self._lanes) > len(_QUESTIONS) * _PAGES:
                gone, latest = self._lanes.popitem(last=False)
                del self._asked[gone]
                latest.close()
            latest = self._lanes[lane]
        latest.ask(lane, content)
        return True

    def settle(self, timeout: float = 10) -> bool:
        """Wait until everything asked is answered."""
        with self._lock:
            lanes = list(self._lanes.values())
        return all(latest.settle(timeout) for latest in lanes)

    def close(self) -> None:
        """Take no more questions; what is being read is not sent."""
        with self._lock:
            self._closed = True
            lanes = list(self._lanes.values())
            self._lanes.clear()
            self._asked.clear()
        for latest in lanes:
            latest.close()

    def _answer(self, lane: str, content: Mapping[str, Any]) -> None:
        asked = {k: v for k, v in _args(content).items() if k != "client"}
        number = content.get("id")

        def stale() -> bool:
            return self._asked.get(lane) != number

        try:
            body, blobs = getattr(self, f"_{content['ask']}")(stale, **asked)
        except Exception as error:  # the sentence is shown where the question was asked
            said = problem_of(error)
            self._tell({"id": number, "error": said["message"], "hint": said["hint"]}, [])
            return
        self._tell({"id": number, "body": body}, blobs)

    def _page(
        self, stale: Callable[[], bool], *, view: int, indices: Sequence[int], side: int
    ) -> Answer:
        """Return as many of the pictures asked for as fit; the front end asks for the rest."""
        shown, now = self._state()
        if view != now:
            return {"view": view, "items": []}, []
        side = max(_SIDES[0], min(_SIDES[1], int(side)))
        places = [int(i) for i in indices[:_PLACES]]
        page = self._thumbs.page(shown, view, places, side, stop=stale)
        data = b"".join(thumb.picture.data for thumb in page if thumb.picture)
        items = [thumb.facts() for thumb in page]
        return {"view": view, "side": side, "items": items}, [data]

    def _one(self, stale: Callable[[], bool], *, view: int, index: int, side: int = 1024) -> Answer:
        """Return a larger picture and all fields of its row."""
        shown, now = self._state()
        if view != now or not 0 <= index < shown.count:
            raise InvalidArgument("this picture is no longer shown")
        fields, picture = self._thumbs.one(shown, index, max(256, min(2048, int(side))))
        body: dict[str, Any] = {"row": shown.row(index) if shown.known else None, "fields": fields}
        if not isinstance(picture, Picture):
            return {**body, "mime": "", "px": False, "why": str(picture)}, []
        small = max(picture.width, picture.height) <= 256
        return {**body, "mime": picture.mime, "px": small, "why": ""}, [picture.data]

    def _find(self, stale: Callable[[], bool], *, row: int) -> Answer:
        """Return the place of a row."""
        shown, _ = self._state()
        row = max(0, int(row))
        return {"index": shown.index(row), "exact": shown.holds(row)}, []


def _args(content: Mapping[str, Any]) -> Mapping[str, Any]:
    args = content.get("args")
    return args if isinstance(args, Mapping) else {}


def problem_of(error: BaseException) -> dict[str, str]:
    """Return an error as a sentence and a hint, without secrets."""
    hint = error.hint if isinstance(error, LancenbError) else ""
    return {"message": sentence(error), "hint": redact(hint or "")}
