"""The guard of one engine's pool: a ledger, a needle, places, a monitor and a cleanup behind one face."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool
from starlette.routing import Route
from starlette.types import ASGIApp

from dashboard_app.backend.guard.admission import Admission
from dashboard_app.backend.guard.answers import StatusFacts, config_json, history_json, holder_json, overview_json, stamp, status_json
from dashboard_app.backend.guard.bounded import Bounded
from dashboard_app.backend.guard.cleanup import Cleanup
from dashboard_app.backend.guard.connection_test import ConnectionTest
from dashboard_app.backend.guard.doors import Told, Waits, watch
from dashboard_app.backend.guard.gauge import Gauge
from dashboard_app.backend.guard.insight import Insight
from dashboard_app.backend.guard.labels import labelled
from dashboard_app.backend.guard.ledger import Ledger
from dashboard_app.backend.guard.limits import GuardLimits
from dashboard_app.backend.guard.monitor import Monitor
from dashboard_app.backend.guard.reachability import Reachability
from dashboard_app.backend.guard.reasons import leak_facts, reasons
from dashboard_app.backend.guard.recorder import Happening
from dashboard_app.backend.guard.report import CleanupReport
from dashboard_app.backend.guard.routes import Authorize, guard_routes
from dashboard_app.backend.guard.server_view import Overview, ServerView
from dashboard_app.model.clock import Clock, SystemClock
from dashboard_app.model.pool import Holder, PoolCounts, ThrottlingConfig
from dashboard_app.policy.forecast import WINDOW_S, forecast
from dashboard_app.policy.throttle import Throttle, config_for

_CLEAN_FROM_PERCENT = 90.0


class PoolGuard:
    """Watches the pool of `engine` from the moment it is built; works for async engines and for sync ones with a QueuePool.

    The constructor does no I/O and starts nothing: `run()` is the monitor. Every reading works without it, save whether the database answers.
    """

    def __init__(
        self,
        engine: AsyncEngine | Engine,
        limits: GuardLimits | None = None,
        clock: Clock | None = None,
        *,
        server: ServerView | None = None,
        is_reachable: Callable[[], bool] | None = None,
        is_pooled: bool = False,
    ) -> None:
        """`server`: the server's own view, outside this pool; `is_reachable`: a second opinion; `is_pooled`: a pooler is in between.

        Behind a pooler the server's sessions are the pooler's: a cleanup ends none of them.

        Raises:
            ValueError: the pool is not a bounded QueuePool.

        """
        self.limits = limits or GuardLimits()
        self.on_cleanup: Callable[[CleanupReport, bool], None] | None = None
        self._clock = clock or SystemClock()
        self._sync: Engine = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
        if not isinstance(self._sync.pool, QueuePool):
            raise ValueError(f"a guard needs a QueuePool, not a {type(self._sync.pool).__name__}")  # noqa: TRY004
        self._at_rest: tuple[Throttle, Overview | None, int, dict[str, object]] | None = None
        self._last_cleanup: tuple[datetime, float] | None = None
        self._etag_prefix = secrets.token_hex(4)
        self._waits = Waits()
        self._bounded = Bounded()
        monotonic = self._clock.monotonic
        self._admission = Admission(self.limits, monotonic)
        self._gauge = Gauge(self._sync.pool, self._waits, self._admission, self._clock)
        self._reachability = Reachability(self._gauge, self._clock, is_reachable)
        self._monitor = Monitor(server, self.limits, self._clock, self._bounded, capacity=self._gauge.capacity)
        self._ledger = Ledger(self._sync, monotonic, self._suspects)
        self.insight = Insight(self._gauge, self._clock, self._alive)
        self._ledger.on_return = self.insight.demands.returned
        self._cleanup = Cleanup(
            self._ledger,
            self._gauge,
            self._pool,
            waits=self._waits,
            server=None if is_pooled else server,
            is_pooled=is_pooled,
            threshold_s=self.limits.leak_threshold_s,
            clock=self._clock,
            bounded=self._bounded,
        )
        self._test = ConnectionTest(engine, self.counts)
        ledger, gauge = self._ledger, self._gauge
        told = Told(gauge.note, ledger.checked_out, ledger.returned, self._suspects, gauge.follow, self.insight.demands)
        watch(self._sync.pool, self._waits, monotonic, told)

    # ---- reading: no I/O, no connection, well under a millisecond

    def counts(self) -> PoolCounts:
        """The pool now; about 2 µs."""
        return self._gauge.counts()

    def hint(self) -> str:
        """The value of the `X-Throttle` header, as of now; about 1 µs."""
        return self._gauge.hint()

    @property
    def version(self) -> int:
        """The version of the throttling config: it grows when the level or the database's reachability changes."""
        self._refresh()
        return self._gauge.version

    @property
    def etag(self) -> str:
        """The weak ETag of the config: the same while what clients must do is the same; another process never repeats it."""
        return f'W/"{self._etag_prefix}-{self.version}"'

    def throttling_config(self, *, call_sites: bool = True) -> ThrottlingConfig:
        """What clients are told now."""
        self._refresh()
        told = self._reasons(counts := self.counts(), call_sites=call_sites)
        return config_for(self._gauge.throttle, counts.usage_percent, told, self._gauge.version, self._clock.now())

    def config_json(self, *, call_sites: bool = True) -> dict[str, object]:
        """The answer of `throttling-config`. While nothing is checked out only its time changes, so the rest of it is kept."""
        self._refresh()
        gauge, overview, kept = self._gauge, self._monitor.overview, self._at_rest
        is_at_rest = (
            not gauge.checked_out()
            and not gauge.is_waited_for
            and gauge.throttle.low_since is None
            and self._reachability.away_since is None
        )
        if is_at_rest and kept is not None and kept[0] is gauge.throttle and kept[1] is overview and kept[2] == gauge.capacity:
            return {**kept[3], "measured_at": stamp(self._clock.now())}
        told = config_json(self.throttling_config(call_sites=call_sites))
        self._at_rest = (gauge.throttle, overview, gauge.capacity, told) if is_at_rest else None
        return told

    def status(self, *, call_sites: bool = True) -> dict[str, object]:
        """The answer of `status`. `call_sites` False leaves the names of code out of the reasons."""
        self._refresh()
        counts = self.counts()
        now = self._clock.monotonic()
        seconds = self._gauge.recorder.seconds(now, int(WINDOW_S))
        facts = StatusFacts(
            counts=counts,
            throttle=self._gauge.throttle,
            peak_usage_percent=self._gauge.percent(self._gauge.recorder.peak(now)),
            admission_limit=self._admission.limit,
            admission_in_flight=self._admission.in_flight,
            admission_rejected_total=self._admission.rejected_total,
            reasons=self._reasons(counts, call_sites=call_sites),
            last_cleanup_at=None if self._last_cleanup is None else self._last_cleanup[0],
            forecast=forecast([(float(second), self._gauge.percent(top)) for second, top, _ in seconds]),
            measured_at=self._clock.now(),
        )
        return status_json(facts)

    def holders(self) -> list[Holder]:
        """Who holds connections, the longest first."""
        now = self._clock.monotonic()
        return [checkout.holder(now, self.limits.leak_threshold_s) for checkout in self._ledger.checkouts()]

    def call_sites(self) -> list[dict[str, object]]:
        """Connection-seconds per call site since the start, most first; at most 500 sites by name."""
        return self._ledger.sites.rows()

    def holders_json(self) -> dict[str, object]:
        """The answer of `holders`."""
        items = [holder_json(holder) for holder in self.holders()]
        return {"items": items, "call_sites": self.call_sites(), "leaks": self.leaks_json(), "server": self.server_json()}

    def server_json(self) -> dict[str, object] | None:
        """What the server said last: its limit, whose sessions it has and what ours do; None when it could not be asked."""
        return None if (overview := self._monitor.overview) is None else overview_json(overview)

    def leaks_json(self) -> dict[str, object]:
        """Suspected leaks since the start: `{"found_total", "returned_total", "reclaimed_total", "recent": [the last 20, newest first]}`."""
        self._look_for_leaks()
        return self._ledger.leaks.to_json(self._clock.monotonic)

    def history(self, minutes: int = 15) -> dict[str, object]:
        """`{"points": [[epoch_ms, usage_percent, waiting]…], "marks": [{"at", "kind", "text"}…]}` of the last `minutes` (1..60).

        At most 300 points, each the highest of its stretch; the oldest first.
        """
        self._refresh()
        return history_json(self._gauge.recorder, self._clock, min(max(minutes, 1), 60), self._gauge.percent)

    def overview(self) -> Overview | None:
        """What the server said last about its sessions, None when it could not be asked."""
        return self._monitor.overview

    @property
    def is_reachable(self) -> bool:
        """False from the moment the database is known not to answer until it does again."""
        return self._gauge.throttle.is_reachable

    # ---- working through the guard

    def admission(self) -> AbstractAsyncContextManager[None]:
        """A place for database work, for the length of the block.

        Raises:
            DatabaseUnavailable: the pool is full, the database is known to be away, or no place came free in time.

        """
        return self._admitted()

    def holding(self, *, task: str = "", route: str = "", exempt: str = "") -> AbstractContextManager[None]:
        """Inside, checkouts carry these names. `exempt`: why a long hold is right; such a checkout is never a suspected leak."""
        return labelled(task=task, route=route, exempt=exempt)

    def running(self, handle: Any, query: str) -> AbstractContextManager[None]:
        """Inside, the checkout behind `handle` runs `query`: put it round statements sent through the driver's own connection.

        Raises:
            Reclaimed: the guard has taken the connection back.

        """
        return self._ledger.running(handle, query)

    async def connection_test(self) -> dict[str, object]:
        """The answer of `connection-test`, within 2 s; the only call of the guard that takes a connection from the pool."""
        return await self._test.run()

    async def cleanup(self, *, dry_run: bool, forced: bool = True) -> CleanupReport:
        """Clean up now, or say what that would do. Forced cleanups never cool down; `on_cleanup` hears of every real one."""
        self._refresh()
        if dry_run:
            return await self._cleanup.dry_run()
        self._look_for_leaks()
        report = await self._cleanup.perform()
        self._last_cleanup = (self._clock.now(), self._clock.monotonic())
        won = report.reclaimed + report.terminated_backends
        text = f"cleanup: {won} checkouts taken back, {report.closed_idle} idle connections closed"
        self._gauge.recorder.tell(Happening(self._clock.now(), "cleanup", text))
        if self.on_cleanup is not None:
            self.on_cleanup(report, forced)
        return report

    async def run(self) -> None:
        """The monitor, until it is cancelled."""
        try:
            await self._monitor.run(self._tick, self._verdict)
        finally:
            self._bounded.close()

    def suspect(self) -> None:
        """Have the database asked at once whether it answers: a statement outside SQLAlchemy failed as if it did not."""
        self._monitor.suspect()

    def retune(self, limits: GuardLimits) -> None:
        """Go by other limits from now on; who waits for a place keeps waiting as long as before."""
        self.limits = self._admission.limits = limits
        self._cleanup.threshold_s = limits.leak_threshold_s
        self._monitor.retune(limits)

    # ---- telling others

    def on_change(self, callback: Callable[[ThrottlingConfig], None]) -> None:
        """Call `callback` with each new config, in the thread and moment of the change: it must be quick and must not wait."""
        self._gauge.listen(lambda: callback(self.throttling_config()))

    def on_reachable(self, callback: Callable[[bool], None]) -> None:
        """Call `callback` whenever the database goes away or comes back."""
        self._reachability.listen(callback)

    def watched(self, app: ASGIApp) -> ASGIApp:
        """`app` with its response times measured and its clients heard: `performance` and `clients` tell of them."""
        return self.insight.watched(app)

    def routes(self, authorize: Authorize) -> list[Route]:
        """The guard's calls as Starlette routes, under `/api/v1/health/database/`; `authorize` decides who may."""
        return guard_routes(self, authorize)

    # ---- inside

    def _pool(self) -> QueuePool:
        """The engine's pool now."""
        return cast("QueuePool", self._sync.pool)

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        """The block of `admission`; the first checkout in it counts as wanted when the place was."""
        self._refresh()
        asked = self._clock.monotonic()
        usage, is_reachable = lambda: self._gauge.percent(self._gauge.checked_out()), self._gauge.throttle.is_reachable
        async with self._admission.place(usage, is_reachable, self._gauge.note):
            with self.insight.demands.delayed(self._clock.monotonic() - asked):
                yield

    def _alive(self) -> tuple[set[int], int]:
        """The ids of the pool's records that are out, without suspected leaks; and how many those are. What was one stays one to the end."""
        self._look_for_leaks()
        checkouts = self._ledger.checkouts()
        alive = {id(checkout.record) for checkout in checkouts if checkout.leak is None}
        return alive, len(checkouts) - len(alive)

    def _suspects(self, _error: BaseException) -> None:
        """A connect or a statement failed."""
        self._monitor.suspect()

    def _verdict(self, is_answering: bool) -> None:
        """The monitor has looked."""
        self._reachability.is_answering = is_answering
        self._refresh()

    def _refresh(self) -> None:
        """Bring level and reachability up to date."""
        self._gauge.note()
        self._reachability.refresh()

    def _look_for_leaks(self) -> None:
        """Note what has become a suspected leak."""
        self._ledger.look_for_leaks(self._clock.monotonic(), self.limits.leak_threshold_s)

    async def _tick(self) -> None:
        """Once a second: refresh, note what has leaked, and clean up when it is time."""
        self._refresh()
        self._look_for_leaks()
        if not self.limits.auto_cleanup or self.counts().usage_percent < _CLEAN_FROM_PERCENT:
            return
        if self._last_cleanup is not None and self._clock.monotonic() - self._last_cleanup[1] < self.limits.cooldown_s:
            return
        if (await self._cleanup.dry_run()).has_effect:
            await self.cleanup(dry_run=False, forced=False)

    def _reasons(self, counts: PoolCounts, *, call_sites: bool) -> list[str]:
        """Why the level is what it is."""
        now = self._clock.monotonic()
        leaks = leak_facts(self._ledger.checkouts(), now, self.limits.leak_threshold_s, call_sites=call_sites)
        return reasons(counts, leaks, self._gauge.throttle, now, away_since=self._reachability.away_since, overview=self._monitor.overview)
