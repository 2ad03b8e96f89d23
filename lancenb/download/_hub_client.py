"""Bytes of Hub files by the official client: where xet delivers, or where no hash is known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import DownloadFailed
from ..progress import Tracker
from ._quiet import has_query, without_queries

if TYPE_CHECKING:
    from ._records import Record
    from ._snapshot import Snapshot

ETAG_TIMEOUT = 6.0


def xet_is_on() -> bool:
    """Whether the client would use xet (installed, and not switched off)."""
    from importlib.util import find_spec

    from huggingface_hub import constants

    return not constants.HF_HUB_DISABLE_XET and find_spec("hf_xet") is not None


def xet_files(snapshot: Snapshot, record: Record, names: list[str]) -> set[str]:
    """Return which of these files xet can deliver: one request."""
    if not names:
        return set()
    with snapshot.errors():
        found: Any = snapshot.retrying(
            lambda: snapshot.api.get_paths_info(
                snapshot.repo_id,
                names,
                repo_type=snapshot.repo_type,
                revision=record.facts["commit"],
            )
        )
    return {item.path for item in found if getattr(item, "xet_hash", None)}


def fetch_by_client(
    snapshot: Snapshot, commit: str, name: str, tracker: Tracker, again: bool = False
) -> None:
    """Let the official client fetch one file into the cache; the caller verifies it."""
    from huggingface_hub import hf_hub_download

    with snapshot.errors(), _xet_errors(snapshot.source, name):
        snapshot.retrying(
            lambda: hf_hub_download(
                snapshot.repo_id,
                name,
                repo_type=snapshot.repo_type,
                revision=commit,
                cache_dir=snapshot.cache.hub,
                token=snapshot.token,
                endpoint=snapshot.endpoint,
                tqdm_class=_bar_for(tracker),
                library_name="lancenb",
                etag_timeout=ETAG_TIMEOUT,
                force_download=again,
            )
        )


@contextmanager
def _xet_errors(source: str, name: str) -> Iterator[None]:
    """Map what xet raises: plain RuntimeErrors."""
    try:
        yield
    except RuntimeError as error:
        raise DownloadFailed(
            f"{source}: the Hub's client could not fetch {name} ({without_queries(str(error))})",
            hint="run it again, or take lancenb's own engine: hub_engine='range'",
        ) from (None if has_query(str(error)) else error)


def _bar_for(tracker: Tracker) -> Any:
    """Return a class that the client takes for its progress bar and that feeds ``tracker``."""
    lock = threading.Lock()
    counted = 0

    class Bar:
        """Counts bytes; the client keeps several bars over the same bytes."""

        def __init__(self, *args: Any, **options: Any):
            self.n = options.get("initial") or 0
            self.total = options.get("total")
            self.unit = options.get("unit", "it")
            self.format_dict: dict[str, Any] = {}

        def update(self, n: float | None = 1) -> None:
            nonlocal counted
            self.n += n or 0
            if self.unit == "B":
                with lock:
                    gained = max(0, int(self.n) - counted)
                    counted += gained
                tracker.advance(0, gained)

        def nothing(self, *args: Any, **options: Any) -> None:
            """The client also draws; this does not."""

        refresh = close = set_postfix_str = nothing
        set_description = set_description_str = set_postfix = reset = nothing

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *exc: object) -> None:
            return None

    return Bar
