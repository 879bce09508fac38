"""The sizing of the pool as a curve: connections against the 99th percentile of the wait, with what is and what is enough marked. Pure."""

from dataclasses import dataclass, field
from math import log10

from dashboard_app.console import words
from dashboard_app.console.client.measured import SizeReading, Sizing

WIDTH, HEIGHT = 1000, 200
_LEAST_MS = 1.0
"""The foot of the curve: shorter waits are no waits."""
_LEAST_DECADES = 3
_ROOM = 3
"""Connections shown beyond the last point that tells something."""
_APART_PERCENT = 25.0
"""Labels that stand nearer to each other could touch on a phone."""
_NEAR_PERCENT = 25.0
"""Nearer to an end, half of the longest label would stand outside on a phone."""
_STEPS = (1, 2, 5, 10, 20)
_MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Tick:
    """A word at a place of an axis, in percent from its beginning."""

    word: str
    percent: float


@dataclass(frozen=True, slots=True)
class SizeMark:
    """A number of connections that matters: where it stands, its words, and where its label goes.

    `side` is "start" or "end" near an end of the axis, where a label in the middle would leave the panel.
    """

    word: str
    percent: float
    kind: str
    is_low: bool = False
    side: str = ""


@dataclass(frozen=True, slots=True)
class SizeRow:
    """One row of the curve as a table."""

    connections: str
    p50: str
    p95: str
    p99: str
    waited: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class SizingView:
    """The panel. Without a `path` there is nothing to draw and `verdict` says why."""

    verdict: str = ""
    note: str = ""
    path: str = ""
    label: str = ""
    limit_percent: float = 0.0
    """How high the limit lies, in percent of the height."""
    limit: str = ""
    x_ticks: list[Tick] = field(default_factory=list)
    y_ticks: list[Tick] = field(default_factory=list)
    marks: list[SizeMark] = field(default_factory=list)
    rows: list[SizeRow] = field(default_factory=list)


def view(sizing: Sizing) -> SizingView:
    """The panel for one sizing."""
    verdict, note = _verdict(sizing), _note(sizing)
    if not sizing.curve:
        return SizingView(verdict, note)
    first, last = _span(sizing)
    decades = max(_LEAST_DECADES, _decades(max(size.p99_ms for size in sizing.curve)))
    shown = [size for size in sizing.curve if size.connections <= last]
    places = [(_x(size.connections, first, last), _y(size.p99_ms, decades)) for size in shown]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + f"H{WIDTH}"
    return SizingView(
        verdict=verdict,
        note=note,
        path=path,
        label=_spoken(sizing),
        limit_percent=round(100 - 100 * _y(sizing.limit_ms, decades) / HEIGHT, 2),
        limit=f"enough: below {words.duration(sizing.limit_ms / 1000)}",
        x_ticks=_x_ticks(first, last),
        y_ticks=[Tick(_power(power), round(100 * power / decades, 2)) for power in range(decades + 1)],
        marks=_marks(sizing, first, last),
        rows=[_row(size, sizing) for size in shown],
    )


def _span(sizing: Sizing) -> tuple[int, int]:
    """The first and the last number of connections on the axis: as far as the curve tells something, the pool as it is included."""
    first = sizing.curve[0].connections
    told = max(sizing.curve[-1].connections, sizing.capacity, sizing.recommended or 0)
    return first, max(told + _ROOM, first + 2 * _ROOM)


