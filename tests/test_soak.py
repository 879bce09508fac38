"""What a soak says follows from its samples: a leak is seen, noise is not one, and a stall is not averaged away."""

import random

import pytest

from load.soak_figures import Sample, growth, is_flat, slope

MINUTES = 60


def samples(per_hour_mb: float, noise_mb: float = 0.0) -> list[Sample]:
    """An hour, a sample a minute."""
    chance = random.Random(7)  # noqa: S311 - no secret
    return [
        Sample(minute * 60.0, 200 + per_hour_mb * minute / 60 + chance.uniform(-noise_mb, noise_mb), 100, 50, 0.01)
        for minute in range(MINUTES)
    ]


def test_a_leak_is_measured_and_the_bound_is_nothing_without_noise() -> None:
    found = slope(samples(12.0))
    assert found.per_hour == pytest.approx(12.0)
    assert found.at_most == pytest.approx(12.0)


def test_noise_widens_the_bound_and_the_truth_lies_within() -> None:
    found = slope(samples(3.0, noise_mb=5.0))
    assert found.bound > 1.0
    assert abs(found.per_hour - 3.0) <= found.bound


def test_the_bound_is_the_one_of_the_textbook() -> None:
    points = [Sample(hour * 3600.0, size, 1, 1, 0.0) for hour, size in enumerate((1.0, 3.0, 2.0, 5.0, 4.0, 6.0, 8.0))]
    found = slope(points)
    assert found.per_hour == pytest.approx(29 / 28)
    assert found.bound == pytest.approx(0.477, abs=0.006)  # t(5 degrees of freedom) = 2.571 times the standard error 0.186


def test_two_samples_are_no_line() -> None:
    with pytest.raises(ValueError, match="three samples"):
        slope(samples(0.0)[:2])


def test_what_climbs_is_not_flat_and_what_swings_is() -> None:
    assert is_flat([100, 104, 98, 101] * 10)
    assert not is_flat(list(range(100, 180)))
    assert growth(list(range(100, 180))) == 60
