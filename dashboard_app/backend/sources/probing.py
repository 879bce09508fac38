"""Probing: looks at sources, each at most once at a time, remembers what was found and hands the samples on."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from dashboard_app.backend.sources.bulk import read_each
from dashboard_app.backend.sources.flights import Flights
from dashboard_app.backend.sources.lanes import Lanes
from dashboard_app.backend.sources.open_probes import OpenProbes
from dashboard_app.backend.sources.probes.finding import Finding, Probe
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.service import ServiceProbe
from dashboard_app.backend.sources.probes.target import target_of
from dashboard_app.backend.sources.recall import RECENT_LETTERS, Recall
from dashboard_app.backend.sources.recorder import Recorder
from dashboard_app.backend.sources.registry import Sources, paused
from dashboard_app.backend.sources.validation import check_settings
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, NotFound, ProbeFailed
from dashboard_app.model.health import Health, HealthStatus, Metrics
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import OWN_SOURCE_ID, Source, SourceKind, SourceSettings, TestReport
from dashboard_app.policy.health import began, dated, fold, sentence
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.store.samples import SampleStore

log = logging.getLogger(__name__)

SHARED_S = 1.0
"""A result younger than this is given to whoever asks next."""
METRICS_SHARE = 0.4
"""The part of the probe's limit that metrics get: a health that waits behind them still answers within 1.4 limits."""
TURN_S = 2.0
SWEEP_EVERY_TURNS = 8
UNREADABLE = "The stored password cannot be read with this secret key: enter it again"

_Result = TypeVar("_Result", Health, Metrics)
_Read = TypeVar("_Read")


