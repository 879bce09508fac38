"""Who is built from what: the whole object graph without I/O, and the order in which it starts and stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.types import Receive, Scope, Send

from dashboard_app.access.audit import Audit
from dashboard_app.access.first_admin import first_admin
from dashboard_app.access.identity import Identity
from dashboard_app.access.oidc_provider import Provider
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.permit import Permit
from dashboard_app.access.timekeeper import Timekeeper
from dashboard_app.access.vault import Vault
from dashboard_app.backend.alerts.assembly import build_alerts
from dashboard_app.backend.api.app import build_api
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.limits import EveryAnswer
from dashboard_app.backend.events import broadcaster
from dashboard_app.backend.events.announce import Announcer
from dashboard_app.backend.events.assembly import build_events
from dashboard_app.backend.guard import CleanupReport, ControlView, GuardLimits, PoolGuard
from dashboard_app.backend.jobs.assembly import build_jobs, job_limits
from dashboard_app.backend.notify.assembly import build_channels, courier_rule
from dashboard_app.backend.sources.assembly import build_sources
from dashboard_app.backend.sources.open_probes import metric_units
from dashboard_app.console import context
from dashboard_app.console.api.routes import build_routes
from dashboard_app.console.console import Console, breaker_limits
from dashboard_app.demo.fleet import Fleet
from dashboard_app.entrance import Entrance
from dashboard_app.model.clock import Clock
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.runtime.loop_watch import LoopWatch
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.runtime.preparation import Preparation
from dashboard_app.runtime.steady_clock import SteadyClock
from dashboard_app.runtime.supervisor import Supervisor
from dashboard_app.settings import LoadedSettings, Settings
from dashboard_app.store.address_provider import address_provider
from dashboard_app.store.channels import ChannelStore
from dashboard_app.store.database import APPLICATION_NAME, Database
from dashboard_app.store.embedded import of_settings
from dashboard_app.store.events import EventStore
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.migrations import migrate
from dashboard_app.store.setting_overrides import SettingStore

_CONSOLE_WAITS_S = 3.0
GUARD = Principal(PrincipalKind.SYSTEM, "guard", Role.ADMIN)
"""Who cleans up when nobody asked: the audit's word for the guard itself."""


