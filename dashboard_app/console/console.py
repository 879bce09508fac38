"""The console's services in one bundle: what pages and the console's own API are given."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from starlette.types import ASGIApp

from dashboard_app.console.alert_poll import AlertPoll
from dashboard_app.console.client.acts import AuditBook
from dashboard_app.console.client.backend import Backend
from dashboard_app.console.client.caller import Caller
from dashboard_app.console.client.events import EventCalls
from dashboard_app.console.client.feed import Published
from dashboard_app.console.client.jobs import JobCalls
from dashboard_app.console.client.server import feed_of, wire_of
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.fallback import Fallback, Signs, fallback_of
from dashboard_app.console.feed import Feed
from dashboard_app.console.holds import Holds
from dashboard_app.console.loader import Loader
from dashboard_app.console.polls import Polls
from dashboard_app.console.reactions import Reactions
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.console.snapshot_file import SnapshotFile
from dashboard_app.console.tuning import OverrideBook, Tuning
from dashboard_app.console.viewers import Viewers
from dashboard_app.model.breaker import BreakerLimits, RateLimits
from dashboard_app.model.clock import Clock
from dashboard_app.model.pool import PoolHealth
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.runtime.live_settings import LiveSettings
from dashboard_app.runtime.request_queue import QueueLimits, RequestQueue
from dashboard_app.runtime.supervisor import Supervisor
from dashboard_app.settings import LoadedSettings, Settings


class Console:
    """Built without I/O; `run` does everything until it is cancelled."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        app: ASGIApp | None = None,
        events: Published | None = None,
        audit: AuditBook | None = None,
        origins: Mapping[str, str] | None = None,
        overrides: OverrideBook | None = None,
        breakers: Breakers | None = None,
    ) -> None:
        """`app` is this instance's API, permit included, and `events` its publisher: used unless BACKEND_URL names another server.

        `origins` tells where each setting came from; `overrides` keeps what is changed while running; `breakers` are this instance's,
        those of watched services among them (None: the console's own two).

        Raises:
            ValueError: neither an app nor BACKEND_URL is given.

        """
        self.clock = clock
        self.live = LiveSettings(LoadedSettings(settings, dict(origins or {})))
        self.tuning = Tuning(self.live, overrides, audit, clock)
        self.snapshot = Snapshot(clock)
        self.throttle = Throttle(clock, poll_s=settings.throttle_poll_s)
        self.breakers = breakers or Breakers(breaker_limits(settings), clock)
        self.queue = RequestQueue(queue_limits(settings), clock)
        caller = Caller(
            wire_of(settings, app, self.throttle), self.queue, self.breakers["api"], clock, request_timeout_s=settings.request_timeout_s
        )
        self.backend = Backend(caller, audit)
        self.jobs = JobCalls(caller, self.backend.acts.audited, clock)
        self.events = EventCalls(caller, clock)
        self.feed = Feed(feed_of(settings, events, clock), self.breakers["websocket"], clock)
        self.reactions = Reactions(clock)
        self.jobs_news = 0
        """Grows when jobs have changed; pages of jobs read again then."""
        self.loader = Loader(settings, clock, self.backend, self.snapshot, breaker=self.breakers["api"], throttle=self.throttle)
        self.viewers = Viewers(self.snapshot, clock)
        self.polls = Polls(
            self.backend,
            self.snapshot,
            self.throttle,
            self.breakers["api"],
            clock,
            poll_s=settings.throttle_poll_s,
            cleans_up=settings.console_auto_cleanup,
        )
        self.alert_poll = AlertPoll(self.backend, self.snapshot, clock, poll_s=settings.throttle_poll_s)
        self.holds = Holds(Path(settings.data_dir) / "breakers.json", self.breakers, clock, audit)
        self.file = SnapshotFile(Path(settings.data_dir) / "snapshot.json", self.snapshot, clock)
        self._unavailable_since: datetime | None = None
        self._supervisor = Supervisor(clock)
        self._caller = caller
        self.live.on_change(self._retune)
        self._connect(caller)
        self.queue.allow_paced(self.loader.places())
        self._add_loops()

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.live.values

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each setting came from at the start."""
        return self.live.start.origins

    def fallback(self) -> Fallback | None:
        """What the banner tells while last known values are shown; None while they are live."""
        return fallback_of(
            Signs(
                breaker=self.breakers["api"].reading(),
                list_failure=self.loader.list_failure,
                list_failing_since=self.loader.list_failing_since,
                unavailable_since=self._unavailable_since,
                ages_s=self.snapshot.ages_s(),
                now=self.clock.now(),
            )
        )

    async def try_now(self, principal: Principal) -> None:
        """End the wait of an open breaker: the banner's button.

        Raises:
            Forbidden: this needs the operator role.

        """
        require(principal, "breakers.try")
        self.loader.try_now()

    def acted(self) -> None:
        """A person has changed something at the server: read the config, the status and the list soon."""
        self.polls.news()
        self.polls.watched()
        self.alert_poll.news()
        self.loader.reload_list()

    async def run(self) -> None:
        """Restore the snapshot and what people have set, run every loop, and at the end save and close."""
        await self.holds.recall()
        await asyncio.to_thread(self.file.load)
        self._supervisor.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._supervisor.stop()
            await self.queue.close()
            await self.file.save()
            await self.backend.close()

    def reasons(self) -> list[str]:
        """Why the console is not ready: its broken loops. Empty: it is; a server that is away is no reason, pages show last known values."""
        return self._supervisor.reasons()

    def _add_loops(self) -> None:
        """Name every loop of the console, in the order they start; they stop in reverse."""
        for name, run in (
            ("snapshot file", self.file.run),
            ("held breakers", self.holds.run),
            ("pages", self.viewers.run),
            ("throttling-config", self.polls.run_config),
            ("pool status", self.polls.run_status),
            ("pings", self.polls.run_pings),
            ("alerts", self.alert_poll.run),
            ("reactions", self.reactions.run),
            ("live feed", self.feed.run),
            ("list of sources", self.loader.run_list),
            ("health lane", self.loader.health.run),
            ("metrics lane", self.loader.metrics.run),
        ):
            self._supervisor.add(name, run)

    def _connect(self, caller: Caller) -> None:
        """Tell the parts of each other."""
        caller.on_failure = self.polls.suspect
        for lane in self.loader.lanes:
            lane.budget = caller.budget
        self.breakers["api"].on_change(self.loader.wake)
        self.breakers.on_new(lambda breaker: breaker.on_change(self.snapshot.touch))
        self.breakers.on_gone(lambda _name: self.snapshot.touch())
        self.throttle.on_limits = self._obey
        self.throttle.on_news = self.polls.news
        self.polls.on_usage = self._note_usage
        self.loader.visible = self.viewers.visible
        self.loader.is_watched = self.polls.is_watched = self.alert_poll.is_watched = lambda: self.viewers.count > 0
        self.viewers.on_first = self._watched
        self.viewers.urgency = lambda: self.fallback() is not None
        self.snapshot.on_change(self._note_availability)
        self._connect_feed()

    def _connect_feed(self) -> None:
        """Let news of the live feed be acted upon, and a lost feed be noticed."""
        feed, api = self.feed, self.breakers["api"]
        feed.is_live = lambda: api.lets_through
        api.on_change(feed.wake)
        feed.on_message, feed.on_entry = self.reactions.hear, lambda: self.viewers.news("events")
        feed.on_state, feed.on_lost = self.snapshot.touch, self.polls.suspect
        self.reactions.knows = self.snapshot.has_status
        self.reactions.acts = {
            "LEVEL": self._level_changed,
            "ALERT": self.alert_poll.news,
            "SOURCE": self.loader.sources_changed,
            "JOB": self._jobs_changed,
        }

    def _level_changed(self) -> None:
        """Read the throttling-config and the status at once."""
        self.polls.news()
        self.polls.watched()

    def _jobs_changed(self) -> None:
        """Let pages of jobs read again."""
        self.jobs_news += 1
        self.jobs.forget()
        self.viewers.news("jobs")

    def _retune(self, settings: Settings) -> None:
        """Go by changed settings at once; what is under way is not disturbed."""
        self.breakers.retune(breaker_limits(settings))
        self.queue.retune(queue_limits(settings))
        self._caller.request_timeout_s = settings.request_timeout_s
        self.throttle.poll_s = self.polls.poll_s = self.alert_poll.poll_s = settings.throttle_poll_s
        self.polls.cleans_up = settings.console_auto_cleanup
        self.loader.retune(settings)
        self.queue.allow_paced(self.loader.places())
        self.polls.news()
        self.snapshot.touch()

    def _obey(self) -> None:
        """Let the queue and the lanes follow the server's limits."""
        self.queue.follow(self.throttle.limits())
        self.queue.allow_paced(self.loader.places())
        self.loader.wake()

    def _note_usage(self) -> None:
        """Let the adaptive window follow how full the server's pool is."""
        self.loader.note_usage(self.queue.running)
        self.queue.allow_paced(self.loader.places())
        self.loader.wake()

    def _watched(self) -> None:
        """Somebody begins to watch: look again how often to read."""
        self.polls.watched()
        self.alert_poll.news()
        self.loader.wake()

    def _note_availability(self) -> None:
        """Keep since when the server says that its database is away."""
        pool = self.snapshot.pool
        if pool is None or pool.value.get("status") != PoolHealth.UNAVAILABLE:
            self._unavailable_since = None
        elif self._unavailable_since is None:
            self._unavailable_since = self.clock.now()


