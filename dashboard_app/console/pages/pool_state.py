"""The state of `/pool`: display rows only, and handlers that ask for the principal each time."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.pool_chart import MINUTES, PoolChart
from dashboard_app.console.pages.pool_cleanup import PoolCleanup, permitted
from dashboard_app.console.pages.pool_measured import PoolMeasured
from dashboard_app.console.pages.pool_reads import read_history, read_holders, read_measured, tested
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import culprit, holders, ladder, leaks
from dashboard_app.console.rows import pool as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed, refusal

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


def addresses(range_key: str, sort: str) -> dict[str, str]:
    """Where each choice of range and order leads, the other one kept."""

    def address(a_range: str, order: str) -> str:
        asked = {"range": a_range, "sort": "" if order == holders.HELD else order}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/pool?{query}" if query else "/pool"

    return {"15m": address("", sort), "1h": address("1h", sort)} | {order: address(range_key, order) for order in holders.SORTS}


class PoolState(PoolChart, PoolCleanup, PoolMeasured, rx.State):
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

    holder_rows: rx.Field[list[holders.HolderRow]] = rx.field(default_factory=list)
    call_sites: rx.Field[list[holders.CallSiteRow]] = rx.field(default_factory=list)
    holders_heading: str = ""
    holders_note: str = ""
    leaks_told: str = ""
    leak_rows: rx.Field[list[leaks.LeakRow]] = rx.field(default_factory=list)
    sort: str = holders.HELD
    hrefs: rx.Field[dict[str, str]] = rx.field(default_factory=lambda: addresses("", holders.HELD))

    refused_cleanup: str = ""
    refused_test: str = ""
    test_result: str = ""
    test_tone: str = ""

    _entered_mono: float = 0.0
    _leaks: int = 0
    _culprit: culprit.Culprit | None = None

    @rx.event
    async def load(self) -> Any:
        """Start the page: what is known at once, the rest right behind."""
        self._entered_mono = console().clock.monotonic()
        asked = self.router.url.query_parameters
        range_key, sort = str(asked.get("range", "")), str(asked.get("sort", ""))
        self.minutes = _RANGES.get(range_key, MINUTES)
        self.window_s = 60.0 * self.minutes
        self.sort = sort if sort in holders.SORTS else holders.HELD
        assign(self, hrefs=addresses(range_key if range_key in _RANGES else "", self.sort))
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
        """Read who holds connections (and the chart's past, when asked for or when it has changed); both need the operator role."""
        principal = await principal_of(self)
        if principal is None:
            return
        minutes, wanted = self.minutes, with_history or self._is_past_wanted
        answer, past, measured = await asyncio.gather(
            read_holders(principal),
            read_history(principal, minutes, wanted=wanted),
            read_measured(principal, with_sizing=self._wants_sizing(with_history)),
        )
        async with self:
            self._show_holders(answer)
            self._show_measured(measured)
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
            principal = await permitted(self, "pool.test")
            return tested(await console().backend.guard.connection_test(principal=principal))
        except SpillwayError as failure:
            return failure.detail, "bad"

    def _show_holders(self, answer: dict[str, Any]) -> None:
        """Take over who holds connections."""
        status = console().snapshot.pool
        capacity = status.value["pool"]["capacity"] if status is not None else 0
        self._leaks = holders.leaks(answer)
        self._culprit = culprit.culprit(answer, capacity, console().clock.now(), self._culprit)
        assign(
            self,
            holders_note=answer.get("note", ""),
            holder_rows=holders.holders(answer, self.sort, capacity),
            call_sites=holders.call_sites(answer),
            holders_heading=holders.heading(answer, self.sort),
            leaks_told=leaks.summary(answer),
            leak_rows=leaks.rows(answer),
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
        who = culprit.told(self._culprit)
        assign(self, verdict=rows.verdict(status, gone_for_s=age if is_gone else None, since=self._since, who=who))
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
            reasons=rows.reasons(status, self._leaks),
            figures=rows.facts(status, pool_timeout_s=own),
        )

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
        self._age_plan(now)

    async def _cleaned_up(self, principal: Principal) -> None:
        """Show at once who is left."""
        answer = await read_holders(principal)
        async with self:
            self._show_holders(answer)
            self._show()


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/pool` and its frame up to date."""
    fill(await root.get_state(ShellState))
    (await root.get_state(PoolState))._show()  # noqa: SLF001 - a public method would be an event handler
