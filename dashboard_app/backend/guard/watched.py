"""Pure ASGI round an application: how long each route takes, and which client asks. About 2 µs a request."""

from asyncio import CancelledError
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard_app.backend.guard.clients import Clients
from dashboard_app.backend.guard.performance import LEFT, Performance

OnAnswer = Callable[[str, str, int, float], None]
"""Hears of each answer: method, route template ("" for none), status, seconds."""
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})
_GUARD_CALLS = "/api/v1/health/"
"""Calls without a limit (the guard's own lane): they say that a client lives, but do not count against what it may send."""
_NO_ROUTE = "(no route)"


def _nobody(_scope: Scope) -> bool:
    """Nobody is known to be signed in."""
    return False


class Watched:
    """Measures to the last byte of an answer, or to the first of one that streams. What an outer gate refuses is not seen."""

    def __init__(
        self,
        app: ASGIApp,
        performance: Performance,
        clients: Clients,
        version: Callable[[], int],
        *,
        is_signed_in: Callable[[Scope], bool] = _nobody,
        on_answer: OnAnswer | None = None,
    ) -> None:
        """`version()` is what answers tell now. `is_signed_in` vouches for the caller of a request, so that strangers push nobody out."""
        self._app = app
        self._performance = performance
        self._clients = clients
        self._version = version
        self._is_signed_in = is_signed_in
        self._on_answer = on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and measure."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = self._client(scope)
        began, status, first_byte = perf_counter(), 0, 0.0

        async def watched(message: Message) -> None:
            nonlocal status, first_byte
            if message["type"] == "http.response.start":
                status = message["status"]
                if client is not None:
                    self._clients.told(client, self._version())
            elif not first_byte and message.get("more_body"):
                first_byte = perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except CancelledError:
            status = status or LEFT
            raise
        except Exception:  # counted and raised again: whatever a route raises is a 500
            status = 500
            raise
        finally:
            self.note(scope, status or 500, (first_byte or perf_counter()) - began)

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer."""
        path: Any = getattr(scope.get("route"), "path", "")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._performance.answered(f"{method} {path}" if path else _NO_ROUTE, status, seconds)
        if self._on_answer is not None:
            self._on_answer(method, path, status, seconds)

    def _client(self, scope: Scope) -> str | None:
        """The name of the client, when the request carries one."""
        name = _header(scope["headers"], b"x-throttle-client")
        if not name:
            return None
        version = _header(scope["headers"], b"x-throttle-version")
        counts = not scope["path"].startswith(_GUARD_CALLS)
        return self._clients.heard(name, version, is_signed_in=self._is_signed_in(scope), counts=counts)


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    """The value of a header, "" when it is absent; names are lower case in ASGI."""
    for name, value in headers:
        if name == wanted:
            return value[:200].decode("latin-1")
    return ""
