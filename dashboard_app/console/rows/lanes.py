"""The loader's two lanes and its last round as display rows. Pure."""

from dataclasses import dataclass
from typing import Any

from dashboard_app.console import words


@dataclass(frozen=True, slots=True)
class LaneRow:
    """How far one lane is. `note` says why it is slow, or why it stands; by the adaptive pace how many requests go at once."""

    done: int = 0
    total: int = 0
    percent: float = 0.0
    flying: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RoundRow:
    """The last full round; `took` is empty before the first."""

    took: str = ""
    ended: str = ""


def lane_row(lane: Any) -> LaneRow:
    """One lane of the loader's progress."""
    percent = round(100 * lane.done / lane.total, 1) if lane.total else 0.0
    note = lane.reason[:1].upper() + lane.reason[1:]
    if not note and lane.total and lane.at_once:
        is_busy = lane.in_flight or lane.done < lane.total
        note = "As fast as the server allows" + (f": {words.count(lane.at_once)} at once" if is_busy else "")
    return LaneRow(lane.done, lane.total, percent, f"{words.count(lane.in_flight)} in flight", note)


def round_row(last: Any) -> RoundRow:
    """The last full round, how long it took, when it ended and how many calls failed."""
    if last is None:
        return RoundRow()
    failed = f"{words.count(last.failed)} failed" if last.failed else "none failed"
    return RoundRow(words.duration(last.duration_s), f"ended {words.clock(last.ended_at)} · {failed}")
