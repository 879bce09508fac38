"""What is checked before a handler sees a request: size and type of its body. And the header that is added to every answer."""

import asyncio
import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard_app.runtime.problem import problem

MAX_BODY_BYTES = 1024 * 1024
"""The largest body of a call."""
MAX_BULK_BODY_BYTES = 16 * 1024 * 1024
"""The largest body of a call that carries many things at once (jobs, events)."""
BODY_PATIENCE_S = 30.0
"""How long the next piece of a body may take."""
_BULK = ("/api/v1/jobs", "/api/v1/events")
_JSON = re.compile(r"^application/([a-z0-9!#$&^_.-]+\+)?json\s*(;.*)?$", re.IGNORECASE)


def limit_of(path: str) -> int:
    """The largest body, in bytes, that `path` takes."""
    return MAX_BULK_BODY_BYTES if path.startswith(_BULK) else MAX_BODY_BYTES


def _has_body(headers: Headers) -> bool:
    """True when the request announces a body."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() not in {"", "0"}


class BodyLimits:
    """Pure ASGI: 413 for a body that is too large, announced or met while reading (chunked, too); 415 for one that is not JSON."""

    def __init__(self, app: ASGIApp, action_of: Callable[[str, str], str | None]) -> None:
        """Wrap `app`; only calls that exist are judged by type, so that an unknown path stays a 404."""
        self._app = app
        self._action_of = action_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a counted body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path, limit = Headers(scope=scope), scope["path"], limit_of(scope["path"])
        announced = headers.get("content-length", "0").strip()
        if announced.isdigit() and (len(announced) > len(str(limit)) + 1 or int(announced) > limit):
            await problem(413, "too_large", _too_large(limit), instance=path)(scope, receive, send)
        elif _has_body(headers) and self._action_of(scope["method"], path) and not _JSON.match(headers.get("content-type", "")):
            detail = "This call takes application/json."
            await problem(415, "unsupported_media_type", detail, instance=path)(scope, receive, send)
        else:
            await self._app(scope, _counted(receive, limit), send)


def _too_large(limit: int) -> str:
    """The sentence for a body over `limit` bytes."""
    return f"A body of this call may have {limit // (1024 * 1024)} MiB."


def _counted(receive: Receive, limit: int, patience_s: float = BODY_PATIENCE_S) -> Receive:
    """`receive`, which raises once more than `limit` bytes have come in, or when the next piece of the body lets itself be waited for."""
    seen, is_whole = 0, False

    async def counted() -> Message:
        nonlocal seen, is_whole
        if is_whole:
            return await receive()  # waits for the caller to leave, as long as the answer takes
        try:
            async with asyncio.timeout(patience_s):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "The body did not arrive.") from error
        is_whole = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return counted


class EveryAnswer:
    """Pure ASGI: adds `X-Throttle` from the guard to every answer."""

    def __init__(self, app: ASGIApp, hint: Callable[[], str]) -> None:
        """Wrap `app`. `hint` is asked when the answer starts, so it says what holds then; it must not raise."""
        self._app = app
        self._hint = hint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; add the headers when the answer starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hinted(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", ()) if pair[0] != b"x-throttle"]
                message["headers"] = [*kept, (b"x-throttle", self._hint().encode("latin-1"))]
            await send(message)

        await self._app(scope, receive, hinted)
