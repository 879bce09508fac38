"""Response times per route: right within 5 %, forgotten after the window, bounded, by template."""

import asyncio
import random
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard_app.backend.guard.clients import Clients
from dashboard_app.backend.guard.latency import bucket_of, empty, percentile_s
from dashboard_app.backend.guard.performance import LEFT, MOST_ROUTES, OTHER, WINDOW_MIN, Performance
from dashboard_app.backend.guard.watched import Watched
from dashboard_app.model.clock import ManualClock, SystemClock
from dashboard_app.policy.sizing import percentile


@pytest.mark.parametrize("percent", [50, 95, 99])
@pytest.mark.parametrize("scale_s", [0.001, 0.05, 3.0])
def test_percentiles_are_right_within_five_percent(percent: int, scale_s: float) -> None:
    dice = random.Random(int(percent * scale_s * 1000))  # noqa: S311 - a load, no secret
    seconds = sorted(dice.lognormvariate(0, 1) * scale_s for _ in range(5000))
    counts = empty()
    for each in seconds:
        counts[bucket_of(each)] += 1
    assert percentile_s(counts, percent) == pytest.approx(percentile(seconds, percent), rel=0.05)


def test_what_is_too_short_or_too_long_counts_in_the_end_buckets() -> None:
    counts = empty()
    for seconds in (0.0, 1e-9, 1e9):
        counts[bucket_of(seconds)] += 1
    assert (counts[0], counts[-1], sum(counts)) == (2, 1, 3)
    assert percentile_s(empty(), 99) is None


def test_the_worst_route_comes_first_and_callers_that_left_are_no_errors() -> None:
    performance = Performance(ManualClock().monotonic)
    for _ in range(99):
        performance.answered("GET /slow", 200, 2.0)
        performance.answered("GET /fails", 200, 0.001)
        performance.answered("GET /fine", 404, 0.001)
    performance.answered("GET /rare", 500, 0.001)
    performance.answered("GET /fails", 503, 0.001)
    performance.answered("GET /fails", 503, 0.001)
    performance.answered("GET /fine", LEFT, 0.001)
    fails, rare, slow, fine = performance.rows()
    assert (fails["route"], fails["errors"], fails["error_percent"]) == ("GET /fails", 2, 1.98)
    assert (rare["route"], rare["error_percent"]) == ("GET /rare", 100.0)  # all of it, but of one call
    assert (slow["route"], slow["requests"], slow["error_percent"]) == ("GET /slow", 99, 0.0)
    assert slow["p50_ms"] == pytest.approx(2000, rel=0.05)
    assert (fine["route"], fine["left"], fine["errors"]) == ("GET /fine", 1, 0)


def test_answers_are_forgotten_after_the_window() -> None:
    clock = ManualClock()
    performance = Performance(clock.monotonic)
    performance.answered("GET /x", 500, 0.1)
    clock.tick((WINDOW_MIN - 1) * 60)
    performance.answered("GET /x", 200, 0.1)
    assert performance.rows()[0]["requests"] == 2
    clock.tick(60)
    (row,) = performance.rows()
    assert (row["requests"], row["errors"]) == (1, 0)
    performance.answered("GET /x", 200, 0.1)  # takes over the slot of the forgotten minute
    assert performance.rows()[0]["requests"] == 2
    clock.tick(WINDOW_MIN * 60)
    assert performance.rows() == []


def test_routes_are_bounded_and_the_rest_counts_together() -> None:
    performance = Performance(ManualClock().monotonic)
    for number in range(MOST_ROUTES + 50):
        performance.answered(f"GET /{number}", 200, 0.001)
    rows = performance.rows()
    assert len(rows) == MOST_ROUTES + 1
    assert {str(row["route"]): row["requests"] for row in rows}[OTHER] == 50
    assert sum(int(str(row["requests"])) for row in rows) == MOST_ROUTES + 50


@pytest.fixture
async def served() -> AsyncIterator[tuple[httpx.AsyncClient, Performance, list[tuple[str, str, int]]]]:
    performance, heard = Performance(SystemClock().monotonic), []
    stays = asyncio.Event()

    async def item(_request: Request) -> Response:
        return PlainTextResponse("item")

    async def breaks(_request: Request) -> Response:
        raise RuntimeError("broken")

    async def hangs(_request: Request) -> Response:
        await stays.wait()
        return PlainTextResponse("late")

    async def streams(_request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.wait_for(stays.wait(), 5)
            yield b"last"

        asyncio.get_running_loop().call_later(1.0, stays.set)
        return StreamingResponse(parts())

    routes = [Route("/items/{number}", item, methods=["GET", "PUT"]), Route("/breaks", breaks), Route("/hangs", hangs)]
    app = Starlette(routes=[*routes, Route("/streams", streams)])
    clients = Clients(SystemClock().monotonic)

    def note(method: str, route: str, status: int, _seconds: float) -> None:
        heard.append((method, route, status))

    watched = Watched(app, performance, clients, lambda: 1, on_answer=note)
    transport = httpx.ASGITransport(watched, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client, performance, heard


async def test_answers_count_under_the_template_of_their_route_and_strange_methods_under_one_word(served) -> None:
    client, performance, heard = served
    for number in range(5):
        await client.get(f"/items/{number}")
        await client.get(f"/nothing/{number}")
        await client.request(f"X{number}", f"/items/{number}")
    assert {row["route"]: row["requests"] for row in performance.rows()} == {
        "GET /items/{number}": 5,
        "(no route)": 5,
        "other /items/{number}": 5,
    }
    assert ("GET", "", 404) in heard


async def test_a_crash_is_an_error_and_a_caller_that_leaves_is_not(served) -> None:
    client, performance, _ = served
    await client.get("/breaks")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.get("/hangs")
    rows = {row["route"]: row for row in performance.rows()}
    assert (rows["GET /breaks"]["errors"], rows["GET /breaks"]["left"]) == (1, 0)
    assert (rows["GET /hangs"]["errors"], rows["GET /hangs"]["left"]) == (0, 1)
    assert rows["GET /hangs"]["p50_ms"] >= 45  # its time is known to be at least this


async def test_a_stream_is_measured_to_its_first_byte(served) -> None:
    client, performance, _ = served
    assert (await client.get("/streams")).text == "firstlast"
    (row,) = performance.rows()
    assert row["p99_ms"] < 950  # the rest comes after a second
