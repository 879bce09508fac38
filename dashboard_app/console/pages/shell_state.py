"""The state of the frame that all pages share: who is signed in, the vitals of the header, the banner, the counts."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.glance import glance
from dashboard_app.console.rows import shell as rows
from dashboard_app.console.rows.alerts import newest_id, news
from dashboard_app.console.saved import keep
from dashboard_app.console.session import assign, principal_of, take
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.pool import Level
from dashboard_app.model.user import Principal, Role

POLICY = {
    "shell_state.try_now": "breakers.try",
    "shell_state.dismiss": "console.watch",
    "shell_state.undo": "sources.write",
    "shell_state.undo_alert": "alerts.act",
    "shell_state.seen": "console.watch",
    "shell_state.failed": "console.watch",
}
"""Event handler → the action it needs."""


class ShellState(rx.State):
    """The frame's display values. Nothing here decides a right: handlers ask for the principal each time."""

    user_name: str = ""
    user_role: str = ""
    initials: str = ""
    may_operate: bool = False
    may_administer: bool = False
    environment: str = ""
    is_demo: bool = False
    is_signed_out: bool = False

    level: rows.LevelVital = rows.LevelVital()
    pool: rows.PoolVital = rows.PoolVital()
    breaker: rows.BreakerVital = rows.BreakerVital()
    feed: rows.FeedVital = rows.FeedVital()
    round_text: str = words.UNKNOWN
    own_load: str = ""
    nav: rows.NavCounts = rows.NavCounts()
    is_fallback: bool = False
    banner: rows.Banner = rows.Banner()

    announcement: str = ""
    alarm: str = ""
    toasts: list[rows.Toast] = []  # noqa: RUF012 - Reflex copies a state's defaults

    _toasts_so_far: int = 0
    _away_since: datetime | None = None
    _alerts_seen: int | None = None
    _given: tuple[Mapping[str, Any], ...] = ()
    """What the frame was given last: in a tuple, for Reflex watches over whatever is in anything else."""

    @rx.event
    async def try_now(self) -> None:
        """Ask the server at once instead of waiting for the next trial."""
        principal = await principal_of(self)
        if principal is None:
            self.is_signed_out = True
            return
        try:
            await console().try_now(principal)
        except SpillwayError as failure:
            self._say(words.told(failure), "warn")
        fill(self, fresh=True)

    @rx.event
    async def undo(self, toast_id: int) -> None:
        """Switch the source of a toast on again."""
        source_id = next((toast.paused_id for toast in self.toasts if toast.id == toast_id), 0)
        self.dismiss(toast_id)
        principal = await principal_of(self)
        if principal is None or not source_id:
            return
        try:
            keep(await console().backend.update_source(principal, source_id, {"enabled": True}))
            self._say("Enabled again")
        except SpillwayError as failure:
            self._say(words.told(failure), "warn")

    @rx.event
    async def undo_alert(self, toast_id: int) -> None:
        """Take back what a toast says was done to an alert."""
        done = next((toast for toast in self.toasts if toast.id == toast_id and toast.alert_id), None)
        self.dismiss(toast_id)
        principal = await principal_of(self)
        if principal is None or done is None:
            return
        calls = console().backend.alerts
        take_back = calls.unsilence if done.alert_act == "silence" else calls.unacknowledge
        try:
            console().alert_poll.keep(await take_back(principal, done.alert_id))
            self._say("Heard again" if done.alert_act == "silence" else "Nobody's again")
        except SpillwayError as failure:
            self._say(words.told(failure), "warn")

    @rx.event
    def dismiss(self, toast_id: int) -> None:
        """Take a toast away."""
        self.toasts = [toast for toast in self.toasts if toast.id != toast_id]

    @rx.event
    def seen(self, is_shown: bool) -> None:
        """Take note that this page came in sight, or went out of it: nothing is sent to a page that nobody sees."""
        console().viewers.show(self.router.session.client_token, is_shown=is_shown)

    @rx.event
    def failed(self) -> None:
        """Say that a handler of this page failed: what the app does about any error that nobody foresaw."""
        self._say("Something went wrong on our side. The log has the details.", "warn")

    def _say(self, text: str, tone: str = "ok", *, paused_id: int = 0, alert_id: int = 0, alert_act: str = "", href: str = "") -> None:
        """Show `text` in the corner for 6 s (10 s with Undo)."""
        self._toasts_so_far += 1
        toast = rows.Toast(self._toasts_so_far, text, tone, paused_id, alert_id, alert_act, href)
        self.toasts = rows.with_toast(list(self.toasts), toast)


