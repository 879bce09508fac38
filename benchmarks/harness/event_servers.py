"""Two servers that send the same frames to everybody: ours, and what one writes by hand. `python -m benchmarks.harness.event_servers ours PORT`.

`GET /go?rate=&seconds=` publishes so many messages a second for so long, and answers how many it published.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard_app.backend.api.event_stream import EventStreamResponse
from dashboard_app.backend.events.streams import Streams, Wanted
from dashboard_app.model.event import Draft, Message, message_of
from dashboard_app.runtime.hub import Hub

PADDING = "x" * 100
_QUEUE = 1000


class Ours:
    """The hub and the streams of Spillway."""

    def __init__(self) -> None:
        """Nobody reads."""
        self.hub: Hub[Message] = Hub()
        self.streams = Streams(self.hub)

    async def stream(self, _request: Request) -> Response:
        """A stream from now on."""
        return EventStreamResponse(self.streams, Wanted(frozenset(), None), ExitStack())

    def publish(self, message: Message) -> None:
        """To everybody."""
        self.hub.publish([message])


class ByHand:
    """A queue for each client and a StreamingResponse that empties it, as examples show it; encoded once, too."""

    def __init__(self) -> None:
        """Nobody reads."""
        self.queues: set[asyncio.Queue[bytes]] = set()

    async def stream(self, _request: Request) -> Response:
        """A stream from now on."""
        return StreamingResponse(self._frames(), media_type="text/event-stream")

    async def _frames(self) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)
        self.queues.add(queue)
        try:
            yield b"retry: 2000\n"
            while True:
                yield await queue.get()
        finally:
            self.queues.discard(queue)

    def publish(self, message: Message) -> None:
        """To everybody; a full queue loses it."""
        for queue in self.queues:
            if not queue.full():
                queue.put_nowait(message.sse)


def main(kind: str, port: int) -> None:
    """Serve until it is ended."""
    server: Ours | ByHand = Ours() if kind == "ours" else ByHand()
    count = 0

    async def go(request: Request) -> Response:
        nonlocal count
        rate, seconds = float(request.query_params["rate"]), float(request.query_params["seconds"])
        began, published = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            while published < elapsed * rate:
                count += 1
                published += 1
                payload = b'{"tick_id":%d,"padding":"%b"}' % (count, PADDING.encode())
                server.publish(message_of(count, count - 1, Draft("TICK_SEEN", "TICK_SEEN", payload)))
            await asyncio.sleep(0.001)
        return JSONResponse({"published": published})

    app = Starlette(routes=[Route("/stream", server.stream), Route("/go", go)])
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", log_level="error", access_log=False, backlog=2048, timeout_graceful_shutdown=1
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
