"""The pool's last minutes as a chart: columns, event marks with letters, and the sentence they are read out with. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard_app.console import theme, words
from dashboard_app.console.rows.series import Columns, columns, has_values
from dashboard_app.model.pool import Level
from dashboard_app.policy.throttle import ALLOWANCES

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without I and O, which look like figures."""
MOST_MARKS = 8
TICKS = [0.0, 25.0, 50.0, 70.0, 80.0, 90.0]


@dataclass(frozen=True, slots=True)
class MarkRow:
    """One event under the chart: its letter, its marked time, what happened."""

    letter: str
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """A chart's data (time, usage, waiting), the marks on it (seconds and letter), what they mean, and the chart in words."""

    data: Columns
    marks: list[dict[str, Any]]
    rows: list[MarkRow]
    label: str


def bands() -> list[dict[str, Any]]:
    """The levels above NORMAL as bands of the y axis, mildest first."""
    levels = [level for level in Level if level is not Level.NORMAL]
    tops = [ALLOWANCES[level].from_percent for level in levels[1:]] + [100.0]
    return [
        {"low": ALLOWANCES[level].from_percent, "high": top, "tone": theme.LEVEL[level].tone, "name": level.value}
        for level, top in zip(levels, tops, strict=True)
    ]


def usage(answer: Mapping[str, Any], minutes: int) -> Usage:
    """The guard's history of the last `minutes`, at most an hour of it."""
    points: Sequence[Sequence[Any]] = answer.get("points") or ()
    last = float(points[-1][0]) if points else 0.0
    first = last - minutes * 60_000
    shown = [point for point in points if float(point[0]) >= first]
    waiting: list[float | None] = [float(point[2]) for point in shown]
    data = [*columns([(point[0], point[1]) for point in shown]), waiting]
    told = [mark for mark in answer.get("marks") or () if _ms(mark["at"]) >= first][-MOST_MARKS:]
    rows = [MarkRow(letter, words.clock(_time(mark["at"])), str(mark["text"])) for letter, mark in zip(LETTERS, told, strict=False)]
    marks = [{"t": _ms(mark["at"]) / 1000, "letter": letter} for letter, mark in zip(LETTERS, told, strict=False)]
    return Usage(data, marks, rows, _spoken(data, minutes))


def seconds_of(at: object) -> float:
    """An ISO time of the answer in epoch seconds."""
    return _time(at).timestamp()


def _time(at: object) -> datetime:
    """An ISO time of the answer."""
    return datetime.fromisoformat(str(at))


def _ms(at: object) -> float:
    """An ISO time as epoch milliseconds."""
    return _time(at).timestamp() * 1000


def _spoken(data: Columns, minutes: int) -> str:
    """The chart as one sentence."""
    over = f"Pool usage, last {words.plural(minutes, 'minute')}"
    if not has_values(data):
        return f"{over}: no samples yet"
    known = [value for value in data[1] if value is not None]
    most = max((value for value in data[2] if value is not None), default=0)
    waited = f"; at most {words.count(most)} waited" if most else "; nobody waited"
    return f"{over}: between {words.percent(min(known), 1)} and {words.percent(max(known), 1)}, now {words.percent(known[-1], 1)}{waited}"


def last_level_change(answer: Mapping[str, Any]) -> str:
    """The marked time of the last change of level; "" when the history shows none."""
    changes = [mark for mark in answer.get("marks") or () if mark.get("kind") in ("level", "unreachable", "reachable")]
    return words.clock(_time(changes[-1]["at"])) if changes else ""
