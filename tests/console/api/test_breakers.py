"""Breakers by hand: who may, what is refused, what is kept over a restart, and that every figure is the history's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard_app.access.permit import Permit
from dashboard_app.backend.api.app import build_api
from dashboard_app.console.api.routes import build_routes
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, DatabaseUnavailable
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.settings import Settings
from tests.backend.api.fakes import World, client_of
from tests.backend.api.test_bad_input import BROKEN_JSON, assert_problem

STATE = "/api/v1/breakers/api/state"
HOLD = {"state": "forced_open", "reason": "migration of the server"}
BAD: dict[str, Any] = {
    "a list": [],
    "nothing in it": {},
    "no reason": {"state": "closed"},
    "null reason": {"state": "closed", "reason": None},
    "blank reason": {"state": "closed", "reason": "   "},
    "number for reason": {"state": "closed", "reason": 5},
    "long reason": {"state": "closed", "reason": "x" * 501},
    "NUL in reason": {"state": "closed", "reason": "a\0b"},
    "new line in reason": {"state": "closed", "reason": "a\nb"},
    "open is reached by failures": {"state": "open", "reason": "x"},
    "unknown state": {"state": "ajar", "reason": "x"},
    "null state": {"state": None, "reason": "x"},
    "unknown field": {**HOLD, "force": True},
    "until without a zone": {**HOLD, "until": "2026-01-01T10:00:00"},
    "until that is past": {**HOLD, "until": "2025-12-31T23:59:59Z"},
    "until that is no time": {**HOLD, "until": "soon"},
    "until for closed": {"state": "closed", "reason": "x", "until": "2026-01-01T10:00:00Z"},
}


class Made:
    """One instance's console and API on one DATA_DIR."""

    def __init__(self, data_dir: Path, clock: ManualClock) -> None:
        self.world, self.clock = World(), clock
        settings = Settings(data_dir=data_dir, backend_url="http://127.0.0.1:9")
        self.console = Console(settings, clock, audit=self.world.audit)
        self.app = build_api(self.world.deps, [build_routes(self.console)])

    def client(self, role: Role | None = Role.ADMIN) -> httpx.AsyncClient:
        who = Principal(PrincipalKind.USER, "Ana Ruiz", role, 1) if role else None
        return client_of(Permit(self.app, self.app.state.actions.action_of), who)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    return Made(tmp_path, ManualClock())


async def test_holding_it_open_is_answered_with_the_breaker_and_written_down(made: Made) -> None:
    async with made.client() as http:
        answer = await http.post(STATE, json=HOLD)
    told = answer.json()
    assert answer.status_code == 200
    assert (told["name"], told["state"], told["by"], told["reason"], told["until"]) == (
        "api",
        "forced_open",
        "Ana Ruiz",
        HOLD["reason"],
        None,
    )
    assert told["opened_at"] == "2026-01-01T00:00:00.000Z"
    assert told["transitions"] == [
        {
            "at": "2026-01-01T00:00:00.000Z",
            "from": "closed",
            "to": "forced_open",
            "cause": "person",
            "by": "Ana Ruiz",
            "reason": HOLD["reason"],
            "until": None,
        }
    ]
    row = made.world.audit.rows[-1]
    assert (row.action, row.target, row.result) == ("breakers.write", "api", "ok")
    assert row.details == {"state": "forced_open", "before": "closed", "reason": HOLD["reason"]}
    assert not made.console.breakers["api"].lets_through


@pytest.mark.parametrize("state", ["closed", "disabled", "metrics_only", "forced_open"])
async def test_every_state_a_person_may_choose_is_taken(made: Made, state: str) -> None:
    async with made.client() as http:
        answer = await http.post("/api/v1/breakers/websocket/state", json={"state": state, "reason": "a try"})
        listed = (await http.get("/api/v1/breakers")).json()["items"]
    assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert [item["state"] for item in listed] == ["closed", state]


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_what_cannot_be_meant_is_422_and_changes_nothing(made: Made, body: Any) -> None:
    async with made.client() as http:
        assert_problem(await http.post(STATE, json=body), 422, "invalid_input")
    assert (made.console.breakers["api"].state, made.world.audit.rows) == (BreakerState.CLOSED, [])


@pytest.mark.parametrize("body", BROKEN_JSON.values(), ids=BROKEN_JSON)
async def test_what_is_no_json_is_a_problem_document(made: Made, body: bytes) -> None:
    async with made.client() as http:
        answer = await http.post(STATE, content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 422, "invalid_input")


