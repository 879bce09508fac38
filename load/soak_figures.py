"""What a soak's samples say: the slope of memory with its 95 % bound, whether tasks and descriptors are flat, the longest stall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean, median

MOST_MB_PER_H = 10.0
MOST_STALL_S = 0.25
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of the serving process. `stall_s`: the latest waking of its loop since the sample before, at most a minute back."""

    at_s: float
    rss_mb: float
    tasks: int
    descriptors: int
    stall_s: float


@dataclass(frozen=True, slots=True)
class Slope:
    """A least-squares slope per hour and how far from it the true one may lie, 95 times in 100."""

    per_hour: float
    bound: float

    @property
    def at_most(self) -> float:
        """The upper end."""
        return self.per_hour + self.bound


def slope(samples: Sequence[Sample]) -> Slope:
    """How memory grows. Raises ValueError for fewer than three samples."""
    count = len(samples)
    if count < 3:  # noqa: PLR2004 - two points leave nothing over to judge the line by
        raise ValueError("a slope with its bound needs three samples")
    hours, sizes = [one.at_s / 3600 for one in samples], [one.rss_mb for one in samples]
    line = linear_regression(hours, sizes)
    off = sum((size - line.intercept - line.slope * hour) ** 2 for hour, size in zip(hours, sizes, strict=True))
    spread = sum((hour - mean(hours)) ** 2 for hour in hours)
    return Slope(line.slope, _student(count - 2) * math.sqrt(off / (count - 2) / spread))


def _student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by Cornish and Fisher; within 1 % from five degrees of freedom on."""
    cube, fifth = _Z**3, _Z**5
    return _Z + (cube + _Z) / (4 * freedom) + (5 * fifth + 16 * cube + 3 * _Z) / (96 * freedom**2)


def growth(values: Sequence[int]) -> float:
    """The median of the last quarter less that of the first."""
    quarter = max(len(values) // 4, 1)
    return median(values[-quarter:]) - median(values[:quarter])


def is_flat(values: Sequence[int]) -> bool:
    """True when the last quarter lies no higher than the first, but for 5 or 5 %: readers come and go."""
    quarter = max(len(values) // 4, 1)
    return growth(values) <= max(5.0, 0.05 * median(values[:quarter]))
