"""The snapshot read into the source list's display values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard_app.console.rows import listing as rows
from dashboard_app.console.rows.sources import SourceRow, source_row
from dashboard_app.model.health import Health, HealthStatus

_LATE_ROUNDS = 1.5
"""A reading is late past its refetch interval, or past so many measured rounds where those are longer."""


@dataclass(frozen=True, slots=True)
class RowPatch:
    """The rows that changed since the last one; `seq` grows by one each time."""

    seq: int
    rows: list[SourceRow]


def healths(console: Any) -> dict[int, Health]:
    """The last known health of each registered source."""
    snapshot = console.snapshot
    return {source_id: reading.value for source_id, reading in snapshot.health.items() if source_id in snapshot.sources}


def statuses(console: Any) -> dict[int, HealthStatus]:
    """The last known state of each registered source that was ever checked."""
    return {source_id: health.status for source_id, health in healths(console).items()}


def wanted(console: Any, query: rows.Query) -> list[int]:
    """The ids that `query` asks for, in its order."""
    return rows.ordered(console.snapshot.sources.values(), statuses(console), query)


def page_rows(console: Any, source_ids: list[int]) -> list[SourceRow]:
    """The rows of those sources as they are now."""
    late_s = late_after_s(console)
    return [_row(console, source_id, late_s) for source_id in source_ids if source_id in console.snapshot.sources]


def late_after_s(console: Any) -> float:
    """The age past which a health is late."""
    last = console.loader.progress().last_round
    measured = last.duration_s if last is not None else 0.0
    return max(float(console.settings.health_refetch_s), _LATE_ROUNDS * measured)


def changed(before: Mapping[int, SourceRow], after: list[SourceRow]) -> list[SourceRow]:
    """The rows of `after` that say something else than before."""
    return [row for row in after if before.get(row.id) != row]


def _row(console: Any, source_id: int, late_s: float) -> SourceRow:
    """One source's row."""
    snapshot, now = console.snapshot, console.clock.monotonic()
    health, metrics = snapshot.health.get(source_id), snapshot.metrics.get(source_id)
    return source_row(
        snapshot.sources[source_id],
        health.value if health else None,
        health.age_s(now) if health else None,
        metrics.value if metrics else None,
        snapshot.recent.get(source_id, ""),
        next_s=console.loader.next_check_s(source_id),
        late_s=late_s,
    )
