from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.model.pool import Level, PoolCounts, PoolHealth
from dashboard_app.policy.throttle import (
    ALLOWANCES,
    CALM_S,
    LeakFacts,
    Throttle,
    config_for,
    falls_below,
    follow,
    hint_for,
    level_for,
    reach,
    reasons_for,
)

AT = datetime(2026, 1, 1, 14, 13, 10, tzinfo=UTC)
NORMAL, MODERATE, AGGRESSIVE, EMERGENCY = Level
POOL = PoolCounts(size=20, max_overflow=10, checked_out=13, idle=7, overflow=0)


def followed(throttle: Throttle, *steps: tuple[float, float]) -> Throttle:
    """`steps` are (usage percent, now)."""
    for usage, now in steps:
        throttle = follow(throttle, usage, now)
    return throttle


@pytest.mark.parametrize(
    ("usage", "level"),
    [
        (0.0, NORMAL),
        (69.9, NORMAL),
        (70.0, MODERATE),
        (79.9, MODERATE),
        (80.0, AGGRESSIVE),
        (89.9, AGGRESSIVE),
        (90.0, EMERGENCY),
        (100.0, EMERGENCY),
    ],
)
def test_each_usage_calls_for_its_level(usage: float, level: Level) -> None:
    assert level_for(usage) is level


@pytest.mark.parametrize(
    ("held", "level"), [(20, NORMAL), (21, MODERATE), (24, AGGRESSIVE), (26, AGGRESSIVE), (27, EMERGENCY), (30, EMERGENCY)]
)
def test_a_pool_of_30_changes_level_at_21_24_and_27(held: int, level: Level) -> None:
    assert level_for(replace(POOL, checked_out=held).usage_percent) is level


@pytest.mark.parametrize(
    ("level", "allowed", "is_open", "alert"),
    [
        (NORMAL, (10, 100, 100), False, None),
        (MODERATE, (7, 70, 300), False, "info"),
        (AGGRESSIVE, (3, 30, 1000), False, "warning"),
        (EMERGENCY, (1, 5, 2000), True, "critical"),
    ],
)
def test_the_config_is_the_contracts_table(level: Level, allowed: tuple[int, int, int], is_open: bool, alert: str | None) -> None:
    config = config_for(Throttle(by_usage=level), 50.0, ["because"], 42, AT)
    assert (config.max_concurrent_requests, config.max_requests_per_minute, config.request_delay_ms) == allowed
    assert (config.circuit_breaker_open, config.emergency_mode_active, config.alert) == (is_open, is_open, alert)
    assert (config.level, config.version, config.ttl_s, config.reasons, config.measured_at) == (level, 42, 30, ("because",), AT)


def test_the_hint_is_the_header_of_the_contract() -> None:
    assert hint_for(NORMAL, 42) == "level=NORMAL; max=10; rpm=100; delay=100; version=42"
    assert hint_for(EMERGENCY, 7) == "level=EMERGENCY; max=1; rpm=5; delay=2000; version=7"


def test_a_level_is_raised_at_once() -> None:
    assert follow(Throttle(), 93.3, 100.0).level is EMERGENCY


@pytest.mark.parametrize(
    ("steps", "level"),
    [
        ([(90.0, 0), (85.0, 1), (85.0, 5.9)], EMERGENCY),  # 4.9 s of calm are too few
        ([(90.0, 0), (85.0, 1), (85.0, 6.0)], AGGRESSIVE),  # 5 s at the threshold - 5, then what 85 % calls for
        ([(90.0, 0), (85.1, 1), (85.1, 60)], EMERGENCY),  # above 85 % it never falls
        ([(90.0, 0), (0.0, 1), (0.0, 6)], NORMAL),  # straight down, no steps between
        ([(90.0, 0), (60.0, 1), (86.0, 3), (60.0, 4), (60.0, 8.9)], EMERGENCY),  # an interruption starts the calm again
        ([(90.0, 0), (60.0, 1), (86.0, 3), (60.0, 4), (60.0, 9.0)], NORMAL),
        ([(70.0, 0), (65.0, 1), (65.0, 6)], NORMAL),
        ([(70.0, 0), (66.7, 1), (66.7, 99)], MODERATE),
        ([(80.0, 0), (75.0, 1), (91.0, 2), (75.0, 3)], EMERGENCY),
    ],
)
def test_a_level_falls_after_five_calm_seconds(steps: list[tuple[float, float]], level: Level) -> None:
    assert followed(Throttle(), *steps).level is level


def test_nothing_changes_when_nothing_happened() -> None:
    calm = Throttle()
    assert follow(calm, 10.0, 1.0) is calm
    waiting = followed(Throttle(), (75.0, 0), (10.0, 1))
    assert follow(waiting, 12.0, 2.0) is waiting
    assert reach(calm, is_reachable=True) is calm


