"""Usage over the last minutes → how fast the pool fills and when it would be full, if it goes on like that.

The slope is Theil-Sen's (the median of the slopes of all pairs), which a single spike cannot bend. A pool counts as filling only when
each third of the window lies above the one before by more than the noise: a step up or a saw-tooth is no ramp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median

WINDOW_S = 180.0
"""How far back a forecast looks, in seconds."""
_POINTS = 36
_LEAST_POINTS = 6
_LEAST_SLOPE = 0.5
_FURTHEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """`slope_percent_per_min`: negative when emptying. `exhaustion_in_s`: None when flat, falling, unclear or more than an hour away."""

    slope_percent_per_min: float = 0.0
    exhaustion_in_s: float | None = None


def forecast(samples: Sequence[tuple[float, float]]) -> Forecast:
    """The forecast from (seconds, usage percent) pairs in rising order of time; 0 and None with fewer than six.

    At most 36 samples, evenly chosen, are weighed: 630 pairs, well under a millisecond.
    """
    weighed = _thin(samples)
    if len(weighed) < _LEAST_POINTS:
        return Forecast()
    slope = 60.0 * median((after[1] - before[1]) / (after[0] - before[0]) for before, after in combinations(weighed, 2))
    usage_now = weighed[-1][1]
    if slope < _LEAST_SLOPE or usage_now >= 100.0 or not _is_filling(weighed):  # noqa: PLR2004  a full pool is not filling
        return Forecast(round(slope, 1))
    left_s = (100.0 - usage_now) / slope * 60.0
    return Forecast(round(slope, 1), round(left_s, 1) if left_s <= _FURTHEST_S else None)


def _thin(samples: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most 36 samples with different times, evenly chosen, the last always among them."""
    distinct = [sample for index, sample in enumerate(samples) if index == 0 or sample[0] > samples[index - 1][0]]
    step = max(-(-len(distinct) // _POINTS), 1)
    return distinct[::-1][::step][::-1]


def _is_filling(weighed: Sequence[tuple[float, float]]) -> bool:
    """Whether each third of the window lies above the one before it by more than half of what single samples wobble."""
    usages = [usage for _, usage in weighed]
    third = len(usages) // 3
    first, second, last = (median(usages[cut : cut + third]) for cut in (0, third, len(usages) - third))
    wobble = median(abs(after - before) for before, after in pairwise(usages))
    return second - first > wobble / 2 and last - second > wobble / 2
