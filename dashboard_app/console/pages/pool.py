"""`/pool`: how full, why, who holds it, how long until it hurts."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.chart import live_chart, mark_list
from dashboard_app.console.components.cleanup_dialog import cleanup_dialog, cleanup_result
from dashboard_app.console.components.every import every
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.gauge import facts, gauge
from dashboard_app.console.components.holders import call_sites_table, holders_table, leak_list
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.ladder import config_values, ladder
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.measured import clients_panel, efficiency_panel, routes_panel
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.components.sizing import sizing_panel
from dashboard_app.console.pages.pool_state import PoolState
from dashboard_app.console.rows.usage import TICKS, bands

HOLDERS_EVERY_S = 5


def page() -> rx.Component:
    """The whole page; it works while the pool is full and the database away."""
    state = PoolState
    return shell(
        "pool",
        rx.el.section(
            _head(),
            _page_failure(),
            cleanup_result(state.result, is_shown=state.has_result, on_close=state.close_result),
            rx.cond(state.has_status, _figures(), _waiting()),
            _holders(),
            _chart(),
            _call_sites(),
            _measured(),
            rx.cond(state.config_values.length() > 0, config_values(state.config_values), rx.fragment()),
            class_name="page",
        ),
        cleanup_dialog(
            state.plan,
            is_open=state.is_dialog_open,
            is_stale=state.is_stale,
            is_busy=state.busy != "",
            error=state.failure,
            on_close=state.set_dialog,
            on_again=state.look,
            on_confirm=state.confirm,
        ),
        refocus(is_open=state.is_dialog_open),
        every(seconds=HOLDERS_EVERY_S, on_tick=state.read_details(False)),
    )


def _page_failure() -> rx.Component:
    """Why a dry run could not be done."""
    return failed(PoolState.page_failure)


def _head() -> rx.Component:
    """The verdict and what can be done about it."""
    state = PoolState
    return rx.el.div(
        rx.el.div(
            sentence(state.verdict.title, "h1"),
            sentence(state.verdict.lede, "p", class_name="lede"),
            rx.el.p(
                rx.cond(state.test_result != "", rx.el.span(state.test_result, class_name=f"told t-{state.test_tone}"), ""),
                role="status",
                class_name="told-line",
            ),
            custom_attrs={"aria-live": "polite"},
        ),
        rx.el.div(
            _button(
                ("Test connection", "Testing…"), "plug-zap", state.refused_test, "testing", on_click=state.test_connection, class_name="btn"
            ),
            _button(
                ("Clean up…", "Looking…"),
                "brush-cleaning",
                state.refused_cleanup,
                "looking",
                on_click=state.look,
                class_name="btn danger",
                attributes={"data-testid": "force-cleanup"},
            ),
            class_name="pa",
        ),
        class_name="ph",
    )


def _button(words: tuple[str, str], icon_name: str, refused: rx.Var[str], busy: str, **props: Any) -> rx.Component:
    """An action that says what it does while it does it (`words`: idle, busy), and why it may not."""
    is_busy = PoolState.busy == busy
    attributes = {"aria-busy": rx.cond(is_busy, "true", "false")} | props.pop("attributes", {})
    return rx.el.button(
        icon(icon_name, 15),
        rx.cond(is_busy, words[1], words[0]),
        rx.cond(refused != "", rx.el.span(". ", refused, class_name="unseen"), ""),
        type="button",
        disabled=(refused != "") | ~rx.State.is_hydrated,
        title=refused,
        custom_attrs=attributes,
        **props,
    )


def _figures() -> rx.Component:
    """Hero and ladder, and the facts."""
    state = PoolState
    return rx.fragment(
        rx.el.div(
            gauge(state.hero, state.reasons, state.measured_s, state.measured_stamp),
            ladder(state.rungs, state.config_note, state.hint, state.config_s, state.config_stamp),
            class_name="grid2",
        ),
        facts(state.figures),
    )


def _waiting() -> rx.Component:
    """The frame of the figures before the first answer."""
    return rx.el.div(
        rx.el.div(class_name="panel sk"), rx.el.div(class_name="panel sk"), class_name="grid2", custom_attrs={"aria-hidden": "true"}
    )


def _chart() -> rx.Component:
    """Usage of the last minutes, with the levels as bands; hidden where the server keeps no history."""
    state = PoolState
    chart = rx.el.div(
        live_chart(
            data=state.chart,
            patch=state.chart_patch,
            series=[{"label": "Usage", "kind": "step"}, {"label": "Waiting", "kind": "step", "axis": "right", "unit": "none"}],
            bands=bands(),
            marks=state.chart_marks,
            ticks=TICKS,
            height=250,
            y_max=100.0,
            unit="%",
            label=state.chart_label,
            window_s=state.window_s,
            live=True,
        ),
        class_name="chw",
    )
    note = rx.el.p(state.chart_note, class_name="empty-line")
    panel = rx.el.div(
        rx.el.div(
            rx.el.h2(f"Usage, last {state.minutes} minutes"),
            rx.el.nav(
                _range("15 min", "15m", 15),
                _range("1 h", "1h", 60),
                class_name="seg sm2",
                custom_attrs={"aria-label": "Range"},
            ),
            class_name="pt",
        ),
        rx.cond(state.chart_note != "", note, rx.fragment(chart, mark_list(state.mark_rows))),
        class_name="panel chp",
    )
    return rx.cond(state.chart_note == "hidden", rx.fragment(), panel)


def _range(word: str, key: str, minutes: int) -> rx.Component:
    """One choice of how far back the chart looks."""
    is_on = PoolState.minutes == minutes
    return link(
        word, to=PoolState.hrefs[key], class_name=rx.cond(is_on, "on", ""), custom_attrs={"aria-current": rx.cond(is_on, "true", "false")}
    )


def _holders() -> rx.Component:
    """Who holds connections."""
    state = PoolState
    nobody = rx.el.p("Nobody holds a connection.", class_name="empty-line")
    return rx.el.div(
        rx.el.div(
            rx.el.h2("Who holds connections"), rx.cond(state.holders_note == "", rx.el.small(state.holders_heading), ""), class_name="pt"
        ),
        rx.cond(
            state.holders_note != "",
            rx.el.p(state.holders_note, class_name="empty-line"),
            rx.cond(state.holder_rows.length() > 0, holders_table(state.holder_rows, state.sort, state.hrefs), nobody),
        ),
        leak_list(state.leaks_told, state.leak_rows),
        class_name="panel",
    )


def _call_sites() -> rx.Component:
    """Which code uses the pool."""
    state = PoolState
    sites = rx.el.div(
        rx.el.div(
            rx.el.h2("Who uses it"), rx.el.small("connection-seconds since the server started, those held now included"), class_name="pt"
        ),
        call_sites_table(state.call_sites),
        class_name="panel",
    )
    return rx.cond(state.call_sites.length() > 0, sites, rx.fragment())


def _measured() -> rx.Component:
    """What the guard has measured; each part only where the server offers it."""
    state = PoolState
    note = rx.el.p(state.measured_note, class_name="empty-line panel")
    return rx.fragment(
        rx.cond(state.measured_note != "", note, rx.fragment()),
        rx.cond(state.has_sizing, sizing_panel(state.sizing), rx.fragment()),
        rx.cond(
            state.has_performance,
            rx.fragment(efficiency_panel(state.efficiency), routes_panel(state.route_rows, state.routes_heading)),
            rx.fragment(),
        ),
        rx.cond(state.has_clients, clients_panel(state.client_rows, state.clients_heading), rx.fragment()),
    )
