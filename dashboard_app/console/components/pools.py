"""The pools of a PgBouncer with the menu of its acts, and the dialog before one."""

import reflex as rx

from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.failed import form_note
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.pages.pooler_state import PoolerState
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.model.pooler import PoolerAct

_HEAD = ("Database / user", "Clients", "Waiting", "Oldest wait", "Servers busy", "Mode")
_NUMBERS = ("Clients", "Waiting", "Oldest wait")
_ICONS = {PoolerAct.PAUSE: "pause", PoolerAct.RESUME: "play", PoolerAct.RECONNECT: "refresh-cw"}


def pools_panel() -> rx.Component:
    """The panel; while nothing was read it keeps its place."""
    state = PoolerState
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Pools"),
            rx.el.small(state.panel.summary, class_name="num"),
            rx.el.div(*(_button(act) for act in _ICONS), class_name="pacts"),
            class_name="pt",
        ),
        rx.el.p(
            rx.cond(state.told != "", rx.el.span(state.told, class_name="told t-ok"), ""), role="status", class_name="told-line pool-told"
        ),
        rx.cond(state.panel.paused != "", rx.el.p(icon("pause", 14), state.panel.paused, class_name="pools-note t-warn"), rx.fragment()),
        rx.cond(state.failure != "", rx.el.p(icon("triangle-alert", 14), state.failure, class_name="pools-note t-warn"), rx.fragment()),
        rx.cond(state.panel.rows.length() > 0, _table(), rx.cond(state.is_read, _nothing(), rx.el.div(class_name="pools-wait sk"))),
        class_name="panel",
        custom_attrs={"data-testid": "pools"},
    )


def act_dialog() -> rx.Component:
    """Which database, and the source's name where the act asks for it."""
    state = PoolerState
    name = rx.el.div(
        rx.el.label("Type ", rx.el.b(state.source_name), html_for="pooler-name"),
        rx.el.input(
            id="pooler-name",
            class_name="in",
            auto_complete="off",
            value=state.typed,
            on_change=PoolerState.type_name,
            custom_attrs={"data-testid": "pooler-name"},
        ),
        class_name="fd wide typed",
    )
    database = rx.el.div(
        rx.el.label("Database", html_for="pooler-database"),
        rx.el.select(
            rx.foreach(state.panel.choices, lambda one: rx.el.option(one.word, value=one.value)),
            id="pooler-database",
            class_name="in",
            value=state.chosen,
            on_change=PoolerState.choose,
        ),
        class_name="fd wide typed",
    )
    needs = state.words.needs_name
    return rx.fragment(
        confirm(
            state.is_open,
            PoolerState.show,
            state.words.title,
            rx.el.p(state.words.effect),
            database,
            rx.cond(needs, name, rx.fragment()),
            rx.el.p("Recorded in the audit log with your name.", class_name="note"),
            form_note(state.note),
            actions(
                cancel_button(),
                rx.el.button(
                    rx.cond(state.is_busy, "Working…", state.words.button),
                    type="button",
                    class_name=rx.cond(needs, "btn dsolid", "btn primary"),
                    disabled=state.is_busy | (needs & (state.typed.strip() != state.source_name)),
                    on_click=PoolerState.act,
                    custom_attrs={"data-testid": "pooler-confirm"},
                ),
            ),
            width=440,
        ),
        refocus(is_open=state.is_open),
    )


def _button(act: PoolerAct) -> rx.Component:
    """One act; it says why it is off."""
    state = PoolerState
    why = rx.cond(state.refused != "", state.refused, rx.cond(ShellState.is_fallback, "Not while the server is away", ""))
    return rx.el.button(
        icon(_ICONS[act], 14),
        f"{act.value.capitalize()}…",
        rx.cond(why != "", rx.el.span(". ", why, class_name="unseen"), ""),
        type="button",
        class_name="btn sm",
        disabled=(why != "") | ~state.is_read,
        title=why,
        on_click=PoolerState.ask(act.value),
        custom_attrs={"data-testid": f"pooler-{act.value}"},
    )


def _nothing() -> rx.Component:
    """No pool yet."""
    return rx.cond(
        PoolerState.failure == "",
        rx.el.p("No pool yet: one is made when the first client connects.", class_name="empty-line"),
        rx.fragment(),
    )


def _table() -> rx.Component:
    """The pools, who waits longest first."""
    head = (rx.el.div(word, role="columnheader", class_name="num" if word in _NUMBERS else "") for word in _HEAD)
    return rx.el.div(
        rx.el.div(*head, class_name="row head", role="row"),
        rx.foreach(PoolerState.panel.rows, _row),
        class_name="tbl pools",
        role="table",
        custom_attrs={"aria-label": "Pools, who waits longest first"},
    )


def _row(row: rx.Var) -> rx.Component:
    """One pool."""
    return rx.el.div(
        rx.el.div(rx.el.b(row.database), rx.el.small(row.user, class_name="mono"), class_name="h-who p-who", role="cell"),
        rx.el.div(row.clients, rx.el.small(" active", class_name="p-word"), class_name="num p-clients", role="cell"),
        rx.el.div(
            rx.cond(
                row.waiting != "", rx.el.span(row.waiting, rx.el.small(" waiting", class_name="p-word")), rx.el.span("0", class_name="dim")
            ),
            class_name=f"num p-waiting t-{row.tone}",
            role="cell",
        ),
        rx.el.div(row.maxwait, class_name=f"num p-oldest t-{row.tone}", role="cell"),
        rx.el.div(
            rx.el.span(row.servers, class_name="num"),
            rx.el.span(rx.el.span(class_name=f"bar b-{row.fill_tone}", style={"width": f"{row.fill}%"}), class_name="mini"),
            rx.el.small(row.detail, class_name="dim num"),
            class_name="p-servers",
            role="cell",
        ),
        rx.el.div(row.mode, class_name="dim p-mode", role="cell"),
        class_name="row",
        role="row",
        key=row.key,
    )
