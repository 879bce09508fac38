"""The state of the panel that a service has on `/sources/[id]`: its pool, who holds it, and a cleanup of it."""

from dataclasses import replace
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.pool_cleanup import PoolCleanup
from dashboard_app.console.rows import culprit, holders
from dashboard_app.console.rows import pool as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.source import SourceKind
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed, refusal

POLICY = {
    "service_state.read": "sources.read",
    "service_state.look": "pool.cleanup",
    "service_state.confirm": "pool.cleanup",
    "service_state.set_dialog": "console.watch",
    "service_state.close_result": "console.watch",
}
"""Event handler → the action it needs."""
_NOT_READ = "Not known while the service's guard cannot be read."
_GONE = "gone"
_NO_HOLDERS = "Holders need the operator role."


class ServiceState(PoolCleanup, rx.State):
    """What the panel shows. `source_number` is the source all of it is about: a page of another source shows none of it."""

    source_number: int = 0
    verdict: rows.PoolVerdict = rows.PoolVerdict()
    hero: rows.PoolHero = rows.PoolHero()
    reasons: rx.Field[list[rows.Reason]] = rx.field(default_factory=list)
    figures: rx.Field[list[rows.Fact]] = rx.field(default_factory=list)
    has_status: bool = False
    measured_s: float = 0.0
    measured_stamp: str = ""
    note: str = ""

    holder_rows: rx.Field[list[holders.HolderRow]] = rx.field(default_factory=list)
    call_sites: rx.Field[list[holders.CallSiteRow]] = rx.field(default_factory=list)
    holders_heading: str = ""
    holders_note: str = ""
    refused_cleanup: str = ""

    _level: str = ""
    _status: str = ""
    _read_mono: float = 0.0
    _usage_percent: float = 0.0
    _culprit: culprit.Culprit | None = None

    @rx.event(background=True)
    async def read(self, source_id: int) -> None:
        """Ask the service's guard how its pool is and, for operators, who holds it."""
        principal, source = await principal_of(self), console().snapshot.sources.get(source_id)
        if principal is None or source is None or source.kind is not SourceKind.SERVICE:
            return
        async with self:
            if source_id != self.source_number:
                self._begin(source_id, principal)
        await self._read(principal, source_id)

    async def _read(self, principal: Principal, source_id: int) -> None:
        """One reading; what comes for a source that is no longer looked at is dropped."""
        status, note = await _asked(console().backend.guard.service_status(principal, source_id))
        held: dict[str, Any] = {}
        held_note = _NO_HOLDERS
        if allowed(principal.role, "pool.holders"):
            held, held_note = await _asked(console().backend.guard.service_holders(principal, source_id)) if status else ({}, "")
        async with self:
            if source_id != self.source_number:
                return
            before, self._status = self._status, status.get("status", _GONE)
            self._show(status, note, held, held_note)
        if before and self._status != before:
            await _asked(_checked(principal, source_id))  # the checks and the list follow at once what is seen here

    def _begin(self, source_id: int, principal: Principal) -> None:
        """Forget the source that was shown before."""
        self.reset()
        self.source_number = source_id
        self.refused_cleanup = "" if allowed(principal.role, "pool.cleanup") else refusal(principal.role, "pool.cleanup")

    def _show(self, status: dict[str, Any], note: str, held: dict[str, Any], held_note: str) -> None:
        """Take over what was read; a guard that cannot be read leaves the last picture, said to be old."""
        now = console().clock.monotonic()
        self._age_plan(now)
        if not status:
            before = {"usage_percent": self._usage_percent} if self.has_status else None
            verdict = rows.verdict(before, gone_for_s=now - self._read_mono if self.has_status else 0.0)
            assign(self, note=note, verdict=verdict, hero=replace(self.hero, bar="n"), holder_rows=[], holders_note=_NOT_READ)
            return
        self._read_mono, self._level, self._usage_percent = now, status["throttling_level"], status["usage_percent"]
        self._culprit = culprit.culprit(held, status["pool"]["capacity"], console().clock.now(), self._culprit)
        assign(
            self,
            note="",
            has_status=True,
            measured_s=0.0,
            measured_stamp=f"{now:.2f}",
            verdict=rows.verdict(status, gone_for_s=None, who=culprit.told(self._culprit)),
            hero=rows.hero(status),
            reasons=rows.reasons(status, holders.leaks(held)),
            figures=rows.facts(status),
            holder_rows=holders.holders(held),
            call_sites=holders.call_sites(held),
            holders_heading=holders.heading(held),
            holders_note=held_note,
        )

    def _about(self) -> int:
        """The service's source."""
        return self.source_number

    async def _clean_up(self, principal: Principal, about: int, *, dry_run: bool) -> dict[str, Any]:
        """Clean up the service's pool, through the server that watches it."""
        return await console().backend.guard.service_cleanup(principal, about, dry_run=dry_run)

    async def _cleaned_up(self, principal: Principal) -> None:
        """Show at once who is left."""
        await self._read(principal, self.source_number)


async def _checked(principal: Principal, source_id: int) -> dict[str, Any]:
    """A fresh health in the snapshot of all pages."""
    health = await console().backend.health(source_id, principal=principal)
    console().snapshot.set_health(health)
    return {}


async def _asked(call: Any) -> tuple[dict[str, Any], str]:
    """The answer, or {} and why there is none."""
    try:
        return await call, ""
    except SpillwayError as failure:
        return {}, words.told(failure)
