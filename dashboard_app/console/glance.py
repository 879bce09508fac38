"""What all open pages show alike, read once for all that are brought up to date within the same moment."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from dashboard_app.console import frame
from dashboard_app.console.listing import late_after_s, row_of
from dashboard_app.console.rows.alerts import newest_id
from dashboard_app.console.rows.sources import SourceRow

Value = TypeVar("Value")
GOOD_FOR_S = 0.1
"""Ages that are taken from a glance are short of the truth by so much at most; pages count whole seconds."""


class Glance:
    """The console's services as they were at one moment; each part is worked out when the first page asks for it."""

    def __init__(self, console: Any) -> None:
        """Nothing is read yet."""
        self._console = console
        self._rows: dict[int, SourceRow] = {}
        self._kept: dict[Hashable, Any] = {}

    @cached_property
    def frame(self) -> Mapping[str, Any]:
        """What the frame of every page shows, by var name."""
        return frame.read(self._console)

    @cached_property
    def fallback(self) -> Any:
        """What the banner tells; None while values are live."""
        return self._console.fallback()

    @cached_property
    def frame_look(self) -> tuple[object, ...]:
        """Differs when the frame of a page would change."""
        alerts = self._console.snapshot.alerts
        return (self.frame, newest_id(alerts.value) if alerts else 0)

    def rows(self, source_ids: Sequence[int]) -> list[SourceRow]:
        """The rows of those sources; what is gone is left out."""
        sources = self._console.snapshot.sources
        return [self._row(source_id) for source_id in source_ids if source_id in sources]

    def kept(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What `make` gave at the first call with this `key`."""
        if key not in self._kept:
            self._kept[key] = make()
        found: Value = self._kept[key]
        return found

    def _row(self, source_id: int) -> SourceRow:
        """One source's row."""
        row = self._rows.get(source_id)
        if row is None:
            row = self._rows[source_id] = row_of(self._console, source_id, self.kept("late_s", lambda: late_after_s(self._console)))
        return row


class _Last:
    """The newest glance, of which console, at which version of its snapshot, and when."""

    of: tuple[Any, int, float] | None = None
    glance: Glance | None = None


def glance(console: Any, *, fresh: bool = False) -> Glance:
    """The console at this moment: a glance that somebody took a moment ago, unless the snapshot has changed since or it must be `fresh`."""
    version, now = console.snapshot.version, console.clock.monotonic()
    last, of = _Last.glance, _Last.of
    is_good = of is not None and of[0] is console and of[1] == version and 0 <= now - of[2] < GOOD_FOR_S
    if fresh or last is None or not is_good:
        last = _Last.glance = Glance(console)
        _Last.of = (console, version, now)
    return last
