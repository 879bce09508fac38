"""What the console obeys: hints, configs, and their age."""

import pytest

from dashboard_app.console.client.throttle import Hint, Throttle, parse_hint
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.policy.server_limits import Throttling


def header(level: str, version: int) -> dict[str, str]:
    return {"x-throttle": f"level={level}; max=3; rpm=30; delay=1000; version={version}"}


def config(level: Level, clock: ManualClock, version: int = 1) -> ThrottlingConfig:
    return ThrottlingConfig(
        level, 3, 30, 1000, level is Level.EMERGENCY, level is Level.EMERGENCY, None, 0.0, (), version, 30.0, clock.now()
    )


@pytest.mark.parametrize("value", ["", "level=NORMAL", "level=LOW; max=1; rpm=1; delay=1; version=1", "max=x", ";;;=", "level"])
def test_nonsense_is_no_hint(value: str) -> None:
    assert parse_hint(value) is None


def test_a_hint_is_read() -> None:
    assert parse_hint("level=AGGRESSIVE; max=3; rpm=30; delay=1000; version=42") == Hint(Level.AGGRESSIVE, 3, 30, 1000, 42)


def test_a_newer_hint_binds_at_once_and_asks_for_the_config_an_older_one_only_asks() -> None:
    throttle, asked = Throttle(ManualClock(), poll_s=30), []
    throttle.on_news = lambda: asked.append(throttle.level)
    throttle.hear(header("AGGRESSIVE", 5))
    throttle.hear(header("NORMAL", 4))
    throttle.hear(header("AGGRESSIVE", 5))
    throttle.hear({})
    assert asked == [Level.AGGRESSIVE, Level.AGGRESSIVE]
    assert throttle.limits() == Throttling(3, 30, 1.0)


def test_a_config_is_true_whatever_came_before() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, poll_s=30)
    throttle.hear(header("EMERGENCY", 50))
    assert throttle.limits() == Throttling(3, 30, 1.0, clicks_only=True)
    throttle.learn(config(Level.NORMAL, clock, version=1))
    assert throttle.limits() is None


@pytest.mark.parametrize(("known", "assumed"), [(Level.NORMAL, Level.MODERATE), (Level.AGGRESSIVE, Level.AGGRESSIVE)])
def test_a_config_not_confirmed_for_ttl_and_a_poll_means_at_least_moderate(known: Level, assumed: Level) -> None:
    clock = ManualClock()
    throttle = Throttle(clock, poll_s=30)
    throttle.learn(config(known, clock))
    clock.tick(60)
    assert (throttle.is_assumed, throttle.level) == (False, known)
    clock.tick(1)
    assert (throttle.is_assumed, throttle.level) == (True, assumed)
    assert throttle.limits() is not None


def test_a_server_without_a_config_is_not_throttled() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, poll_s=30)
    throttle.not_offered()
    clock.tick(1000)
    assert throttle.limits() is None


def test_a_server_that_stops_offering_a_config_is_throttled_once_the_last_one_is_too_old() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, poll_s=30)
    throttle.learn(config(Level.NORMAL, clock))
    throttle.not_offered()
    assert throttle.limits() is None
    clock.tick(61)
    assert (throttle.is_assumed, throttle.level) == (True, Level.MODERATE)