class App:
    """Everything, built and not started. `opened()` starts it, and closes it in reverse."""

    def __init__(self, loaded: LoadedSettings, clock: Clock | None = None) -> None:
        """Build the graph from the floor up; no I/O."""
        settings = loaded.values
        self.settings, self.clock = settings, clock or SteadyClock()
        self.database = Database(address_provider(settings), settings)
        self.vault = Vault(settings)
        self.audit = Audit(self.database, settings.data_dir, self.clock)
        self.identity = Identity(self.database, settings, self.clock, audit=self.audit, vault=self.vault, passwords=Passwords())
        self.provider = Provider(settings, self.clock) if settings.oidc_issuer is not None else None
        self.guard = PoolGuard(
            self.database.engine,
            _guard_limits(settings),
            self.clock,
            server=ControlView(self.database.control, APPLICATION_NAME),
            is_pooled=self.database.is_pooled,
        )
        self.breakers = Breakers(breaker_limits(settings), self.clock)
        self.sources = build_sources(
            self.database, self.vault, settings, self.clock, lambda: self.guard.holding(task="sources.samples"), breakers=self.breakers
        )
        self.alerts = build_alerts(
            self.database, self.guard, self.sources.sources, self.sources.probing, units=metric_units, clock=self.clock
        )
        self.jobs = build_jobs(JobStore(self.database, self.guard.running), self.guard, self.clock, settings)
        self.events = build_events(EventStore(self.database, self.guard.running), self.guard, self.clock, settings)
        self.announcer = Announcer(self.events.events)
        self.channels = build_channels(
            ChannelStore(self.database),
            self.vault,
            self.events.events,
            self.alerts.desk,
            self.sources.sources,
            clock=self.clock,
            settings=settings,
        )
        self.console = Console(
            settings,
            self.clock,
            app=self._enter_api,
            events=self.events.events,
            audit=self.audit,
            origins=loaded.origins,
            overrides=SettingStore(self.database),
            breakers=self.breakers,
        )
        self.loop_watch = LoopWatch(self.clock)
        self.api = build_api(self._api_deps(), [build_routes(self.console)])
        permit = Permit(self.api.state.served, self.api.state.actions.action_of, public_health=settings.public_health)
        self.permit = EveryAnswer(permit, self.guard.hint)
        self.entrance = Entrance(
            permit,
            settings,
            self.clock,
            identity=self.identity,
            audit=self.audit,
            vault=self.vault,
            provider=self.provider,
            ping=self.database.ping,
            hint=self.guard.hint,
        )
        self.supervisor = Supervisor(self.clock)
        self.storage = Preparation("storage", self._prepare_storage, self.clock)
        self._notes: set[asyncio.Task[None]] = set()
        self._connect()
        context.bind(self.console, self.identity, self.audit, loaded)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Everything running for the length of the block. Serves before the database answers; `/readyz` says what is missing."""
        await self.console.holds.recall()
        self.supervisor.start()
        try:
            yield
        finally:
            await self._close()

    def leave(self) -> None:
        """End every stream: the server is about to stop, and their readers come back to the next one."""
        self.events.streams.close()

    def missing(self) -> list[str]:
        """Why this process cannot serve yet; empty: it can."""
        reasons = self.supervisor.reasons()
        if not self.storage.is_done:
            reasons.append("database: not prepared yet")
        elif not self.guard.is_reachable:
            reasons.append("database: does not answer")
        return reasons

    async def _enter_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The door the console uses: rights are checked, the network is left out."""
        await self.permit(scope, receive, send)

    def _api_deps(self) -> ApiDeps:
        """What the API is given."""
        return ApiDeps(
            settings=self.settings,
            clock=self.clock,
            guard=self.guard,
            engine=self.database.engine,
            ping=self.database.ping,
            sources=self.sources.sources,
            probing=self.sources.probing,
            poolers=self.sources.poolers,
            history=self.sources.history,
            audit=self.audit,
            jobs=self.jobs,
            identity=self.identity,
            events=self.events,
            channels=self.channels,
            alerts=self.alerts.desk,
            readiness=self.missing,
            loop_watch=self.loop_watch,
        )

    def _connect(self) -> None:
        """Tell the parts of each other, and name the loops in the order they start."""
        self.guard.on_reachable(lambda reachable: self.identity.mark_database(reachable=reachable))
        self.guard.on_cleanup = self._note_cleanup
        self.console.live.on_change(self._retune)
        self._announce()
        loops = self.supervisor
        if self.settings.database_url is None:
            loops.add("embedded server", of_settings(self.settings).keep_running)
        loops.add("storage", self.storage.run)
        loops.add("guard", self.guard.run)
        loops.add("audit", self.storage.before(self.audit.run))
        loops.add("identity", self.storage.before(self.identity.run))
        loops.add("revocations", self.storage.before(self.identity.run_watch))
        loops.add("sources", self.storage.before(self.sources.sources.run))
        loops.add("probing", self.storage.before(self.sources.probing.run))
        loops.add("jobs", self.storage.before(self.jobs.updater.run))
        loops.add("events", self.storage.before(self.events.events.run))
        loops.add("notifications", self.storage.before(self.channels.run))
        loops.add("alerts", self.storage.before(self.alerts.evaluator.run))
        loops.add("alert writes", self.storage.before(self.alerts.evaluator.run_writes))
        loops.add("loop watch", self.loop_watch.run)
        loops.add("console", self._run_console)
        if self.settings.demo:
            loops.add("demo fleet", self.storage.before(Fleet(self.database.direct_address, self.sources.sources, self.clock).run))

    def _announce(self) -> None:
        """Let what happens become events."""
        self.guard.on_change(self.announcer.level)
        self.alerts.book.on_news = self.announcer.alert
        self.sources.probing.on_change = self.announcer.source
        self.jobs.updater.on_written = self.announcer.jobs
        self.breakers.on_new(self._announce_moves)
        for name, lane in (("health", self.console.loader.health), ("metrics", self.console.loader.metrics)):
            lane.on_round(partial(self.announcer.round, name))
        broadcaster.bind(self.events.events)

    def _announce_moves(self, breaker: NamedBreaker) -> None:
        """Let the moves of a breaker become events."""
        breaker.on_move = lambda name, move: self.announcer.breaker(name, move.source.value, move.target.value, move.cause)

    def _retune(self, settings: Settings) -> None:
        """Let guard, jobs, events and notifications go by changed settings at once."""
        self.guard.retune(_guard_limits(settings))
        self.jobs.updater.retune(job_limits(settings), batching=settings.job_batching)
        self.events.retune(settings)
        self.channels.retune(courier_rule(settings))

    async def _run_console(self) -> None:
        """Run the console; at an ordinary start it waits the moment until the first answer can be right."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.storage.wait(), _CONSOLE_WAITS_S)
        await self.console.run()

    async def _prepare_storage(self) -> None:
        """Bring the database up to date and read what memory needs. Raises DatabaseUnavailable."""
        await migrate(self.database)
        await Timekeeper(self.clock, self.database).begin()
        await self.audit.start()
        await self.console.tuning.open()
        await self.sources.sources.open()
        await first_admin(self.identity, self.settings)
        await self.identity.start()

    def _note_cleanup(self, report: CleanupReport, forced: bool) -> None:
        """Announce a cleanup, and audit one that the guard began by itself; one that a person asked for is audited where it was asked."""
        self.announcer.cleanup(report.to_json(), forced=forced)
        if not forced:
            note = asyncio.create_task(self.audit.record(GUARD, "pool.cleanup", "pool", details=report.audit_json()))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def _close(self) -> None:
        """Stop in order: the batches, loops, what a drill holds, probes, the journals, the pools."""
        if self.storage.is_done:
            await self.jobs.updater.close()
            await self.events.events.close()
            await self.channels.close()
        await self.supervisor.stop()
        await self.jobs.updater.release()
        await self.events.events.release()
        if self.api.state.holds is not None:
            await self.api.state.holds.release()
        await self.sources.probing.close()
        await self.alerts.evaluator.close()
        await self.identity.close()
        if self.provider is not None:
            await self.provider.close()
        await self.audit.close()
        await self.database.close()


def build(loaded: LoadedSettings) -> App:
    """The whole of Spillway for these settings, not started."""
    return App(loaded)


def _guard_limits(settings: Settings) -> GuardLimits:
    """The guard's numbers in the settings."""
    return GuardLimits(
        max_concurrent_requests=settings.max_concurrent_requests,
        admission_timeout_s=settings.admission_timeout_s,
        leak_threshold_s=settings.leak_threshold_s,
        auto_cleanup=settings.auto_cleanup,
        monitor_interval_s=settings.pool_monitor_interval_s,
    )
