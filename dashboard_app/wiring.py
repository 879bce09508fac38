"""Who is built from what: the whole object graph without I/O, and the order in which it starts and stops."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard_app.access.audit import Audit
from dashboard_app.access.gate import Gate
from dashboard_app.access.identity import Identity
from dashboard_app.access.oidc_pages import OidcPages
from dashboard_app.access.oidc_provider import Provider
from dashboard_app.access.page_frames import PageFrames
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.permit import Permit
from dashboard_app.access.sign_in import SignIn
from dashboard_app.access.timekeeper import Timekeeper
from dashboard_app.access.vault import Vault
from dashboard_app.access.visit import EVENTS_SOCKET, STREAM
from dashboard_app.backend.alerts.assembly import build_alerts
from dashboard_app.backend.api.app import build_api, is_api_path
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.limits import EveryAnswer
from dashboard_app.backend.events import broadcaster
from dashboard_app.backend.events.announce import Announcer
from dashboard_app.backend.events.assembly import build_events
from dashboard_app.backend.guard import CleanupReport, ControlView, GuardLimits, PoolGuard
from dashboard_app.backend.jobs.service import Jobs
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.backend.notify.assembly import build_channels, courier_rule
from dashboard_app.backend.sources.assembly import build_sources
from dashboard_app.backend.sources.open_probes import metric_units
from dashboard_app.console import context
from dashboard_app.console.api.routes import build_routes
from dashboard_app.console.console import Console, breaker_limits
from dashboard_app.demo.fleet import Fleet
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.runtime.loop_watch import LoopWatch
from dashboard_app.runtime.memory import Shedding
from dashboard_app.runtime.named_breaker import NamedBreaker
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
from dashboard_app.store.segments import SegmentLog
from dashboard_app.store.setting_overrides import SettingStore

_LOG = logging.getLogger(__name__)
_STORAGE_PAUSE_S = 1.0
_CONSOLE_WAITS_S = 3.0
_STREAMS = frozenset({STREAM, EVENTS_SOCKET})
Loop = Callable[[], Coroutine[Any, Any, None]]
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
        self.jobs = self._build_jobs()
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
        self._permit = Permit(self.api.state.served, self.api.state.actions.action_of, public_health=settings.public_health)
        self.permit = EveryAnswer(self._permit, self.guard.hint)
        self._gate: Gate | None = None
        self.supervisor = Supervisor(self.clock)
        self._storage_is_ready = asyncio.Event()
        self._notes: set[asyncio.Task[None]] = set()
        self._connect()
        context.bind(self.console, self.identity, self.audit, loaded)

    def around(
        self,
        pages: ASGIApp,
        addresses: frozenset[str] = frozenset(),
        farewell: str = "",
        scripts: tuple[str, ...] = (),
        handlers: frozenset[str] = frozenset(),
    ) -> ASGIApp:
        """The one ASGI app of the port: the gate outermost, then the API by its paths, `pages` (Reflex) for all else.

        `addresses` are those of built pages, such as "/pool": each is a folder of the build, which would else redirect to "/pool/".
        `farewell` is the last that an open page hears when its session is over; `scripts` are the hashes of the scripts that stand in them;
        `handlers` are the full names of all handlers of events.
        """
        pages = PageFrames(pages, handlers)

        async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
            is_api_call = is_api_path(scope["path"]) if scope["type"] == "http" else scope.get("path") == EVENTS_SOCKET
            if is_api_call:
                await self._permit(scope, receive, send)  # the gate itself adds the hint to every answer
            elif scope["type"] == "http" and scope["path"] in addresses:
                await pages({**scope, "path": f"{scope['path']}/", "raw_path": f"{scope['path']}/".encode()}, receive, send)
            else:
                await pages(scope, receive, send)

        megabytes = self.settings.memory_limit_mb
        oidc = OidcPages(self.provider, self.identity, self.vault, self.clock) if self.provider is not None else None
        pages_without_session = SignIn(self.identity, self.audit, self.settings.environment, self.database.ping, oidc=oidc)
        self._gate = Gate(
            Shedding(by_path, megabytes * 2**20, self.clock, _STREAMS.__contains__),
            identity=self.identity,
            pages=pages_without_session,
            settings=self.settings,
            hint=self.guard.hint,
            farewell=farewell,
            scripts=scripts,
        )
        return self._gate

    def in_front_of(self, whole: ASGIApp) -> ASGIApp:
        """`whole` (Reflex, with the gate inside) for pages, sockets and the lifespan; calls of the API reach the same gate without Reflex's layers."""
        gate = self._gate
        if gate is None:
            message = "there is no gate yet: `around` comes first"
            raise RuntimeError(message)

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            is_call = scope["type"] == "http" and is_api_path(scope["path"])
            await (gate if is_call else whole)(scope, receive, send)

        return front

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
        if not self._storage_is_ready.is_set():
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

    def _build_jobs(self) -> Jobs:
        """Jobs on the guarded pool, with their journal when the settings ask for one."""
        settings = self.settings
        journal = SegmentLog(settings.data_dir / "job-journal") if settings.job_journal else None
        store = JobStore(self.database, self.guard.running)
        updater = Updater(store, self.guard, self.clock, _job_limits(settings), journal=journal, batching=settings.job_batching)
        return Jobs(store, updater)

    def _connect(self) -> None:
        """Tell the parts of each other, and name the loops in the order they start."""
        self.guard.on_reachable(lambda reachable: self.identity.mark_database(reachable=reachable))
        self.guard.on_cleanup = self._note_cleanup
        self.console.live.on_change(self._retune)
        self._announce()
        loops = self.supervisor
        if self.settings.database_url is None:
            loops.add("embedded server", of_settings(self.settings).keep_running)
        loops.add("storage", self._prepare_storage)
        loops.add("guard", self.guard.run)
        loops.add("audit", self._once_stored(self.audit.run))
        loops.add("identity", self._once_stored(self.identity.run))
        loops.add("revocations", self._once_stored(self.identity.run_watch))
        loops.add("sources", self._once_stored(self.sources.sources.run))
        loops.add("probing", self._once_stored(self.sources.probing.run))
        loops.add("jobs", self._once_stored(self.jobs.updater.run))
        loops.add("events", self._once_stored(self.events.events.run))
        loops.add("notifications", self._once_stored(self.channels.run))
        loops.add("alerts", self._once_stored(self.alerts.evaluator.run))
        loops.add("alert writes", self._once_stored(self.alerts.evaluator.run_writes))
        loops.add("loop watch", self.loop_watch.run)
        loops.add("console", self._run_console)
        if self.settings.demo:
            loops.add("demo fleet", self._once_stored(Fleet(self.database.direct_address, self.sources.sources, self.clock).run))

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
        self.jobs.updater.retune(_job_limits(settings), batching=settings.job_batching)
        self.events.retune(settings)
        self.channels.retune(courier_rule(settings))

    async def _run_console(self) -> None:
        """Run the console; at an ordinary start it waits the moment until the first answer can be right."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._storage_is_ready.wait(), _CONSOLE_WAITS_S)
        await self.console.run()

    def _once_stored(self, run: Loop) -> Loop:
        """`run`, begun when the tables are there."""

        async def begin() -> None:
            await self._storage_is_ready.wait()
            await run()

        return begin

    async def _prepare_storage(self) -> None:
        """Bring the database up to date and read what memory needs; waits for a database that is away."""
        while True:
            try:
                await migrate(self.database)
                await Timekeeper(self.clock, self.database).begin()
                await self.audit.start()
                await self.console.tuning.open()
                await self.sources.sources.open()
                await self._first_admin()
                await self.identity.start()
            except DatabaseUnavailable as error:
                _LOG.warning("storage is not ready, trying again in %g s: %s", _STORAGE_PAUSE_S, error.detail)
                await self.clock.sleep(_STORAGE_PAUSE_S)
            else:
                self._storage_is_ready.set()
                return

    async def _first_admin(self) -> None:
        """Make the first admin from the settings, or print the one-time link while there is no user."""
        email, password = self.settings.admin_email, self.settings.admin_password
        if email is not None and password is not None:
            await self.identity.ensure_admin(email, Secret(password.get_secret_value()))
            return
        link = await self.identity.first_run_link(self.settings.base_url)
        if link is not None:
            print(f"\n  First start: open this link within 30 minutes and choose your password\n  {link}\n", flush=True)  # noqa: T201 - a person waits for this line; the log redacts tokens

    def _note_cleanup(self, report: CleanupReport, forced: bool) -> None:
        """Announce a cleanup, and audit one that the guard began by itself; one that a person asked for is audited where it was asked."""
        self.announcer.cleanup(report.to_json(), forced=forced)
        if not forced:
            note = asyncio.create_task(self.audit.record(GUARD, "pool.cleanup", "pool", details=report.audit_json()))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def _close(self) -> None:
        """Stop in order: the batches, loops, what a drill holds, probes, the journals, the pools."""
        if self._storage_is_ready.is_set():
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


def _job_limits(settings: Settings) -> BatchLimits:
    """The updater's numbers in the settings."""
    return BatchLimits(settings.job_batch_size, settings.job_flush_s, settings.job_batch_max, settings.job_queue_max)


def _guard_limits(settings: Settings) -> GuardLimits:
    """The guard's numbers in the settings."""
    return GuardLimits(
        max_concurrent_requests=settings.max_concurrent_requests,
        admission_timeout_s=settings.admission_timeout_s,
        leak_threshold_s=settings.leak_threshold_s,
        auto_cleanup=settings.auto_cleanup,
        monitor_interval_s=settings.pool_monitor_interval_s,
    )
