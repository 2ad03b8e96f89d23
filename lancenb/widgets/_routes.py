"""The way of a message from the page to its widget, where ipykernel loses it."""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any


def mend() -> None:
    """Keep messages from being sent to subshells that are gone.

    ipykernel 7.4 hands a widget's messages to the subshell that spoke to the widget last. When that
    subshell has ended, because its page was closed, everything typed or clicked in another page is
    dropped without a word. Such messages go where the page sent them. Other kernels, and processes
    that are no kernel, are left alone.
    """
    base = getattr(sys.modules.get("ipykernel.comm.comm"), "BaseComm", None)
    route = getattr(base, "_reply_subshell_for", None)
    if base is None or route is None or hasattr(route, "__wrapped__"):
        return

    @wraps(route)
    def living(self: Any, data: Any, default: Any) -> Any:
        found = route(self, data, default)
        return default if found is not None and not _lives(self.kernel, found) else found

    base._reply_subshell_for = living


def _lives(kernel: Any, subshell: Any) -> bool:
    manager = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    listed = getattr(manager, "list_subshell", None)
    return listed is None or subshell in listed()
