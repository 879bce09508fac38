"""One contract for the live feed, in process and over a WebSocket: every message once, in order, over every cut, and a word about each gap."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace

import orjson
import pytest
import uvicorn
from fastapi import FastAPI

from dashboard_app.backend.api.events import event_routes
from dashboard_app.backend.events.streams import Streams
from dashboard_app.console.client.feed import START, InProcessFeed, SocketFeed, SocketLimits, parsed
from dashboard_app.console.feed import Feed
from dashboard_app.demo.proxy import CLEAR, FaultProxy, Mode, Weather
from dashboard_app.model.breaker import BreakerLimits, BreakerState
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import BackendFailed, Refused
from dashboard_app.model.event import RESET, Draft, message_of
from dashboard_app.model.feed import FeedState
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.runtime.hub import Hub
from dashboard_app.runtime.named_breaker import NamedBreaker
from tests.console.running import until
from tests.instance import free_port

CUTS = 100
TOKEN = Principal(PrincipalKind.TOKEN, "console", Role.VIEWER)


class Server:
    """A history and its readers; `app` serves the contract's calls about events."""

    def __init__(self, kept: int = 10_000) -> None:
        self.hub, self.is_open = Hub(kept=kept), True
        self.streams = Streams(self.hub)
        self.headers: list[dict[str, str]] = []
        self.status = 0
        api = FastAPI()
        api.include_router(event_routes(self, self.streams))
        self._api = api

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            draft = Draft("JOB_STARTED", "JOB_STARTED", orjson.dumps({"job_id": number}))
            self.hub.publish([message_of(self.hub.newest_id + 1, self.hub.newest_id, draft)])

    async def app(self, scope, receive, send) -> None:
        if scope["type"] == "websocket":
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            scope["spillway.principal"] = TOKEN
            if self.status:
                await receive()
                location = (b"location", b"http://127.0.0.1:1/elsewhere")
                await send({"type": "websocket.http.response.start", "status": self.status, "headers": [(b"retry-after", b"7"), location]})
                await send({"type": "websocket.http.response.body", "body": b""})
                return
        await self._api(scope, receive, send)


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    """The address of `server`, over the network."""
    port = free_port()
    config = uvicorn.Config(
        server.app, port=port, ws="wsproto", interface="asgi3", lifespan="off", log_config=None, timeout_graceful_shutdown=2
    )
    running = uvicorn.Server(config)
    running.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(running.serve())
    try:
        await until(lambda: running.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.streams.close()
        running.should_exit = True
        await task


@pytest.fixture(params=["in_process", "socket"])
async def fit(request) -> AsyncIterator[SimpleNamespace]:
    """A server, and a feed that reads from it."""
    server = Server(kept=50)
    if request.param == "in_process":
        yield SimpleNamespace(server=server, feed=InProcessFeed(server, SystemClock(), open_s=0.3))
        return
    async with serving(server) as url:
        yield SimpleNamespace(server=server, feed=SocketFeed(url, Secret("spw_x"), SocketLimits(open_s=10)))


async def test_who_has_read_nothing_is_told_where_the_stream_stands_then_gets_what_comes(fit):
    fit.server.publish(1, 2)
    async with fit.feed.opened(START) as messages:
        hello = await anext(messages)
        assert (hello.type, hello.id, hello.data()) == (RESET, 2, {"oldest_id": 1, "newest_id": 2})
        fit.server.publish(3, 4)
        assert [(await anext(messages)).data() for _ in range(2)] == [{"job_id": 3}, {"job_id": 4}]


async def test_a_reader_goes_on_after_its_last_id(fit):
    fit.server.publish(1, 2, 3)
    async with fit.feed.opened(2) as messages:
        assert (await anext(messages)).id == 3
    fit.server.publish(4)
    async with fit.feed.opened(3) as messages:
        assert (await anext(messages)).id == 4


async def test_a_reader_whose_id_is_no_longer_kept_is_told_of_the_gap_first(fit):
    fit.server.publish(*range(60))
    async with fit.feed.opened(3) as messages:
        first = await anext(messages)
        assert (first.type, first.id, first.data()["oldest_id"]) == (RESET, 60, 11)


async def test_before_the_history_is_read_nobody_can_read(fit):
    fit.server.is_open = False
    with pytest.raises(BackendFailed) as failure:
        async with fit.feed.opened(START):
            pass
    assert failure.value.status == 503


async def test_a_reader_that_leaves_is_forgotten(fit):
    async with fit.feed.opened(START) as messages:
        await anext(messages)
        assert len(fit.server.hub._readers) == 1
    await until(lambda: not fit.server.hub._readers)


# ---- the network only


async def test_the_token_travels_and_no_redirect_is_followed():
    server = Server()
    async with serving(server) as url:
        feed = SocketFeed(url, Secret("spw_secret"), SocketLimits())
        async with feed.opened(START) as messages:
            await anext(messages)
        server.status = 307
        with pytest.raises(BackendFailed):
            async with feed.opened(START):
                pass
    assert server.headers[0]["authorization"] == "Bearer spw_secret"
    assert len(server.headers) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(401, Refused), (403, Refused), (404, Refused), (429, BackendFailed), (500, BackendFailed), (503, BackendFailed)]
)
async def test_a_refused_handshake_is_judged_like_a_call(status, error):
    server = Server()
    server.status = status
    async with serving(server) as url:
        with pytest.raises(error) as failure:
            async with SocketFeed(url, None, SocketLimits()).opened(START):
                pass
    if error is BackendFailed:
        assert (failure.value.status, failure.value.retry_after_s) == (status, 7.0)


