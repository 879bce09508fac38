"""The room's parts, built from what they need. No I/O."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from dashboard_app.backend.sources.history import History
from dashboard_app.backend.sources.poolers import Poolers
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probing import Probing
from dashboard_app.backend.sources.reach import Reach
from dashboard_app.backend.sources.recall import Recall
from dashboard_app.backend.sources.recorder import Recorder
from dashboard_app.backend.sources.registry import Sealer, Sources
from dashboard_app.model.clock import Clock
from dashboard_app.model.network import networks_of
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.settings import Settings
from dashboard_app.store.database import Database
from dashboard_app.store.samples import SampleStore
from dashboard_app.store.sources import SourceStore


@dataclass(frozen=True, slots=True)
class SourceParts:
    """`sources` and `probing` each have a `run()` for the supervisor; `await sources.open()` after the migrations, `probing.close()` at the end."""

    sources: Sources
    probing: Probing
    history: History
    recorder: Recorder
    poolers: Poolers


def build_sources(
    database: Database,
    vault: Sealer,
    settings: Settings,
    clock: Clock,
    label: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    *,
    breakers: Breakers | None = None,
) -> SourceParts:
    """Everything about sources; each watched service gets one of `breakers`. `label` names the checkouts of samples, as `lambda: guard.holding(task="sources.samples")`."""
    recall, samples = Recall(), SampleStore(database)
    allowed = networks_of(settings.outbound_networks)
    resolver = Resolver(allowed)
    sources = Sources(SourceStore(database), database.direct_address, vault, recall, clock, reach=Reach(allowed, clock))
    recorder = Recorder(samples, clock, settings.samples_keep_days, label)
    probing = Probing(
        sources, samples, recorder, recall, clock, resolver=resolver, probe_timeout_s=settings.probe_timeout_s, breakers=breakers
    )
    return SourceParts(sources, probing, History(samples), recorder, Poolers(sources, probing, clock, resolver))
