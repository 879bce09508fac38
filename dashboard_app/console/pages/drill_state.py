"""The state of `/drill`: what runs, for how long still, and the diary of the last drill."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import drill as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotSignedIn, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed, require

POLICY = {
    "drill_state.load": "console.watch",
    "drill_state.start": "drill.run",
    "drill_state.stop": "drill.run",
    "drill_state.watch": "console.watch",
}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""


class DrillState(rx.State):
    """The diary of the last drill, newest line last, at most 40 lines. `…_left_s`: seconds it still runs; None: it does not."""

    is_demo: bool = True
    is_refused: bool = False
    running: str = ""
    stopping: str = ""
    failed_kind: str = ""
    failure: str = ""
    diary: list[rows.DrillLine] = []  # noqa: RUF012 - Reflex copies a state's defaults
    hold_left_s: float | None = None
    fail_left_s: float | None = None
    left_stamp: int = 0

    _run: rows.Run = rows.Run("")
    _started_mono: float = 0.0
    _ends_mono: dict[str, float] = {}  # noqa: RUF012 - as above
    _seen: rows.Picture = rows.Picture()

    @rx.event
    async def load(self) -> None:
        """Start the page; a drill that this page started goes on."""
        principal = await enter(self, "drill")
        if principal is None:
            return
        assign(self, is_demo=console().settings.demo, is_refused=not allowed(principal.role, "drill.run"))
        self._watch()
        self._show_left()

    @rx.event(background=True)
    async def start(self, form: dict[str, Any]) -> None:
        """Start a drill and its diary; the server holds what was asked for by itself."""
        kind = str(form.get("drill", ""))
        try:
            principal = await self._admin()
            asked = rows.body(kind, {name: str(value) for name, value in form.items()})
            async with self:
                self._begin(kind, asked)
            answer = await console().backend.drill(principal=principal, kind=kind, body=asked)
        except SpillwayError as failure:
            async with self:
                self._end(kind)
                assign(self, running="", failed_kind=kind, failure=failure.detail)
            return
        console().acted()
        async with self:
            self.running = ""
            self._watch()
            self._add([rows.answered(kind, asked, answer, self._stamp())])

    @rx.event(background=True)
    async def stop(self, kind: str) -> None:
        """End what drills of `kind` do, whoever started them."""
        async with self:
            assign(self, stopping=kind, failed_kind="", failure="")
        try:
            principal = await self._admin()
            await console().backend.drill(principal=principal, kind=kind, body=rows.stop_body(kind))
            if kind == "fail":
                await console().try_now(principal)  # the server had said that it is away for longer
        except SpillwayError as failure:
            async with self:
                assign(self, stopping="", failed_kind=kind, failure=failure.detail)
            return
        console().acted()
        async with self:
            self.stopping = ""
            self._watch()
            self._end(kind)
            self._add([rows.DrillLine(self._stamp(), rows.stopped(kind))])

    @rx.event
    def watch(self) -> None:
        """Look again while a drill runs: its time may be over without anything else having changed."""
        self._watch()

    async def _admin(self) -> Principal:
        """Who asks, when they may run drills.

        Raises:
            NotSignedIn: the session has ended.
            Forbidden: the role does not reach.

        """
        principal = await principal_of(self)
        if principal is None:
            raise NotSignedIn
        require(principal, "drill.run")
        return principal

    def _begin(self, kind: str, asked: dict[str, object]) -> None:
        """A new diary."""
        now = console().clock.monotonic()
        self._run = rows.Run(kind, int(str(asked.get("connections", 0))))
        self._started_mono, self._seen = now, picture()
        assign(self, running=kind, failed_kind="", failure="", diary=[rows.DrillLine(rows.stamp(0.0), rows.started(kind, asked))])
        if "seconds" in asked:
            self._ends_mono = {**self._ends_mono, kind: now + float(str(asked["seconds"]))}
        self._show_left()

    def _end(self, kind: str) -> None:
        """It does not run any more."""
        self._ends_mono = {name: end for name, end in self._ends_mono.items() if name != kind}
        if self._run.kind == kind:
            self._run = rows.Run(kind, is_on=False)
        self._show_left()

    def _show_left(self) -> None:
        """The countdowns; each starts anew in the browser when its stamp changes."""
        now = console().clock.monotonic()
        left = {kind: round(end - now, 1) if (end := self._ends_mono.get(kind)) is not None else None for kind in ("hold", "fail")}
        assign(self, hold_left_s=left["hold"], fail_left_s=left["fail"], left_stamp=self.left_stamp + 1)

    def _stamp(self) -> str:
        """Seconds since the start of the drill."""
        return rows.stamp(console().clock.monotonic() - self._started_mono if self._run.kind else 0.0)

    def _add(self, lines: list[rows.DrillLine]) -> None:
        """Put lines at the end of the diary."""
        if lines:
            self.diary = [*self.diary, *lines][-rows.MOST_LINES :]

    def _watch(self) -> None:
        """Write down what changed since the last look, and what has ended."""
        if not self._run.kind:
            return
        now, now_mono = picture(), console().clock.monotonic()
        self._add(rows.seen(self._seen, now, now_mono - self._started_mono, self._run))
        self._seen = now
        for kind in [name for name, end in self._ends_mono.items() if now_mono >= end]:
            self._end(kind)
            self._add([rows.DrillLine(self._stamp(), rows.ended(kind))])


def picture() -> rows.Picture:
    """What the console sees now."""
    here = console()
    status = here.snapshot.pool.value if here.snapshot.pool else None
    breaker = here.breakers["api"].reading().state.value
    if status is None:
        return rows.Picture(breaker=breaker, fallback=here.fallback() is not None)
    pool = status["pool"]
    return rows.Picture(pool["checked_out"], pool["capacity"], status["throttling_level"], breaker, here.fallback() is not None)


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/drill` and its frame up to date."""
    fill(await root.get_state(ShellState))
    (await root.get_state(DrillState))._watch()  # noqa: SLF001 - a public method would be an event handler
