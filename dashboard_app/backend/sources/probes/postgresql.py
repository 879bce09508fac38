"""The PostgreSQL probe: at most one connection, one statement per reading, every reading within its time limit."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from dashboard_app.backend.sources.probes.connection import QUERY_STEP, Steps, one_try, open_connection
from dashboard_app.backend.sources.probes.finding import Finding
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.postgresql_checks import UNITS, checks_of, counters_of, failed_connect, metrics_of
from dashboard_app.backend.sources.probes.postgresql_sql import health_statement, metrics_statement
from dashboard_app.backend.sources.probes.rates import Counters
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.probes.words import reason
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.source import TestReport, TestStep

SIZE_EVERY_S = 60.0
"""pg_database_size costs as much as the rest of the statement and grows with the files: measured at most this often."""
SIZE_RETRY_S = 600.0
"""After a reading whose query failed while it measured the size, the size is left out for so long."""
REUSED_SHARE = 0.4
"""The part of the limit that a kept connection gets: when the network dropped it silently, the rest is enough for a new one."""
_CLOSE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """One row, how long its query took, and how long a new connection took (None: a kept one answered)."""

    row: Mapping[str, Any]
    query_ms: float
    connect_ms: float | None


class PostgresProbe:
    """Reads one PostgreSQL database. The caller runs one reading at a time, so that one connection is enough."""

    units: Mapping[str, str] = UNITS

    def __init__(self, target: Target, resolver: Resolver, clock: Clock) -> None:
        """No I/O here; the first reading connects."""
        self.target = target
        self._resolver = resolver
        self._clock = clock
        self._connection: asyncpg.Connection | None = None
        self._used_at = clock.monotonic()
        self._before: Counters | None = None
        self._size_bytes: float | None = None
        self._size_due_at = clock.monotonic()

    async def health(self, limit_s: float) -> Finding:
        """What is found within `limit_s`; a source that fails is a finding, too."""
        try:
            answer = await self._ask(health_statement, limit_s=limit_s)
        except ProbeFailed as failure:
            return Finding((failed_connect(failure.detail),), None, timed_out=failure.timed_out)
        connect_ms = answer.query_ms if answer.connect_ms is None else answer.connect_ms
        return Finding(checks_of(answer.row, connect_ms), answer.query_ms)

    async def metrics(self, limit_s: float) -> dict[str, float]:
        """The metrics by name, within `limit_s`; rates from the second reading on.

        Raises:
            ProbeFailed: there was no answer.

        """
        now = self._clock.monotonic()
        wants_size = now >= self._size_due_at
        try:
            answer = await self._ask(metrics_statement, wants_size, limit_s=limit_s)
        except ProbeFailed as failure:
            if wants_size and failure.step == QUERY_STEP:
                self._size_due_at = now + SIZE_RETRY_S
                self._size_bytes = None
            raise
        if wants_size:
            self._size_due_at = now + SIZE_EVERY_S
            self._size_bytes = answer.row["size_bytes"]
        after = counters_of(answer.row, self._clock.monotonic())
        before, self._before = self._before, after
        return metrics_of({**answer.row, "size_bytes": self._size_bytes}, before, after)

    async def test(self, limit_s: float) -> TestReport:
        """Each step with its time, up to the first that fails; the connection is closed again."""
        steps = Steps()
        try:
            await self._attempt(health_statement, (), steps, _at(limit_s), limit_s)
        except ProbeFailed as failure:
            failed = TestStep(steps.current, ok=False, ms=round(steps.elapsed_ms(), 3), message=failure.detail)
            return TestReport(ok=False, steps=(*steps.done, failed))
        finally:
            await self.close()
        return TestReport(ok=True, steps=tuple(steps.done))

    async def release(self, idle_s: float) -> None:
        """Close the connection when it has not been used for `idle_s`."""
        if self._connection is not None and self._clock.monotonic() - self._used_at >= idle_s:
            await self.close()

    async def close(self) -> None:
        """Close the connection, politely for at most a second. The next reading connects anew."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=_CLOSE_LIMIT_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()

    async def _ask(self, statement: Callable[[int], str], *values: object, limit_s: float) -> _Answer:
        """The answer over the kept connection, or over a new one when there is none or it gives none."""
        until = _at(limit_s)
        if self._connection is not None and not self._connection.is_closed():
            try:
                return await self._attempt(statement, values, Steps(), _at(limit_s * REUSED_SHARE), limit_s)
            except ProbeFailed:
                pass  # cut by the server, or dropped on the way while it was idle: only a new connection can tell
        return await self._attempt(statement, values, Steps(), until, limit_s)

    async def _attempt(
        self, statement: Callable[[int], str], values: tuple[object, ...], steps: Steps, until: float, limit_s: float
    ) -> _Answer:
        """One try up to the loop's time `until`; a connection that failed is thrown away."""
        async with one_try(steps, until, limit_s, why=lambda error: reason(error, self.target), drop=self._drop):
            return await self._answer(statement, values, steps, limit_s)

    async def _answer(self, statement: Callable[[int], str], values: tuple[object, ...], steps: Steps, limit_s: float) -> _Answer:
        """Connect when there is no connection, then ask the one statement."""
        began, connect_ms = self._clock.monotonic(), None
        if self._connection is None or self._connection.is_closed():
            self._connection = await open_connection(self.target, self._resolver, steps, limit_s)
            connect_ms = (self._clock.monotonic() - began) * 1000
        version = self._connection.get_server_version()
        with steps.step(QUERY_STEP):
            asked = self._clock.monotonic()
            row = await self._connection.fetchrow(statement(version.major), *values)
            self._used_at = self._clock.monotonic()
        steps.note(f"PostgreSQL {version.major}.{version.micro or version.minor}")
        return _Answer(dict(row), (self._used_at - asked) * 1000, connect_ms)

    def _drop(self) -> None:
        """Cut the connection without a word: nothing waits for a server that is silent."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _at(delay_s: float) -> float:
    """The running loop's time in `delay_s` seconds."""
    return asyncio.get_running_loop().time() + delay_s
