"""The typed calls about alerts, and the poll, against an API in process and a server without alerts."""

import asyncio
from datetime import timedelta

import pytest

from dashboard_app.console.alert_poll import AlertPoll
from dashboard_app.console.client.alerts import parse_alert, parse_rules
from dashboard_app.console.client.backend import Backend
from dashboard_app.console.client.caller import Caller
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.client.wire import Wire
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.breaker import BreakerLimits
from dashboard_app.model.clock import ManualClock, SystemClock
from dashboard_app.model.errors import BackendFailed, Conflict, Forbidden, InvalidInput
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.runtime.request_queue import QueueLimits, RequestQueue
from tests.backend.api.fakes import ADMIN, VIEWER, World

OPERATOR = Principal(PrincipalKind.USER, "otto", Role.OPERATOR, 3)


@pytest.fixture
def world():
    return World()


def backend_of(app):
    clock = SystemClock()
    queue = RequestQueue(QueueLimits(5, 0.0, 5.0, 100), clock)
    wire = Wire.in_process(app, Throttle(clock, poll_s=30.0).hear)
    return Backend(Caller(wire, queue, Breakers(BreakerLimits(), clock)["api"], clock, request_timeout_s=5.0))


@pytest.fixture
async def calls(world):
    backend = backend_of(world.app)
    yield backend.alerts
    await backend.close()


async def test_what_fires_is_read_and_acted_on(world, calls):
    found = await calls.open_ones()
    assert [(one.alert.id, one.alert.rule, one.covered_by) for one in found] == [
        (3, "Pool usage from 90 %", None), (2, "Pool usage from 80 %", 3), (1, "Pool usage from 70 %", 3),
    ]  # fmt: skip
    assert (await calls.acknowledge(OPERATOR, 3)).alert.acknowledged_by == "otto"
    until = world.clock.now() + timedelta(hours=1)
    assert (await calls.silence(OPERATOR, 3, until, "deploy")).alert.silenced_until == until
    assert (await calls.unsilence(OPERATOR, 3)).alert.silenced_until is None
    assert (await calls.unacknowledge(OPERATOR, 3)).alert.acknowledged_by is None
    assert await calls.resolved(VIEWER, 50, 7) == ()
    assert [row.details["event"] for row in world.audit.rows] == ["acknowledge", "silence", "unsilence", "unacknowledge"]


async def test_rights_are_checked_before_anything_is_sent(world, calls):
    for act in (calls.acknowledge(VIEWER, 3), calls.rules(OPERATOR), calls.delete_rule(OPERATOR, 5), calls.preview(OPERATOR, {})):
        with pytest.raises(Forbidden):
            await act
    assert world.audit.rows == []


async def test_rules_are_read_saved_previewed_and_deleted(calls):
    book = await calls.rules(ADMIN)
    assert {metric.name for metric in book.metrics} >= {"pool.usage_percent", "source.replication_lag_s"}
    made = await calls.save_rule(ADMIN, 0, {"name": "waiting", "metric": "pool.waiting", "limit": 5})
    assert (made.settings.limit, made.settings.scope, made.is_builtin) == (5.0, "pool", False)
    assert (await calls.save_rule(ADMIN, made.id, {"enabled": False})).settings.enabled is False
    with pytest.raises(InvalidInput) as refused:
        await calls.save_rule(ADMIN, made.id, {"recovers_at": 9})
    assert refused.value.errors == ({"field": "recovers_at", "message": "must not be above the limit"},)
    with pytest.raises(Conflict):
        await calls.delete_rule(ADMIN, 1)
    assert (await calls.preview(ADMIN, {"name": "x", "metric": "pool.waiting", "limit": 5}))["fired"] == 0
    await calls.delete_rule(ADMIN, made.id)
    assert made.id not in {rule.id for rule in (await calls.rules(ADMIN)).rules}


def test_the_contracts_nine_fields_are_enough():
    listed = parse_alert({"id": 4, "rule": "r", "severity": "info", "source": "s", "message": "m", "opened_at": "2026-01-01T00:00:00Z",
                          "resolved_at": None, "acknowledged_by": None, "silenced_until": None})  # fmt: skip
    assert (listed.alert.id, listed.alert.source_id, listed.covered_by) == (4, 0, None)
    assert parse_rules({"items": []}).metrics == ()


@pytest.mark.parametrize(
    "body", [None, [], {}, {"id": "x"}, {"id": 1, "rule": "r", "severity": "panic", "opened_at": "2026-01-01T00:00:00Z"}]
)
def test_anything_else_is_garbage(body):
    with pytest.raises(BackendFailed):
        parse_alert(body)


class _Backend:
    """Answers what a test puts in `answer`."""

    def __init__(self) -> None:
        self.alerts, self.answer, self.asked = self, (), 0

    async def open_ones(self):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def _asked_after(clock, backend, seconds):
    before = backend.asked
    await clock.advance(seconds)
    return backend.asked - before


async def test_the_poll_is_light_and_a_server_without_alerts_is_hardly_asked():
    clock, backend = ManualClock(), _Backend()
    snapshot = Snapshot(clock)
    poll = AlertPoll(backend, snapshot, clock, poll_s=30.0)
    loop = asyncio.create_task(poll.run())
    assert await _asked_after(clock, backend, 60.0) in (2, 3)
    poll.is_watched = lambda: True
    poll.news()
    assert await _asked_after(clock, backend, 20.0) in (10, 11)
    version = snapshot.version
    assert await _asked_after(clock, backend, 20.0) == 10
    assert snapshot.version == version, "the same again is no change"
    backend.answer = BackendFailed("The server does not answer.")
    await _asked_after(clock, backend, 4.0)
    assert snapshot.alerts is not None, "what was known stays"
    backend.answer = None
    await _asked_after(clock, backend, 4.0)
    assert (snapshot.alerts, snapshot.are_alerts_offered) == (None, False)
    assert await _asked_after(clock, backend, 120.0) == 2
    loop.cancel()
    await asyncio.wait({loop})
