"""Whether a network source answers, told within a few seconds."""

from __future__ import annotations

import os
import threading
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def reachable(url: str, timeout: float = 3.0) -> bool:
    """Whether the server of ``url`` answers at all, any status, within ``timeout`` seconds.

    A thread asks, because looking up a name can outlast any socket timeout.

    >>> reachable("http://127.0.0.1:9/", timeout=1.0)
    False
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    found: list[bool] = []

    def ask() -> None:
        try:
            request = Request(url, method="HEAD", headers={"User-Agent": "lancenb"})  # noqa: S310
            with urlopen(request, timeout=timeout):  # noqa: S310
                found.append(True)
        except HTTPError as error:
            # a proxy that refuses, or a broken server, is not the source
            found.append(error.code < 500 and error.code not in (403, 407))
        except Exception:
            found.append(False)

    thread = threading.Thread(target=ask, daemon=True, name="lancenb-reachable")
    thread.start()
    thread.join(timeout)
    return bool(found and found[0])


def hub_address() -> str:
    """Address of the Hugging Face Hub, or of the server set in its place."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
