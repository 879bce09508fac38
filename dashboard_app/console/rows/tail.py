"""The right end of a chart that grows: what to append for a new sample, and for silence. Pure."""

from dataclasses import dataclass, replace
from typing import Self

from dashboard_app.console.rows.series import ChartRow

NewPoints = list[list[float | None]]
_SILENCE_STEPS = 2.5
"""Silence is drawn on in steps of the sampling interval: the gap's distance is 2.5 of it."""


@dataclass(frozen=True, slots=True)
class Tail:
    """When the last sample was, up to when the chart is drawn (both epoch seconds), and from which distance on there is a gap."""

    sample_s: float
    drawn_s: float
    gap_s: float

    @classmethod
    def of(cls, row: ChartRow) -> Self | None:
        """The tail of a chart as it was read; None while it has no sample."""
        times, values = row.data
        known = [float(at) for at, value in zip(times, values, strict=True) if at is not None and value is not None]
        return cls(known[-1], float(times[-1] or 0.0), row.gap_s) if known else None

    def grown(self, at_s: float, value: float | None) -> tuple[NewPoints, Self]:
        """The points for a new sample, and the tail after it: a gap comes first when the last sample is too far away."""
        if at_s <= self.sample_s:
            return [], self
        gap: NewPoints = [[max(self.sample_s + self.gap_s / 2, self.drawn_s), None]] if at_s - self.sample_s > self.gap_s else []
        sample_s = self.sample_s if value is None else at_s
        return [*gap, [at_s, value]], replace(self, sample_s=sample_s, drawn_s=at_s)

    def silent(self, now_s: float) -> tuple[NewPoints, Self]:
        """The point that draws the gap on up to now when nothing has come for too long; none while a sample may still come."""
        if now_s - self.sample_s <= self.gap_s or now_s - self.drawn_s < self.gap_s / _SILENCE_STEPS:
            return [], self
        return [[now_s, None]], replace(self, drawn_s=now_s)