def queue_limits(settings: Settings) -> QueueLimits:
    """The queue's numbers in the settings."""
    return QueueLimits(settings.queue_concurrency, settings.queue_interval_ms / 1000.0, settings.queue_timeout_s, settings.queue_max)


def breaker_limits(settings: Settings) -> BreakerLimits:
    """The breakers' numbers in the settings. A window by count never asks for more calls than it holds."""
    by_time = settings.breaker_window == "time"
    size = settings.breaker_window_s if by_time else float(settings.breaker_window_calls)
    least = settings.breaker_window_min_calls if by_time else min(settings.breaker_window_min_calls, settings.breaker_window_calls)
    rates = RateLimits(size, by_time, least, settings.breaker_failure_rate_percent, settings.breaker_slow_rate_percent)
    return BreakerLimits(
        settings.breaker_failure_threshold,
        settings.breaker_recovery_s,
        settings.breaker_half_open_calls,
        rates=None if settings.breaker_window == "off" else rates,
        recovery_factor=settings.breaker_recovery_factor,
        recovery_max_s=settings.breaker_recovery_max_s,
        recovery_jitter=settings.breaker_recovery_jitter_percent / 100.0,
        half_open_max_s=settings.breaker_half_open_max_s,
        slow_call_s=settings.breaker_slow_call_s,
    )
