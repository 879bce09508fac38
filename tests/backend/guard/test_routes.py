from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import QueuePool, create_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from dashboard_app.backend.guard import GuardLimits, PoolGuard
from dashboard_app.backend.guard.routes import PREFIX, matches, problem


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    engine = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})
    guard = PoolGuard(engine, GuardLimits())

    async def authorize(request: Request, action: str) -> Response | None:
        return None if action in request.headers.get("may", action).split() else problem(403, "forbidden", f"{action} is not yours")

    app = Starlette(routes=guard.routes(authorize))
    with engine.connect():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://guard" + PREFIX) as client:
            yield client
    engine.dispose()


async def test_every_call_answers_and_carries_the_hint(client: httpx.AsyncClient) -> None:
    for path in ("status", "throttling-config", "connection-test", "holders", "history", "performance", "clients", "sizing"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-throttle"] == "level=NORMAL; max=10; rpm=100; delay=100; version=1"
        assert isinstance(answer.json(), dict)
    (item,) = (await client.get("holders")).json()["items"]
    assert {"id", "task", "route", "held_s", "state", "query", "suspected_leak"} <= set(item)


async def test_throttling_config_is_the_contracts_and_is_not_sent_twice(client: httpx.AsyncClient) -> None:
    answer = await client.get("throttling-config")
    assert answer.json() == {
        "throttling_level": "NORMAL",
        "max_concurrent_requests": 10,
        "max_requests_per_minute": 100,
        "request_delay_ms": 100,
        "circuit_breaker_open": False,
        "emergency_mode_active": False,
        "alert": None,
        "usage_percent": 6.7,
        "reasons": ["1 of 15 connections in use, nobody waits"],
        "version": 1,
        "ttl_s": 30.0,
        "measured_at": answer.json()["measured_at"],
    }
    again = await client.get("throttling-config", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])


async def test_each_call_has_its_action(client: httpx.AsyncClient) -> None:
    for path, action in [
        ("status", "pool.status"),
        ("connection-test", "pool.test"),
        ("holders", "pool.holders"),
        ("history", "pool.history"),
        ("performance", "pool.performance"),
        ("clients", "pool.clients"),
        ("sizing", "pool.sizing"),
    ]:
        assert (await client.get(path, headers={"may": action})).status_code == 200
        refused = await client.get(path, headers={"may": "other"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert refused.headers["content-type"] == "application/problem+json"
    assert (await client.post("force-cleanup", headers={"may": "pool.status"})).status_code == 403


async def test_force_cleanup_needs_no_body_and_a_dry_run_says_what_it_would_do(client: httpx.AsyncClient) -> None:
    plan = await client.post("force-cleanup", json={"dry_run": True})
    assert (plan.json()["left_alone"], plan.json()["victims"]) == (1, [])
    done = await client.post("force-cleanup")
    assert (done.json()["reclaimed"], done.json()["skipped"]) == (0, [])
    assert "victims" not in (await client.post("force-cleanup", json={"dry_run": False})).json()


@pytest.mark.parametrize("body", ["{", "[]", "7", '{"dry_run": 1}', '{"dry_run": null}', '{"dryrun": true}', " " * 5000 + "{}"])
async def test_a_strange_body_is_refused(client: httpx.AsyncClient, body: str) -> None:
    assert (await client.post("force-cleanup", content=body)).status_code == 422


async def test_a_service_that_is_watched_sees_its_own_routes_and_clients(client: httpx.AsyncClient) -> None:
    engine = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})
    guard = PoolGuard(engine, GuardLimits())

    async def everybody(_request: Request, _action: str) -> Response | None:
        return None

    app = guard.watched(Starlette(routes=guard.routes(everybody)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://guard" + PREFIX) as own:
        await own.get("holders", headers={"X-Throttle-Client": "orders; version=1"})
        (row,) = (await own.get("clients")).json()["items"]
        assert (row["name"], row["follows"]) == ("orders", "current")
        routes = {row["route"]: row["requests"] for row in (await own.get("performance")).json()["routes"]}
        assert routes == {f"GET {PREFIX}/holders": 1, f"GET {PREFIX}/clients": 1}
    engine.dispose()
    assert (await client.get("clients")).json()["items"] == []  # nothing stands in front of the other one


@pytest.mark.parametrize("minutes", ["14", "61", "-1", "x", "", "15.5", "²0", "99999999999"])
async def test_history_takes_15_to_60_minutes(client: httpx.AsyncClient, minutes: str) -> None:
    assert (await client.get("history", params={"minutes": minutes})).status_code == 422
    assert (await client.get("history", params={"minutes": "60"})).status_code == 200


@pytest.mark.parametrize(
    ("header", "is_match"), [("", False), ('"a"', True), ('W/"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("a", False)]
)
def test_etags_compare_weakly(header: str, is_match: bool) -> None:
    assert matches(header, 'W/"a"') is is_match
