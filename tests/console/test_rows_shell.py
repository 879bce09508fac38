"""The frame's vitals, banner and counts."""

from datetime import UTC, datetime

import pytest

from dashboard_app.console import theme, words
from dashboard_app.console.rows import shell
from dashboard_app.console.rows.shell import BreakerFacts
from dashboard_app.console.words import NB
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.feed import FeedState
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.pool import Level, ThrottlingConfig
from tests.console.fake_console import status_json

AT = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)


def config(level):
    return ThrottlingConfig(
        level=level,
        max_concurrent_requests=3,
        max_requests_per_minute=30,
        request_delay_ms=1000,
        circuit_breaker_open=False,
        emergency_mode_active=False,
        alert=None,
        usage_percent=83.3,
        reasons=(),
        version=42,
        ttl_s=30.0,
        measured_at=AT,
    )


@pytest.mark.parametrize(
    ("level", "age_s", "word", "label"),
    [
        (Level.NORMAL, 1, "NORMAL", "Level"),
        (Level.EMERGENCY, 60, "EMERGENCY", "Level"),
        (Level.NORMAL, 61, "MODERATE", "Level, assumed"),
        (Level.AGGRESSIVE, 61, "AGGRESSIVE", "Level, assumed"),
    ],
)
def test_an_unconfirmed_level_is_at_least_moderate_and_never_milder_than_the_last(level, age_s, word, label):
    vital = shell.level_vital(config(level), age_s, 30.0)
    assert (vital.word, vital.label) == (word, label)


def test_before_the_first_answer_the_level_is_a_dash():
    assert shell.level_vital(None, None, 30.0).word == "\u2013"
    assert shell.pool_vital(None, None, is_fallback=False).text == "\u2013"
    assert shell.breaker_vital([]).word == "\u2013"


def test_the_pool_says_its_percent_as_the_server_does_and_loses_its_colour_when_old():
    live = shell.pool_vital(status_json(), 0.4, is_fallback=False)
    assert (live.text, live.percent, live.bar, live.old) == ("25 / 30", 83.3, "high", False)
    old = shell.pool_vital(status_json(), 94, is_fallback=True, stamp="s")
    assert (old.bar, old.old, old.age_s) == ("n", True, 94)


@pytest.mark.parametrize(("percent", "tone"), [(0, "n"), (69.9, "n"), (70, "warn"), (80, "high"), (90, "bad"), (100, "bad")])
def test_the_bar_takes_the_tone_of_the_level(percent, tone):
    assert theme.usage_bar(percent) == tone


def test_the_worst_breaker_is_shown_and_the_title_lists_both():
    vital = shell.breaker_vital([BreakerFacts("api", BreakerState.CLOSED), BreakerFacts("websocket", BreakerState.OPEN, 12.0, "x")])
    assert (vital.state, vital.word, vital.counts, vital.trial_s) == ("open", "Open", True, 12.0)
    assert vital.title == "websocket: open · api: closed"


def test_a_held_breaker_names_who_holds_it():
    vital = shell.breaker_vital([BreakerFacts("api", BreakerState.FORCED_OPEN, by="Ana", at=AT)])
    assert (vital.word, words.plain(vital.note), vital.counts) == ("Held open", "by Ana, 14:02:11", False)


@pytest.mark.parametrize(
    ("cause", "status", "code", "text"),
    [
        ("http", 503, "database_unavailable", "The server does not answer (503 database_unavailable)."),
        ("http", None, "", "The server does not answer."),
        ("http", 200, "", "The server answers, but nothing this console can read (200)."),
        ("http", 302, "", "The server answers, but nothing this console can read (302)."),
        ("refused", None, "", "Nothing listens at the server's address."),
        ("timeout", None, "", f"The server took longer than 8{NB}s."),
        ("unauthorized", 401, "", "The server refused this console's token."),
        ("unavailable", None, "", "The server cannot reach its database (database_unavailable)."),
    ],
)
def test_the_banner_says_why(cause, status, code, text):
    assert words.plain(shell.banner_cause(cause, status, code, 8.0)) == text


def test_a_forced_breaker_says_who_when_and_why():
    facts = BreakerFacts("api", BreakerState.FORCED_OPEN, by="Ana", at=AT, reason="migration")
    assert words.plain(shell.banner_cause("forced", None, "", 8.0, facts)) == "Ana opened the breaker at 14:02:11: migration."
    bare = BreakerFacts("api", BreakerState.FORCED_OPEN)
    assert words.plain(shell.banner_cause("forced", None, "", 8.0, bare)) == "Someone opened the breaker."


def test_the_navigation_counts_only_what_is_wrong():
    down = [HealthStatus.UNHEALTHY, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY]
    assert shell.nav_counts(down, status_json()) == shell.NavCounts("2", f"83{NB}%", "high")
    assert shell.nav_counts([HealthStatus.HEALTHY], status_json(5, level="NORMAL")) == shell.NavCounts()
    away = status_json(0, level="EMERGENCY") | {"status": "unavailable"}
    assert shell.nav_counts([], away) == shell.NavCounts("", "away", "bad")


@pytest.mark.parametrize(("name", "text"), [("Ana Ruiz", "AR"), ("ana@example.org", "AN"), ("x", "X"), ("", "?"), ("Ana Maria Ruiz", "AR")])
def test_initials(name, text):
    assert shell.initials(name) == text


def test_the_live_feed_says_how_news_comes():
    told = {state: shell.feed_vital(state, 1.0) for state in FeedState}
    assert [(vital.word, vital.dot) for vital in told.values()] == [
        ("Connected", "on"),
        ("Reconnecting", "off"),
        (f"Polling every 1{NB}s", "off"),
    ]
