"""The rules of `/alerts`: the list, the editor with its preview, the question before one goes."""

import reflex as rx

from dashboard_app.console.components.badge import badge
from dashboard_app.console.components.dialog import actions, cancel_button, confirm, dialog
from dashboard_app.console.components.failed import failed, form_note
from dashboard_app.console.components.fields import choice, field, note
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.refused import refused
from dashboard_app.console.pages.alert_rules_state import AlertRules
from dashboard_app.console.rows.alert_rules import OPERATORS, SEVERITIES


def rules_panel() -> rx.Component:
    """The list and its dialogs, or why they are not shown."""
    state = AlertRules
    shown = rx.fragment(
        failed(state.failure),
        rx.el.div(
            rx.el.div(
                rx.el.h2("Rules"),
                rx.el.small("judged once a second; built-in ones can be changed and switched off"),
                rx.el.button(
                    icon("plus", 15),
                    "Add rule",
                    type="button",
                    class_name="btn sm",
                    on_click=state.add,
                    custom_attrs={"data-testid": "add-rule"},
                ),
                class_name="pt",
            ),
            rx.el.ul(rx.foreach(state.rules, lambda rule: rx.fragment(_rule(rule), key=rule.id)), class_name="als rules"),
            class_name="panel alerts",
        ),
        _editor(),
        refocus(is_open=state.is_open),
        _delete(),
        refocus(is_open=state.is_deleting),
    )
    return rx.cond(state.is_refused, refused("Rules need the admin role."), shown)


def _rule(rule: rx.Var) -> rx.Component:
    """One rule: what it says, where, and what can be done."""
    state = AlertRules
    switch = rx.el.button(
        rx.el.span(rx.cond(rule.enabled, "On", "Off")),
        rx.el.span(class_name="onoff", custom_attrs={"aria-hidden": "true"}),
        rx.el.span(f" {rule.name}", class_name="unseen"),
        type="button",
        role="switch",
        class_name="btn sm ghost sw",
        on_click=state.switch(rule.id, ~rule.enabled),
        custom_attrs={"aria-checked": rx.cond(rule.enabled, "true", "false")},
    )
    return rx.el.li(
        rx.el.span(badge(rule.severity, rule.tone, rule.icon), class_name="al-sev"),
        rx.el.div(rx.el.b(rule.name), rx.el.small(rule.says), class_name="al-what"),
        rx.el.span(rule.scope, class_name="al-source cut"),
        rx.el.div(
            switch,
            rx.el.button(
                "Edit", rx.el.span(f" {rule.name}", class_name="unseen"), type="button", class_name="btn sm", on_click=state.edit(rule.id)
            ),
            rx.cond(
                rule.is_builtin,
                rx.el.span("Built in", class_name="dim builtin"),
                rx.el.button(
                    "Delete",
                    rx.el.span(f" {rule.name}", class_name="unseen"),
                    type="button",
                    class_name="btn sm",
                    on_click=state.ask_delete(rule.id),
                ),
            ),
            class_name="al-acts",
        ),
        class_name=rx.cond(rule.enabled, "al rule", "al rule off"),
    )


def _editor() -> rx.Component:
    """Fields, the preview line, Save."""
    state = AlertRules
    values, errors = state.fields, state.errors
    metric = rx.el.div(
        rx.el.label("Metric", html_for="field-metric"),
        rx.el.select(
            rx.foreach(state.metrics, lambda one: rx.el.option(one.word, value=one.value)),
            id="field-metric",
            name="metric",
            class_name="in",
            default_value=values.metric,
            custom_attrs={"aria-describedby": "field-metric-note"},
        ),
        note("field-metric", errors.metric),
        class_name="fd wide",
    )
    return dialog(
        state.is_open,
        state.show,
        state.title,
        rx.el.form(
            rx.el.div(
                field("name", "Name", errors.name, default_value=values.name, wide=True, max_length=200),
                metric,
                choice("operator", "Fires", list(OPERATORS), errors.operator, default_value=values.operator),
                field("limit", "Limit", errors.limit, default_value=values.limit, input_mode="decimal"),
                field("for_s", "For, in seconds", errors.for_s, hint="0: at once", default_value=values.for_s, input_mode="decimal"),
                field(
                    "recovers_at",
                    "Recovers at",
                    errors.recovers_at,
                    hint="Empty: at the limit",
                    default_value=values.recovers_at,
                    input_mode="decimal",
                ),
                choice("severity", "Severity", list(SEVERITIES), errors.severity, default_value=values.severity),
                field("scope", "Sources", errors.scope, hint="all, tag:shop or id:3; pool for the pool", default_value=values.scope),
                class_name="fields",
            ),
            rx.el.p(
                rx.cond(
                    state.busy == "preview",
                    "Looking at the past…",
                    rx.cond(state.preview != "", state.preview, "Preview says how often it would have fired."),
                ),
                role="status",
                class_name="fform preview",
            ),
            form_note(state.note),
            actions(
                # the first submit button is the one that Enter presses
                rx.el.button(
                    rx.cond(state.busy == "save", "Saving…", "Save"),
                    type="submit",
                    class_name="btn primary last",
                    disabled=state.busy != "",
                    on_click=state.intend("save"),
                ),
                rx.el.button("Cancel", type="button", class_name="btn", on_click=state.show(False)),
                rx.el.button(
                    icon("history"), "Preview", type="submit", class_name="btn", disabled=state.busy != "", on_click=state.intend("preview")
                ),
            ),
            on_submit=state.submit,
            no_validate=True,
            key=state.turn.to_string(),
        ),
        width=620,
    )


def _delete() -> rx.Component:
    """The question before a rule goes."""
    state = AlertRules
    return confirm(
        state.is_deleting,
        state.show_delete,
        f"Delete {state.delete_name}?",
        rx.el.p("What it has open is over; what it fired stays in the history."),
        form_note(state.delete_note),
        actions(cancel_button(), rx.el.button("Delete rule", type="button", class_name="btn dsolid", on_click=state.delete)),
        width=440,
    )
