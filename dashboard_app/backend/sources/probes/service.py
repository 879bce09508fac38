"""The service probe: asks an app that mounts the pool guard for its status, and passes on what people ask of that guard."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dashboard_app.backend.sources.probes import service_answers
from dashboard_app.backend.sources.probes.connection import Steps
from dashboard_app.backend.sources.probes.finding import Finding
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.service_answers import Json
from dashboard_app.backend.sources.probes.service_breaker import ServiceBreaker
from dashboard_app.backend.sources.probes.service_checks import UNITS, checks_of, failed_connect, metrics_of
from dashboard_app.backend.sources.probes.service_wire import ServiceWire, TokenRefused
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.probes.words import no_answer
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BreakerOpen, ProbeFailed
from dashboard_app.model.source import TestReport, TestStep
from dashboard_app.runtime.single_flight import SingleFlight

READ_LIMIT_S = 1.5
"""What a person's look at a guard may take; the console gives up after 2 s."""
SHARED_S = 1.0
"""An answer younger than this is given to whoever looks next."""
CLEANUP_LIMIT_S = 8.0
"""A cleanup ends sessions on a server: giving up on its answer early would hide what it did."""


class ServiceProbe:
    """Reads one service's guard. Health and metrics come one at a time; what people ask may come beside them."""

    units: Mapping[str, str] = UNITS

    def __init__(self, target: Target, resolver: Resolver, clock: Clock) -> None:
        """No I/O here; the first reading connects."""
        self.target = target
        self._clock = clock
        self._wire = ServiceWire(target, resolver)
        self._flights: SingleFlight[Json] = SingleFlight()
        self._kept: dict[str, tuple[float, Json]] = {}
        self._used_at = clock.monotonic()
        self.breaker: ServiceBreaker | None = None
        """Stands round everything but a test of settings; None: nothing does."""

    async def health(self, limit_s: float) -> Finding:
        """What is found within `limit_s`; a service that fails is a finding, too."""
        began = self._clock.monotonic()
        try:
            status = await self._looked(lambda: self._asked("status", service_answers.status, limit_s))
        except BreakerOpen as refusal:
            return Finding((), None, message=refusal.detail)
        except ProbeFailed as failure:
            return Finding((failed_connect(failure.detail),), None, timed_out=failure.timed_out)
        answered_ms = (self._clock.monotonic() - began) * 1000
        return Finding(checks_of(status, answered_ms), answered_ms)

    async def metrics(self, limit_s: float) -> dict[str, float]:
        """The metrics by name, within `limit_s`.

        Raises:
            ProbeFailed: there was no answer, or none that is a guard's.

        """
        try:
            return metrics_of(await self._called(lambda: self._asked("status", service_answers.status, limit_s)))
        except BreakerOpen as refusal:
            raise ProbeFailed(refusal.detail) from refusal

    async def test(self, limit_s: float) -> TestReport:
        """Each step with its time, up to the first that fails. A token that may not see holders is told so and is no failure."""
        steps, until = Steps(), asyncio.get_running_loop().time() + limit_s
        try:
            status = await self._asked("status", service_answers.status, limit_s, steps)
            steps.note(f"{status['pool']['checked_out']} of {status['pool']['capacity']} in use, {status['throttling_level']}")
            with steps.step("holders"):
                message = await self._seen_holders(max(until - asyncio.get_running_loop().time(), 0.0))
            steps.note(message)
        except ProbeFailed as failure:
            failed = TestStep(steps.current, ok=False, ms=round(steps.elapsed_ms(), 3), message=failure.detail)
            return TestReport(ok=False, steps=(*steps.done, failed))
        finally:
            await self.close()
        return TestReport(ok=True, steps=tuple(steps.done))

    async def guard_status(self) -> Json:
        """The guard's status, read now or less than a second ago: many who look cost what one costs.

        Raises:
            ProbeFailed: no answer. BreakerOpen: it is not asked now. The calls below raise the same.

        """
        return await self._shared("status", service_answers.status)

    async def guard_holders(self) -> Json:
        """Who holds connections of the service; shared as the status."""
        return await self._shared("holders", service_answers.holders)

    async def guard_cleanup(self, *, dry_run: bool) -> Json:
        """What a cleanup of the service's pool did, or (dry run) would do."""
        limit_s = READ_LIMIT_S if dry_run else CLEANUP_LIMIT_S
        try:
            return await self._called(lambda: self._asked("force-cleanup", service_answers.cleanup, limit_s, body={"dry_run": dry_run}))
        finally:
            self._kept.clear()

    async def release(self, idle_s: float) -> None:
        """Close the connections when they have not been used for `idle_s`."""
        if self._clock.monotonic() - self._used_at >= idle_s:
            await self.close()

    async def close(self) -> None:
        """Close the connections. The next reading connects anew."""
        await self._wire.close()

    async def _seen_holders(self, limit_s: float) -> str:
        """What the token may see, in words."""
        try:
            found = await self._asked("holders", service_answers.holders, limit_s)
        except TokenRefused:
            return "not for this token: the page of this source will leave holders and cleanup out"
        return f"{len(found['items'])} held"

    async def _shared(self, call: str, parse: Callable[[Any], Json]) -> Json:
        """The answer of one call for all who look: of the reading under way, of one just landed, or of a new one."""
        read_at, answer = self._kept.get(call, (-math.inf, {}))
        if self._clock.monotonic() - read_at < SHARED_S:
            return answer

        async def read() -> Json:
            found = await self._called(lambda: self._asked(call, parse, READ_LIMIT_S), may_try=True)
            self._kept[call] = self._clock.monotonic(), found
            return found

        return await self._flights.run(call, read)

    async def _looked(self, look: Callable[[], Awaitable[Json]]) -> Json:
        """The health probe, through the breaker."""
        return await (look() if self.breaker is None else self.breaker.looked(look))

    async def _called(self, call: Callable[[], Awaitable[Json]], *, may_try: bool = False) -> Json:
        """Any other call, through the breaker."""
        return await (call() if self.breaker is None else self.breaker.called(call, may_try=may_try))

    async def _asked(
        self, call: str, parse: Callable[[Any], Json], limit_s: float, steps: Steps | None = None, *, body: object = None
    ) -> Json:
        """The parsed answer of one call within `limit_s`; ProbeFailed says why there is none. With a body it is a POST."""
        self._used_at = self._clock.monotonic()
        steps = steps or Steps()
        try:
            async with asyncio.timeout(limit_s):
                return await self._wire.ask(call, parse, steps, body)
        except TimeoutError as error:
            raise ProbeFailed(no_answer(limit_s, steps.current), step=steps.current, timed_out=True) from error
