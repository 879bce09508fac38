"""The part of `/pool`'s state that draws usage: the guard's past, whole, and the points that come after it."""

from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.rows import usage
from dashboard_app.console.session import assign

MINUTES = 15
SILENCE_S = 10.0
"""The guard answers every second while somebody watches: after this long without a point the line is broken."""


class PoolChart(rx.State, mixin=True):
    """The chart. The guard's own memory fills what this page missed."""

    minutes: int = MINUTES
    window_s: float = 60.0 * MINUTES
    chart: rx.Field[list[list[float | None]]] = rx.field(default_factory=list)
    chart_patch: rx.Field[dict[str, list[list[float | None]]]] = rx.field(default_factory=dict)
    chart_marks: rx.Field[list[dict[str, Any]]] = rx.field(default_factory=list)
    mark_rows: rx.Field[list[usage.MarkRow]] = rx.field(default_factory=list)
    chart_label: str = ""
    chart_note: str = ""

    _level: str = ""
    _since: str = ""
    _last_point_s: float = 0.0
    _is_past_wanted: bool = False

    def _show_history(self, past: dict[str, Any], minutes: int) -> None:
        """Take over the chart's past, whole; from here on it grows point by point."""
        self._is_past_wanted = False
        shown = usage.usage(past, minutes)
        self._since = usage.last_level_change(past) or self._since
        assign(
            self,
            chart_note=past.get("note", ""),
            chart=shown.data,
            chart_marks=shown.marks,
            mark_rows=shown.rows,
            chart_label=shown.label,
        )

    def _note_level(self, level: str) -> None:
        """Remember when the level changed while this page looked on; its mark stands in the guard's past."""
        if self._level and level != self._level:
            self._since = words.clock(console().clock.now())
            self._is_past_wanted = True
        self._level = level

    def _append(self, status: dict[str, Any]) -> None:
        """Give the chart its next point, at most one a second; after silence a gap, and the guard's own memory fills it."""
        at, last = usage.seconds_of(status["measured_at"]), self._last_point_s
        if at - last < 1.0:
            return
        is_silence = last > 0 and at - last > SILENCE_S
        gap: list[list[float | None]] = [[last + 1.0, None, None]] if is_silence else []
        self._is_past_wanted = self._is_past_wanted or is_silence
        self._last_point_s = at
        self.chart_patch = {"points": [*gap, [at, float(status["usage_percent"]), float(status["pool"]["waiting"])]]}
