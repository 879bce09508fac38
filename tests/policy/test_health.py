from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus
from dashboard_app.policy.health import aged, began, dated, fold, sentence, verdict

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PASS, WARN, FAIL = CheckStatus.PASS, CheckStatus.WARN, CheckStatus.FAIL
statuses = st.lists(st.sampled_from(CheckStatus), max_size=8)


def checks_of(*found: CheckStatus) -> list[Check]:
    return [Check(f"check {n}", status, message=f"message {n}") for n, status in enumerate(found)]


def health(status: HealthStatus, *, since: datetime | None = NOW, checked_at: datetime | None = NOW) -> Health:
    return Health(7, status, since, 3.0, checked_at, "as found", tuple(checks_of(PASS)))


@pytest.mark.parametrize(
    ("observed", "warn_from", "fail_from", "expected"),
    [
        (69.9, 70, 90, PASS),
        (70, 70, 90, WARN),
        (89.9, 70, 90, WARN),
        (90, 70, 90, FAIL),
        (1e9, 70, None, WARN),
        (0, 70, None, PASS),
    ],
)
def test_a_limit_counts_from_its_own_value_on(observed: float, warn_from: float, fail_from: float | None, expected: CheckStatus) -> None:
    assert verdict(observed, warn_from, fail_from) is expected


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        ((), HealthStatus.UNKNOWN, None),
        ((PASS, PASS), HealthStatus.HEALTHY, None),
        ((PASS, WARN, WARN), HealthStatus.DEGRADED, "message 1"),
        ((WARN, FAIL, FAIL), HealthStatus.UNHEALTHY, "message 1"),
    ],
)
def test_the_worst_check_rules_and_the_first_of_the_worst_speaks(
    found: tuple[CheckStatus, ...], status: HealthStatus, words: str | None
) -> None:
    assert fold(checks_of(*found)) is status
    assert sentence(checks_of(*found)) == words


def test_a_check_without_words_speaks_by_its_name() -> None:
    assert sentence([Check("blocked_sessions", WARN)]) == "blocked_sessions"


@given(found=statuses, more=st.sampled_from(CheckStatus))
def test_one_more_check_never_makes_a_looked_at_source_better(found: list[CheckStatus], more: CheckStatus) -> None:
    rank = [HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY]
    before, after = fold(checks_of(*found)), fold(checks_of(*found, more))
    assert before is HealthStatus.UNKNOWN or rank.index(after) >= rank.index(before)


@given(found=statuses)
def test_order_does_not_change_the_status(found: list[CheckStatus]) -> None:
    assert fold(checks_of(*found)) is fold(checks_of(*reversed(found)))


@given(observed=st.floats(0, 1e6), warn_from=st.floats(0, 1e6), gap=st.floats(0, 1e6))
def test_more_is_never_judged_milder(observed: float, warn_from: float, gap: float) -> None:
    order = [PASS, WARN, FAIL]
    assert order.index(verdict(observed + 1, warn_from, warn_from + gap)) >= order.index(verdict(observed, warn_from, warn_from + gap))


def test_a_status_that_stays_keeps_its_beginning() -> None:
    earlier = NOW - timedelta(hours=2)
    assert began(health(HealthStatus.DEGRADED, since=earlier), HealthStatus.DEGRADED, NOW) == earlier


@pytest.mark.parametrize("previous", [None, health(HealthStatus.HEALTHY), health(HealthStatus.DEGRADED, since=None)])
def test_a_new_status_begins_now(previous: Health | None) -> None:
    assert began(previous, HealthStatus.DEGRADED, NOW + timedelta(seconds=5)) == NOW + timedelta(seconds=5)


def test_a_wall_clock_set_back_gives_no_beginning_in_the_future() -> None:
    assert began(health(HealthStatus.HEALTHY), HealthStatus.HEALTHY, NOW - timedelta(hours=1)) == NOW - timedelta(hours=1)


def test_a_reading_within_the_limit_stays_and_beyond_it_is_unknown() -> None:
    reading = health(HealthStatus.HEALTHY)
    assert aged(reading, NOW + timedelta(seconds=60), 60) is reading
    late = aged(reading, NOW + timedelta(seconds=61), 60)
    assert (late.status, late.since, late.latency_ms, late.checks) == (HealthStatus.UNKNOWN, NOW, None, ())


def test_what_was_never_checked_is_unknown_and_unknown_stays_as_it_is() -> None:
    assert aged(health(HealthStatus.HEALTHY, checked_at=None), NOW, 60).status is HealthStatus.UNKNOWN
    unknown = health(HealthStatus.UNKNOWN)
    assert aged(unknown, NOW + timedelta(days=9), 60) is unknown


def test_a_check_keeps_the_beginning_of_its_verdict_until_the_verdict_changes() -> None:
    earlier = NOW - timedelta(minutes=5)
    first = dated(checks_of(PASS, WARN), None, earlier)
    assert [check.since for check in first] == [earlier, earlier]
    before = Health(7, HealthStatus.DEGRADED, earlier, 3.0, earlier, None, first)
    second = dated([*checks_of(PASS, FAIL), Check("new", PASS)], before, NOW)
    assert [(check.name, check.since) for check in second] == [("check 0", earlier), ("check 1", NOW), ("new", NOW)]


@pytest.mark.parametrize(
    ("status", "since", "expected"),
    [
        (HealthStatus.HEALTHY, NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
        (HealthStatus.HEALTHY, None, NOW),
        (HealthStatus.HEALTHY, NOW + timedelta(hours=1), NOW),
        (HealthStatus.DEGRADED, NOW - timedelta(hours=1), NOW),
    ],
)
def test_after_a_restart_only_a_healthy_past_dates_a_passing_check(
    status: HealthStatus, since: datetime | None, expected: datetime
) -> None:
    restored = Health(7, status, since, 3.0, NOW)
    passing, failing = dated(checks_of(PASS, FAIL), restored, NOW)
    assert (passing.since, failing.since) == (expected, NOW)
