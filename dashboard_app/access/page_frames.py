"""What a page may send over its socket. Anything else closes the socket before Socket.IO or Reflex look at it.

Behind this stand parsers that meet nonsense with a trace in the log, what was sent included; a socket is closed with a line instead.
An event for a handler that does not exist (a tab that is open since an older version may send one) is left out, with a line, too.
"""

import logging
from collections.abc import Container, Mapping
from typing import Any

import orjson

from dashboard_app.access import visit
from dashboard_app.access.gate import App, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)
CLOSE_NOT_OF_A_PAGE = 4400
DEEPEST = 50
"""Levels of lists and objects in an event. The parsers behind end at a thousand, by a RecursionError."""
_PONG, _BYE = "3", "1"
_JOIN, _LEAVE, _SAY = f"40{visit.SOCKET}", f"41{visit.SOCKET}", f"42{visit.SOCKET},"
_FIELDS: Mapping[str, type] = {"payload": dict, "router_data": dict}
_PLACE: Mapping[str, type] = {"pathname": str, "asPath": str, "query": dict}


class PageFrames:
    """Pure ASGI in front of Reflex."""

    def __init__(self, app: App, handlers: Container[str]) -> None:
        """Wrap `app`, whose events `handlers` names in full."""
        self._app, self._handlers = app, handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; a page's socket hears only what a page says."""
        if scope["type"] != "websocket" or not visit.is_socket(scope["path"]):
            await self._app(scope, receive, send)
            return

        whence = scope.get(visit.ADDRESS, "an unknown address")

        async def judged() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                said = read(message.get("text"))
                if said is False:
                    _LOG.warning("a frame that no page sends came from %s: its socket is closed", whence)
                    await send({"type": "websocket.close", "code": CLOSE_NOT_OF_A_PAGE})
                    return {"type": "websocket.disconnect", "code": CLOSE_NOT_OF_A_PAGE}
                if said is True or said in self._handlers:
                    return message
                _LOG.warning("an event that this version does not know came from %s: it is left out", whence)

        await self._app(scope, judged, send)


def read(frame: str | None) -> str | bool:
    """The name of the event's handler, True for what else Reflex's client sends (a pong, joining, leaving, a report of a fault).

    False: no page sends this. Bytes (a `frame` of None) never come from one.
    """
    if not frame:
        return False
    if frame in {_PONG, _BYE}:
        return True
    if frame.startswith((_JOIN, _LEAVE)):
        return _is_alone(frame[len(_JOIN) :].removeprefix(","))
    said = _read(frame[len(_SAY) :]) if frame.startswith(_SAY) else None
    match said:
        case ["event", {"name": str() as name} as event] if _is_event(event):
            return name
        case ["client_error", dict()]:
            return True
    return False


def _is_alone(rest: str) -> bool:
    """True when what follows the name of the place is nothing, or an object."""
    return not rest or isinstance(_read(rest), dict)


def _read(text: str) -> Any:
    """`text` as JSON (RFC 8259: no NaN, no lone surrogates) of a sane depth; None for anything else."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return None
    return found if _is_shallow(found) else None


def _is_shallow(value: object) -> bool:
    """True when nothing in `value` lies deeper than DEEPEST."""
    level = [value]
    for _ in range(DEEPEST):
        level = [part for one in level if isinstance(one, dict | list) for part in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return True
    return False


def _is_event(event: Mapping[str, Any]) -> bool:
    """True when the fields that Reflex reads are of its kinds."""
    if not all(isinstance(event[name], kind) for name, kind in _FIELDS.items() if name in event):
        return False
    place = event.get("router_data", {})
    query = place.get("query", {})
    return all(isinstance(place[name], kind) for name, kind in _PLACE.items() if name in place) and all(
        isinstance(one, str) or (isinstance(one, list) and all(isinstance(part, str) for part in one)) for one in query.values()
    )
