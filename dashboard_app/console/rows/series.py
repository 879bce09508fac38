"""Samples as columns for a chart: gaps where samples are missing, ranges, and the sentence a chart is read out with. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def columns(points: Points, *, gap_s: float = 0.0, span: tuple[float, float] | None = None) -> Columns:
    """[[epoch ms, value], …] as [[epoch s, …], [value, …]]; two points further apart than `gap_s` (0: never) get a gap between.

    With `span` (epoch seconds, from and to) its two edges count as neighbours, too: silence before and after is a gap like any other.
    """
    times, values = _joined(points, gap_s)
    if not gap_s or span is None or not times:
        return [times, values]
    first, last = float(times[0] or 0.0), float(times[-1] or 0.0)
    if first - span[0] > gap_s:
        times, values = [span[0], *times], [None, *values]
    if span[1] - last > gap_s:
        times, values = [*times, span[1]], [*values, None]
    return [times, values]


def _joined(points: Points, gap_s: float) -> Columns:
    """The points as columns, with a None between two that are too far apart."""
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


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One chart of a page. `note` says why there is nothing to draw; then the frame stays and `data` is empty."""

    key: str
    title: str
    unit: str
    kind: str
    """line, or step for whole numbers."""
    data: Columns
    label: str
    note: str = ""
    gap_s: float = 0.0
    """Two samples further apart than this are not neighbours."""


@dataclass(frozen=True, slots=True)
class RangeChoice:
    """One range to choose, with its address."""

    word: str
    href: str
    is_on: bool


LATENCY = "latency_ms"
_TITLES = {
    LATENCY: "Latency",
    "connections_used": "Connections",
    "transactions_per_s": "Transactions",
    "replication_lag_s": "Replication lag",
    "longest_query_s": "Longest query",
    "cache_hit_percent": "Cache hits",
    "usage_percent": "Pool usage",
    "checked_out": "Connections in use",
    "waiting": "Waiting for a connection",
    "clients_waiting": "Waiting clients",
}
_UNITS = {
    LATENCY: "ms",
    "connections_used": "",
    "clients_waiting": "",
    "transactions_per_s": "tx/s",
    "replication_lag_s": "s",
    "longest_query_s": "s",
    "usage_percent": "%",
    "checked_out": "",
    "waiting": "",
}
_OF_A_SERVICE = ("usage_percent", "checked_out", "waiting")
_STEPS = frozenset({"connections_used", "checked_out", "waiting", "clients_waiting"})
"""Whole numbers that stay what they are until they change."""
_KEY_METRICS = ("clients_waiting", "replication_lag_s", "longest_query_s", "cache_hit_percent")


def chart_metrics(measured: Sequence[str]) -> list[str]:
    """The four metrics to draw: latency, connections, transactions, and the first key metric that was measured; a pool's for a service."""
    if "checked_out" in measured:
        return [LATENCY, *_OF_A_SERVICE]
    key = next((name for name in _KEY_METRICS if name in measured), "longest_query_s")
    return [LATENCY, "connections_used", "transactions_per_s", key]


def chart_row(
    metric: str, points: Points, *, range_s: float, refetch_s: float, over: str, unit: str = "", until_s: float | None = None
) -> ChartRow:
    """One metric's samples as a chart; it ends at `until_s` (None: with its last sample), a range before it begins."""
    title, shown_unit = _titled(metric, unit)
    gap_s = gap_after(range_s, refetch_s)
    data = columns(points, gap_s=gap_s, span=None if until_s is None else (until_s - range_s, until_s))
    kind = "step" if metric in _STEPS else "line"
    note = "" if has_values(data) else "No samples in this range yet. Each round adds one."
    return ChartRow(metric, title, shown_unit, kind, data, spoken(title, data, shown_unit, over), note, gap_s)


def chart_failed(metric: str, why: str) -> ChartRow:
    """The frame of a chart whose history could not be read."""
    title, unit = _titled(metric, "")
    return ChartRow(metric, title, unit, "line", [[], []], f"{title}: not read", f"History could not be read. {why}")


def _titled(metric: str, unit: str) -> tuple[str, str]:
    """A metric's name for people, and its unit."""
    name = metric.replace("_", " ")
    return _TITLES.get(metric, f"{name[:1].upper()}{name[1:]}"), _UNITS.get(metric, unit)


def range_choices(source_id: int, key: str) -> list[RangeChoice]:
    """The ranges of a source's charts; an hour is the default and has the plain address."""
    path = f"/sources/{source_id}"
    return [RangeChoice(one.word, path if one is RANGES[1] else f"{path}?range={one.key}", one.key == key) for one in RANGES]
