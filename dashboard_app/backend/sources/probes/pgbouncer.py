"""The PgBouncer probe: at most one connection to the admin console, every reading within its time limit."""

from collections.abc import Mapping

from dashboard_app.backend.sources.probes.connection import Steps
from dashboard_app.backend.sources.probes.finding import Finding
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer_checks import (
    CLIENTS,
    PICTURE,
    STATS,
    UNITS,
    checks_of,
    clients_of,
    counters_of,
    failed_connect,
    maxwait_s,
    metrics_of,
    picture_of,
    waiting,
)
from dashboard_app.backend.sources.probes.pgbouncer_console import Console, Told
from dashboard_app.backend.sources.probes.rates import Counters
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.pooler import Pooler, PoolerClient
from dashboard_app.model.source import TestReport, TestStep


class PgBouncerProbe:
    """Reads one PgBouncer. The caller runs one reading at a time, so that one connection is enough."""

    units: Mapping[str, str] = UNITS

    def __init__(self, target: Target, resolver: Resolver, clock: Clock) -> None:
        """No I/O here; the first reading connects."""
        self.target = target
        self._clock = clock
        self._console = Console(target, resolver, clock)
        self._before: Counters | None = None
        self._waiting_since: float | None = None

    async def health(self, limit_s: float) -> Finding:
        """What is found within `limit_s`; a source that fails is a finding, too."""
        try:
            told = await self._console.ask(PICTURE, limit_s, wants_state=True)
        except ProbeFailed as failure:
            self._waiting_since = None  # nobody saw whether they went on waiting
            return Finding((failed_connect(failure.detail),), None, timed_out=failure.timed_out)
        picture = self._seen(told)
        connect_ms = told.query_ms if told.connect_ms is None else told.connect_ms
        waited_s = 0.0 if self._waiting_since is None else self._clock.monotonic() - self._waiting_since
        return Finding(checks_of(picture, connect_ms, waited_s), told.query_ms)

    async def metrics(self, limit_s: float) -> dict[str, float]:
        """The metrics by name, within `limit_s`; rates from the second reading on. Raises ProbeFailed."""
        told = await self._console.ask((*PICTURE, STATS), limit_s)
        after = counters_of(told.tables[STATS], self._clock.monotonic(), told.connection_number)
        before, self._before = self._before, after
        return metrics_of(self._seen(told), before, after)

    async def picture(self, limit_s: float) -> Pooler:
        """Its pools and databases, within `limit_s`. Raises ProbeFailed."""
        return self._seen(await self._console.ask(PICTURE, limit_s, wants_state=True))

    async def clients(self, limit_s: float) -> tuple[PoolerClient, ...]:
        """Its clients, who waits longest first, within `limit_s`. Raises ProbeFailed."""
        return clients_of((await self._console.ask((CLIENTS,), limit_s)).tables[CLIENTS])

    async def test(self, limit_s: float) -> TestReport:
        """Each step with its time, up to the first that fails; the connection is closed again."""
        steps = Steps()
        try:
            await self._console.once(PICTURE, limit_s, steps)
        except ProbeFailed as failure:
            failed = TestStep(steps.current, ok=False, ms=round(steps.elapsed_ms(), 3), message=failure.detail)
            return TestReport(ok=False, steps=(*steps.done, failed))
        finally:
            await self.close()
        return TestReport(ok=True, steps=tuple(steps.done))

    async def release(self, idle_s: float) -> None:
        """Close the connection when it has not been used for `idle_s`."""
        self._console.release(idle_s)

    async def close(self) -> None:
        """Close the connection. The next reading connects anew."""
        self._console.close()

    def _seen(self, told: Told) -> Pooler:
        """The picture, and since when some client waits at every look: at least as long as the oldest has waited."""
        picture = picture_of(told.tables, told.version)
        if waiting(picture) == 0:
            self._waiting_since = None
        else:
            began = self._clock.monotonic() - maxwait_s(picture)
            self._waiting_since = began if self._waiting_since is None else min(began, self._waiting_since)
        return picture
