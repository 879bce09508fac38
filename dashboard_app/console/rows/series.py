"""Samples as columns for a chart: gaps where samples are missing, ranges, and the sentence a chart is read out with. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dashboard_app.console import words

Points = Sequence[Sequence[float | None]]
Columns = list[list[float | None]]


@dataclass(frozen=True, slots=True)
class Range:
    """A choice of how far back a chart looks."""

    key: str
    word: str
    seconds: int


RANGES = (
    Range("15m", "15 min", 900),
    Range("1h", "1 h", 3600),
    Range("6h", "6 h", 21_600),
    Range("24h", "24 h", 86_400),
    Range("7d", "7 d", 604_800),
)
_GAP_FACTOR = 2.5


def range_of(key: str) -> Range:
    """The range called `key` in the URL; an hour when there is none of that name."""
    return next((one for one in RANGES if one.key == key), RANGES[1])


def columns(points: Points, *, gap_s: float = 0.0) -> Columns:
    """[[epoch ms, value], …] as [[epoch s, …], [value, …]]; two points further apart than `gap_s` (0: never) get a gap between."""
    times: list[float | None] = []
    values: list[float | None] = []
    last: float | None = None
    for at_ms, value in points:
        at = float(at_ms or 0.0) / 1000
        if gap_s and last is not None and at - last > gap_s:
            times.append(last + min(gap_s, (at - last) / 2))
            values.append(None)
        times.append(at)
        values.append(None if value is None else float(value))
        last = at
    return [times, values]


def gap_after(range_s: float, refetch_s: float, points: int = 300) -> float:
    """The distance from which two points are not neighbours: 2.5 of the sampling interval or of the server's bucket."""
    return _GAP_FACTOR * max(refetch_s, 2 * range_s / points)


def typical_step(points: Points) -> float:
    """The median distance of neighbours in seconds; 0 below two points."""
    steps = sorted((float(b[0] or 0) - float(a[0] or 0)) / 1000 for a, b in pairwise(points))
    return steps[len(steps) // 2] if steps else 0.0


def has_values(data: Columns) -> bool:
    """True when there is at least one measured value."""
    return any(value is not None for value in data[1])


def spoken(name: str, data: Columns, unit: str, over: str) -> str:
    """The chart as one sentence: least, most and last value."""
    known = [value for value in data[1] if value is not None]
    if not known:
        return f"{name}, {over}: no samples"
    low, high, last = (words.quantity(value, unit) for value in (min(known), max(known), known[-1]))
    return f"{name}, {over}: between {low} and {high}, now {last}"
