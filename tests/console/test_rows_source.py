"""One source in words, and its samples as charts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard_app.console import words
from dashboard_app.console.rows import series
from dashboard_app.console.rows import source as rows
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.source import SourceKind
from tests.console.fake_console import source

AT = datetime(1970, 1, 1, 12, tzinfo=UTC)
ONE = source(1, "billing-primary", SourceKind.POSTGRESQL, "10.20.4.11", 5432, "billing")
GOOD = Health(1, HealthStatus.HEALTHY, AT, 3.1, AT, None, (Check("connect", CheckStatus.PASS, 3.1, "ms"),))
LAG = Check("replication_lag", CheckStatus.WARN, 48.0, "s", "warns from 10 s")
FAIL = Check("connect", CheckStatus.FAIL, None, "", "", "connection refused")
DOWN = replace(GOOD, status=HealthStatus.UNHEALTHY, latency_ms=None, message="Connection refused.", checks=())


def _plain(text: str) -> str:
    return words.plain(text).replace(words.NB, " ").replace(words.THIN, " ")


@pytest.mark.parametrize(
    ("one", "health", "live", "title", "lede"),
    [
        (ONE, GOOD, True, "billing-primary is healthy since 12:00:00", "1 check passes. It answered in 3.1 ms."),
        (ONE, GOOD, False, "billing-primary was healthy at 12:00:00", "1 check passes. It answered in 3.1 ms."),
        (ONE, DOWN, True, "billing-primary is down since 12:00:00", "Connection refused."),
        (ONE, replace(DOWN, checks=(GOOD.checks[0], LAG, FAIL, FAIL)), True, "billing-primary is down since 12:00:00",
         "Connection refused; connection refused; 1 more below."),
        (ONE, replace(GOOD, status=HealthStatus.DEGRADED, checks=(LAG,)), True, "billing-primary is degraded since 12:00:00", "Replication lag 48 s."),
        (ONE, None, True, "billing-primary is not looked at yet", "The next health round reaches it; Check now asks at once."),
        (replace(ONE, enabled=False), DOWN, True, "billing-primary is paused",
         "Nobody checks it until it is enabled again; what is shown is from before."),
        (ONE, replace(GOOD, checks=(), since=None, status=HealthStatus.UNKNOWN), True, "billing-primary is unknown", "It answered in 3.1 ms."),
    ],
)  # fmt: skip
def test_the_verdict_names_state_since_and_why(one, health, live, title, lede):
    shown = rows.verdict(one, health, is_live=live, at=words.clock(AT))
    assert (_plain(shown.title), _plain(shown.lede)) == (title, lede)


def test_checks_stand_worst_first_with_observed_and_limit():
    shown = rows.checks(replace(GOOD, checks=(GOOD.checks[0], LAG, FAIL)))
    assert [(row.name, row.word, _plain(row.observed), row.limit, row.finding) for row in shown] == [
        ("Connect", "Fails", words.UNKNOWN, "", "connection refused"), ("Replication lag", "Warns", "48 s", "warns from 10 s", ""), ("Connect", "Passes", "3.1 ms", "", ""),
    ]  # fmt: skip
    assert rows.checks(None) == []


def test_a_check_says_since_when_it_has_its_verdict_if_the_server_does():
    shown = rows.checks(replace(GOOD, checks=(replace(LAG, since=AT), FAIL)))
    assert [_plain(row.since) for row in shown] == ["", "12:00:00"]


@pytest.mark.parametrize(("value", "shown"), [(True, "yes"), (False, "no"), ("replica", "replica"), (None, words.UNKNOWN)])
def test_words_flags_and_what_is_not_known_are_observed_as_they_are(value, shown):
    assert rows.observed(Check("x", CheckStatus.PASS, value)) == shown


def test_the_key_figures_an_operator_asks_for_come_first_at_most_eight():
    known = {
        "wal_bytes_per_s": 2048.0,
        "connections_max": 100.0,
        "size_bytes": 4.0 * 2**30,
        "transactions_per_s": 1204.0,
        "connections_used": 12.0,
    }
    units = {"wal_bytes_per_s": "bytes/s", "size_bytes": "bytes", "transactions_per_s": "1/s", "connections_used": "connections"}
    shown = [(fact.label, _plain(fact.value), _plain(fact.unit)) for fact in rows.key_figures(Metrics(1, AT, known, units))]
    assert shown == [("Connections", "12", "/ 100"), ("Transactions", "1 204", "/s"), ("Size", "4.0", "GiB"), ("Wal", "2.0", "KiB/s")]
    assert len(rows.key_figures(Metrics(1, AT, {f"m{n}": float(n) for n in range(20)}))) == 8
    assert rows.key_figures(None) == []


@pytest.mark.parametrize(
    ("health", "told"),
    [
        (GOOD, "Healthy: answered in 3.1 ms"), (DOWN, "Unhealthy: Connection refused"),
        (replace(DOWN, latency_ms=3.0), "Unhealthy after 3.0 ms: Connection refused"), (replace(GOOD, latency_ms=None), "Healthy: answered"),
    ],
)  # fmt: skip
def test_check_now_is_answered_in_place(health, told):
    assert _plain(rows.check_result(health)) == told


def test_facts_say_where_a_source_is():
    shown = rows.facts(replace(ONE, database=""))
    assert (rows.facts(ONE).address, shown.address, shown.kind, shown.tags) == (
        "10.20.4.11:5432 / billing",
        "10.20.4.11:5432",
        "PostgreSQL",
        ["shop"],
    )
    assert rows.missing("41") == "There is no source 41. It may have been deleted; see the audit log."


def test_a_missing_sample_is_a_gap_and_never_bridged():
    data = series.columns([[0, 1.0], [60_000, 2.0], [600_000, 3.0], [660_000, None]], gap_s=300.0)
    assert data == [[0.0, 60.0, 330.0, 600.0, 660.0], [1.0, 2.0, None, 3.0, None]]
    assert series.columns([[0, 1.0], [600_000, 3.0]]) == [[0.0, 600.0], [1.0, 3.0]]


def test_neighbours_are_as_far_apart_as_samples_or_as_the_servers_buckets():
    assert series.gap_after(900.0, 120.0) == 300.0
    assert series.gap_after(604_800.0, 120.0) == pytest.approx(10_080.0)


def test_a_chart_is_spoken_in_one_sentence_and_an_empty_one_says_why():
    row = series.chart_row("latency_ms", [[0, 2.0], [1000, 9.0], [2000, 3.0]], range_s=900.0, refetch_s=120.0, over="last 15 min")
    assert (row.title, row.unit, row.kind, _plain(row.label)) == (
        "Latency",
        "ms",
        "line",
        "Latency, last 15 min: between 2.0 ms and 9.0 ms, now 3.0 ms",
    )
    empty = series.chart_row("locks_waiting", [], range_s=900.0, refetch_s=120.0, over="last 15 min", unit="locks")
    assert (empty.title, empty.unit, empty.note) == ("Locks waiting", "locks", "No samples in this range yet. Each round adds one.")
    assert empty.label.endswith("no samples")
    assert series.chart_failed("connections_used", "The server is away.").note == "History could not be read. The server is away."


@pytest.mark.parametrize(
    ("measured", "key"),
    [
        (["replication_lag_s", "longest_query_s"], "replication_lag_s"),
        (["cache_hit_percent"], "cache_hit_percent"),
        ([], "longest_query_s"),
    ],
)
def test_four_charts_the_last_by_what_the_source_measures(measured, key):
    assert series.chart_metrics(measured) == ["latency_ms", "connections_used", "transactions_per_s", key]


def test_the_range_lives_in_the_url():
    choices = series.range_choices(7, "24h")
    assert [(choice.word, choice.is_on) for choice in choices] == [
        ("15 min", False),
        ("1 h", False),
        ("6 h", False),
        ("24 h", True),
        ("7 d", False),
    ]
    assert [choice.href for choice in choices[:3]] == ["/sources/7?range=15m", "/sources/7", "/sources/7?range=6h"]
    assert series.range_of("7d").seconds == 604_800
    assert series.range_of("nonsense").key == "1h"


def test_a_service_is_drawn_by_its_pool():
    assert series.chart_metrics(["capacity", "checked_out", "waiting"]) == ["latency_ms", "usage_percent", "checked_out", "waiting"]
    drawn = [series.chart_row(name, [[0.0, 1.0]], range_s=3600, refetch_s=60, over="last 1 h") for name in ("usage_percent", "checked_out")]
    assert [(one.title, one.unit, one.kind) for one in drawn] == [("Pool usage", "%", "line"), ("Connections in use", "", "step")]


def test_a_source_that_answers_is_not_called_down():
    busy = replace(GOOD, status=HealthStatus.UNHEALTHY, checks=(FAIL,))
    assert _plain(rows.verdict(ONE, busy, is_live=True).title) == "billing-primary is unhealthy since 12:00:00"
