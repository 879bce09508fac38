"""The wall's title and tiles."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard_app.console.rows.wall import TILES_AT_MOST, in_short, rest_words, tile, title, worth_a_tile
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus
from dashboard_app.model.source import SourceKind
from tests.console.fake_console import source

AT = datetime(2026, 11, 22, 14, tzinfo=UTC)


def fleet(letters: str) -> tuple[list, dict[int, Health]]:
    """One source per letter: o w b u as in a strip, p paused, n never checked."""
    sources, healths = [], {}
    for place, letter in enumerate(letters, start=1):
        sources.append(source(place, f"s{place}", SourceKind.POSTGRESQL, "h", 1, "d", enabled=letter != "p"))
        if letter in "owbu":
            status = next(one for one in HealthStatus if one.letter == letter)
            healths[place] = Health(place, status, None, 1.0, AT, None, ())
    return sources, healths


@pytest.mark.parametrize(
    ("letters", "is_fallback", "words", "tone"),
    [
        ("", False, "No sources WATCHED", "off"),
        ("pp", False, "No sources WATCHED", "off"),
        ("nn", False, "2 NOT READ YET", "off"),
        ("oooo", False, "All 4 HEALTHY", "ok"),
        ("oooo", True, "All 4 WERE HEALTHY", "ok"),
        ("bbowp", False, "2 of 4 DOWN", "bad"),
        ("bboo", True, "2 of 4 WERE DOWN", "bad"),
        ("owoo", False, "1 of 4 NEEDS A LOOK", "warn"),
        ("owuo", False, "2 of 4 NEED A LOOK", "warn"),
        ("owuo", True, "2 of 4 NEEDED A LOOK", "warn"),
        ("oon", False, "1 of 3 NEEDS A LOOK", "off"),
    ],
)
def test_the_title_says_the_worst_that_is_true(letters, is_fallback, words, tone):
    said = title(*fleet(letters), is_fallback=is_fallback)
    assert (f"{said.amount} {said.word}", said.tone) == (words, tone)


def check(name: str, status: CheckStatus, observed: float | str | None, unit: str, message: str = "") -> Check:
    return Check(name, status, observed, unit, "", message)


@pytest.mark.parametrize(
    ("status", "checks", "message", "words"),
    [
        (HealthStatus.HEALTHY, (check("connect", CheckStatus.PASS, 3.1, "ms"),), None, ""),
        (HealthStatus.UNHEALTHY, (check("connect", CheckStatus.FAIL, None, "", "Connection refused"),), None, "refuses connections"),
        (HealthStatus.UNHEALTHY, (), "No answer within 5 s at step query", "is silent"),
        (HealthStatus.UNHEALTHY, (check("connections", CheckStatus.FAIL, 96.0, "%"),), None, "connections 96\u00a0%"),
        (HealthStatus.DEGRADED, (check("replication_lag", CheckStatus.WARN, 42.0, "s"),), None, "replication lag 42\u00a0s"),
        (HealthStatus.DEGRADED, (check("connect", CheckStatus.WARN, 640.0, "ms"),), None, "connect 640\u00a0ms"),
        (HealthStatus.DEGRADED, (check("read_only", CheckStatus.WARN, "read-only", ""),), None, "read-only"),
        (HealthStatus.DEGRADED, (check("blocked_sessions", CheckStatus.WARN, None, ""),), None, "blocked sessions"),
        (HealthStatus.UNKNOWN, (), "Nobody could look", "unknown"),
    ],
)
def test_why_is_told_in_about_three_words(status, checks, message, words):
    assert in_short(Health(1, status, None, 1.0, AT, message, checks)) == words


def test_a_paused_source_is_a_tile_without_a_reason_and_is_not_wrong():
    sources, _ = fleet("p")
    shown = tile(sources[0], Health(1, HealthStatus.UNHEALTHY, None, None, AT, "Connection refused", ()))
    assert (shown.word, shown.why, shown.is_wrong, shown.status) == ("Paused", "", False, "paused")


def test_up_to_sixty_sources_each_has_a_tile_and_past_them_only_what_is_wrong_has():
    few = fleet("o" * TILES_AT_MOST)
    assert worth_a_tile(*few) == (few[0], [])
    sources, healths = fleet("bbwn" + "o" * 58 + "pp")
    shown, left_out = worth_a_tile(sources, healths)
    assert [one.id for one in shown] == [1, 2, 3, 4]
    assert rest_words(left_out, healths) == "and 58 healthy, 2 paused"


def test_of_many_that_are_down_sixty_have_a_tile_and_the_rest_is_counted():
    sources, healths = fleet("b" * 70)
    shown, left_out = worth_a_tile(sources, healths)
    assert (len(shown), rest_words(left_out, healths)) == (60, "and 10 unhealthy")
    assert rest_words([replace(sources[0], enabled=True)], {}) == "and 1 unknown"