def _decades(most_ms: float) -> int:
    """Powers of ten from 1 ms up to the longest wait."""
    return int(-(-log10(max(most_ms, 10.0)) // 1))


def _power(power: int) -> str:
    """A power of ten of milliseconds in as few letters as can be."""
    return f"{10**power}{words.NB}ms" if power < _LEAST_DECADES else f"{10 ** (power - _LEAST_DECADES)}{words.NB}s"


def _x(connections: float, first: int, last: int) -> float:
    """Where so many connections stand."""
    return WIDTH * (connections - first) / (last - first)


def _y(wait_ms: float, decades: int) -> float:
    """Where a wait stands, the scale logarithmic from 1 ms; downwards, as drawings count."""
    return HEIGHT - HEIGHT * min(log10(max(wait_ms, _LEAST_MS)) / decades, 1.0)


def _x_ticks(first: int, last: int) -> list[Tick]:
    """Round numbers of connections."""
    step = next((step for step in _STEPS if (last - first) / step <= _MOST_TICKS), _STEPS[-1])
    return [Tick(str(n), round(_x(n, first, last) * 100 / WIDTH, 2)) for n in range(first, last + 1) if n % step == 0 or n == first]


def _marks(sizing: Sizing, first: int, last: int) -> list[SizeMark]:
    """What is, and what would have been enough."""
    at = round(_x(max(sizing.capacity, first), first, last) * 100 / WIDTH, 2)
    now = f"now {sizing.capacity}"
    if sizing.recommended == sizing.capacity:
        now += ", just enough"
    marks = [SizeMark(now, at, "now", side=_side(at))]
    if sizing.recommended not in {None, sizing.capacity}:
        place = round(_x(sizing.recommended, first, last) * 100 / WIDTH, 2)
        marks.insert(
            0, SizeMark(f"enough {sizing.recommended}", place, "enough", is_low=abs(place - at) < _APART_PERCENT, side=_side(place))
        )
    return marks


def _side(percent: float) -> str:
    """Where a label goes that would leave the panel if it stood in the middle of its mark."""
    if percent < _NEAR_PERCENT:
        return "start"
    return "end" if percent > 100 - _NEAR_PERCENT else ""


def _row(size: SizeReading, sizing: Sizing) -> SizeRow:
    """One row of the table."""
    marks = [word for word, number in (("now", sizing.capacity), ("enough", sizing.recommended)) if number == size.connections]
    p50, p95, p99 = (words.duration(value / 1000) if value else "none" for value in (size.p50_ms, size.p95_ms, size.p99_ms))
    return SizeRow(str(size.connections), p50, p95, p99, words.percent(size.waited_percent, 1), ", ".join(marks))


def _verdict(sizing: Sizing) -> str:
    """What the curve says about the pool as it is, in one sentence."""
    if not sizing.is_judged:
        return f"Too little to judge by yet: {sizing.note[:1].lower()}{sizing.note[1:]}" if sizing.note else "Too little to judge by yet."
    if sizing.recommended is None:
        return words.bold("No pool of up to 100 connections would have been enough.") + " Shorter holds help; more connections do not."
    enough = words.bold(words.plural(sizing.recommended, "connection"))
    limit = words.duration(sizing.limit_ms / 1000)
    if sizing.recommended > sizing.capacity:
        return f"{enough} would have been enough: the pool has {sizing.capacity}. With them 99 of 100 wait less than {limit}."
    return f"{enough} would have been enough for 99 of 100 to wait less than {limit}; the pool has {sizing.capacity}."


def _note(sizing: Sizing) -> str:
    """What was played again."""
    if not sizing.checkouts:
        return ""
    told = f"the last {words.plural(sizing.checkouts, 'checkout')}, {words.duration(sizing.span_s)} of work"
    return f"{told}, {words.plural(sizing.left_out, 'suspected leak')} left out" if sizing.left_out else told


def _spoken(sizing: Sizing) -> str:
    """The curve as one sentence."""
    first, last = sizing.curve[0], sizing.curve[-1]
    begin = f"99th percentile of the wait: {words.duration(first.p99_ms / 1000)} with {first.connections} connections"
    end = f"{words.duration(last.p99_ms / 1000)} with {last.connections}" if len(sizing.curve) > 1 else "and with any more"
    enough = f"; {sizing.recommended} are enough" if sizing.recommended is not None else "; none is enough"
    return f"{begin}, {end}{enough}"
