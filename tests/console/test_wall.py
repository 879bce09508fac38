"""The wall: its page and the call for outside screens show one and the same picture, and never an old one as new."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from benchmarks.simulation.virtual_time import run_virtually
from dashboard_app.console import context
from dashboard_app.console.api.routes import build_routes
from dashboard_app.console.pages import wall
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.pages.wall import WallState
from dashboard_app.console.wall import dashboard_json
from dashboard_app.console.words import NB
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, RateLimited
from dashboard_app.runtime.ratelimit import AddressLimit
from dashboard_app.settings import Settings
from tests.console.fake_console import ANA, FakeConsole, FakeIdentity, FakeReading
from tests.console.state_pages import opened_at, run


@pytest.fixture
def fake(monkeypatch):
    console = FakeConsole(ManualClock(), Settings(rate_limit_dashboard="3/minute"))
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def opened() -> WallState:
    state = await opened_at("/wall").get_state(WallState)
    await run(state, "load")
    return state


async def test_the_wall_shows_the_worst_first_and_follows_a_change(fake):
    state = await opened()
    assert (state.title.amount, state.title.word, state.title.tone) == ("2 of 24", "DOWN", "bad")
    assert [tile.name for tile in state.tiles[:3]] == ["billing-primary", "legacy-crm", "orders-pooler"]
    assert len(state.tiles) == 24
    fake.fail()
    await wall.render(state._get_root_state(), {})
    assert state.title.word == "WERE DOWN"
    assert (await state.get_state(ShellState)).is_fallback


async def test_the_age_is_sent_anew_with_each_answer_and_grows_while_the_server_is_silent(fake):
    state = await opened()
    first = (state.age_s, state.stamp)
    await wall.render(state._get_root_state(), {})
    assert (state.age_s, state.stamp) == first, "nothing changed, so nothing is sent"
    await fake.clock.advance(42)
    await run(state, "look")
    assert state.age_s == pytest.approx(first[0] + 42, abs=0.2)
    assert state.stamp == first[1] + 1


async def test_jobs_and_alerts_stand_in_the_foot_with_their_age_and_are_left_out_while_unknown(fake):
    fake.jobs.failure = BackendFailed("The server does not answer", cause="timeout")
    state = await opened()
    assert (state.jobs, state.jobs_tone) == ("", "n")
    fake.jobs.failure = None
    await run(state, "look")
    assert (state.jobs, state.jobs_tone, state.alerts) == ("16 queued, 2 dead", "bad", "")
    fake.snapshot.alerts = FakeReading((), 0.0)
    fake.jobs.failure = BackendFailed("The server does not answer", cause="timeout")
    await run(state, "look")
    assert (state.jobs, state.alerts, state.alerts_tone) == ("16 queued, 2 dead", "0", "n")
    await fake.clock.advance(42)
    await run(state, "look")
    assert state.jobs.replace(NB, " ") == "16 queued, 2 dead, 42 s ago"


async def test_before_the_first_answers_there_is_no_age(fake):
    fake.snapshot.sources_at = None
    state = await opened()
    assert not state.is_known


async def test_without_a_session_the_wall_shows_nothing(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    state = await opened()
    await run(state, "look")
    assert (state.tiles, state.is_known) == ([], False)


def asked(fake) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(build_routes(fake))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def test_the_call_gives_the_same_picture(fake):
    async with asked(fake) as http:
        told = (await http.get("/api/admin/dashboard")).json()
    assert told["sources"]["total"] == 24
    assert sum(told["sources"]["by_status"].values()) == 24 - told["sources"]["paused"]
    assert [one["name"] for one in told["sources"]["worst"]][:2] == ["billing-primary", "legacy-crm"]
    assert (told["pool"]["throttling_level"], told["pool"]["pool"]["checked_out"]) == ("AGGRESSIVE", 25)
    assert [(one["name"], one["state"]) for one in told["breakers"]] == [("api", "closed"), ("websocket", "closed")]
    assert told["fallback"] is None
    assert told["jobs"] == {"queued": 16, "dead_letter_total": 2, "accepted_total": 41_210, "written_total": 41_180, "age_s": 0.0}
    assert told["alerts"] is None, "not asked yet"
    assert told["measured_at"].endswith("Z")


def test_it_does_not_wait_for_jobs_whose_turn_comes_late(fake, monkeypatch):
    async def whole() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(fake.jobs, "stats", lambda _principal: asyncio.sleep(30, {}))
        began = loop.time()
        told = await dashboard_json(fake)
        assert (told["jobs"], told["sources"]["total"]) == (None, 24)
        assert loop.time() - began <= 2.1

    run_virtually(whole())


async def test_past_the_limit_it_says_when_again_and_another_address_is_served(fake):
    async with asked(fake) as http:
        answers = [await http.get("/api/admin/dashboard") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "rate_limited"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60


async def test_in_fallback_it_says_since_when_and_how_old(fake):
    fake.fail()
    async with asked(fake) as http:
        told = (await http.get("/api/admin/dashboard")).json()
    assert told["fallback"]["cause"] == "http"
    assert told["age_s"] >= 94
    assert told["breakers"][0]["state"] == "open"


def test_an_address_past_its_limit_leaves_others_alone():
    limit = AddressLimit("x", "1/minute")
    limit.hit("10.0.0.1")
    limit.hit("10.0.0.2")
    with pytest.raises(RateLimited, match="More than 1 a minute"):
        limit.hit("10.0.0.1")
