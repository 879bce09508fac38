"""`/alerts`: what must I do, and who already does it?"""

from typing import Any

import reflex as rx

from dashboard_app.console.components.alert_rules import rules_panel
from dashboard_app.console.components.badge import badge
from dashboard_app.console.components.channels import channels_panel
from dashboard_app.console.components.dialog import actions, dialog
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.fields import choice, field
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import age, sentence
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.pages.alerts_state import AlertsState
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.alerts import SILENCES

_REFUSED = "Needs the operator role"


def page() -> rx.Component:
    """The tabs, or that this server has no alerts."""
    state = AlertsState
    missing = rx.el.section(
        icon("bell-off", 22),
        rx.el.h1("This server has no alerts"),
        rx.el.p("The server this console reads from does not offer them. Everything else works.", class_name="lede"),
        class_name="panel empty",
    )
    return shell("alerts", rx.cond(state.is_offered, _alerts(), missing), _silence_dialog())


def _alerts() -> rx.Component:
    """Verdict, tabs, and what the tab holds."""
    state = AlertsState
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h1(state.title, custom_attrs={"aria-live": "polite"}),
                sentence(state.lede, "p", class_name="lede"),
            ),
            class_name="ph",
        ),
        rx.el.nav(rx.foreach(state.tabs, _tab), class_name="seg atabs", custom_attrs={"aria-label": "Alerts"}),
        failed(state.failure),
        rx.match(state.tab, ("rules", rules_panel()), ("channels", channels_panel()), _list()),
        class_name="page",
    )


def _tab(tab: rx.Var) -> rx.Component:
    """One tab with its count."""
    return link(
        tab.word,
        rx.cond(tab.count != "", rx.el.b(tab.count, class_name="num"), rx.fragment()),
        to=tab.href,
        class_name=rx.cond(tab.is_on, "on", ""),
        custom_attrs={"aria-current": rx.cond(tab.is_on, "page", "false")},
    )


def _list() -> rx.Component:
    """The lines of the tab."""
    state = AlertsState
    return rx.el.div(
        rx.el.ul(rx.foreach(state.alerts, lambda row: rx.fragment(_row(row), key=row.id)), class_name="als"),
        rx.cond(state.nothing != "", rx.el.div(icon("circle-check", 18), sentence(state.nothing, "p"), class_name="anone"), rx.fragment()),
        rx.el.div(
            rx.cond(state.newest != "", link("Newest", to=state.newest, class_name="btn sm"), rx.fragment()),
            rx.cond(state.older != "", link("Older", to=state.older, class_name="btn sm"), rx.fragment()),
            class_name="foot end",
        ),
        class_name="panel alerts",
    )


def _row(row: rx.Var) -> rx.Component:
    """Severity, sentence, source, since, owner, what can be done."""
    lasting = rx.cond(
        row.ended != "",
        rx.el.span("since ", sentence(row.since), ", over ", row.ended),
        rx.el.span("since ", sentence(row.since), ", for ", age(seconds=row.age_s, stamp=row.stamp, mode="old", class_name="plain num")),
    )
    return rx.el.li(
        rx.el.span(badge(row.word, row.tone, row.icon), class_name="al-sev"),
        rx.el.div(
            rx.el.b(row.message),
            rx.cond(row.owner != "", sentence(row.owner, "span", class_name="al-owner"), rx.fragment()),
            rx.el.small(row.rule, rx.cond(row.lower != "", f"; {row.lower}", "")),
            class_name="al-what",
        ),
        link(row.source, to=row.href, class_name="lnk al-source cut", title=row.source),
        rx.el.span(lasting, class_name="al-since dim"),
        rx.el.div(rx.cond(row.ended == "", _acts(row), rx.fragment()), class_name="al-acts"),
        class_name=f"al t-{row.tone}",
        custom_attrs={"data-testid": "alert-row", "data-alert-id": row.id.to_string(), "data-severity": row.word},
    )


def _acts(row: rx.Var) -> rx.Component:
    """The buttons of an open alert; they say why they are disabled."""
    state = AlertsState
    return rx.fragment(
        rx.cond(
            row.is_acknowledged,
            _button("Give back", state.unacknowledge(row.id)),
            _button("Acknowledge", state.acknowledge(row.id)),
        ),
        rx.cond(row.is_silenced, _button("End silence", state.unsilence(row.id)), _button("Silence…", state.ask_silence(row.id))),
    )


def _button(word: str, act: Any) -> rx.Component:
    """One act."""
    state = AlertsState
    why = rx.cond(state.may_act, rx.cond(ShellState.is_fallback, "The server is away", ""), _REFUSED)
    return rx.el.button(word, type="button", class_name="btn sm", on_click=act, disabled=why != "", title=why)


def _silence_dialog() -> rx.Component:
    """Until when, and why."""
    state = AlertsState
    return dialog(
        state.is_silencing,
        state.show_silence,
        "Silence this alert",
        rx.el.p(state.silence_message, class_name="dim"),
        rx.el.form(
            rx.el.div(
                choice("until", "For", list(SILENCES.items()), state.silence_note, default_value="3600"),
                field("reason", "Why", state.silence_note, hint="Kept with your name", wide=True, max_length=200, auto_focus=True),
                class_name="fields silence",
            ),
            rx.el.p("If it ends and comes back before then, it comes back silent.", class_name="note"),
            actions(
                rx.el.button("Cancel", type="button", class_name="btn", on_click=state.show_silence(False)),
                rx.el.button("Silence", type="submit", class_name="btn primary"),
            ),
            on_submit=state.silence,
        ),
        width=440,
    )
