"""The ladder, the holders and the usage chart of the pool page."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.console import words
from dashboard_app.console.rows import culprit, holders, ladder, usage
from dashboard_app.model.pool import Level
from dashboard_app.policy.throttle import Throttle, config_for
from tests.console.fake_details import HOLDERS

AT = datetime(1970, 1, 1, 12, tzinfo=UTC)


def _config(level: Level):
    return config_for(Throttle(by_usage=level), 83.3, (), 42, AT)


def _plain(text: str) -> str:
    return words.plain(text).replace(words.NB, " ").replace(words.THIN, " ")


def test_the_ladder_is_the_contracts_table_with_the_current_level_marked():
    shown = [
        (rung.level, _plain(rung.bound), rung.at_once, rung.per_minute, _plain(rung.apart))
        for rung in ladder.rungs(_config(Level.AGGRESSIVE))
    ]
    assert shown == [
        ("NORMAL", "below 70 %", "10", "100", "100 ms"), ("MODERATE", "from 70 %", "7", "70", "300 ms"),
        ("AGGRESSIVE", "from 80 %", "3", "30", "1 s"), ("EMERGENCY", "from 90 %", "1", "5", "2 s"),
    ]  # fmt: skip
    assert [rung.current for rung in ladder.rungs(_config(Level.AGGRESSIVE))] == [False, False, True, False]
    assert not any(rung.current for rung in ladder.rungs(None))


@pytest.mark.parametrize(
    ("level", "reachable", "hint"),
    [
        (Level.NORMAL, True, "Nobody is slowed. From 70 % usage clients hear so with their very next answer."),
        (Level.AGGRESSIVE, True, "Falls back to MODERATE or lower once usage has stayed at or below 75 % for 5 s."),
        (Level.EMERGENCY, False, "Falls back at once when the database answers again, to the level that usage calls for."),
    ],
)
def test_the_hint_says_how_clients_come_back(level, reachable, hint):
    assert _plain(ladder.hint(level, reachable=reachable)) == hint


def test_six_values_with_their_names_and_what_each_means():
    calm, loud = ladder.values(_config(Level.NORMAL)), ladder.values(_config(Level.EMERGENCY))
    names = [
        "max_concurrent_requests",
        "max_requests_per_minute",
        "request_delay_ms",
        "circuit_breaker_open",
        "emergency_mode_active",
        "alert",
    ]
    assert [value.name for value in calm] == names
    assert [_plain(value.value) for value in calm] == ["10", "100", "100 ms", "false", "false", "none"]
    assert [_plain(value.value) for value in loud] == ["1", "5", "2 000 ms", "true", "true", "critical"]
    assert {value.tone for value in calm} == {""}
    assert {value.tone for value in loud} == {"bad"}
    assert all(value.meaning for value in calm)


def test_holders_that_are_alike_stand_in_one_row_the_longest_held_first():
    shown = holders.holders(HOLDERS | {"items": [*HOLDERS["items"], {"id": 5, "held_s": 900.0, "state": "query", "exempt": "own lock"}]})
    assert [(row.count, row.who, row.verdict) for row in shown] == [
        (1, "unnamed task #5", "Exempt"), (1, "nightly-import #8123", "Idle transaction"), (2, "nightly-import", "Suspected leak"),
        (1, "report #77", "Long query"), (1, "unnamed task #9001", "Normal"),
    ]  # fmt: skip
    assert (shown[2].state, shown[2].query, shown[2].numbers) == ("idle, nothing running", "(no statement)", "#8124 #8125")
    assert (shown[2].id, shown[1].numbers) == (8124, "")
    assert holders.leaks(HOLDERS) == 3


def test_a_holders_age_alone_is_no_change():
    older = HOLDERS | {"items": [item | {"held_s": item["held_s"] + 1} for item in HOLDERS["items"]]}
    assert holders.holders(older) == holders.holders(HOLDERS)


def test_at_most_fifty_holders_are_shown_and_the_heading_says_so():
    many = {"items": [{"id": n, "held_s": n, "state": "idle", "task": f"job {n}"} for n in range(80)]}
    assert len(holders.holders(many)) == 50
    assert holders.heading(many) == "the first 50 of 80 kinds, 80 checkouts · longest first"
    assert holders.heading(HOLDERS) == "5 checkouts of 4 kinds · longest first"
    assert holders.holders({}) == []


def _held(count: int, **over: object) -> dict:
    facts = {"task": "drill leak", "route": "POST /hold", "state": "idle", "held_s": 9.0, "suspected_leak": False} | over
    return {"items": [{"id": n, **facts} for n in range(1, count + 1)]}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_held(28, suspected_leak=True),
         "28 connections are held by drill leak (POST /hold). They run nothing, the first since 11:59:51. Clean up takes them back."),
        (_held(28, task="drill idle_in_transaction", state="idle_in_transaction", suspected_leak=True),
         "28 connections are held by drill idle in transaction (POST /hold). They sit idle in a transaction, the first since 11:59:51. Clean up ends their sessions."),
        (_held(28, task="drill query", state="query", query="SELECT pg_sleep($1)"),
         "28 connections are held by drill query (POST /hold). They run a query, the first since 11:59:51. Clean up leaves running queries alone."),
        (_held(10), "10 connections are held by drill leak (POST /hold). They run nothing, the first since 11:59:51."),
        (_held(1, suspected_leak=True), "1 connection is held by drill leak #1 (POST /hold) since 11:59:51. Clean up takes it back."),
        (_held(12, route="", state="new"), "12 connections are held by drill leak. They are in the state new, the first since 11:59:51."),
        (_held(9), ""), (_held(1), ""), ({}, ""),
    ],
)  # fmt: skip
def test_who_fills_the_pool_is_named_with_what_a_cleanup_would_do(answer, told):
    assert _plain(culprit.told(culprit.culprit(answer, 30, AT))) == told


def test_since_when_stays_as_it_was_told_while_it_is_the_same_holder():
    first = culprit.culprit(_held(28), 30, AT)
    again = culprit.culprit(_held(27, held_s=15.2), 30, AT + timedelta(seconds=5), first)
    assert (again.since, again.row.count) == (first.since, 27)
    other = culprit.culprit(_held(27, task="report"), 30, AT + timedelta(seconds=5), first)
    assert other.since == AT - timedelta(seconds=4)


def test_requests_of_one_route_are_alike_whatever_their_ids():
    answer = {"items": [{"id": n, "task": f"request 01J{n}", "route": "GET /x", "state": "query", "held_s": n} for n in range(3)]}
    assert [(row.count, row.who, row.route) for row in holders.holders(answer)] == [(3, "request", "GET /x")]
    many = {"items": [{"id": n, "held_s": n, "state": "idle"} for n in range(130)]}
    assert holders.holders(many)[0].numbers.endswith(" …")


def test_call_sites_stand_by_the_time_held_in_all():
    shown = holders.call_sites(HOLDERS)
    assert [(_plain(row.checkouts), _plain(row.held_total), _plain(row.held_p95)) for row in shown] == [
        ("1 204", "5 min 11 s", "410 ms"), ("18 402", "1 min 36 s", "20.0 ms"),
    ]  # fmt: skip


def test_the_chart_shows_the_last_minutes_with_lettered_marks():
    start = int(AT.timestamp() * 1000)
    points = [[start + 60_000 * n, 10.0 + n, 0] for n in range(61)]
    marks = [
        {"at": "1970-01-01T12:05:00Z", "kind": "level", "text": "long ago"},
        {"at": "1970-01-01T12:50:00Z", "kind": "level", "text": "Level up"},
    ]
    shown = usage.usage({"points": points, "marks": marks}, 15)
    assert len(shown.data[0]) == 16
    assert shown.marks == [{"t": start / 1000 + 3000, "letter": "A"}]
    assert [(row.letter, words.plain(row.at), row.text) for row in shown.rows] == [("A", "12:50:00", "Level up")]
    assert _plain(shown.label) == "Pool usage, last 15 minutes: between 55.0 % and 70.0 %, now 70.0 %; nobody waited"
    assert words.plain(usage.last_level_change({"marks": marks})) == "12:50:00"


def test_a_guard_without_history_gives_an_empty_chart():
    shown = usage.usage({}, 60)
    assert (shown.data, shown.rows, shown.label) == ([[], [], []], [], "Pool usage, last 60 minutes: no samples yet")
    assert usage.last_level_change({}) == ""


def test_bands_are_the_levels_and_end_at_one_hundred():
    assert [(band["name"], band["low"], band["high"]) for band in usage.bands()] == [
        ("MODERATE", 70.0, 80.0), ("AGGRESSIVE", 80.0, 90.0), ("EMERGENCY", 90.0, 100.0),
    ]  # fmt: skip
