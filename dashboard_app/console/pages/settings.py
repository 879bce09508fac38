"""`/settings`: what is set, where it came from, what it does; and what can change while the app runs."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import shell
from dashboard_app.console.pages.settings_state import SettingsState
from dashboard_app.console.rows.settings import Change


def page() -> rx.Component:
    """The settings, or why they are not shown."""
    return shell("settings", rx.cond(SettingsState.is_refused, refused("Settings need the admin role."), _settings()))


def _settings() -> rx.Component:
    """Verdict, result of the last save, groups, and the bar of changes."""
    state = SettingsState
    return rx.fragment(
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    rx.el.h1(state.title),
                    rx.el.p(
                        "Values with a field change at once, for everybody. The rest is read at the start, from the environment or ",
                        rx.el.code(".env"),
                        ", and ",
                        rx.el.b("needs a restart"),
                        ". ",
                        rx.el.code("doctor"),
                        " prints the same list.",
                        class_name="lede",
                    ),
                ),
                class_name="ph",
            ),
            _saved(),
            rx.foreach(state.groups, _group),
            class_name="page",
        ),
        _bar(),
        _review(),
        refocus(is_open=state.is_reviewing),
    )


def _saved() -> rx.Component:
    """What the last save did, and the way back."""
    state = SettingsState
    told = rx.el.div(
        icon("circle-check", 15),
        rx.el.span(state.saved),
        rx.cond(state.may_undo, rx.el.button("Undo", type="button", class_name="lnk", on_click=state.undo), rx.fragment()),
        class_name="panel set-saved",
    )
    return rx.el.div(rx.cond(state.saved != "", told, rx.fragment()), role="status", class_name="told-line")


def _group(group: rx.Var) -> rx.Component:
    """Settings that belong together."""
    return rx.el.section(
        rx.el.div(rx.el.h2(group.title), class_name="pt"),
        rx.el.dl(rx.foreach(group.rows, _setting), class_name="sets"),
        class_name="panel",
        key=group.title,
    )


def _setting(row: rx.Var) -> rx.Component:
    """One setting: name and meaning, value and unit, default and range, origin."""
    return rx.el.div(
        rx.el.dt(
            rx.el.span(row.name, class_name="mono set-name"),
            rx.cond(row.built, rx.fragment(), rx.el.span("not built yet", class_name="nchip t-off")),
            sentence(row.meaning, "small"),
        ),
        rx.el.dd(
            rx.match(
                row.control,
                ("number", _number(row)),
                ("flag", _choice(row, rx.Var.create(["on", "off"]))),
                ("choice", _choice(row, row.choices)),
                rx.fragment(rx.el.b(row.value, class_name="num"), rx.cond(row.unit != "", rx.el.i(row.unit), "")),
            ),
            class_name="set-value",
        ),
        rx.el.dd(
            rx.el.small("default ", row.default, rx.cond(row.allowed != "", rx.fragment(" · ", row.allowed), ""), class_name="num"),
            class_name="set-default",
        ),
        rx.el.dd(
            sentence(row.origin, "small"),
            rx.cond(
                row.is_override,
                rx.el.button(
                    "Reset",
                    rx.el.span(" ", row.name, class_name="unseen"),
                    type="button",
                    class_name="lnk",
                    on_click=SettingsState.reset_one(row.field),
                ),
                rx.fragment(),
            ),
            class_name=rx.cond(row.changed, "set-origin changed", "set-origin"),
        ),
        class_name=rx.cond(SettingsState.drafts.contains(row.field), "set drafted", "set"),
        key=row.name,
    )


def _number(row: rx.Var) -> rx.Component:
    """A number to type; what is wrong with it stands under it."""
    return rx.fragment(
        rx.el.span(
            rx.el.input(
                default_value=SettingsState.drafts.get(row.field, row.text),
                key=row.field + SettingsState.turn.to_string(),
                class_name="in num",
                input_mode="decimal",
                auto_complete="off",
                on_change=SettingsState.edit(row.field).debounce(250),
                on_blur=SettingsState.edit(row.field),  # typing in the next field ends the wait of this one, without its event
                custom_attrs=_named(row),
            ),
            rx.cond(row.unit != "", rx.el.i(row.unit), ""),
            class_name="set-edit",
        ),
        _error(row),
    )


def _choice(row: rx.Var, words: rx.Var) -> rx.Component:
    """A word to choose."""
    return rx.fragment(
        rx.el.select(
            rx.foreach(words, lambda word: rx.el.option(word, value=word)),
            default_value=SettingsState.drafts.get(row.field, row.text),
            key=row.field + SettingsState.turn.to_string(),
            class_name="in",
            on_change=SettingsState.edit(row.field),
            custom_attrs=_named(row),
        ),
        _error(row),
    )


def _named(row: rx.Var) -> dict[str, Any]:
    """The field's name for readers, and whether it is wrong."""
    return {
        "aria-label": row.name,
        "aria-describedby": f"set-{row.field}-error",
        "aria-invalid": rx.cond(SettingsState.errors.contains(row.field), "true", "false"),
    }


def _error(row: rx.Var) -> rx.Component:
    """What is wrong with what was typed."""
    return rx.el.p(SettingsState.errors.get(row.field, ""), id=f"set-{row.field}-error", class_name="fnote bad")


def _bar() -> rx.Component:
    """How many changes wait, and what to do with them; there only while there are any."""
    state = SettingsState
    bar = rx.el.div(
        rx.el.b(state.drafted, class_name="num"),
        rx.cond(state.errors.length() > 0, rx.el.span("A value is out of its range.", class_name="t-bad"), rx.fragment()),
        rx.el.span(class_name="sp"),
        rx.el.button("Discard", type="button", class_name="btn", on_click=state.discard),
        rx.el.button(
            "Review",
            type="button",
            class_name="btn primary",
            disabled=state.errors.length() > 0,
            on_click=state.review,
            custom_attrs={"data-testid": "settings-review"},
        ),
        class_name="set-bar panel",
        role="region",
        custom_attrs={"aria-label": "Changes"},
    )
    return rx.cond(state.drafts.length() > 0, bar, rx.fragment())


def _review() -> rx.Component:
    """Old and new of each change with its effect, saved all or none."""
    state = SettingsState
    return confirm(
        state.is_reviewing,
        state.set_reviewing,
        "Change " + state.drafted_settings,
        rx.el.ul(rx.foreach(state.changes, _change), class_name="set-changes"),
        rx.el.p("In force at once, all or none. Recorded in the audit log with your name.", class_name="note"),
        failed(state.failure, is_panel=False),
        actions(
            cancel_button(),
            rx.el.button(
                rx.cond(state.is_saving, "Saving…", "Save " + state.drafted_settings),
                type="button",
                class_name="btn primary",
                disabled=state.is_saving,
                on_click=state.save,
                custom_attrs={"data-testid": "settings-save"},
            ),
        ),
    )


def _change(change: rx.Var[Change]) -> rx.Component:
    """One change."""
    return rx.el.li(
        rx.el.span(change.name, class_name="mono"),
        rx.el.span(change.old, " → ", rx.el.b(change.new), class_name="num"),
        rx.cond(change.effect != "", rx.el.small(change.effect), rx.fragment()),
        key=change.name,
    )