async def test_an_unknown_name_is_404_and_a_get_of_the_state_is_405(made: Made) -> None:
    async with made.client() as http:
        assert_problem(await http.post("/api/v1/breakers/other/state", json=HOLD), 404, "not_found")
        assert_problem(await http.get("/api/v1/breakers/other"), 404, "not_found")
        assert_problem(await http.get(STATE), 405, "method_not_allowed")


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.VIEWER, 403), (Role.OPERATOR, 403), (Role.ADMIN, 200)])
async def test_only_admins_set_it_and_every_signed_in_person_reads_it(made: Made, role: Role | None, status: int) -> None:
    async with made.client(role) as http:
        assert (await http.post(STATE, json=HOLD)).status_code == status
        assert (await http.get("/api/v1/breakers/api")).status_code == (401 if role is None else 200)


async def test_a_held_state_outlives_a_restart_with_who_why_since_and_until_when(made: Made, tmp_path: Path) -> None:
    until = made.clock.now() + timedelta(hours=1)
    async with made.client() as http:
        await http.post(STATE, json=HOLD | {"until": until.isoformat()})
        await http.post("/api/v1/breakers/websocket/state", json={"state": "disabled", "reason": "no feed here"})
    before = made.console.breakers["api"].held
    made.clock.tick(1800)
    again = Made(tmp_path, made.clock)
    await again.console.holds.recall()
    assert (again.console.breakers["api"].held, again.console.breakers["websocket"].state) == (before, BreakerState.DISABLED)
    assert again.console.fallback().by == "Ana Ruiz"  # type: ignore[union-attr]
    assert again.console.fallback().since == before.at  # type: ignore[union-attr]
    async with again.client() as http:
        await http.post(STATE, json={"state": "closed", "reason": "done"})
    third = Made(tmp_path, made.clock)
    await third.console.holds.recall()
    assert (third.console.breakers["api"].state, third.console.breakers["websocket"].state) == (BreakerState.CLOSED, BreakerState.DISABLED)


async def test_a_services_held_state_waits_for_its_breaker_and_goes_with_it(made: Made, tmp_path: Path) -> None:
    made.console.breakers.named("service:7", "orders-api")
    async with made.client() as http:
        assert (await http.post("/api/v1/breakers/service:7/state", json=HOLD)).status_code == 200
    again = Made(tmp_path, made.clock)
    await again.console.holds.recall()
    async with again.client() as http:
        await http.post("/api/v1/breakers/websocket/state", json={"state": "disabled", "reason": "no feed here"})
        third = Made(tmp_path, made.clock)
        await third.console.holds.recall()
        made_later = third.console.breakers.named("service:7", "orders-api")
        assert (made_later.state, made_later.held.reason) == (BreakerState.FORCED_OPEN, HOLD["reason"])  # type: ignore[union-attr]
        again.console.breakers.named("service:7", "orders-api")
        listed = (await http.get("/api/v1/breakers")).json()["items"][-1]
        assert (listed["name"], listed["about"], listed["state"]) == ("service:7", "orders-api", "forced_open")
        again.console.breakers.remove("service:7")
        assert (await http.get("/api/v1/breakers/service:7")).status_code == 404
    assert again.console.breakers.named("service:7").state is BreakerState.CLOSED


@contextlib.asynccontextmanager
async def ticking(console: Console) -> AsyncIterator[None]:
    loop = asyncio.create_task(console.holds.run())
    yield
    loop.cancel()
    await asyncio.wait({loop})


async def test_its_time_over_it_closes_by_itself_here_and_after_a_restart(made: Made, tmp_path: Path) -> None:
    until = (made.clock.now() + timedelta(seconds=90)).isoformat()
    async with ticking(made.console), made.client() as http:
        await http.post(STATE, json=HOLD | {"until": until})
        await made.clock.advance(89)
        assert made.console.breakers["api"].state is BreakerState.FORCED_OPEN
        kept = (tmp_path / "breakers.json").read_bytes()
        await made.clock.advance(2)
        while (tmp_path / "breakers.json").read_bytes() == kept:  # noqa: ASYNC110 - the file is written by a thread
            await asyncio.sleep(0.005)
        told = (await http.get("/api/v1/breakers/api")).json()
    assert (told["state"], told["transitions"][-1]["cause"], told["until"]) == ("closed", "expired", None)
    (tmp_path / "breakers.json").write_bytes(kept)  # as if it had crashed before
    again = Made(tmp_path, made.clock)
    await again.console.holds.recall()
    assert again.console.breakers["api"].state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"api": 5}',
        b'{"api": {"state": "open", "by": "x", "at": "2026-01-01T00:00:00Z", "reason": "", "until": null}}',
        b'{"gone": {"state": "disabled", "by": "x", "at": "2026-01-01T00:00:00Z", "reason": "", "until": null}}',
        b"x" * 2_000_000,
    ],
)
async def test_a_file_that_cannot_be_used_leaves_the_breakers_closed(made: Made, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "breakers.json").write_bytes(content)
    await made.console.holds.recall()
    assert {breaker.state for breaker in made.console.breakers} == {BreakerState.CLOSED}


