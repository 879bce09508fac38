"""What the handlers of `/jobs` do, with a server of fixed answers."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from dashboard_app.console import context, words
from dashboard_app.console.client.jobs import JobCalls
from dashboard_app.console.client.shared import FRESH_S
from dashboard_app.console.pages.jobs_state import JobsState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, NotFound, ProofNeeded
from dashboard_app.model.user import PrincipalKind
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity
from tests.console.state_pages import opened_at, run
from tests.console.test_rows_jobs import STATS, item

LETTER = {
    "id": 3,
    "job_id": 991,
    "status": "error",
    "error_message": None,
    "code": "unknown_job",
    "reason": "Job 991 does not exist",
    "at": "2026-11-22T14:00:00Z",
}


class Server:
    """Answers by path; `failure` is raised in place of all answers."""

    def __init__(self):
        self.calls = []
        self.failure = None
        self.letters = [LETTER]
        self.holds_back = asyncio.Event()
        self.holds_back.set()

    async def ordinary(self, call, parse):
        self.calls.append((call.method, call.path, dict(call.params or {})))
        if self.failure:
            raise self.failure
        if call.path != "/api/v1/jobs":
            await self.holds_back.wait()
        if call.method == "DELETE":
            self.letters = []
            return parse(None)
        if call.path.endswith("/retry"):
            return parse({"accepted": 1})
        answers = {
            "/api/v1/jobs/status/stats": STATS,
            "/api/v1/jobs/status/history": {"step_s": 5, "points": [[1000, 0, 0, 0], [6000, 4.2, 21, 2.5]]},
            "/api/v1/jobs/counts": {"by_status": {"completed": 2}, "is_estimate": False},
            "/api/v1/jobs": {"items": [item(id=9), item(id=8, status="error", error_message="no such file")]},
            "/api/v1/jobs/dead-letters": {"items": self.letters},
            "/api/v1/jobs/status/flush": {"flushed": 16},
        }
        return parse(answers[call.path])


async def _done(_principal, _action, _target, act):
    return await act()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def fake(monkeypatch, server):
    console = FakeConsole(ManualClock())
    console.jobs = JobCalls(server, _done, console.clock)
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def opened(path="/jobs") -> JobsState:
    state = await opened_at(path).get_state(JobsState)
    await run(state, "load")
    return state


async def test_deleting_a_dead_letter_asks_a_session_for_a_fresh_proof(fake, server):
    stale = replace(ANA, kind=PrincipalKind.USER, session_id="s", proved_at=fake.clock.now() - timedelta(minutes=16))
    before = len(server.calls)
    with pytest.raises(ProofNeeded):
        await fake.jobs.discard(stale, 1)
    assert len(server.calls) == before


async def test_the_page_shows_the_ledger_the_counts_and_the_newest_jobs(fake):
    state = await opened()
    assert state.ledger.adds_up
    assert [row.id for row in state.jobs] == [9, 8]
    assert [letter.job for letter in state.letters] == ["991"]
    assert (state.is_loading, state.failure, state.nothing, state.older) == (False, "", "", "")


async def test_the_jobs_are_asked_for_first_and_shown_before_the_rest_is_there(fake, server):
    server.holds_back.clear()
    state = await opened_at("/jobs").get_state(JobsState)
    loading = JobsState.event_handlers["load"].fn(state)
    await anext(loading)
    assert server.calls[0][1] == "/api/v1/jobs"
    assert ([row.id for row in state.jobs], state.is_loading, state.ledger.title) == ([9, 8], False, "Reading jobs…")
    assert [(fact.label, fact.value) for fact in state.facts][:2] == [("Queued", words.UNKNOWN), ("Last batch", words.UNKNOWN)]
    server.holds_back.set()
    with pytest.raises(StopAsyncIteration):
        await anext(loading)
    assert state.ledger.adds_up
    assert state.facts[0].value != words.UNKNOWN


async def test_filters_of_the_url_are_asked_for(fake, server):
    await opened("/jobs?status=error&kind=ocr&before=50")
    assert ("GET", "/api/v1/jobs", {"limit": 51, "status": "error", "kind": "ocr", "before": 50}) in server.calls


async def test_many_pages_cost_one_request_each_few_seconds(fake, server):
    first, second = await opened(), await opened()
    assert len(server.calls) == 5
    await fake.clock.advance(FRESH_S + 0.1)
    await run(first, "read")
    await run(second, "read")
    assert len(server.calls) == 10


async def test_a_flush_says_how_many_and_reads_anew(fake, server):
    state = await opened()
    await run(state, "flush")
    assert state.result == "16 flushed"
    assert server.calls.count(("GET", "/api/v1/jobs/status/stats", {})) == 2


async def test_a_dead_letter_is_retried_and_deleted_after_a_question(fake, server):
    state = await opened()
    await run(state, "retry", 3)
    assert state.result == "Letter 3 is queued again"
    await run(state, "ask_discard", 3)
    assert (state.is_asking, state.asking.job) == (True, "991")
    await run(state, "discard")
    assert (state.letters, state.is_asking) == ([], False)
    assert ("DELETE", "/api/v1/jobs/dead-letters/3", {}) in server.calls


async def test_a_failure_keeps_what_is_shown_and_says_so(fake, server):
    state = await opened()
    await fake.clock.advance(FRESH_S + 0.1)
    server.failure = BackendFailed("The server does not answer", cause="timeout")
    await run(state, "read")
    assert len(state.jobs) == 2
    assert state.failure.startswith("The server does not answer")


async def test_a_server_without_jobs_is_said_to_have_none(fake, server):
    server.failure = NotFound()
    assert not (await opened()).is_offered


async def test_a_viewer_sees_no_dead_letters_and_flushes_nothing(fake, server, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    state = await opened()
    assert state.letters == []
    assert not any(path.endswith("dead-letters") for _, path, _ in server.calls)
    await run(state, "flush")
    assert "operator role" in state.result
    assert not any(method == "POST" for method, _, _ in server.calls)
