"""The console's own calls."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from dashboard_app.backend.api.problems import add_handlers
from dashboard_app.console.api.routes import build_routes
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.policy.permission import ACTIONS
from dashboard_app.settings import Settings
from tests.console.fake_console import ANA, FakeConsole


@pytest.fixture
def console(tmp_path: Path) -> Console:
    settings = Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9", backend_token="s3cret-token")  # type: ignore[arg-type]
    return Console(settings, ManualClock(), origins={"backend_url": "environment"})


def client(console: Console) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(build_routes(console))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def test_loader_and_queue_say_what_the_contract_names(console: Console) -> None:
    async with client(console) as http:
        loader = (await http.get("/api/v1/loader")).json()
        queue = (await http.get("/api/v1/queue")).json()
    assert {"done", "total", "in_flight"} <= loader["lanes"]["health"].keys() & loader["lanes"]["metrics"].keys()
    assert (loader["pace"], loader["last_round"]) == ("batched", None)
    assert queue == {
        "running": 0,
        "waiting": 0,
        "waiting_by_priority": {"click": 0, "view": 0, "background": 0},
        "started_total": 0,
        "timed_out_total": 0,
        "rejected_total": 0,
        "wait_ms_p95": 0.0,
        "shed_total": 0,
        "cancelled_total": 0,
    }


async def test_breakers_tell_their_state_and_history(console: Console) -> None:
    api = console.breakers["api"]
    for _ in range(5):
        api.failed(api.ask(), BackendFailed(status=503))
    async with client(console) as http:
        items = (await http.get("/api/v1/breakers")).json()["items"]
        detail = (await http.get("/api/v1/breakers/api")).json()
    assert [(item["name"], item["state"]) for item in items] == [("api", "open"), ("websocket", "closed")]
    assert (items[0]["retry_at"], items[0]["calls"]["failed"]) == ("2026-01-01T00:00:30.000Z", 5)
    assert [(move["from"], move["to"], move["cause"]) for move in detail["transitions"]] == [("closed", "open", "threshold")]
    assert detail["outcomes"] == ["failed"] * 5


async def test_refresh_is_202_and_while_the_breaker_is_open_409_with_the_time_of_the_trial(console: Console) -> None:
    async with client(console) as http:
        assert (await http.post("/api/v1/loader/refresh")).status_code == 202
        console.breakers["api"].hold(BreakerState.FORCED_OPEN)
        held = await http.post("/api/v1/loader/refresh")
        console.breakers["api"].hold(BreakerState.CLOSED)
        for _ in range(5):
            console.breakers["api"].failed(console.breakers["api"].ask(), BackendFailed(status=503))
        opened = await http.post("/api/v1/loader/refresh")
    assert (held.status_code, held.json()["retry_at"]) == (409, None)
    assert (opened.status_code, opened.json()["retry_at"]) == (409, "2026-01-01T00:00:30.000Z")
    assert opened.headers["content-type"] == "application/problem+json"
    assert opened.headers["retry-after"] == "30"


async def test_settings_show_value_origin_range_and_default_but_no_secret(console: Console) -> None:
    async with client(console) as http:
        answer = await http.get("/api/v1/settings")
    items = {item["name"]: item for item in answer.json()["items"]}
    assert len(items) == len(Settings.model_fields)
    assert (items["SPILLWAY_BACKEND_URL"]["origin"], items["SPILLWAY_PORT"]["origin"]) == ("environment", "default")
    assert (items["SPILLWAY_PORT"]["value"], items["SPILLWAY_PORT"]["default"]) == (8000, 8000)
    assert items["SPILLWAY_PORT"]["allowed"] == {"minimum": 1, "maximum": 65535}
    assert items["SPILLWAY_PACE"]["allowed"]["enum"] == ["batched", "adaptive"]
    assert "s3cret" not in answer.text


async def test_every_route_names_an_action_that_exists(console: Console) -> None:
    async with client(console) as http:
        app = http._transport.app  # type: ignore[attr-defined]
    operations = [operation for path in app.openapi()["paths"].values() for operation in path.values()]
    assert len(operations) == 9
    assert all(operation["x-action"] in ACTIONS for operation in operations)


def as_person(app, principal):
    """The app behind a door that says who asks."""

    async def entered(scope, receive, send):
        await app({**scope, "spillway.principal": principal}, receive, send)

    return entered


async def test_a_patch_changes_all_or_nothing_and_shows_who_did_it() -> None:
    fake = FakeConsole(ManualClock(), Settings())
    app = FastAPI()
    app.include_router(build_routes(fake))
    add_handlers(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=as_person(app, ANA)), base_url="http://test") as http:
        read = await http.get("/api/v1/settings")
        done = await http.patch(
            "/api/v1/settings", json={"HEALTH_BATCH_SIZE": 6, "PACE": "adaptive"}, headers={"If-Match": read.headers["etag"]}
        )
        stale = await http.patch("/api/v1/settings", json={"QUEUE_MAX": 5}, headers={"If-Match": read.headers["etag"]})
        wrong = await http.patch("/api/v1/settings", json={"QUEUE_MAX": 5, "HEALTH_BATCH_SIZE": 0})
        foreign = [
            await http.patch("/api/v1/settings", content=body, headers={"Content-Type": "application/json"})
            for body in (b"[]", b"null", b"x")
        ]
    items = {item["name"]: item for item in done.json()["items"]}
    assert (done.status_code, items["SPILLWAY_PACE"]["value"], items["SPILLWAY_PACE"]["origin"]) == (200, "adaptive", "changed")
    assert (items["SPILLWAY_PACE"]["changed_by"], items["SPILLWAY_PORT"]["live"]) == ("Ana Ruiz", False)
    assert items["SPILLWAY_PACE"]["changed_at"].endswith("Z")
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "health_batch_size")
    assert [answer.status_code for answer in foreign] == [422, 422, 422]
    assert (fake.settings.queue_max, fake.book.statements) == (1000, 1)
