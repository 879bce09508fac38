"""The forecast on shapes: as a list of samples, and as the guard's own recorder keeps them, which leaves out what did not change."""

import math
import random
from collections.abc import Callable

import pytest

from dashboard_app.backend.guard.recorder import Recorder
from dashboard_app.policy.forecast import WINDOW_S, Forecast, forecast

CAPACITY = 30


def samples(*usages: float, every_s: float = 1.0) -> list[tuple[float, float]]:
    return [(1000 + index * every_s, usage) for index, usage in enumerate(usages)]


def recorded(shape: Callable[[float], float], until: float = 180.0) -> list[tuple[float, float]]:
    """What a pool of 30 leaves in the guard's memory when its usage follows `shape` (seconds → connections): a mark per change."""
    recorder, before = Recorder(), -1
    for tenth in range(int(until * 10) + 1):
        held = max(0, min(CAPACITY, round(shape(tenth / 10))))
        if held != before:
            recorder.mark(1000 + tenth / 10, held, 0)
            before = held
    recorder.mark(1000 + until, before, 0)
    return [(float(second), round(100 * top / CAPACITY, 1)) for second, top, _ in recorder.seconds(1000 + until, int(WINDOW_S))]


def test_a_ramp_tells_when_the_pool_is_full() -> None:
    # 0.1 % a second = 6 % a minute; from 37.9 % that leaves 62.1 / 6 minutes = 621 s
    assert forecast(samples(*(20 + index * 0.1 for index in range(180)))) == Forecast(6.0, 621.0)


def test_a_falling_pool_has_a_negative_slope_and_no_end() -> None:
    assert forecast(samples(*(80 - index * 0.1 for index in range(180)))) == Forecast(-6.0, None)


@pytest.mark.parametrize(
    "usages",
    [
        [43.3] * 180,
        [20.0] * 60 + [60.0] * 120,  # one step up is no ramp
        [20.0] * 150 + [60.0] * 30,
        [(index % 20) * 3.0 for index in range(180)],  # a saw-tooth comes back each time
        [random.Random(7).uniform(30, 50) for _ in range(180)],  # noqa: S311 - noise, no secret
        [100.0] * 180,
    ],
    ids=["flat", "early step", "late step", "saw-tooth", "noise", "full"],
)
def test_only_a_ramp_has_an_end(usages: list[float]) -> None:
    assert forecast(samples(*usages)).exhaustion_in_s is None


@pytest.mark.parametrize("moment", range(5, 180, 5))
@pytest.mark.parametrize("until", [20.0, 60.0, 180.0])
def test_a_recorded_step_is_no_ramp_whenever_it_comes(moment: int, until: float) -> None:
    told = forecast(recorded(lambda at: 6 if at < moment else 24, until))
    assert told.exhaustion_in_s is None


@pytest.mark.parametrize("moment", [30, 60, 90, 120])
def test_a_recorded_step_does_not_even_look_steep(moment: int) -> None:
    assert abs(forecast(recorded(lambda at: 6 if at < moment else 24)).slope_percent_per_min) <= 30 * (moment == 90)


@pytest.mark.parametrize("moment", [40, 80, 90, 100, 140])
def test_a_step_with_a_burst_before_it_is_no_ramp(moment: int) -> None:
    dice = random.Random(moment)  # noqa: S311 - noise, no secret

    def shape(at: float) -> float:
        if at < moment - 8:
            return 1
        return dice.uniform(1, 20) if at < moment else 24

    assert forecast(recorded(shape)).exhaustion_in_s is None


@pytest.mark.parametrize("period_s", [8, 20, 45, 90, 150])
@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75, 0.95])
def test_a_recorded_saw_tooth_is_no_ramp(period_s: int, phase: float) -> None:
    told = forecast(recorded(lambda at: 4 + 20 * ((at / period_s + phase) % 1)))
    assert told.exhaustion_in_s is None


@pytest.mark.parametrize("seed", range(8))
def test_recorded_noise_is_no_ramp(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - noise, no secret
    assert forecast(recorded(lambda _: 15 + dice.gauss(0, 4))).exhaustion_in_s is None


@pytest.mark.parametrize("period_s", [10, 40, 100])
def test_a_recorded_wave_is_no_ramp(period_s: int) -> None:
    assert forecast(recorded(lambda at: 15 + 8 * math.sin(at / period_s * 2 * math.pi))).exhaustion_in_s is None


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("per_min", [3.0, 6.0, 8.0])
def test_a_recorded_ramp_ends_when_it_will(per_min: float, noise: float) -> None:
    dice = random.Random(5)  # noqa: S311 - noise, no secret
    told = forecast(recorded(lambda at: 2 + per_min * at / 60 + dice.uniform(-noise, noise)))
    left_s = (CAPACITY - 2 - 3 * per_min) / per_min * 60
    assert told.slope_percent_per_min == pytest.approx(per_min / CAPACITY * 100, rel=0.2)
    assert told.exhaustion_in_s == pytest.approx(left_s, rel=0.35)


def test_a_ramp_that_began_a_minute_ago_is_seen_in_a_young_pool() -> None:
    assert forecast(recorded(lambda at: 3 + at / 5, until=60)).exhaustion_in_s == pytest.approx(75, rel=0.2)  # 15 of 30, one in 5 s


def test_what_rises_for_less_than_half_a_minute_has_no_end_yet() -> None:
    assert forecast(recorded(lambda at: at, until=20)).exhaustion_in_s is None


def test_a_full_pool_that_was_filling_has_no_end_ahead() -> None:
    assert forecast(samples(*(min(40 + index * 0.5, 100.0) for index in range(125)))).exhaustion_in_s is None


def test_a_noisy_ramp_still_has_an_end() -> None:
    noise = random.Random(3)  # noqa: S311
    told = forecast(samples(*(20 + index * 0.25 + noise.uniform(-3, 3) for index in range(180))))
    assert told.slope_percent_per_min == pytest.approx(15.0, abs=1.5)
    assert told.exhaustion_in_s == pytest.approx(140, rel=0.25)


def test_an_end_more_than_an_hour_away_is_none() -> None:
    assert forecast(samples(*(1 + index * 0.01 for index in range(180)))) == Forecast(0.6, None)


@pytest.mark.parametrize("few", [[], [(0.0, 10.0)], [(float(second), 10.0 * second) for second in range(5)], [(1.0, 10.0)] * 20])
def test_too_few_samples_say_nothing(few: list[tuple[float, float]]) -> None:
    assert forecast(few) == Forecast()
