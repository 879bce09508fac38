"""`/drill`: real load on the demo's own pool, and a diary of what was seen to happen. Only under `make demo`."""

import reflex as rx

from dashboard_app.console.components.every import every
from dashboard_app.console.components.fields import submit
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import age
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.pages.drill_state import DrillState

_BUSY = {"hold": "Taking…", "burst": "Sending…", "fail": "Starting…"}


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
        rx.cond(DrillState.hold_left_s | DrillState.fail_left_s, every(seconds=1, on_tick=DrillState.watch), rx.fragment()),
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
        rx.el.div(
            submit(
                rx.cond(state.running == kind, _BUSY[kind], f"Start {kind}"),
                "btn",
                custom_attrs={"aria-busy": rx.cond(state.running == kind, "true", "false")},
            ),
            *_stop(kind),
            class_name="drill-acts",
        ),
        on_submit=DrillState.start,
        class_name="panel drill-card",
    )


def _stop(kind: str) -> tuple[rx.Component, ...]:
    """The button that ends a drill that lasts, and how long it still runs."""
    state = DrillState
    left = {"hold": state.hold_left_s, "fail": state.fail_left_s}.get(kind)
    if left is None:
        return ()
    button = rx.el.button(
        icon("square", 13),
        rx.cond(state.stopping == kind, "Stopping…", f"Stop {kind}"),
        type="button",
        class_name="btn",
        disabled=~rx.State.is_hydrated,
        on_click=DrillState.stop(kind),
        custom_attrs={"aria-busy": rx.cond(state.stopping == kind, "true", "false")},
    )
    runs = rx.el.span(
        "Runs; ends ",
        age(seconds=left, stamp=state.left_stamp.to_string(), mode="next", class_name="plain num"),
        class_name="drill-left t-warn",
    )
    return button, rx.cond(left, runs, rx.fragment())


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
        ("ok", rx.el.span(icon("circle-check", 14), line.promised, class_name="badge t-ok")),
        ("late", rx.el.span(icon("triangle-alert", 14), "late, ", line.promised, class_name="badge t-warn")),
        rx.fragment(),
    )
    return rx.el.li(rx.el.span(line.at, class_name="num when"), rx.el.span(line.text), verdict)
