"""The probe of each source, with the connection it may have open and the breaker that a service gets."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from dashboard_app.backend.sources.probes.finding import Probe
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer import PgBouncerProbe
from dashboard_app.backend.sources.probes.postgresql import PostgresProbe
from dashboard_app.backend.sources.probes.service import ServiceProbe
from dashboard_app.backend.sources.probes.service_breaker import ServiceBreaker
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.registry import Sources
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.source import Source, SourceKind
from dashboard_app.runtime.breakers import Breakers

log = logging.getLogger(__name__)

IDLE_S = 300.0
SERVICE_BREAKER = "service:"
"""What stands before a source's id in the name of its breaker: ids outlive renames and fit into an address."""
_PROBES: Mapping[SourceKind, Callable[[Target, Resolver, Clock], Probe]] = {
    SourceKind.POSTGRESQL: PostgresProbe,
    SourceKind.PGBOUNCER: PgBouncerProbe,
    SourceKind.SERVICE: ServiceProbe,
}


def metric_units() -> dict[str, str]:
    """Every number that a probe of any kind may give, with its unit."""
    return {name: unit for probe in _PROBES.values() for name, unit in getattr(probe, "units", {}).items()}


class OpenProbes:
    """Made when a source is first asked, kept while its settings stay."""

    def __init__(self, sources: Sources, resolver: Resolver, clock: Clock, breakers: Breakers | None) -> None:
        """No I/O. `breakers`: where each service gets one of its own; None: none does."""
        self._sources, self._resolver, self._clock, self._breakers = sources, resolver, clock, breakers
        self._by_source: dict[int, Probe] = {}

    def new(self, kind: SourceKind, target: Target) -> Probe:
        """A probe that is not kept."""
        return _PROBES[kind](target, self._resolver, self._clock)

    async def of(self, source: Source) -> Probe | None:
        """The probe of a source, a new one when its settings changed; None when its password cannot be read."""
        try:
            target = self._sources.target(source.id)
        except SpillwayError as error:
            log.warning("source %d cannot be probed: %s", source.id, error.detail)
            return None
        probe = self._by_source.get(source.id)
        if probe is not None and probe.target == target:
            return probe
        if probe is not None:
            await probe.close()
        probe = self._by_source[source.id] = self.new(source.kind, target)
        if isinstance(probe, ServiceProbe) and self._breakers is not None:
            probe.breaker = ServiceBreaker(self._breakers.named(f"{SERVICE_BREAKER}{source.id}", source.name), self._clock)
        return probe

    def tidy_breakers(self) -> None:
        """Let the breakers of deleted services go, and those of the rest know their names."""
        if self._breakers is None:
            return
        names = {f"{SERVICE_BREAKER}{source.id}": source.name for source in self._sources.everything()}
        for breaker in [one for one in self._breakers if one.name.startswith(SERVICE_BREAKER)]:
            if breaker.name in names:
                breaker.about = names[breaker.name]
            else:
                self._breakers.remove(breaker.name)

    async def sweep(self, is_busy: Callable[[int], bool]) -> list[int]:
        """Close connections that are idle, and those of sources that are gone or paused: their ids. A busy source is left alone."""
        enabled, dropped = {source.id for source in self._sources.everything() if source.enabled}, []
        for source_id, probe in list(self._by_source.items()):
            if is_busy(source_id):
                continue
            await probe.release(IDLE_S if source_id in enabled else 0.0)
            if source_id not in enabled:
                self._by_source.pop(source_id, None)
                dropped.append(source_id)
        return dropped

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(probe.close() for probe in self._by_source.values()))
        self._by_source.clear()
