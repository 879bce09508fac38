"""The state of `/pool`: display rows only, and handlers that ask for the principal each time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.pool_reads import read_history, read_holders, tested
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import cleanup, holders, ladder, usage
from dashboard_app.console.rows import pool as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotSignedIn, SpillwayError
from dashboard_app.model.pool import Level
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed, refusal, require

POLICY = {
    "pool_state.load": "console.watch",
    "pool_state.read_details": "console.watch",
    "pool_state.test_connection": "pool.test",
    "pool_state.look": "pool.cleanup",
    "pool_state.confirm": "pool.cleanup",
    "pool_state.set_dialog": "console.watch",
    "pool_state.close_result": "console.watch",
}
"""Event handler → the action it needs."""
GONE_AFTER_S = 4.0
"""The status is read every second while somebody watches: a page that waited longer for one says so."""
_RANGES = {"1h": 60}
_MINUTES = 15


class PoolState(rx.State):
    """What `/pool` shows."""

    verdict: rows.PoolVerdict = rows.PoolVerdict()
    hero: rows.PoolHero = rows.PoolHero()
    reasons: rx.Field[list[rows.Reason]] = rx.field(default_factory=list)
    figures: rx.Field[list[rows.Fact]] = rx.field(default_factory=list)
    has_status: bool = False
    measured_s: float = 0.0
    measured_stamp: str = ""

    rungs: rx.Field[list[ladder.Rung]] = rx.field(default_factory=list)
    hint: str = ""
    config_note: str = ""
    config_s: float = 0.0
    config_stamp: str = ""
    config_values: rx.Field[list[ladder.ConfigValue]] = rx.field(default_factory=list)

    minutes: int = _MINUTES
    window_s: float = 60.0 * _MINUTES
    chart: rx.Field[list[list[float | None]]] = rx.field(default_factory=list)
    chart_patch: rx.Field[dict[str, list[list[float | None]]]] = rx.field(default_factory=dict)
    chart_marks: rx.Field[list[dict[str, Any]]] = rx.field(default_factory=list)
    mark_rows: rx.Field[list[usage.MarkRow]] = rx.field(default_factory=list)
    chart_label: str = ""
    chart_note: str = ""

    holder_rows: rx.Field[list[holders.HolderRow]] = rx.field(default_factory=list)
    call_sites: rx.Field[list[holders.CallSiteRow]] = rx.field(default_factory=list)
    holders_heading: str = ""
    holders_note: str = ""

    refused_cleanup: str = ""
    refused_test: str = ""
    busy: str = ""
    test_result: str = ""
    test_tone: str = ""
    is_dialog_open: bool = False
    is_stale: bool = False
    plan: cleanup.Plan = cleanup.Plan()
    failure: str = ""
    page_failure: str = ""
    has_result: bool = False
    result: cleanup.Result = cleanup.Result()

    _entered_mono: float = 0.0
    _planned_mono: float = 0.0
    _leaks: int = 0
    _level: str = ""
    _since: str = ""
    _last_point_s: float = 0.0

    @rx.event
    async def load(self) -> Any:
        """Start the page: what is known at once, the rest right behind."""
        self._entered_mono = console().clock.monotonic()
        self.minutes = _RANGES.get(str(self.router.url.query_parameters.get("range", "")), _MINUTES)
        self.window_s = 60.0 * self.minutes
        principal = await enter(self, "pool")
        if principal is None:
            return None
        assign(
            self,
            refused_cleanup="" if allowed(principal.role, "pool.cleanup") else refusal(principal.role, "pool.cleanup"),
            refused_test="" if allowed(principal.role, "pool.test") else refusal(principal.role, "pool.test"),
        )
        self._show()
        return PoolState.read_details(True)

    @rx.event(background=True)
    async def read_details(self, with_history: bool) -> None:
        """Read who holds connections (and the chart's past); both need the operator role."""
        principal = await principal_of(self)
        if principal is None:
            return
        minutes = self.minutes
        answer, past = await asyncio.gather(read_holders(principal), read_history(principal, minutes, wanted=with_history))
        async with self:
            self._show_holders(answer)
            if past is not None:
                self._show_history(past, minutes)
            self._show()

    @rx.event(background=True)
    async def test_connection(self) -> None:
        """Try one checkout and say in place how it went."""
        async with self:
            if self.busy:
                return
            self.busy, self.test_result, self.page_failure = "testing", "", ""
        told, tone = await self._tested()
        async with self:
            assign(self, busy="", test_result=told, test_tone=tone)

    async def _tested(self) -> tuple[str, str]:
        """The result of a connection test in words, and its tone."""
        try:
            principal = await _permitted(self, "pool.test")
            return tested(await console().backend.connection_test(principal=principal))
        except SpillwayError as failure:
            return failure.detail, "bad"

    @rx.event(background=True)
    async def look(self) -> None:
        """Do a dry run and open the dialog with what it found."""
        async with self:
            if self.busy:
                return
            assign(self, busy="looking", failure="", page_failure="")
        await self._look()

    async def _look(self) -> None:
        """The dry run itself; a failure is shown where the operator looks."""
        try:
            principal = await _permitted(self, "pool.cleanup")
            found = await console().backend.force_cleanup(principal=principal, dry_run=True)
        except SpillwayError as failure:
            told = f"The dry run could not be done. {failure.detail}"
            async with self:
                assign(self, busy="", **{"failure" if self.is_dialog_open else "page_failure": told})
            return
        async with self:
            now = console().clock
            level = self._level or Level.NORMAL.value
            plan = cleanup.plan(found, at=words.clock(now.now()), level_now=level)
            self._planned_mono = now.monotonic()
            assign(self, busy="", plan=plan, is_stale=False, failure="", is_dialog_open=True)

    @rx.event(background=True)
    async def confirm(self) -> None:
        """Clean up, once; a dry run older than 30 s is done again instead."""
        async with self:
            if self.busy or not self.is_dialog_open:
                return
            is_stale = console().clock.monotonic() - self._planned_mono > cleanup.GOOD_FOR_S
            assign(self, busy="looking" if is_stale else "cleaning", failure="")
            planned = self.plan.wins
        if is_stale:
            await self._look()
            return
        try:
            principal = await _permitted(self, "pool.cleanup")
            done = await console().backend.force_cleanup(principal=principal, dry_run=False)
        except SpillwayError as failure:
            async with self:
                assign(self, busy="", failure=f"{failure.detail} Nothing is known to have been done; dry run again.")
            return
        async with self:
            assign(self, busy="", is_dialog_open=False, has_result=True, result=cleanup.result(done, planned=planned))
        console().acted()
        answer = await read_holders(principal)
        async with self:
            self._show_holders(answer)
            self._show()

    @rx.event
    def set_dialog(self, is_open: bool) -> None:
        """Close the dialog (Escape, Cancel); it is opened by a dry run only."""
        if not is_open and self.busy != "cleaning":
            self.is_dialog_open = False

    @rx.event
    def close_result(self) -> None:
        """Take the result panel away."""
        self.has_result = False

    def _show_holders(self, answer: dict[str, Any]) -> None:
        """Take over who holds connections."""
        self._leaks = holders.leaks(answer)
        assign(
            self,
            holders_note=answer.get("note", ""),
            holder_rows=holders.holders(answer),
            call_sites=holders.call_sites(answer),
            holders_heading=holders.heading(answer),
        )

    def _show_history(self, past: dict[str, Any], minutes: int) -> None:
        """Take over the chart's past, whole; from here on it grows point by point."""
        shown = usage.usage(past, minutes)
        self._since = usage.last_level_change(past) or self._since
        assign(
            self,
            chart_note=past.get("note", ""),
            chart=shown.data,
            chart_marks=shown.marks,
            mark_rows=shown.rows,
            chart_label=shown.label,
        )

    def _show_status(self, reading: Any, now: float) -> None:
        """Verdict, hero, reasons, facts and the chart's next point."""
        waited = now - self._entered_mono
        age = reading.age_s(now) if reading is not None else waited
        is_gone = min(age, waited) > GONE_AFTER_S
        status = reading.value if reading is not None else None
        if status is not None and not is_gone:
            self._note_level(status["throttling_level"])
            self._append(status)
        leaks = self._leaks
        assign(
            self,
            verdict=rows.verdict(status, gone_for_s=age if is_gone else None, since=self._since, leaks=leaks),
        )
        if status is None:
            return
        settings = console().settings
        own = settings.pool_timeout_s if settings.backend_url is None else None
        stamp = f"{reading.received_mono:.2f}"
        if stamp != self.measured_stamp:
            assign(self, measured_s=round(age, 1), measured_stamp=stamp)
        assign(
            self,
            has_status=True,
            hero=rows.hero(status, is_live=not is_gone),
            reasons=rows.reasons(status, leaks),
            figures=rows.facts(status, pool_timeout_s=own),
        )

    def _note_level(self, level: str) -> None:
        """Remember when the level changed while this page looked on."""
        if self._level and level != self._level:
            self._since = words.clock(console().clock.now())
        self._level = level

    def _append(self, status: dict[str, Any]) -> None:
        """Give the chart its next point, at most one a second."""
        at = usage.seconds_of(status["measured_at"])
        if at - self._last_point_s >= 1.0:
            self._last_point_s = at
            self.chart_patch = {"points": [[at, float(status["usage_percent"])]]}

    def _show_config(self, reading: Any, now: float) -> None:
        """The ladder and the six values."""
        config = reading.value if reading is not None else None
        assign(self, rungs=ladder.rungs(config))
        if reading is None or config is None:
            return
        stamp = f"{reading.received_mono:.2f}"
        if stamp != self.config_stamp:
            assign(self, config_s=round(reading.age_s(now), 1), config_stamp=stamp)
        pool = console().snapshot.pool
        reachable = pool is None or pool.value["status"] != "unavailable"
        assign(
            self,
            config_note=f"version {config.version} · good for {words.duration(config.ttl_s)} · ",
            hint=ladder.hint(config.level, reachable=reachable),
            config_values=ladder.values(config),
        )

    def _show(self) -> None:
        """Bring the page up to date with the console's snapshot; only what changed is assigned."""
        snapshot, clock = console().snapshot, console().clock
        now = clock.monotonic()
        self._show_status(snapshot.pool, now)
        self._show_config(snapshot.throttling, now)
        if self.is_dialog_open and self.plan.confirm:
            assign(self, is_stale=now - self._planned_mono > cleanup.GOOD_FOR_S)


async def _permitted(state: PoolState, action: str) -> Principal:
    """Who asks, when they may.

    Raises:
        NotSignedIn: the session has ended.
        Forbidden: the role does not reach.

    """
    principal = await principal_of(state)
    if principal is None:
        async with state:
            (await state.get_state(ShellState)).is_signed_out = True
        raise NotSignedIn
    require(principal, action)
    return principal


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/pool` and its frame up to date."""
    fill(await root.get_state(ShellState))
    (await root.get_state(PoolState))._show()  # noqa: SLF001 - a public method would be an event handler
