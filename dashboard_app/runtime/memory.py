"""How much memory this process holds, and an ASGI layer that refuses what can wait while it holds too much."""

import ctypes
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from starlette.websockets import WebSocket

from dashboard_app.model.clock import Clock
from dashboard_app.policy.shedding import Shed, shed
from dashboard_app.runtime.problem import problem

_log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_STATM = Path("/proc/self/statm")
_LOOK_S = 0.25
_TRIM_S = 10.0
_RETRY = [("Retry-After", "10")]
_DETAIL = "Memory is short: no new pages and streams for a moment. What is open stays open."


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say (it has no /proc)."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    """Have the C library return what is free to the system: else memory that was once in use counts for ever."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return  # another C library


class Shedding:
    """Pure ASGI inside the gate. `is_stream` tells a call that goes on for minutes; every WebSocket is a socket or a stream."""

    def __init__(
        self, app: App, limit_bytes: int, clock: Clock, is_stream: Callable[[str], bool], used_bytes: Callable[[], int] = resident_bytes
    ) -> None:
        """`limit_bytes` 0: nothing is ever refused."""
        self._app = app
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._is_stream = is_stream
        self._used_bytes = used_bytes
        self._looked_at = self._trimmed_at = float("-inf")
        self.step = Shed.NOTHING

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 503 and the time to come back."""
        path = scope.get("path", "")
        is_socket, is_stream = scope["type"] == "websocket", scope["type"] in {"http", "websocket"} and self._is_stream(path)
        if not (is_socket or is_stream) or self._look() < (Shed.STREAMS if is_stream else Shed.SOCKETS):
            await self._app(scope, receive, send)
            return
        refusal = problem(503, "memory_short", _DETAIL, instance=path, headers=_RETRY)
        if is_socket:
            socket = WebSocket(scope, receive, send)
            await socket.receive()
            await socket.send_denial_response(refusal)
        else:
            await refusal(scope, receive, send)

    def _look(self) -> Shed:
        """The step now; memory is read four times a second at most, and given back before anything is refused."""
        now = self._clock.monotonic()
        if self._limit_bytes and now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            step = shed(self._used_bytes(), self._limit_bytes)
            if step > Shed.NOTHING and now - self._trimmed_at >= _TRIM_S:
                self._trimmed_at = now
                give_back()
                step = shed(self._used_bytes(), self._limit_bytes)
            if step is not self.step:
                _log.warning("memory: %s", ("enough again", "new streams are refused", "new pages and streams are refused")[step])
                self.step = step
        return self.step