async def test_a_disk_or_an_audit_that_refuses_leaves_everything_as_it_was(made: Made, tmp_path: Path) -> None:
    async with made.client() as http:
        (tmp_path / "breakers.json").mkdir()
        assert_problem(await http.post(STATE, json=HOLD), 503, "try_later")
        (tmp_path / "breakers.json").rmdir()
        made.console.holds._audit = Refusing()
        assert_problem(await http.post(STATE, json=HOLD), 503, "database_unavailable")
    assert made.console.breakers["api"].lets_through
    again = Made(tmp_path, made.clock)
    await again.console.holds.recall()
    assert again.console.breakers["api"].lets_through


class Refusing:
    """An audit that takes nothing."""

    async def record(self, *_: object, **__: object) -> None:
        raise DatabaseUnavailable


async def test_while_it_is_held_open_nothing_is_asked_refresh_is_409_and_the_loader_says_why(made: Made) -> None:
    async with made.client() as http:
        await http.post(STATE, json=HOLD)
        refused = await http.post("/api/v1/loader/refresh")
        made.console.loader.health.set_sources({1, 2}, {})
        lanes = (await http.get("/api/v1/loader")).json()["lanes"]
        await made.console.loader._read_list(is_asked=True)
        told = (await http.get("/api/v1/breakers/api")).json()
    assert (refused.status_code, refused.json()["code"], refused.json()["retry_at"]) == (409, "breaker_open", None)
    assert lanes["health"]["reason"] == "paused: the circuit breaker is held open"
    assert told["calls"] == {"succeeded": 0, "failed": 0, "rejected": 0, "slow": 0}


async def test_every_figure_is_what_a_scripted_history_of_calls_gives(made: Made) -> None:
    """20 good, 3 slow, 5 failed that open it, 4 refused, a failed trial, then a good one; 20 minutes later 2 good ones."""
    api, clock = made.console.breakers["api"], made.clock
    for took in [0.1] * 20 + [3.0] * 3:
        sent_at, ticket = clock.monotonic(), api.ask()
        clock.tick(took)
        api.answered(ticket, sent_at)
    for _ in range(5):
        api.failed(api.ask(), BackendFailed(status=503))
    for _ in range(4):
        with pytest.raises(BreakerOpen):
            api.ask()
    clock.tick(30)
    api.failed(api.ask(), BackendFailed(cause="timeout"))
    clock.tick(30)
    api.succeeded(api.ask())
    async with made.client() as http:
        told = (await http.get("/api/v1/breakers/api")).json()
        clock.tick(1200)
        for _ in range(2):
            api.succeeded(api.ask())
        later = (await http.get("/api/v1/breakers/api")).json()
        listed = (await http.get("/api/v1/breakers")).json()["items"][0]
    assert told["calls"] == told["recent_calls"] == {"succeeded": 21, "failed": 6, "rejected": 4, "slow": 3}
    assert told["outcomes"] == ["succeeded"] * 20 + ["slow"] * 3 + ["failed"] * 5 + ["rejected"] * 4 + ["failed", "succeeded"]
    assert told["failure_rate"] == round(6 / 30, 4)
    moves = [(move["from"], move["to"], move["cause"]) for move in told["transitions"]]
    assert moves == [
        ("closed", "open", "threshold"),
        ("open", "half_open", "waited"),
        ("half_open", "open", "trial"),
        ("open", "half_open", "waited"),
        ("half_open", "closed", "recovered"),
    ]
    assert later["calls"] == {"succeeded": 23, "failed": 6, "rejected": 4, "slow": 3}
    assert later["recent_calls"] == {"succeeded": 2, "failed": 0, "rejected": 0, "slow": 0}
    assert {key: later[key] for key in listed} == listed