def fill(shell: ShellState, *, fresh: bool = False) -> None:
    """Bring the frame up to date with the console; only what changed is assigned, so only that is sent. `fresh`: something was just done."""
    now = glance(console(), fresh=fresh)
    given: Mapping[str, Any] = shell._given[0] if shell._given else {}  # noqa: SLF001 - the frame's own
    was_fallback, was_emergency = shell.is_fallback, shell.level.word == Level.EMERGENCY
    take(shell, given, now.frame)
    shell._given = (now.frame,)  # noqa: SLF001 - as above
    fallback = now.fallback
    if was_fallback and fallback is None and shell._away_since is not None:  # noqa: SLF001 - the frame's own
        away_s = (console().clock.now() - shell._away_since).total_seconds()  # noqa: SLF001 - as above
        shell.announcement = f"Live again after {words.duration(round(away_s))}"
        shell._say(f"{shell.announcement}.")  # noqa: SLF001 - as above
    shell._away_since = fallback.since if fallback else None  # noqa: SLF001 - as above
    is_emergency = shell.level.word == Level.EMERGENCY
    if is_emergency != was_emergency:
        shell.alarm = "Level EMERGENCY: the pool is full or the database is away" if is_emergency else ""
    _tell_of_alerts(shell)


def _tell_of_alerts(shell: ShellState) -> None:
    """Say in the corner what has opened since this page was last brought up to date; what fired before it came is no news."""
    reading = console().snapshot.alerts
    if reading is None:
        return
    if shell._alerts_seen is not None:  # noqa: SLF001 - the frame's own
        for one in news(reading.value, shell._alerts_seen, console().clock.now()):  # noqa: SLF001 - as above
            shell._say(one.text, one.tone, href=one.href)  # noqa: SLF001 - as above
    newest = max(newest_id(reading.value), shell._alerts_seen or 0)  # noqa: SLF001 - as above
    if newest != shell._alerts_seen:  # noqa: SLF001 - as above
        shell._alerts_seen = newest  # noqa: SLF001 - as above


def look() -> object:
    """Differs when the frame of an open page would change; all that a page without a `look` of its own shows of the console."""
    return glance(console()).frame_look


async def enter(state: Any, page: str, params: dict[str, Any] | None = None, *, visible: Iterable[int] = ()) -> Principal | None:
    """Start a page: who is it, what does the frame show, and tell the viewers that this client watches `page`.

    `visible` are the ids of the sources in view: they are read first.

    Returns None when nobody is signed in any more; the frame then leaves for the sign-in page.
    """
    shell: ShellState = await state.get_state(ShellState)
    principal = await principal_of(state)
    if principal is None:
        shell.is_signed_out = True
        return None
    settings = console().settings
    assign(
        shell,
        user_name=principal.name,
        user_role=principal.role.value,
        initials=rows.initials(principal.name),
        may_operate=principal.role.covers(Role.OPERATOR),
        may_administer=principal.role.covers(Role.ADMIN),
        environment=settings.environment,
        is_demo=settings.demo,
        is_signed_out=False,
    )
    fill(shell)
    console().viewers.watch(
        state.router.session.client_token, page, params or {}, visible=visible, session=state.router.headers.cookie or ""
    )
    return principal