async def test_a_server_that_is_not_there_or_says_nothing_is_a_failure_within_the_limit():
    with pytest.raises(BackendFailed) as failure:
        async with SocketFeed(f"http://127.0.0.1:{free_port()}", None, SocketLimits()).opened(START):
            pass
    assert failure.value.cause == "refused"
    proxy = FaultProxy(lambda: ("127.0.0.1", 1), Weather(Mode.FROZEN))
    await proxy.start()
    try:
        with pytest.raises(BackendFailed) as failure:
            async with SocketFeed(f"http://127.0.0.1:{proxy.port}", None, SocketLimits(open_s=0.2)).opened(START):
                pass
        assert failure.value.cause == "timeout"
    finally:
        await proxy.close()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"id":1}', '{"id":"1","event":"A","data":{}}', '{"id":1,"event":"A","data":[]}', '{"id":1,"event":"","data":{}}'],
)
def test_what_is_no_message_is_garbage(text):
    with pytest.raises(BackendFailed) as failure:
        parsed(text)
    assert failure.value.cause == "garbage"


async def test_a_message_over_the_limit_ends_the_connection_not_the_console():
    server = Server()
    async with serving(server) as url, SocketFeed(url, None, SocketLimits(max_bytes=2000)).opened(START) as messages:
        await anext(messages)
        server.hub.publish([message_of(1, 0, Draft("A", "A", orjson.dumps({"x": "y" * 3000})))])
        with pytest.raises(BackendFailed):
            await anext(messages)


async def test_over_a_hundred_cuts_at_random_moments_every_message_comes_once_and_in_order():
    server, chance, clock = Server(), random.Random(7), SystemClock()  # noqa: S311 - which moments, not a secret
    async with serving(server) as url:
        proxy = FaultProxy(lambda: ("127.0.0.1", int(url.rpartition(":")[2])), CLEAR)
        await proxy.start()
        breaker = NamedBreaker("websocket", BreakerLimits(failure_threshold=1000), clock)
        feed = Feed(SocketFeed(f"http://127.0.0.1:{proxy.port}", None, SocketLimits()), breaker, clock, rest=lambda _n, part: part / 100)
        seen: list[int] = []
        feed.on_message = lambda message: seen.append(message.data().get("job_id", -1))
        task, number = asyncio.create_task(feed.run()), 0
        try:
            await until(lambda: feed.state is FeedState.CONNECTED and feed.last_id != START)
            for _ in range(CUTS):
                for _ in range(chance.randrange(1, 20)):
                    number += 1
                    server.publish(number)
                await until(lambda: feed.state is FeedState.CONNECTED)
                for _ in range(chance.randrange(30)):  # somewhere between the handshake and the last message
                    await asyncio.sleep(0)
                proxy.cut()
            await until(lambda: len(seen) >= number, within_s=30)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await proxy.close()
    assert seen == list(range(1, number + 1))
    assert breaker.state is BreakerState.CLOSED
