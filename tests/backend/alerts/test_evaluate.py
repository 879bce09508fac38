"""Rules judged by a manual clock, on stores in memory."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from dashboard_app.model.alert import AlertState
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, InvalidInput, NotFound
from dashboard_app.model.health import Health, HealthStatus, Metrics
from dashboard_app.model.pool import Level, ThrottlingConfig
from tests.backend.alerts.fakes import AT, Alerting, source

ALL = {"only_open": False, "limit": 100, "before": None}
OPEN = {"only_open": True, "limit": 100, "before": None}


@pytest.fixture
async def alerting():
    made = Alerting()
    await made.rules.start()
    await made.book.start()
    return made


def look(alerting, used=None, after_s=1.0):
    alerting.clock.tick(after_s)
    if used is not None:
        alerting.pool.used = used
    alerting.evaluator.look()


def shown(alerting):
    return [(alert.rule, alert.source) for alert in alerting.book.open_alerts()]


async def history(alerting):
    return [(alert.rule, alert.resolved_at is not None) for alert in await alerting.desk.page(None, **ALL)]


async def test_a_rise_to_95_and_a_fall_open_and_end_each_step_once(alerting):
    for used in (10, 22, 25, 29, 29, 19, 19, 19, 19, 19, 19, 19, 10):
        look(alerting, used)
    assert await history(alerting) == [(f"Pool usage from {limit} %", True) for limit in (90, 80, 70)]


async def test_a_jump_opens_all_three_and_one_speaks_for_them(alerting):
    look(alerting, 28)
    assert shown(alerting) == [(f"Pool usage from {limit} %", "pool") for limit in (90, 80, 70)]
    assert alerting.desk.covered() == {1: 3, 2: 3}
    for _ in range(6):
        look(alerting, 24)
    assert alerting.desk.covered() == {1: 2}


async def test_usage_that_wobbles_round_a_limit_opens_nothing_twice(alerting):
    for second in range(60):
        look(alerting, 27 if second % 2 else 26)
    assert [alert.rule for alert in await alerting.desk.page(None, **ALL)] == [f"Pool usage from {limit} %" for limit in (90, 80, 70)]


async def test_a_peak_between_two_looks_is_seen(alerting):
    config = ThrottlingConfig(Level.EMERGENCY, 1, 5, 2000, True, True, "critical", 96.7, (), 2, 30.0, AT)
    for callback in alerting.pool.listeners:
        callback(config)
    look(alerting, 3)
    assert ("Pool usage from 90 %", "pool") in shown(alerting)
    assert alerting.book.open_alerts()[0].message == "Pool usage 96.7 %, at or above 90 %"


async def test_sources_are_judged_by_what_was_found_last_and_old_news_says_nothing(alerting):
    alerting.found.all = (source(1, "own"), source(2, "orders"), source(3, "paused", enabled=False))
    for number in (1, 2, 3):
        status = HealthStatus.HEALTHY if number == 1 else HealthStatus.UNHEALTHY
        alerting.found.healths[number] = Health(number, status, AT, 3.0, alerting.clock.now(), "Connection refused")
    look(alerting)
    assert shown(alerting) == [("Source unhealthy", "orders")]
    assert alerting.book.open_alerts()[0].message == "orders is unhealthy: Connection refused"
    look(alerting, after_s=700.0)
    assert shown(alerting) == [("Source unhealthy", "orders")], "unknown is not healthy"
    alerting.found.healths[2] = Health(2, HealthStatus.DEGRADED, AT, 3.0, alerting.clock.now())
    look(alerting)
    look(alerting, after_s=5.0)
    assert shown(alerting) == []


async def test_a_number_must_stay_past_its_limit_for_the_rules_duration(alerting):
    alerting.found.all = (source(2, "replica"),)
    alerting.found.numbers[2] = Metrics(2, alerting.clock.now(), {"replication_lag_s": 48.0})
    for _ in range(60):
        look(alerting)
    assert shown(alerting) == []
    look(alerting)
    assert shown(alerting) == [("Replication lag", "replica")]


@pytest.mark.parametrize("change", ["paused", "deleted", "rule off", "rule deleted", "rule elsewhere"])
async def test_what_is_no_longer_watched_is_over(alerting, change):
    alerting.found.all = (source(2, "replica"),)
    alerting.found.numbers[2] = Metrics(2, alerting.clock.now(), {"replication_lag_s": 48.0})
    await alerting.desk.change_rule(5, {"for_s": 0.0})
    look(alerting)
    assert shown(alerting) == [("Replication lag", "replica")]
    if change in ("paused", "deleted"):
        alerting.found.all = (source(2, "replica", enabled=False),) if change == "paused" else ()
    elif change == "rule off":
        await alerting.desk.change_rule(5, {"enabled": False})
    elif change == "rule deleted":
        await alerting.desk.remove_rule(5)
    else:
        await alerting.desk.change_rule(5, {"metric": "source.latency_ms"})
    look(alerting)
    assert await history(alerting) == [("Replication lag", True)]


async def test_while_the_database_is_away_alerts_open_are_acknowledged_and_end_and_are_written_once_it_is_back(alerting):
    alerting.store.is_away = True
    look(alerting, 28)
    await alerting.desk.acknowledge(3, "ana")
    for _ in range(6):
        look(alerting, 3)
    with pytest.raises(DatabaseUnavailable):
        await alerting.book.keep()
    assert alerting.store.rows == {}
    assert await history(alerting) == [(f"Pool usage from {limit} %", True) for limit in (90, 80, 70)]
    alerting.store.is_away = False
    await alerting.book.keep()
    assert {number: (row.resolved_at is not None, row.acknowledged_by) for number, row in alerting.store.rows.items()} == {
        1: (True, "ana"), 2: (True, "ana"), 3: (True, "ana"),
    }  # fmt: skip
    assert alerting.book.waiting_count == 0


async def test_without_an_id_nothing_opens_until_the_database_gives_more(alerting):
    alerting.store.is_away = True
    alerting.book._ids.clear()
    look(alerting, 28)
    assert shown(alerting) == []
    alerting.store.is_away = False
    await alerting.book.keep()
    look(alerting, 28)
    assert len(shown(alerting)) == 3


async def test_an_alert_that_the_table_refuses_does_not_hold_up_the_rest(alerting, caplog):
    look(alerting, 28)
    alerting.store.refused = {2}
    await alerting.book.keep()
    assert set(alerting.store.rows) == {1, 3}
    assert alerting.book.waiting_count == 0
    assert "alert 2 is given up" in caplog.text


async def test_a_restart_opens_nothing_that_is_open_already(alerting):
    look(alerting, 28)
    await alerting.book.keep()
    again = Alerting(alerting.clock)
    again.store.rows, again.store.last_id, again.pool.used = alerting.store.rows, alerting.store.last_id, 28
    looks = asyncio.create_task(again.evaluator.run())
    await again.evaluator._is_started.wait()
    await asyncio.sleep(0)
    assert [alert.id for alert in again.book.open_alerts()] == [3, 2, 1]
    looks.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looks
    assert again.book.waiting_count == 0


async def test_start_waits_for_a_database_that_is_away_and_both_loops_go_on_by_themselves():
    alerting = Alerting()
    alerting.rule_store.is_away, alerting.pool.used = True, 28
    loops = [asyncio.create_task(run()) for run in (alerting.evaluator.run, alerting.evaluator.run_writes)]
    for step in range(200):
        if step == 20:
            alerting.rule_store.is_away = False
        alerting.clock.tick(0.5)
        await asyncio.sleep(0)
        if len(alerting.store.rows) == 3:
            break
    for loop in loops:
        loop.cancel()
    await asyncio.wait(loops)
    assert sorted(alerting.store.rows) == [1, 2, 3]


async def test_an_acknowledgement_takes_what_it_covers_along_and_can_be_taken_back(alerting):
    look(alerting, 28)
    alert = await alerting.desk.acknowledge(3, "ana")
    assert (alert.acknowledged_by, alert.acknowledged_at) == ("ana", alerting.clock.now())
    assert (await alerting.desk.acknowledge(3, "bob")).acknowledged_by == "ana"
    assert [one.acknowledged_by for one in alerting.book.open_alerts()] == ["ana", "ana", "ana"]
    assert (await alerting.desk.unacknowledge(3)).acknowledged_by is None
    assert len(await alerting.desk.page(AlertState.FIRING, **OPEN)) == 3


async def test_a_silence_lasts_until_its_end_even_when_the_alert_comes_back(alerting):
    look(alerting, 28)
    until = alerting.clock.now() + timedelta(hours=1)
    assert (await alerting.desk.silence(3, "ana", until, "deploy")).silence_reason == "deploy"
    for used in (3, 3, 3, 3, 3, 3, 3, 28):
        look(alerting, used)
    back = await alerting.desk.page(AlertState.SILENCED, **OPEN)
    assert [(alert.id, alert.silenced_by) for alert in back] == [(6, "ana"), (5, "ana"), (4, "ana")]
    alerting.clock.tick(3600)
    assert len(await alerting.desk.page(AlertState.FIRING, **OPEN)) == 3
    await alerting.book.tidy()
    assert alerting.store.forgotten_before == alerting.clock.now() - timedelta(days=90)


async def test_a_silence_outlives_a_restart(alerting):
    look(alerting, 28)
    await alerting.desk.silence(3, "ana", alerting.clock.now() + timedelta(hours=1), "")
    for _ in range(7):
        look(alerting, 3)
    await alerting.book.keep()
    again = Alerting(alerting.clock)
    again.store.rows, again.store.last_id = alerting.store.rows, 1000
    await again.rules.start()
    await again.book.start()
    look(again, 28)
    assert {alert.silenced_by for alert in again.book.open_alerts()} == {"ana"}


async def test_a_silence_can_be_ended_and_must_not_end_in_the_past(alerting):
    look(alerting, 28)
    with pytest.raises(InvalidInput) as refused:
        await alerting.desk.silence(3, "ana", alerting.clock.now(), "")
    assert refused.value.errors == ({"field": "until", "message": "must lie ahead"},)
    await alerting.desk.silence(3, "ana", alerting.clock.now() + timedelta(hours=1), "")
    assert (await alerting.desk.unsilence(3)).silenced_until is None
    for used in (3, 3, 3, 3, 3, 3, 3, 28):
        look(alerting, used)
    assert {alert.silenced_until for alert in alerting.book.open_alerts()} == {None}


async def test_what_is_over_or_unknown_cannot_be_acknowledged(alerting):
    look(alerting, 28)
    for _ in range(6):
        look(alerting, 3)
    with pytest.raises(Conflict):
        await alerting.desk.acknowledge(3, "ana")
    with pytest.raises(NotFound):
        await alerting.desk.acknowledge(77, "ana")
    alerting.store.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await alerting.desk.acknowledge(77, "ana")


async def test_pages_follow_each_other_by_id_and_older_ones_need_the_database(alerting):
    for _ in range(3):
        for used in (28, 3, 3, 3, 3, 3, 3):
            look(alerting, used)
    await alerting.book.keep()
    first = await alerting.desk.page(None, only_open=False, limit=4, before=None)
    second = await alerting.desk.page(AlertState.RESOLVED, only_open=False, limit=50, before=first[-1].id)
    assert [alert.id for alert in (*first, *second)] == list(range(9, 0, -1))
    alerting.store.is_away = True
    assert len(await alerting.desk.page(None, **ALL)) == 9
    with pytest.raises(DatabaseUnavailable):
        await alerting.desk.page(None, only_open=False, limit=4, before=1)


async def test_a_preview_counts_over_the_samples_of_a_day_and_the_guards_hour(alerting):
    now = alerting.clock.now().timestamp()
    lag = alerting.rules.known[5].settings
    alerting.found.all = (source(2, "replica"), source(3, "calm"))
    alerting.store.kept_samples = {2: [(now - 900, 48.0), (now - 600, 1.0), (now - 300, 50.0)], 3: [(now - 900, 1.0)]}
    preview = await alerting.desk.preview(lag)
    assert (preview.fired, preview.sources, preview.by_source) == (2, 2, (("replica", 2),))
    alerting.pool.past = {
        "points": [[(now - 60) * 1000, 93.3, 0], [(now - 50) * 1000, 10.0, 4], [(now - 40) * 1000, 95.0, 0]],
        "marks": [{"at": "2025-12-31T23:59:00.000Z", "kind": "unreachable", "text": ""}, {"at": "2025-12-31T23:59:30Z", "kind": "level", "text": ""}],
    }  # fmt: skip
    usage = alerting.rules.known[3].settings
    assert (await alerting.desk.preview(usage)).fired == 2
    assert (await alerting.desk.preview(replace(usage, metric="pool.waiting", limit=3.0, recovers_at=0.0))).fired == 1
    assert (await alerting.desk.preview(replace(usage, metric="pool.unreachable", limit=1.0, recovers_at=0.0))).fired == 1
    leaks = await alerting.desk.preview(replace(usage, metric="pool.suspected_leaks", limit=1.0, recovers_at=0.0))
    assert (leaks.fired, leaks.by_source) == (None, ())


async def test_a_rule_that_is_gone_from_the_table_is_gone_here_too(alerting):
    alerting.rule_store.rows.pop(5)
    with pytest.raises(NotFound):
        await alerting.desk.change_rule(5, {"enabled": False})
    assert 5 not in alerting.rules.known


async def test_there_is_a_bound_on_rules(alerting):
    settings = alerting.rules.known[5].settings
    for number in range(195):
        await alerting.desk.add_rule(replace(settings, name=f"rule {number}"))
    with pytest.raises(Conflict, match="200 rules already"):
        await alerting.desk.add_rule(replace(settings, name="one more"))


async def test_opening_and_ending_leave_one_line_each_with_facts(alerting, caplog):
    with caplog.at_level("INFO", "spillway.alerts"):
        for used in (22, 3, 3, 3, 3, 3, 3):
            look(alerting, used)
    told = [(record.__dict__["from"], record.to, record.rule, record.severity) for record in caplog.records]
    assert told == [("resolved", "open", "Pool usage from 70 %", "info"), ("open", "resolved", "Pool usage from 70 %", "info")]
