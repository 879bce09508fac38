"""The stream on the wire: Server-Sent Events as plain ASGI, and the same messages over a WebSocket."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from starlette.responses import Response
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard_app.backend.events.streams import Streams, Wanted
from dashboard_app.model.event import Message
from dashboard_app.model.user import Principal

_log = logging.getLogger(__name__)
RETRY_MS = 2000
"""How long an EventSource waits before it connects again."""
_BEAT = b": still here\n"
"""No blank line ends a comment or `retry`: some readers take one for the end of an event, and give an empty one."""
_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Content-Type": "text/event-stream; charset=utf-8",
}
CLOSE_GOING_AWAY = 1001
CLOSE_TRY_AGAIN = 1013
_CLOSES = {"life": CLOSE_GOING_AWAY, "stopped": CLOSE_GOING_AWAY, "behind": CLOSE_TRY_AGAIN, "stuck": CLOSE_TRY_AGAIN}


class EventStreamResponse(Response):
    """Server-Sent Events until the reader leaves, its session ends, or its time is up. Holds `places` until then."""

    def __init__(self, streams: Streams, wanted: Wanted, places: ExitStack) -> None:
        """No I/O."""
        super().__init__(headers=_HEADERS)
        self._streams, self._wanted, self._places = streams, wanted, places
        del self.headers["content-length"]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        with self._places, self._streams.opened(self._wanted) as stream:
            leaving = asyncio.create_task(_left(receive, stream.stop), name="event-reader")
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                first = b"retry: %d\n" % RETRY_MS + (stream.reset.sse if stream.reset is not None else b"")
                await send(_piece(first))

                async def on_messages(messages: Sequence[Message]) -> None:
                    await send(_piece(b"".join([message.sse for message in messages])))

                async def on_beat() -> None:
                    await send(_piece(_BEAT))

                why = await stream.run(on_messages, on_beat)
                if why == "stuck":
                    _log.info("a reader of the event stream takes nothing and is cut")
                    return
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                leaving.cancel()


def _piece(body: bytes) -> AsgiMessage:
    """A piece of an answer that goes on."""
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _left(receive: Receive, stop: Any) -> None:
    """Call `stop` when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stop()


async def serve_socket(socket: WebSocket, streams: Streams, wanted: Wanted, principal: Principal) -> None:
    """The stream over an accepted or refused WebSocket, one JSON object for each message. What the reader sends is not listened to.

    Raises:
        RateLimited: its session or token has as many streams as it may; nothing was accepted.

    """
    with streams.place(principal), streams.opened(wanted) as stream:
        await socket.accept()
        leaving = asyncio.create_task(_hung_up(socket, stream.stop), name="event-reader")
        try:
            if stream.reset is not None:
                await socket.send_text(stream.reset.text)

            async def on_messages(messages: Sequence[Message]) -> None:
                for message in messages:
                    await socket.send_text(message.text)

            why = await stream.run(on_messages)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it has hung up meanwhile
                async with asyncio.timeout(1):
                    await socket.close(_CLOSES[why])
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            return
        finally:
            leaving.cancel()


async def _hung_up(socket: WebSocket, stop: Any) -> None:
    """Call `stop` when the other side has hung up."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    stop()
