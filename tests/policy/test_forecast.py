import random

import pytest

from dashboard_app.policy.forecast import Forecast, forecast


def samples(*usages: float, every_s: float = 1.0) -> list[tuple[float, float]]:
    return [(1000 + index * every_s, usage) for index, usage in enumerate(usages)]


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
