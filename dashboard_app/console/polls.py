"""The guard lane's polls: the pool's status, the throttling-config, the pings after a failure, the cleanup at EMERGENCY."""

import logging
from collections.abc import Callable
from datetime import datetime

from dashboard_app.console.client.backend import Backend
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.pool import Level, PoolHealth
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.runtime.wake import Wake

_log = logging.getLogger(__name__)
STATUS_EVERY_S = 1.0
PING_EVERY_S = 2.0
COOL_DOWN_S = 30.0
"""As the guard's own: least time between a cleanup and one that nobody asked for."""
_NEARLY = 0.95
"""A scheduled poll comes one interval after the one before it; loops are not exact."""
_CLEANER = Principal(PrincipalKind.CONSOLE, "console", Role.ADMIN)


class Polls:
    """Loops for the supervisor. None of them waits in the queue or needs the breaker's ticket, pings' outcomes apart."""

    def __init__(
        self,
        backend: Backend,
        snapshot: Snapshot,
        throttle: Throttle,
        breaker: NamedBreaker,
        clock: Clock,
        *,
        poll_s: float,
        cleans_up: bool,
    ) -> None:
        """`poll_s`: between two throttling-configs. `cleans_up`: ask for a cleanup after two polls at EMERGENCY."""
        self._backend, self._snapshot, self._throttle, self._breaker, self._clock = backend, snapshot, throttle, breaker, clock
        self.poll_s = poll_s
        self.cleans_up = cleans_up
        self._emergency_since: float | None = None
        self._status_bell, self._config_bell, self._ping_bell = Wake(clock), Wake(clock), Wake(clock)
        self.is_watched: Callable[[], bool] = lambda: False
        self.on_usage: Callable[[], None] = lambda: None
        """Called after each status and each config that was kept in the snapshot."""

    def news(self) -> None:
        """Read the throttling-config at once: an answer showed another version, or a person acted on the pool."""
        self._config_bell.ring()

    def suspect(self) -> None:
        """A call has failed: ping until it is clear whether the server lives."""
        self._ping_bell.ring()

    def watched(self) -> None:
        """Somebody begins to watch: read the status at once."""
        self._status_bell.ring()

    async def run_status(self) -> None:
        """Read the pool's status every second while somebody watches, else with the throttling-config."""
        while True:
            began = self._clock.monotonic()
            await self._read_status()
            await self._status_bell.wait(began + (STATUS_EVERY_S if self.is_watched() else self.poll_s))

    async def run_config(self) -> None:
        """Read the throttling-config every `poll_s` and at news."""
        while True:
            began = self._clock.monotonic()
            await self._read_config()
            await self._clock.sleep(min(0.1, self.poll_s))
            await self._config_bell.wait(began + self.poll_s)

    async def run_pings(self) -> None:
        """After a first failed call, ping every two seconds until one succeeds or the breaker opens."""
        while True:
            await self._ping_bell.wait()
            while self._breaker.lets_through:
                began = self._clock.monotonic()
                if await self._backend.ping():
                    break
                await self._clock.sleep(began + PING_EVERY_S - self._clock.monotonic())

    async def _read_status(self) -> None:
        """Read the status once; a failure is seen by its age, and has asked for pings already."""
        try:
            status = await self._backend.guard.status()
        except SpillwayError as failure:
            _log.debug("the pool's status could not be read: %s", failure.code)
            return
        if status is not None:
            self._snapshot.set_pool(status)
            self.on_usage()

    async def _read_config(self) -> None:
        """Read the throttling-config once and obey it."""
        try:
            config = await self._backend.guard.throttling_config()
        except SpillwayError as failure:
            _log.debug("the throttling-config could not be read: %s", failure.code)
            self._throttle.on_limits()  # a config that grows too old binds without any news
            return
        if config is None:
            self._throttle.not_offered()
            return
        self._throttle.learn(config)
        self._snapshot.set_throttling(config)
        self.on_usage()
        await self._clean_up_when_due(config.level)

    async def _clean_up_when_due(self, level: Level) -> None:
        """Ask for a cleanup once the level has been EMERGENCY for two scheduled polls; polls that news brought early count for nothing."""
        if level is not Level.EMERGENCY:
            self._emergency_since = None
            return
        now = self._clock.monotonic()
        if self._emergency_since is None:
            self._emergency_since = now
        if not self.cleans_up or now - self._emergency_since < self.poll_s * _NEARLY or await self._is_no_matter_of_a_cleanup():
            return
        self._emergency_since = now
        try:
            report = await self._backend.guard.cleanup(_CLEANER, dry_run=False)
        except SpillwayError as failure:
            _log.warning("the cleanup at EMERGENCY failed: %s", failure.detail)
            return
        _log.warning("two polls at EMERGENCY: a cleanup took back %s connections", report.get("reclaimed"))
        self.news()

    async def _is_no_matter_of_a_cleanup(self) -> bool:
        """True while the database cannot be reached, after a cleanup by anybody within 30 s, and when the guard does not say."""
        try:
            status = await self._backend.guard.status()
        except SpillwayError:
            return True
        if status is None or status.get("status") == PoolHealth.UNAVAILABLE:
            return status is not None
        last, at = status.get("last_cleanup_at"), status.get("measured_at")
        return bool(last and at) and (datetime.fromisoformat(str(at)) - datetime.fromisoformat(str(last))).total_seconds() < COOL_DOWN_S
