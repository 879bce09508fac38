"""The part of a page's state that cleans up a pool: a dry run, the dialog it opens, the cleanup, and what it did."""

from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows import cleanup
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotSignedIn, SpillwayError
from dashboard_app.model.pool import Level
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require


class PoolCleanup(rx.State, mixin=True):
    """The dialog and the result panel; what it calls between them needs the admin role each time."""

    busy: str = ""
    is_dialog_open: bool = False
    is_stale: bool = False
    plan: cleanup.Plan = cleanup.Plan()
    failure: str = ""
    page_failure: str = ""
    has_result: bool = False
    result: cleanup.Result = cleanup.Result()

    _planned_mono: float = 0.0

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
        about = self._about()
        try:
            principal = await permitted(self, "pool.cleanup")
            found = await self._clean_up(principal, about, dry_run=True)
        except SpillwayError as failure:
            told = f"The dry run could not be done. {failure.detail}"
            async with self:
                if self._about() == about:
                    assign(self, busy="", **{"failure" if self.is_dialog_open else "page_failure": told})
            return
        async with self:
            if self._about() != about:
                return
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
            planned, about = self.plan.wins, self._about()
        if is_stale:
            await self._look()
            return
        try:
            principal = await permitted(self, "pool.cleanup")
            done = await self._clean_up(principal, about, dry_run=False)
        except SpillwayError as failure:
            async with self:
                if self._about() == about:
                    assign(self, busy="", failure=f"{failure.detail} Nothing is known to have been done; dry run again.")
            return
        async with self:
            if self._about() == about:
                assign(self, busy="", is_dialog_open=False, has_result=True, result=cleanup.result(done, planned=planned))
        console().acted()
        await self._cleaned_up(principal)

    def _about(self) -> int:
        """Whose pool the page is about: the source's number, 0 for this server's own. What comes in for another is not shown."""
        return 0

    async def _clean_up(self, principal: Principal, _about: int, *, dry_run: bool) -> dict[str, Any]:
        """Clean up that pool, or say what that would do."""
        return await console().backend.guard.cleanup(principal=principal, dry_run=dry_run)

    async def _cleaned_up(self, principal: Principal) -> None:
        """What the page shows beside the result; each page says for itself."""

    @rx.event
    def set_dialog(self, is_open: bool) -> None:
        """Close the dialog (Escape, Cancel); it is opened by a dry run only."""
        if not is_open and self.busy != "cleaning":
            self.is_dialog_open = False

    @rx.event
    def close_result(self) -> None:
        """Take the result panel away."""
        self.has_result = False

    def _age_plan(self, now: float) -> None:
        """Notice when the dry run in the dialog has become too old to act on."""
        if self.is_dialog_open and self.plan.confirm:
            assign(self, is_stale=now - self._planned_mono > cleanup.GOOD_FOR_S)


async def permitted(state: rx.State, action: str) -> Principal:
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
