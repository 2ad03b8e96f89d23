"""moto's server with one change at a time: ``python _moto.py -H HOST -p PORT``.

moto asks whether a key is there (``If-None-Match``) and puts it in two steps, on as many threads
as there are requests. When its interpreter switches threads between the two, both writers win;
an S3 server does not do that, and tests about commits would fail by chance.
"""

from __future__ import annotations

import io
import threading
from typing import Any

from moto import server

_CHANGES = frozenset({"PUT", "POST", "DELETE"})


class OneChangeAtATime(server.DomainDispatcherApplication):
    """moto's application; requests that change something wait for each other."""

    _turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] not in _CHANGES:
            return super().__call__(environ, start_response)
        if length := environ.get("CONTENT_LENGTH"):
            # Read before the turn is taken, so that a slow sender keeps nobody waiting.
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))
        with self._turn:
            return super().__call__(environ, start_response)


if __name__ == "__main__":
    server.DomainDispatcherApplication = OneChangeAtATime  # type: ignore[misc]
    server.main()
