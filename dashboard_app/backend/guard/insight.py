"""What the guard has measured, in the contract's words: performance, clients, sizing. No I/O, no connection."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict

from starlette.types import ASGIApp, Scope

from dashboard_app.backend.guard.answers import stamp
from dashboard_app.backend.guard.clients import MOST_CLIENTS, Clients
from dashboard_app.backend.guard.demand import Demands, efficiency_json
from dashboard_app.backend.guard.gauge import Gauge
from dashboard_app.backend.guard.performance import WINDOW_MIN, Performance
from dashboard_app.backend.guard.watched import OnAnswer, Watched
from dashboard_app.model.clock import Clock
from dashboard_app.model.pool import Level
from dashboard_app.policy.sizing import ENOUGH_WAIT_S, LEAST_CHECKOUTS, MOST_CONNECTIONS, Demand, Size, Sizing, percentile, sizing
from dashboard_app.policy.throttle import ALLOWANCES

SIZING_GOOD_FOR_S = 5.0
"""A sizing costs up to a quarter of a second of one core, so callers within this time share one."""


class Insight:
    """The measuring parts of one guard and the three answers made from them."""

    def __init__(self, gauge: Gauge, clock: Clock, alive: Callable[[], tuple[set[int], int]]) -> None:
        """Measure from now on. `alive()`: ids of the pool's records that are out, without suspected leaks; and how many those are."""
        self.performance = Performance(clock.monotonic)
        self.clients = Clients(clock.monotonic)
        self.demands = Demands(clock.monotonic)
        self._gauge = gauge
        self._clock = clock
        self._alive = alive
        self._sizing: asyncio.Task[dict[str, object]] | None = None
        self._sized_at = 0.0
        gauge.listen(lambda: self.clients.changed(gauge.version))

    def watched(self, app: ASGIApp, *, is_signed_in: Callable[[Scope], bool] | None = None, on_answer: OnAnswer | None = None) -> Watched:
        """`app` with its routes measured and its clients heard."""
        vouched = {} if is_signed_in is None else {"is_signed_in": is_signed_in}
        return Watched(app, self.performance, self.clients, lambda: self._gauge.version, on_answer=on_answer, **vouched)

    def performance_json(self) -> dict[str, object]:
        """The answer of `performance`: routes of the last 15 minutes, the worst first, and how checkouts were served."""
        return {
            "window_s": WINDOW_MIN * 60,
            "routes": self.performance.rows(),
            "pool": {"window": efficiency_json(self.demands.window()), "since_start": efficiency_json(self.demands.totals())},
            "measured_at": stamp(self._clock.now()),
        }

    def clients_json(self) -> dict[str, object]:
        """The answer of `clients`: who does not follow first."""
        level = self._gauge.throttle.level
        return {
            "version": self._gauge.version,
            "throttling_level": level.value,
            "is_binding": level is not Level.NORMAL,
            "most": MOST_CLIENTS,
            "dropped_total": self.clients.dropped_total,
            "ignored_total": self.clients.ignored_total,
            "items": self.clients.rows(self._gauge.version, ALLOWANCES[level].max_requests_per_minute),
            "measured_at": stamp(self._clock.now()),
        }

    async def sizing_json(self) -> dict[str, object]:
        """The answer of `sizing`, counted in a thread; callers within 5 s share it."""
        loop = asyncio.get_running_loop()
        if self._sizing is None or self._sizing.get_loop() is not loop or self._is_old(self._sizing):
            self._sized_at = self._clock.monotonic()
            alive, left_out = self._alive()
            work, waited = self.demands.sample(alive)
            self._sizing = asyncio.create_task(self._size(work, waited, left_out), name="guard sizing")
        return await asyncio.shield(self._sizing)

    def _is_old(self, task: "asyncio.Task[dict[str, object]]") -> bool:
        """True for an answer that is not to be given again."""
        if not task.done():
            return False
        return task.cancelled() or task.exception() is not None or self._clock.monotonic() - self._sized_at >= SIZING_GOOD_FOR_S

    async def _size(self, work: list[Demand], waited: list[float], left_out: int) -> dict[str, object]:
        """One sizing."""
        return self._sizing_answer(await asyncio.to_thread(sizing, work), sorted(waited), left_out)

    def _sizing_answer(self, told: Sizing, waited: list[float], left_out: int) -> dict[str, object]:
        """The sizing and, to compare it with, what the pool as it is gave to the same work."""
        return {
            "sample": {
                "checkouts": told.checkouts,
                "needed": LEAST_CHECKOUTS,
                "span_s": round(told.span_s, 1),
                "most_at_once": told.most_at_once,
                "left_out": left_out,
            },
            "is_judged": told.is_judged,
            "capacity": self._gauge.capacity,
            "limit_ms": ENOUGH_WAIT_S * 1000,
            "recommended": told.enough,
            "measured": {f"wait_ms_p{percent}": _ms(percentile(waited, percent)) for percent in (50, 95, 99)},
            "curve": [_point(size) for size in told.curve],
            "note": note(told, self._gauge.capacity),
            "measured_at": stamp(self._clock.now()),
        }


def note(told: Sizing, capacity: int) -> str:
    """The sizing in one sentence."""
    if not told.is_judged:
        return f"{told.checkouts} checkouts were measured; {LEAST_CHECKOUTS} are needed to judge."
    if told.enough is None:
        return f"Not even {MOST_CONNECTIONS} connections would have been enough: shorter holds help, more connections do not."
    if told.enough > capacity:
        return f"{told.enough} connections would have been enough; the pool has {capacity}."
    return f"{told.enough} of the pool's {capacity} connections would have been enough."


def _point(size: Size) -> dict[str, object]:
    """One point of the curve."""
    told = asdict(size)
    waits = {f"wait_ms_p{percent}": _ms(told[f"wait_s_p{percent}"]) for percent in (50, 95, 99)}
    return {"connections": size.connections, **waits, "waited_percent": size.waited_percent}


def _ms(seconds: float) -> float:
    """Milliseconds, to the microsecond."""
    return round(seconds * 1000, 3)
