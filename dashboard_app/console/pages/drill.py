"""`/drill`: real load on the demo's own pool, and a diary of what was seen to happen. Only under `make demo`."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import drill as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotSignedIn, SpillwayError
from dashboard_app.policy.permission import allowed, require

POLICY = {"drill_state.load": "console.watch", "drill_state.start": "drill.run"}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""


class DrillState(rx.State):
    """The diary of the last drill, newest line last, at most 40 lines."""

    is_demo: bool = True
    is_refused: bool = False
    running: str = ""
    failed_kind: str = ""
    failure: str = ""
    diary: list[rows.DrillLine] = []  # noqa: RUF012 - Reflex copies a state's defaults

    _kind: str = ""
    _started_mono: float = 0.0
    _seen: rows.Picture = rows.Picture()

    @rx.event
    async def load(self) -> None:
        """Start the page."""
        principal = await enter(self, "drill")
        if principal is None:
            return
        assign(self, is_demo=console().settings.demo, is_refused=not allowed(principal.role, "drill.run"))

    @rx.event(background=True)
    async def start(self, form: dict[str, Any]) -> None:
        """Start a drill and its diary; the server holds what was asked for by itself."""
        kind = str(form.get("drill", ""))
        try:
            principal = await principal_of(self)
            if principal is None:
                raise NotSignedIn
            require(principal, "drill.run")
            asked = rows.body(kind, {name: str(value) for name, value in form.items()})
            async with self:
                self._begin(kind, asked)
            answer = await console().backend.drill(principal=principal, kind=kind, body=asked)
        except SpillwayError as failure:
            async with self:
                assign(self, running="", failed_kind=kind, failure=failure.detail)
            return
        async with self:
            self.running = ""
            self._add([rows.DrillLine(self._stamp(), rows.answered(kind, answer))])

    def _begin(self, kind: str, asked: dict[str, object]) -> None:
        """A new diary."""
        self._kind, self._started_mono, self._seen = kind, console().clock.monotonic(), picture()
        assign(self, running=kind, failed_kind="", failure="", diary=[rows.DrillLine(rows.stamp(0.0), rows.started(kind, asked))])

    def _stamp(self) -> str:
        """Seconds since the start of the drill."""
        return rows.stamp(console().clock.monotonic() - self._started_mono)

    def _add(self, lines: list[rows.DrillLine]) -> None:
        """Put lines at the end of the diary."""
        if lines:
            self.diary = [*self.diary, *lines][-rows.MOST_LINES :]

    def _watch(self) -> None:
        """Write down what changed since the last look."""
        if not self._kind:
            return
        now = picture()
        elapsed_s = console().clock.monotonic() - self._started_mono
        self._add(rows.seen(self._seen, now, elapsed_s, self._kind))
        self._seen = now


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


def page() -> rx.Component:
    """The drills, or why there are none."""
    state = DrillState
    refusal = rx.el.section(
        icon("flask-conical", 22),
        rx.el.h1("Drills exist only under ", rx.el.code("make demo"), "."),
        rx.el.p(link("Back to sources", to="/", class_name="lnk"), class_name="lede"),
        class_name="panel empty",
    )
    return shell("drill", rx.cond(state.is_demo, rx.cond(state.is_refused, refused("Drills need the admin role."), _drills()), refusal))


def _drills() -> rx.Component:
    """Three cards and the diary."""
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h1("Does everything react as promised?"),
                rx.el.p("Drill: real load on this demo's own pool. Everything else keeps running.", class_name="lede"),
            ),
            class_name="ph",
        ),
        rx.el.div(rx.el.div(_hold(), _burst(), _fail(), class_name="drills"), _diary(), class_name="grid2 drill"),
        class_name="page",
    )


def _card(kind: str, title: str, text: str, *fields: rx.Component) -> rx.Component:
    """One drill: what it does, its fields, Start."""
    state = DrillState
    return rx.el.form(
        rx.el.h2(title),
        rx.el.p(text, class_name="dim"),
        rx.el.input(type="hidden", name="drill", value=kind, read_only=True),
        rx.el.div(*fields, class_name="drill-fields"),
        rx.cond(state.failed_kind == kind, rx.el.p(icon("octagon-x", 14), state.failure, class_name="failed", role="alert"), rx.fragment()),
        rx.el.button(
            rx.cond(state.running == kind, "Starting…", f"Start {kind}"),
            type="submit",
            class_name="btn",
            custom_attrs={"aria-busy": rx.cond(state.running == kind, "true", "false")},
        ),
        on_submit=DrillState.start,
        class_name="panel drill-card",
    )


def _number(kind: str, name: str, label: str, default: int, most: int) -> rx.Component:
    """A number field of a card."""
    identifier = f"{kind}-{name}"
    return rx.el.div(
        rx.el.label(label, html_for=identifier),
        rx.el.input(id=identifier, name=name, type="number", default_value=str(default), min=1, max=most, class_name="in"),
        class_name="fd",
    )


def _hold() -> rx.Component:
    """Hold connections past admission."""
    kinds = (("leak", "forgotten: runs nothing"), ("idle_in_transaction", "idle in a transaction"), ("query", "running a query"))
    how = rx.el.div(
        rx.el.label("Held how", html_for="hold-kind"),
        rx.el.select(*(rx.el.option(word, value=value) for value, word in kinds), id="hold-kind", name="kind", class_name="in"),
        class_name="fd",
    )
    return _card(
        "hold",
        "Hold connections",
        "Takes connections of the guarded pool past admission. 28 of 30 must raise EMERGENCY on every screen within 2 s.",
        _number("hold", "connections", "Connections", 28, 1000),
        _number("hold", "seconds", "Seconds", 30, 600),
        how,
    )


def _burst() -> rx.Component:
    """Many requests at once."""
    return _card(
        "burst",
        "Send a burst",
        "Sends requests all at once; those without a place are refused, never queued for ever.",
        _number("burst", "requests", "Requests", 40, 1000),
    )


def _fail() -> rx.Component:
    """The API answers 503 to the console."""
    return _card(
        "fail",
        "Fail the server",
        "This API answers 503 to the console's source calls. The banner must stand within 15 s, and go by itself afterwards.",
        _number("fail", "seconds", "Seconds", 60, 600),
    )


def _diary() -> rx.Component:
    """What was seen to happen, with times against promises."""
    state = DrillState
    return rx.el.section(
        rx.el.div(rx.el.h2("What happened"), rx.el.small("seconds since the start, as this console saw it"), class_name="pt"),
        rx.el.ol(rx.foreach(state.diary, _line), class_name="diary", custom_attrs={"aria-live": "polite"}),
        rx.cond(state.diary.length() == 0, rx.el.p("Nothing yet. Start a drill on the left.", class_name="empty-line"), rx.fragment()),
        class_name="panel",
    )


def _line(line: rx.Var) -> rx.Component:
    """One thing that happened."""
    verdict = rx.match(
        line.verdict,
        ("ok", rx.el.span(icon("circle-check", 14), "in time", class_name="badge t-ok")),
        ("late", rx.el.span(icon("triangle-alert", 14), "late", class_name="badge t-warn")),
        rx.fragment(),
    )
    return rx.el.li(rx.el.span(line.at, class_name="num when"), rx.el.span(line.text), verdict)