class Probing:
    """Health and metrics of sources. A source that fails is a result, never an exception."""

    def __init__(
        self,
        sources: Sources,
        samples: SampleStore,
        recorder: Recorder,
        recall: Recall,
        clock: Clock,
        *,
        resolver: Resolver,
        probe_timeout_s: float,
        breakers: Breakers | None = None,
    ) -> None:
        """No I/O here. `breakers`: where each service gets one of its own; None: none does."""
        self._sources = sources
        self._samples = samples
        self._recorder = recorder
        self._recall = recall
        self._clock = clock
        self._limit_s = probe_timeout_s
        self._lanes = Lanes()
        self._probes = OpenProbes(sources, resolver, clock, breakers)
        self._flights = Flights(clock, SHARED_S)
        self._silent: set[int] = set()
        self._restored = False
        self.on_change: Callable[[int, str, str, str], None] = lambda _id, _name, _status, _before: None
        """Hears of each change of a source's status: id, name, status, the status before."""

    async def health(self, source_id: int) -> Health:
        """The health of a source, probed now or less than a second ago; a paused source is unknown and left alone.

        Raises:
            NotFound: there is no such source. DeadlinePassed: too many probes are under way.

        """
        source = self._sources.known(source_id)
        if not source.enabled:
            return paused(source, self._recall.last(source_id))
        return await self._flights.shared(source, "health", lambda: self._placed(source, self._look))

    async def metrics(self, source_id: int) -> Metrics:
        """The metrics of a source, read now or less than a second ago; none when it is paused or gives no answer.

        Raises:
            NotFound: there is no such source. DeadlinePassed: too many probes are under way.

        """
        source = self._sources.known(source_id)
        if not source.enabled:
            return Metrics(source_id, self._clock.now(), {}, {})
        return await self._flights.shared(source, "metrics", lambda: self._placed(source, self._measure))

    async def healths(self, source_ids: Sequence[int]) -> list[Health]:
        """The health of up to 100 sources in the order asked. Unknown ids are left out; one without a place or an answer keeps its last.

        Raises:
            InvalidInput: more than 100 ids.

        """
        return await read_each(source_ids, self.health, self._last_known)

    async def stats(self, source_ids: Sequence[int]) -> list[Metrics]:
        """The metrics of up to 100 sources in the order asked, as `healths`; one that finds no place has none."""
        return await read_each(source_ids, self.metrics, lambda source_id: Metrics(source_id, self._clock.now(), {}, {}))

    async def reading(self, source_id: int, name: str, read: Callable[[Probe, float], Awaitable[_Read]]) -> _Read:
        """What `read` finds over the source's own connection, in turn with its other readings and shared like them under `name`.

        Raises:
            NotFound: no such source. Conflict: it is paused. ProbeFailed: it gave no answer. DeadlinePassed: too many are under way.

        """
        source = self._sources.known(source_id)
        if not source.enabled:
            raise Conflict("This source is paused: enable it first")

        async def work() -> _Read:
            async with self._lanes.place(slow=source.id in self._silent):
                probe = await self._probes.of(source)
                if probe is None:
                    raise ProbeFailed(UNREADABLE)
                return await read(probe, self._limit_s)

        return await self._flights.shared(source, name, work)

    def outdate(self, source_id: int) -> None:
        """Something was done to the source: no reading that began before is given to whoever asks from now on."""
        self._flights.outdate(source_id)

    async def test(self, settings: SourceSettings, *, source_id: int | None = None) -> TestReport:
        """Try settings without saving them; without a password the stored one of `source_id` is used.

        Raises:
            KindNotSupported, InvalidInput: a field is not acceptable. NotFound: no such source.

        """
        check_settings(settings)
        password = settings.password
        if password is None:
            password = Secret("") if source_id is None else self._sources.credentials(source_id)
        target, own = target_of(settings, password), self._sources.target(OWN_SOURCE_ID)
        target = replace(target, is_own=(target.host, target.port) == (own.host, own.port))
        probe = self._probes.new(settings.kind, target)
        async with self._lanes.place(slow=False):
            return await probe.test(self._limit_s)

    async def service(self, source_id: int) -> ServiceProbe:
        """The probe of a source that is a service, for what people ask of its guard.

        Raises:
            NotFound: there is no such source, or it is no service. Conflict: it is paused. ProbeFailed: its token cannot be read.

        """
        source = self._sources.known(source_id)
        if source.kind is not SourceKind.SERVICE:
            raise NotFound(f"Source {source_id} is no service: it has no pool guard")
        if not source.enabled:
            raise Conflict("The source is paused: it is not asked until it is enabled")
        probe = await self._probes.of(source)
        if not isinstance(probe, ServiceProbe):
            raise ProbeFailed(UNREADABLE)
        return probe

    def last(self, source_id: int) -> Health | None:
        """The last health; None when the source was never probed."""
        return self._recall.last(source_id)

    def last_metrics(self, source_id: int) -> Metrics | None:
        """The last numbers; None when the source gave none yet."""
        return self._recall.last_metrics(source_id)

    def recent(self, source_id: int) -> str:
        """The last 30 letters, oldest first."""
        return self._recall.recent(source_id)

    async def run(self) -> None:
        """Write samples, close idle connections and delete old samples for ever; the supervisor owns and cancels this."""
        turn = 0
        while True:
            await self.turn(sweep=turn % SWEEP_EVERY_TURNS == 0)
            turn += 1
            await self._clock.sleep(TURN_S)

    async def turn(self, *, sweep: bool = True) -> None:
        """One turn of `run`."""
        self._probes.tidy_breakers()
        await self._restore()
        await self._recorder.flush()
        if sweep:
            self._silent.difference_update(await self._probes.sweep(self._flights.is_busy))
            self._flights.forget_landed()
            await self._recorder.forget()

    async def close(self) -> None:
        """End what is under way, close every connection, write what samples wait (once)."""
        await self._flights.close()
        await self._probes.close()
        await self._recorder.flush()

    async def _placed(self, source: Source, work: Callable[[Source], Awaitable[_Result]]) -> _Result:
        """Work on a source in a place of its lane."""
        async with self._lanes.place(slow=source.id in self._silent):
            return await work(source)

    async def _look(self, source: Source) -> Health:
        """Probe, judge, remember, record."""
        probe = await self._probes.of(source)
        finding = Finding((), None) if probe is None else await probe.health(self._limit_s)
        health = self._judged(source, finding)
        (self._silent.add if finding.timed_out else self._silent.discard)(source.id)
        if self._is_current(source):
            self._note_change(source, health)
            self._recall.remember(health)
            self._recorder.health(health)
        return health

    async def _measure(self, source: Source) -> Metrics:
        """Read the metrics and record them; a source without an answer has none."""
        probe = await self._probes.of(source)
        found: Mapping[str, float] = {}
        if probe is not None:
            try:
                found = await probe.metrics(self._limit_s * METRICS_SHARE)
            except ProbeFailed as failure:
                log.debug("no metrics of source %d: %s", source.id, failure.detail)
        units = {name: unit for name, unit in probe.units.items() if name in found} if probe is not None else {}
        metrics = Metrics(source.id, self._clock.now(), found, units)
        if found and self._is_current(source):
            self._recall.measured(metrics)
            self._recorder.metrics(metrics)
        return metrics

    def _judged(self, source: Source, finding: Finding) -> Health:
        """A finding as health: its status, since when, and why."""
        now, status = self._clock.now(), fold(finding.checks)
        last = self._recall.last(source.id)
        since = began(last, status, now)
        latency_ms = None if finding.latency_ms is None else round(finding.latency_ms, 3)
        message = sentence(finding.checks) if finding.checks else finding.message or UNREADABLE
        return Health(source.id, status, since, latency_ms, now, message, dated(finding.checks, last, now))

    def _note_change(self, source: Source, health: Health) -> None:
        """One line in the log for each change of a source's status."""
        last = self._recall.last(source.id)
        before = (last.status if last is not None else HealthStatus.UNKNOWN).value
        if before != health.status.value:
            facts = {"from": before, "to": health.status.value, "source": source.name, "source_id": source.id}
            log.info("source %s: %s -> %s (%s)", source.name, before, health.status.value, health.message or "all checks pass", extra=facts)
            self.on_change(source.id, source.name, health.status.value, before)

    def _is_current(self, source: Source) -> bool:
        """False when the source was deleted or paused while it was probed."""
        try:
            return self._sources.known(source.id).enabled
        except NotFound:
            return False

    def _last_known(self, source_id: int) -> Health:
        """The last health, or unknown."""
        last = self._recall.last(source_id)
        return last if last is not None else Health(source_id, HealthStatus.UNKNOWN, None, None, None, "Not checked yet")

    async def _restore(self) -> None:
        """Take in, once, what former runs kept."""
        if self._restored:
            return
        try:
            kept = await self._samples.recent(RECENT_LETTERS)
        except DatabaseUnavailable as error:
            log.debug("former samples could not be read yet: %s", error.detail)
            return
        self._restored = True
        self._recall.restore(kept, self._clock.now())
