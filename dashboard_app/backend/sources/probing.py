"""Probing: looks at sources, each at most once at a time, remembers what was found and hands the samples on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dashboard_app.backend.sources.flights import Flights
from dashboard_app.backend.sources.lanes import Lanes
from dashboard_app.backend.sources.probes.finding import Finding, Probe
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer import PgBouncerProbe
from dashboard_app.backend.sources.probes.postgresql import PostgresProbe
from dashboard_app.backend.sources.probes.service import ServiceProbe
from dashboard_app.backend.sources.probes.service_breaker import ServiceBreaker
from dashboard_app.backend.sources.probes.target import Target, target_of
from dashboard_app.backend.sources.recall import RECENT_LETTERS, Recall
from dashboard_app.backend.sources.recorder import Recorder
from dashboard_app.backend.sources.registry import Sources, paused
from dashboard_app.backend.sources.validation import check_settings
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, InvalidInput, NotFound, ProbeFailed, SpillwayError
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
IDLE_S = 300.0
SERVICE_BREAKER = "service:"
"""What stands before a source's id in the name of its breaker: ids outlive renames and fit into an address."""
TURN_S = 2.0
SWEEP_EVERY_TURNS = 8
BULK_LIMIT = 100
UNREADABLE = "The stored password cannot be read with this secret key: enter it again"
BULK_PATIENCE_S = 1.5
"""A bulk read waits so long for its slowest; a probe that takes longer goes on, and who asks for that source alone shares it."""

_PROBES: Mapping[SourceKind, Callable[[Target, Resolver, Clock], Probe]] = {
    SourceKind.POSTGRESQL: PostgresProbe,
    SourceKind.PGBOUNCER: PgBouncerProbe,
    SourceKind.SERVICE: ServiceProbe,
}
_Result = TypeVar("_Result", Health, Metrics)
_Read = TypeVar("_Read")


def metric_units() -> dict[str, str]:
    """Every number that a probe of any kind may give, with its unit."""
    return {name: unit for probe in _PROBES.values() for name, unit in getattr(probe, "units", {}).items()}


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
        self._breakers = breakers
        self._sources = sources
        self._samples = samples
        self._recorder = recorder
        self._recall = recall
        self._clock = clock
        self._limit_s = probe_timeout_s
        self._resolver = resolver
        self._lanes = Lanes()
        self._probes: dict[int, Probe] = {}
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
        return await self._bulk(source_ids, self.health, self._last_known)

    async def stats(self, source_ids: Sequence[int]) -> list[Metrics]:
        """The metrics of up to 100 sources in the order asked, as `healths`; one that finds no place has none."""
        return await self._bulk(source_ids, self.metrics, lambda source_id: Metrics(source_id, self._clock.now(), {}, {}))

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
                probe = await self._probe(source)
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
        probe = _PROBES[settings.kind](target, self._resolver, self._clock)
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
        probe = await self._probe(source)
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
        self._tidy_breakers()
        await self._restore()
        await self._recorder.flush()
        if sweep:
            await self._sweep()
            await self._recorder.forget()

    async def close(self) -> None:
        """End what is under way, close every connection, write what samples wait (once)."""
        await self._flights.close()
        await asyncio.gather(*(probe.close() for probe in self._probes.values()))
        self._probes.clear()
        await self._recorder.flush()

    async def _placed(self, source: Source, work: Callable[[Source], Awaitable[_Result]]) -> _Result:
        """Work on a source in a place of its lane."""
        async with self._lanes.place(slow=source.id in self._silent):
            return await work(source)

    async def _look(self, source: Source) -> Health:
        """Probe, judge, remember, record."""
        probe = await self._probe(source)
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
        probe = await self._probe(source)
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

    async def _probe(self, source: Source) -> Probe | None:
        """The probe of a source, a new one when its settings changed; None when its password cannot be read."""
        try:
            target = self._sources.target(source.id)
        except SpillwayError as error:
            log.warning("source %d cannot be probed: %s", source.id, error.detail)
            return None
        probe = self._probes.get(source.id)
        if probe is not None and probe.target == target:
            return probe
        if probe is not None:
            await probe.close()
        probe = self._probes[source.id] = _PROBES[source.kind](target, self._resolver, self._clock)
        if isinstance(probe, ServiceProbe) and self._breakers is not None:
            probe.breaker = ServiceBreaker(self._breakers.named(f"{SERVICE_BREAKER}{source.id}", source.name), self._clock)
        return probe

    def _tidy_breakers(self) -> None:
        """Let the breakers of deleted services go, and those of the rest know their names."""
        if self._breakers is None:
            return
        names = {f"{SERVICE_BREAKER}{source.id}": source.name for source in self._sources.everything()}
        for breaker in [one for one in self._breakers if one.name.startswith(SERVICE_BREAKER)]:
            if breaker.name in names:
                breaker.about = names[breaker.name]
            else:
                self._breakers.remove(breaker.name)

    def _last_known(self, source_id: int) -> Health:
        """The last health, or unknown."""
        last = self._recall.last(source_id)
        return last if last is not None else Health(source_id, HealthStatus.UNKNOWN, None, None, None, "Not checked yet")

    async def _bulk(
        self, source_ids: Sequence[int], read: Callable[[int], Coroutine[Any, Any, _Result]], instead: Callable[[int], _Result]
    ) -> list[_Result]:
        """Read each id once, all at once as far as the lanes allow; who is not done after BULK_PATIENCE_S holds up nobody."""
        if len(source_ids) > BULK_LIMIT:
            message = f"must be at most {BULK_LIMIT} ids"
            raise InvalidInput(f"ids: {message}", ({"field": "ids", "message": message},))
        ids = list(dict.fromkeys(source_ids))
        reading = {source_id: asyncio.create_task(read(source_id)) for source_id in ids}
        try:
            if reading:
                await asyncio.wait(reading.values(), timeout=BULK_PATIENCE_S)
            return [result for source_id, task in reading.items() if (result := _of(task, source_id, instead)) is not None]
        finally:
            for task in reading.values():
                task.cancel()  # whoever still waits; the probe itself goes on

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

    async def _sweep(self) -> None:
        """Close connections that are idle, and those of sources that are gone or paused; forget old flights."""
        enabled = {source.id for source in self._sources.everything() if source.enabled}
        for source_id, probe in list(self._probes.items()):
            if self._flights.is_busy(source_id):
                continue
            await probe.release(IDLE_S if source_id in enabled else 0.0)
            if source_id not in enabled:
                self._probes.pop(source_id, None)
                self._silent.discard(source_id)
        self._flights.forget_landed()


def _of(task: "asyncio.Task[_Result]", source_id: int, instead: Callable[[int], _Result]) -> _Result | None:
    """What a reading of a bulk came to: its result, what is known instead, or None for a source that does not exist."""
    if not task.done():
        return instead(source_id)
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, NotFound):
        return None
    if isinstance(error, SpillwayError):
        return instead(source_id)
    raise error
