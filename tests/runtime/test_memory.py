"""Little memory left: new streams and pages get a 503 with the time to come back, calls go on, and so does all else when there is room again."""

import json
from typing import Any

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.policy.shedding import Shed
from dashboard_app.runtime.memory import Shedding, resident_bytes


async def _app(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})


class Used:
    """So many bytes are in use."""

    bytes = 0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shedding(clock: ManualClock) -> Shedding:
    Used.bytes = 0
    return Shedding(_app, 100, clock, lambda path: path == "/stream", lambda: Used.bytes)


async def _asked(shedding: Shedding, kind: str, path: str) -> int:
    """The status of one request; 101: the socket was accepted."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    extensions = {"extensions": {"websocket.http.response": {}}, "headers": [], "query_string": b""}
    await shedding({"type": kind, "path": path, **extensions}, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return 101
    if sent[0]["status"] != 200:
        assert dict(sent[0]["headers"])[b"retry-after"] == b"10"
        assert json.loads(sent[1]["body"])["code"] == "memory_short"
    return int(sent[0]["status"])


async def _seen(shedding: Shedding) -> tuple[int, int, int]:
    """A call, a stream, a page's socket."""
    return await _asked(shedding, "http", "/call"), await _asked(shedding, "http", "/stream"), await _asked(shedding, "websocket", "/page")


async def test_streams_are_refused_before_pages_and_calls_never(shedding: Shedding, clock: ManualClock) -> None:
    found = []
    for used in (80, 88, 95, 80):
        Used.bytes = used
        clock.tick(1)
        found.append(await _seen(shedding))
    assert found == [(200, 200, 101), (200, 503, 101), (200, 503, 503), (200, 200, 101)]


async def test_memory_is_read_four_times_a_second_at_most(shedding: Shedding, clock: ManualClock) -> None:
    await _seen(shedding)
    Used.bytes = 95
    assert (await _seen(shedding))[1] == 200
    clock.tick(0.25)
    assert (await _seen(shedding))[1] == 503
    assert shedding.step is Shed.SOCKETS


def test_a_running_process_holds_memory() -> None:
    assert resident_bytes() > 2**20
