"""What stands round the routes: actions, readiness, the database that fails, the last resort."""

import asyncio

import asyncpg
import pytest
from fastapi import APIRouter
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dashboard_app.backend.api.app import build_api
from dashboard_app.model.errors import DatabaseUnavailable, Reclaimed, StartRefused
from dashboard_app.runtime.routing import acts
from tests.backend.api.fakes import VIEWER
from tests.backend.api.test_bad_input import assert_problem

LIST = "/scan/data-sources"


def test_a_route_without_an_action_stops_the_start(world):
    router = APIRouter()
    router.get("/api/v1/mute")(lambda: None)
    router.get("/api/v1/odd", openapi_extra=acts("no.such.action"))(lambda: None)
    with pytest.raises(StartRefused) as refused:
        build_api(world.deps, [router])
    assert refused.value.detail.splitlines() == [
        "route ['GET'] /api/v1/mute names no known action: ''",
        "route ['GET'] /api/v1/odd names no known action: 'no.such.action'",
    ]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/scan/data-sources", "sources.read"),
        ("GET", "/scan/data-sources/7", "sources.read"),
        ("GET", "/scan/data-sources/health", "sources.read"),
        ("DELETE", "/scan/data-sources/x", "sources.write"),
        ("PATCH", "/scan/data-sources/7", "sources.write"),
        ("POST", "/scan/data-sources/test", "sources.write"),
        ("GET", "/livez", "health.live"),
        ("POST", "/livez", None),
        ("GET", "/nothing", None),
        ("GET", "/scan/data-sources/", None),
        ("GET", "/scan/data-sources/7/health/", None),
    ],
)
def test_a_call_is_known_by_method_and_path(world, method, path, action):
    assert world.app.state.actions.action_of(method, path) == action


async def test_the_consoles_own_calls_are_served_beside(world):
    router = APIRouter()

    @router.get("/api/v1/extra", openapi_extra=acts("loader.read"), responses={409: {"description": "Not now."}})
    async def extra() -> dict[str, int]:
        return {"x": 1}

    world.app = build_api(world.deps, [router])
    async with world.client() as client:
        assert (await client.get("/api/v1/extra")).json() == {"x": 1}
        declared = (await client.get("/openapi.json")).json()["paths"]["/api/v1/extra"]["get"]["responses"]
    assert "application/problem+json" in declared["409"]["content"]
    assert world.app.state.actions.action_of("GET", "/api/v1/extra") == "loader.read"


async def test_readiness_says_why_not(world, client):
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    world.reasons = ["database: does not answer"]
    assert assert_problem(await client.get("/readyz"), 503, "not_ready")["reasons"] == world.reasons
    assert (await client.get("/livez")).status_code == 200


@pytest.mark.parametrize("failure", [DatabaseUnavailable(), TimeoutError()])
async def test_service_health_is_503_without_the_database(world, client, failure):
    world.ping_failure = failure
    assert_problem(await client.get("/api/health"), 503, "service_unhealthy")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (DatabaseUnavailable("away", 3.2), 503, "database_unavailable"),
        (OperationalError("SELECT secret", {}, asyncpg.InterfaceError("gone"), connection_invalidated=True), 503, "database_unavailable"),
        (PoolTimeout(), 503, "database_unavailable"),
        (TimeoutError(), 503, "database_unavailable"),
        (ConnectionRefusedError(), 503, "database_unavailable"),
        (asyncpg.CannotConnectNowError("starting up"), 503, "database_unavailable"),
        (Reclaimed(), 503, "reclaimed"),
        (DataError("SELECT secret", {}, Exception("nul")), 422, "invalid_input"),
        (ProgrammingError("SELECT secret", {}, Exception("no table")), 500, "internal_error"),
        (DBAPIError("SELECT secret", {}, Exception("what")), 500, "internal_error"),
        (KeyError("secret"), 500, "internal_error"),
        (RecursionError("secret"), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_failure_is_a_document_without_its_text(world, caplog, failure, status, code):
    world.sources.failure = failure
    async with world.client() as client:
        answer = await client.get(LIST)
    said = assert_problem(answer, status, code)
    assert "secret" not in answer.text
    assert "SELECT" not in answer.text
    if status == 500:
        assert said["reference"] == "r-1"
        assert any("reference r-1" in record.getMessage() and record.exc_info for record in caplog.records)


async def test_retry_after_is_whole_seconds_rounded_up(world, client):
    world.sources.failure = DatabaseUnavailable("away", 3.2)
    assert (await client.get(LIST)).headers["retry-after"] == "4"


async def test_work_on_the_pool_is_admitted_and_labelled(world, client):
    await client.get(LIST)
    assert world.guard.labels == [("GET /scan/data-sources", "request r-1")]
    world.guard.full = True
    assert_problem(await client.get(LIST), 503, "database_unavailable")
    assert (await client.get("/api/v1/health/database/status")).status_code == 200


async def test_a_refused_write_is_audited_with_its_reason(world, client):
    world.guard.full = True
    await client.post(LIST, json={"name": "n", "kind": "postgresql", "host": "h", "port": 1})
    assert [(row.action, row.result, row.request_id) for row in world.audit.rows] == [("sources.write", "database_unavailable", "r-1")]


async def test_the_last_gate_stands_at_the_work_itself(world):
    async with world.client(VIEWER) as viewer, world.client(None) as nobody:
        assert_problem(await viewer.post(LIST, json={"name": "n", "kind": "postgresql", "host": "h", "port": 1}), 403, "forbidden")
        assert_problem(await nobody.post("/api/v1/health/database/force-cleanup"), 401, "not_signed_in")
    assert not world.guard.cleanups
    assert not world.sources.all


async def test_callers_who_come_during_a_connection_test_share_it(world):
    release = asyncio.Event()

    async def slow() -> dict[str, object]:
        world.guard.tests += 1
        await release.wait()
        return {"ok": True, "latency_ms": 1.0, "server_version": "18", "via": "pool"}

    world.guard.connection_test = slow
    async with world.client() as client:
        calls = [asyncio.create_task(client.get("/api/v1/health/database/connection-test")) for _ in range(5)]
        for _ in range(50):
            await asyncio.sleep(0)
        calls[0].cancel()
        release.set()
        answers = await asyncio.gather(*calls[1:])
    assert world.guard.tests == 1
    assert all(answer.json()["ok"] for answer in answers)
