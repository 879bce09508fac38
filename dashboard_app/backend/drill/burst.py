"""A burst: the same request many times at once, through the API itself."""

import asyncio
import time
from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Message

from dashboard_app.model.user import Principal

_LIMIT_S = 60.0
_PATH = "/scan/data-sources"


async def burst(app: ASGIApp, requests: int, principal: Principal, request_id: str) -> dict[str, Any]:
    """Ask for the list of sources `requests` times at once; how many got which status, and how long it took."""
    began = time.perf_counter()
    async with asyncio.timeout(_LIMIT_S):
        statuses = await asyncio.gather(*(_ask(app, principal, f"{request_id}-{number}") for number in range(1, requests + 1)))
    counts = Counter(str(status) for status in statuses)
    return {"requests": requests, "answers": dict(sorted(counts.items())), "duration_ms": round((time.perf_counter() - began) * 1000, 1)}


async def _ask(app: ASGIApp, principal: Principal, request_id: str) -> int:
    """The status of one request to the list."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": _PATH,
        "raw_path": _PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"burst.local")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "spillway.principal": principal,
        "spillway.request_id": request_id,
    }
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0] if statuses else 0