def test_an_unreachable_database_is_an_emergency_at_once_and_back_straight() -> None:
    away = reach(Throttle(), is_reachable=False)
    assert (away.level, away.health) == (EMERGENCY, PoolHealth.UNAVAILABLE)
    back = reach(away, is_reachable=True)
    assert (back.level, back.health) == (NORMAL, PoolHealth.HEALTHY)


@pytest.mark.parametrize(
    ("level", "health"),
    [
        (NORMAL, PoolHealth.HEALTHY),
        (MODERATE, PoolHealth.DEGRADED),
        (AGGRESSIVE, PoolHealth.DEGRADED),
        (EMERGENCY, PoolHealth.CRITICAL),
    ],
)
def test_health_follows_the_level_by_usage(level: Level, health: PoolHealth) -> None:
    assert Throttle(by_usage=level).health is health


@given(
    threshold=st.sampled_from([70.0, 80.0, 90.0]),
    capacity=st.integers(21, 500),
    wobble=st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.floats(0.0, 100.0)), max_size=60),
)
def test_one_connection_more_or_less_never_makes_it_flap(threshold: float, capacity: int, wobble: list[tuple[int, float]]) -> None:
    at = next(n for n in range(capacity + 1) if round(100.0 * n / capacity, 1) >= threshold)
    throttle, now, levels = Throttle(), 0.0, []
    for step, dwell_s in [(0, 0.0), *wobble]:
        throttle = follow(throttle, round(100.0 * (at + step) / capacity, 1), now)
        now += dwell_s
        levels.append(list(ALLOWANCES).index(throttle.level))
    assert levels == sorted(levels)  # it may rise (90 is one step above 89 in a small pool) but never falls


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 4.9)), min_size=1, max_size=60))
def test_the_level_is_never_below_what_usage_calls_for(steps: list[tuple[float, float]]) -> None:
    throttle, now = Throttle(), 0.0
    order = list(ALLOWANCES)
    for usage, dwell_s in steps:
        throttle = follow(throttle, usage, now)
        assert order.index(throttle.level) >= order.index(level_for(usage))
        now += dwell_s


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_any_calm_usage_ends_where_it_calls_for_or_above_its_margin(peak: float, calm: float) -> None:
    throttle = followed(Throttle(), (peak, 0.0), (calm, 1.0), (calm, 1.0 + CALM_S))
    raised = level_for(max(peak, calm))
    assert throttle.level is (level_for(calm) if calm <= falls_below(raised) else raised)


@pytest.mark.parametrize(
    ("counts", "leaks", "reasons"),
    [
        (POOL, LeakFacts(), ["13 of 30 connections in use, nobody waits"]),
        (replace(POOL, checked_out=30, waiting=1, oldest_wait_s=0.25), LeakFacts(), ["30 of 30 in use, 1 waits, oldest 0.2 s"]),
        (
            replace(POOL, checked_out=27, waiting=4, oldest_wait_s=3.2),
            LeakFacts(suspected_leaks=3),
            ["27 of 30 in use, 4 wait, oldest 3.2 s", "3 checkouts are older than 60 s and run nothing: suspected leaks"],
        ),
        (
            POOL,
            LeakFacts(suspected_leaks=1, leak_threshold_s=5, idle_in_transaction=(("orders.sync:88", 7), ("app.report:9", 2))),
            [
                "13 of 30 connections in use, nobody waits",
                "1 checkout is older than 5 s and runs nothing: a suspected leak",
                "9 checkouts sit idle in a transaction, 7 of them from `orders.sync:88`",
            ],
        ),
        (
            POOL,
            LeakFacts(idle_in_transaction=(("", 1),)),
            ["13 of 30 connections in use, nobody waits", "1 checkout sits idle in a transaction"],
        ),
    ],
)
def test_reasons_are_sentences(counts: PoolCounts, leaks: LeakFacts, reasons: list[str]) -> None:
    assert reasons_for(counts, leaks, Throttle(), 0.0, None) == reasons


def test_the_first_reason_is_the_database_that_does_not_answer() -> None:
    assert (
        reasons_for(POOL, LeakFacts(), Throttle(is_reachable=False), 0.0, AT)[0]
        == "the database does not answer since 2026-01-01T14:13:10Z"
    )


def test_a_level_that_is_about_to_fall_says_when() -> None:
    throttle = followed(Throttle(), (93.3, 0.0), (40.0, 10.0))
    assert reasons_for(POOL, LeakFacts(), throttle, 12.0, None)[-1] == "usage is at or below 85 % again; EMERGENCY ends in 3.0 s"
