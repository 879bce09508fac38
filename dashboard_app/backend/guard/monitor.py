"""What events cannot tell: does the database answer, what does it see, is it time to clean up.

Three loops: once a second the gauge is read and an automatic cleanup is considered; every two seconds (every second while the database
is away, at once after an error) the database is asked for an answer; every POOL_MONITOR_INTERVAL_S its own view is read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dashboard_app.backend.guard.bounded import Bounded
from dashboard_app.backend.guard.limits import GuardLimits
from dashboard_app.backend.guard.server_view import Overview, ServerView
from dashboard_app.model.clock import Clock
from dashboard_app.policy.connections import demand_reason

logger = logging.getLogger("spillway.guard")
_TICK_S = 1.0
_BREATH_S = 0.1
_PING_ENDS_S = 10.0


class Monitor:
    """The guard's loops. One ping at a time: a silent one is left running and its answer, when it comes, is the news."""

    def __init__(self, server: ServerView | None, limits: GuardLimits, clock: Clock, bounded: Bounded, *, capacity: int) -> None:
        """Nothing runs before `run`. `capacity`: the most connections the pool opens."""
        self.overview: Overview | None = None
        self._server = server
        self.limits = limits
        self._clock = clock
        self._bounded = bounded
        self._capacity = capacity
        self._suspicion, self._retuned = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ping: asyncio.Task[bool] | None = None

    def suspect(self) -> None:
        """Something failed as it does when the database is away: ask at once. From any thread; nothing happens unless `run` runs."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._suspicion.set)

    def retune(self, limits: GuardLimits) -> None:
        """Go by other limits at once. On the loop that runs `run`."""
        self.limits = limits
        self._retuned.set()

    async def run(self, on_tick: Callable[[], Awaitable[None]], on_verdict: Callable[[bool], None]) -> None:
        """Until cancelled: `on_tick` once a second, `on_verdict` after each look at the database."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._tick(on_tick), name="guard tick")
                if self._server is not None:
                    loops.create_task(self._watch(self._server, on_verdict), name="guard heartbeat")
                    loops.create_task(self._view(self._server), name="guard server view")
        finally:
            self._loop = None
            if self._ping is not None:
                self._ping.cancel()

    async def check(self, server: ServerView, within_s: float | None = None) -> bool:
        """True when the database answers within the heartbeat's limit, or in `within_s` seconds."""
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self._answers(server), name="guard ping")
        await asyncio.wait({self._ping}, timeout=self.limits.heartbeat_s if within_s is None else within_s)
        return self._ping.done() and not self._ping.cancelled() and self._ping.result()

    async def _answers(self, server: ServerView) -> bool:
        """One ping to its end."""
        try:
            async with asyncio.timeout(_PING_ENDS_S):
                await server.ping()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises here means no answer
            logger.info("the database did not answer a ping: %s", type(error).__name__)
            return False
        return True

    async def _tick(self, on_tick: Callable[[], Awaitable[None]]) -> None:
        """Once a second."""
        while True:
            await on_tick()
            await self._clock.sleep(_TICK_S)

    async def _watch(self, server: ServerView, on_verdict: Callable[[bool], None]) -> None:
        """Heartbeats; sooner while the database is away or suspected to be."""
        while True:
            self._suspicion.clear()
            is_reachable = await self.check(server)
            on_verdict(is_reachable)
            await self._clock.sleep(_BREATH_S)
            await self._pause(self.limits.heartbeat_s / (1 if is_reachable else 2), self._suspicion)

    async def _pause(self, seconds: float, event: asyncio.Event) -> None:
        """Return after `seconds` or when `event` is set."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        news = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({sleep, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            news.cancel()

    async def _view(self, server: ServerView) -> None:
        """Read the server's own view now and then."""
        was_too_much = False
        while True:
            self._retuned.clear()
            try:
                self.overview = await self._bounded.within(self.limits.heartbeat_s, server.overview(self._capacity))
                reason = demand_reason(self.overview.demand)
                if reason is not None and not was_too_much:
                    logger.warning("%s", reason)
                was_too_much = reason is not None
            except Exception as error:  # noqa: BLE001 - the view is a comfort: without it the guard works on
                logger.info("the server's view could not be read: %s", type(error).__name__)
                self.overview = None
            await self._pause(self.limits.monitor_interval_s, self._retuned)
