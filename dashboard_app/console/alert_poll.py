"""What fires, read every two seconds while somebody watches."""

import logging
from collections.abc import Callable

from dashboard_app.console.client.alerts import ListedAlert
from dashboard_app.console.client.backend import Backend
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import SpillwayError
from dashboard_app.runtime.wake import Wake

_log = logging.getLogger(__name__)
EVERY_S = 2.0
NOT_OFFERED_S = 60.0
"""A server without alerts is asked once a minute whether it has learned."""


class AlertPoll:
    """One loop for the supervisor."""

    def __init__(self, backend: Backend, snapshot: Snapshot, clock: Clock, *, poll_s: float) -> None:
        """`poll_s`: between two looks while nobody watches."""
        self._backend, self._snapshot, self._clock, self.poll_s = backend, snapshot, clock, poll_s
        self._bell = Wake(clock)
        self.is_watched: Callable[[], bool] = lambda: False

    def news(self) -> None:
        """Look at once: somebody begins to watch, or has acted."""
        self._bell.ring()

    def keep(self, changed: ListedAlert) -> None:
        """Show an alert as an act has left it; the next look follows at once."""
        reading = self._snapshot.alerts
        if reading is not None:
            self._snapshot.set_alerts(tuple(changed if one.alert.id == changed.alert.id else one for one in reading.value))
        self.news()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self._read()
            await self._clock.sleep(min(0.1, self.poll_s))
            await self._bell.wait(began + self._pause_s())

    def _pause_s(self) -> float:
        """How long until the next look."""
        if not self._snapshot.are_alerts_offered:
            return NOT_OFFERED_S
        return EVERY_S if self.is_watched() else self.poll_s

    async def _read(self) -> None:
        """Look once; a failure is seen by the age of what is known, and has asked for pings already."""
        try:
            self._snapshot.set_alerts(await self._backend.alerts.open_ones())
        except SpillwayError as failure:
            _log.debug("alerts could not be read: %s", failure.code)
