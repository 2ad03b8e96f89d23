"""Long lists in pages: where the next page begins is said by name, so that changes do not skip."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from lancenb.errors import InvalidArgument

from ._http_wire import MOST, NEXT_PAGE, PAGE, dumps, loads


def page_wanted(query: dict[str, str]) -> tuple[int, dict[str, Any] | None]:
    """Take size and beginning of the page out of a query.

    Raises:
        InvalidArgument: they are no such things.
    """
    text, token = query.pop("limit", None), query.pop("page_token", None)
    size = PAGE
    if text is not None:
        known = text.isascii() and text.isdigit() and len(text) < 9
        size = int(text) if known else 0
        if not 1 <= size <= MOST:
            raise InvalidArgument(
                f"limit={text!r:.60} is not a whole number from 1 to {MOST}",
                details={"argument": "limit"},
            )
    return size, None if token is None else _opened(token)


def _opened(token: str) -> dict[str, Any]:
    try:
        facts = loads(base64.urlsafe_b64decode(token.encode()))
        if isinstance(facts["n"], str) and type(facts["o"]) is int and facts["o"] >= 0:
            return facts
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidArgument(
        f"page_token={token!r:.60} was not given out by this server",
        hint=f"take it from the header {NEXT_PAGE} of the page before",
        details={"argument": "page_token"},
    )


def cut(
    value: dict[str, Any], size: int, after: dict[str, Any] | None, address: str, query: Any
) -> dict[str, str]:
    """Leave one page in a list of artefacts and return the headers that say where the next is.

    Args:
        value: the list, changed in place.
        size: entries of a page.
        after: the end of the page before.
        address: path of the request.
        query: the other arguments in its address.
    """
    items, start = value["items"], 0
    if after is not None:
        places = (i + 1 for i, item in enumerate(items) if item["name"] == after["n"])
        start = next(places, min(after["o"], len(items)))
    value["items"] = items[start : start + size]
    end = start + size
    if end >= len(items):
        return {}
    facts = {"n": value["items"][-1]["name"], "o": end}
    token = base64.urlsafe_b64encode(dumps(facts)).decode()
    link = address + "?" + urlencode({**query, "limit": size, "page_token": token})
    return {NEXT_PAGE.lower(): token, "link": f'<{link}>; rel="next"'}
