"""Usage over the last minutes → how fast the pool fills and when it would be full, if it goes on like that.

The slope is Theil-Sen's (the median of the slopes of all pairs), which a single spike cannot bend; it is taken of evenly spaced moments,
because a record leaves out the seconds in which nothing changed. A pool counts as filling only when it rose all along: nearly every sixth
of the window lies above the one before it, and no single rise is most of the whole. So a step, a saw-tooth and noise are no ramp.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import ceil
from statistics import median

WINDOW_S = 180.0
"""How far back a forecast looks, in seconds."""
_POINTS = 36
_LEAST_POINTS = 6
_LEAST_SLOPE = 0.5
_LEAST_SPAN_S = 30.0
"""What rose for a shorter time may be one burst."""
_PARTS = 6
_MOST_OF_IT = 0.6
_FURTHEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """`slope_percent_per_min`: negative when emptying. `exhaustion_in_s`: None when flat, falling, unclear or more than an hour away."""

    slope_percent_per_min: float = 0.0
    exhaustion_in_s: float | None = None


def forecast(samples: Sequence[tuple[float, float]]) -> Forecast:
    """The forecast from (seconds, usage percent) pairs in rising order of time, each holding until the next; 0 and None under six seconds.

    About 36 moments of the last three minutes are weighed: 630 pairs, well under a millisecond.
    """
    weighed = _even(samples)
    if len(weighed) < _LEAST_POINTS:
        return Forecast()
    slope = 60.0 * median((after[1] - before[1]) / (after[0] - before[0]) for before, after in combinations(weighed, 2))
    usage_now = weighed[-1][1]
    is_long = weighed[-1][0] - weighed[0][0] >= _LEAST_SPAN_S
    if slope < _LEAST_SLOPE or usage_now >= 100.0 or not is_long or not _is_filling([usage for _, usage in weighed]):  # noqa: PLR2004  a full pool is not filling
        return Forecast(round(slope, 1))
    left_s = (100.0 - usage_now) / slope * 60.0
    return Forecast(round(slope, 1), round(left_s, 1) if left_s <= _FURTHEST_S else None)


def _even(samples: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The usage at moments a whole number of seconds apart, the last sample's among them, at most about 36 within the window."""
    if not samples:
        return []
    times = [at for at, _ in samples]
    last = times[-1]
    span_s = min(last - times[0], WINDOW_S)
    step_s = max(ceil(span_s / (_POINTS - 1)), 1)
    moments = [last - step_s * back for back in range(int(span_s // step_s), -1, -1)]
    return [(at, samples[bisect_right(times, at) - 1][1]) for at in moments]


def _is_filling(usages: Sequence[float]) -> bool:
    """Whether it rose all along: at most one of the parts lies no higher than the one before, and no rise is most of the whole."""
    cuts = [len(usages) * part // _PARTS for part in range(_PARTS + 1)]
    levels = [median(usages[begin:end]) for begin, end in pairwise(cuts)]
    rises = [after - before for before, after in pairwise(levels)]
    whole = levels[-1] - levels[0]
    return whole > 0 and sum(rise <= 0 for rise in rises) <= 1 and max(rises) <= _MOST_OF_IT * whole and min(rises) > -whole / _PARTS
