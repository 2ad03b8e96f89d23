"""Remote control of an origin: for tests whose server is another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._origin import Handler, Origin


def control(handler: Handler, origin: Origin) -> None:
    """Serve ``/_stub/fault`` and ``/_stub/log``.

    POST a fault as JSON (the attributes of ``Fault`` and ``side``), GET or DELETE the list of
    faults or the log, ``?side=hub`` or ``?side=cdn`` for one side only.
    """
    what = handler.segments[1:]
    options = handler.json if handler.command == "POST" else dict(handler.query)
    side = options.pop("side", None)
    if side is not None and side not in origin.sides:
        handler.answer_json({"error": f"side is one of {', '.join(origin.sides)}"}, 400)
        return
    chosen = [origin.sides[side]] if side else list(origin.sides.values())
    if what == ["fault"] and handler.command == "POST":
        try:
            fault = (chosen[0] if side else origin).faults.add(**options)
        except (TypeError, ValueError) as error:
            handler.answer_json({"error": str(error)}, 400)
        else:
            handler.answer_json(fault.to_dict())
    elif what == ["fault"] and handler.command == "GET":
        handler.answer_json([f.to_dict() for one in chosen for f in one.faults.planned()])
    elif what == ["fault"] and handler.command == "DELETE":
        for one in chosen:
            one.faults.clear()
        handler.answer_json({})
    elif what == ["log"] and handler.command in ("GET", "DELETE"):
        names = [name for name, one in origin.sides.items() if one in chosen]
        seen = [{"side": n, **s.to_dict()} for n in names for s in list(origin.sides[n].log)]
        if handler.command == "DELETE":
            for one in chosen:
                one.log.clear()
        handler.answer_json(seen)
    else:
        handler.answer_json({"error": "there are /_stub/fault and /_stub/log"}, 404)
