"""The channels of `/alerts`: the list with a test for each, the form, the question before one goes."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.badge import badge
from dashboard_app.console.components.dialog import actions, cancel_button, confirm, dialog
from dashboard_app.console.components.every import every
from dashboard_app.console.components.failed import failed, form_note
from dashboard_app.console.components.fields import choice, field, note
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.refused import refused
from dashboard_app.console.pages.channels_state import READ_EVERY_S, Channels
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.channels import LEAST, TOPICS

_AWAY = "The server is away"


def channels_panel() -> rx.Component:
    """The list and its dialogs, or why they are not shown."""
    state = Channels
    add = rx.el.button(
        icon("plus", 15),
        "Add channel",
        type="button",
        class_name="btn sm",
        on_click=state.add,
        custom_attrs={"data-testid": "add-channel"},
    )
    shown = rx.fragment(
        failed(state.failure),
        rx.el.div(
            rx.el.div(
                rx.el.h2("Channels"),
                rx.el.small("what happens within seconds is one message; a test is sent at once"),
                add,
                class_name="pt",
            ),
            rx.el.ul(rx.foreach(state.channels, lambda channel: rx.fragment(_channel(channel), key=channel.id)), class_name="als rules"),
            rx.cond(
                state.is_read & (state.channels.length() == 0),
                rx.el.div(
                    icon("bell-off", 18), rx.el.p("Nobody is notified. Add a channel: chat, mail, a webhook."), class_name="anone quiet"
                ),
                rx.fragment(),
            ),
            class_name="panel alerts",
        ),
        _editor(),
        refocus(is_open=state.is_open),
        _delete(),
        refocus(is_open=state.is_deleting),
        every(seconds=READ_EVERY_S, on_tick=state.read),
    )
    missing = rx.el.section(icon("bell-off", 22), rx.el.h2("This server has no channels"), class_name="panel empty")
    return rx.cond(state.is_refused, refused("Channels need the admin role."), rx.cond(state.is_offered, shown, missing))


def _channel(channel: rx.Var) -> rx.Component:
    """One channel: how it fares, what it is told, and what can be done."""
    state = Channels
    trial = rx.el.small(
        rx.cond(
            state.testing == channel.id,
            "Sending a test…",
            rx.cond(state.tested == channel.id, state.trial, ""),
        ),
        role="status",
        class_name=rx.cond(state.is_trial_good, "trial", "trial bad"),
    )
    return rx.el.li(
        rx.el.span(badge(channel.word, channel.tone, channel.icon), class_name="al-sev"),
        rx.el.div(
            rx.el.b(channel.name, rx.el.code(channel.service, class_name="mono")),
            rx.el.small(channel.told),
            sentence(channel.fares, "small"),
            rx.cond(channel.waits != "", sentence(channel.waits, "small"), rx.fragment()),
            rx.cond(channel.error != "", sentence(channel.error, "small", class_name="why bad"), rx.fragment()),
            trial,
            class_name="al-what",
        ),
        rx.el.div(
            _switch(channel),
            _button("Test", channel, state.test(channel.id), is_busy=state.testing != 0),
            _button("Edit", channel, state.edit(channel.id)),
            _button("Delete", channel, state.ask_delete(channel.id)),
            class_name="al-acts",
        ),
        class_name=rx.cond(channel.enabled, "al rule channel", "al rule channel off"),
        custom_attrs={"data-testid": "channel-row", "data-channel-id": channel.id.to_string(), "data-state": channel.word},
    )


def _switch(channel: rx.Var) -> rx.Component:
    """On or off."""
    return rx.el.button(
        rx.el.span(rx.cond(channel.enabled, "On", "Off")),
        rx.el.span(class_name="onoff", custom_attrs={"aria-hidden": "true"}),
        rx.el.span(f" {channel.name}", class_name="unseen"),
        type="button",
        role="switch",
        class_name="btn sm ghost sw",
        on_click=Channels.switch(channel.id, ~channel.enabled),
        custom_attrs={"aria-checked": rx.cond(channel.enabled, "true", "false")},
    )


def _button(word: str, channel: rx.Var, act: Any, is_busy: rx.Var[bool] | bool = False) -> rx.Component:
    """One act; its name says on which channel."""
    why = rx.cond(ShellState.is_fallback, _AWAY, "")
    return rx.el.button(
        word,
        rx.el.span(f" {channel.name}", class_name="unseen"),
        type="button",
        class_name="btn sm",
        on_click=act,
        disabled=(why != "") | is_busy,
        title=why,
    )


def _editor() -> rx.Component:
    """Name, address, what about, quiet hours."""
    state = Channels
    values, errors = state.fields, state.errors
    address = field(
        "url",
        "Address",
        errors.url,
        hint=rx.cond(
            values.id != 0,
            "Kept encrypted and never shown; leave this empty to keep it",
            "As apprise takes it: slack://…, mailto://…, json://host:port/path. Kept encrypted, never shown again",
        ),
        wide=True,
        type="password",
        max_length=2000,
        placeholder=rx.cond(values.id != 0, f"{values.service}://… (set)", ""),
    )
    topics = rx.el.fieldset(
        rx.el.legend("Tell of"),
        *(
            rx.el.label(rx.el.input(type="checkbox", name=topic, default_checked=getattr(values, topic)), word, class_name="ck")
            for topic, word in TOPICS
        ),
        note("field-topics", errors.alerts),
        class_name="cks wide",
    )
    return dialog(
        state.is_open,
        state.show,
        state.title,
        rx.el.form(
            rx.el.div(
                field("name", "Name", errors.name, default_value=values.name, wide=True, max_length=200),
                address,
                topics,
                choice("least_severity", "How bad", list(LEAST), errors.least_severity, default_value=values.least_severity),
                field(
                    "quiet_zone", "Time zone", errors.quiet_zone, hint="Of the quiet hours: Europe/Madrid", default_value=values.quiet_zone
                ),
                field(
                    "quiet_from",
                    "Quiet from",
                    errors.quiet_from,
                    hint="Empty: never quiet",
                    type="time",
                    default_value=values.quiet_from,
                ),
                field("quiet_to", "Quiet to", errors.quiet_to, hint="Then one summary is sent", type="time", default_value=values.quiet_to),
                class_name="fields",
            ),
            rx.el.p("In quiet hours only what is critical is sent at once.", class_name="note"),
            form_note(state.note),
            actions(
                rx.el.button("Cancel", type="button", class_name="btn", on_click=state.show(False)),
                rx.el.button(
                    rx.cond(state.is_saving, "Saving…", "Save"), type="submit", class_name="btn primary", disabled=state.is_saving
                ),
            ),
            on_submit=state.submit,
            no_validate=True,
            key=state.turn.to_string(),
        ),
        width=620,
    )


def _delete() -> rx.Component:
    """The question before a channel goes."""
    state = Channels
    return confirm(
        state.is_deleting,
        state.show_delete,
        f"Delete {state.delete_name}?",
        rx.el.p("Nothing is sent there any more, and what waits for it is not sent. Its address is forgotten."),
        form_note(state.delete_note),
        actions(cancel_button(), rx.el.button("Delete channel", type="button", class_name="btn dsolid", on_click=state.delete)),
        width=440,
    )
