"""The dialogs that add, edit and delete a source; once per page that offers them."""

import reflex as rx

from dashboard_app.console import theme
from dashboard_app.console.components.badge import tone_icon
from dashboard_app.console.components.dialog import actions, cancel_button, confirm, dialog
from dashboard_app.console.components.failed import form_note
from dashboard_app.console.components.fields import choice, field
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.pages.source_form import SourceForm
from dashboard_app.console.rows.source_form import SERVICE_SSL_MODES, SSL_MODES, StepRow
from dashboard_app.model.source import BUILT_KINDS, SourceKind

KIND_NAMES = {
    SourceKind.POSTGRESQL: "PostgreSQL",
    SourceKind.PGBOUNCER: "PgBouncer",
    SourceKind.MYSQL: "MySQL",
    SourceKind.REDIS: "Redis",
    SourceKind.HTTP: "HTTP",
    SourceKind.SERVICE: "Service",
}


def source_dialogs() -> rx.Component:
    """Both dialogs; the focus goes back to what opened them."""
    return rx.fragment(
        _form_dialog(),
        refocus(is_open=SourceForm.is_open),
        _delete_dialog(),
        refocus(is_open=SourceForm.is_deleting),
    )


def _form_dialog() -> rx.Component:
    """Kind tiles, then fields; Test shows its steps, Save works without a test."""
    return dialog(
        SourceForm.is_open,
        SourceForm.show,
        SourceForm.title,
        rx.el.form(
            rx.cond(SourceForm.fields.id == 0, _tiles(), rx.el.input(type="hidden", name="kind", value=SourceForm.fields.kind)),
            _fields(),
            _steps(),
            form_note(SourceForm.note),
            actions(
                # the first submit button is the one that Enter presses
                rx.el.button(
                    rx.cond(SourceForm.busy == "save", "Saving…", "Save"),
                    type="submit",
                    class_name="btn primary last",
                    disabled=SourceForm.busy != "",
                    on_click=SourceForm.intend("save"),
                ),
                rx.el.button("Cancel", type="button", class_name="btn", on_click=SourceForm.show(False)),
                rx.el.button(
                    icon("plug-zap"),
                    rx.cond(SourceForm.busy == "test", "Testing…", "Test"),
                    type="submit",
                    class_name="btn",
                    disabled=SourceForm.busy != "",
                    on_click=SourceForm.intend("test"),
                ),
            ),
            on_submit=SourceForm.submit,
            no_validate=True,
        ),
        width=620,
    )


def _tiles() -> rx.Component:
    """One tile per kind; kinds that have no probe yet cannot be chosen."""
    return rx.el.fieldset(
        rx.el.legend("Kind"),
        *(
            rx.el.label(
                rx.el.input(
                    type="radio",
                    name="kind",
                    value=kind.value,
                    default_checked=kind is SourceKind.POSTGRESQL,
                    on_change=SourceForm.choose(kind.value),
                    disabled=kind not in BUILT_KINDS,
                ),
                icon(theme.KIND_ICON[kind], 17),
                rx.el.span(KIND_NAMES[kind]),
                *([] if kind in BUILT_KINDS else [rx.el.small("not built yet")]),
                class_name="tile" if kind in BUILT_KINDS else "tile off",
            )
            for kind in SourceKind
        ),
        class_name="tiles",
    )


def _fields() -> rx.Component:
    """What a connection is built from, and how people find it again."""
    values, errors = SourceForm.fields, SourceForm.errors
    return rx.el.div(
        field("name", "Name", errors.name, default_value=values.name, wide=True),
        field("host", "Host", errors.host, default_value=values.host),
        field("port", "Port", errors.port, default_value=values.port, input_mode="numeric", key=values.kind),
        rx.cond(values.kind == SourceKind.SERVICE.value, _of_a_service(), _of_a_database()),
        field("environment", "Environment", errors.environment, default_value=values.environment),
        field("tags", "Tags", errors.tags, hint="Separated by commas", default_value=values.tags),
        class_name="fields",
    )


def _of_a_database() -> rx.Component:
    """Who signs in where."""
    values, errors = SourceForm.fields, SourceForm.errors
    return rx.fragment(
        field(
            "database",
            "Database",
            errors.database,
            hint="Empty: named like the user; PgBouncer: its console",
            default_value=values.database,
        ),
        field("username", "User", errors.username, default_value=values.username),
        _secret("Password"),
        _tls(SSL_MODES, "Default: prefer on loopback, else verify-full"),
    )


def _of_a_service() -> rx.Component:
    """Where its guard calls are, and the token they want."""
    values = SourceForm.fields
    return rx.fragment(
        _secret("Token"),
        _tls(SERVICE_SSL_MODES, "Default: none on loopback, else verify-full"),
        field(
            "base_path",
            "Path before the guard's calls",
            "",
            hint="Empty: they are at /api/v1/health/database",
            default_value=values.base_path,
            placeholder="/orders",
            wide=True,
        ),
    )


def _secret(word: str) -> rx.Component:
    """A field for what is kept encrypted; it is never filled with what is kept."""
    values = SourceForm.fields
    kept = f"A {word.lower()} is kept; leave this empty to keep it"
    return field(
        "password",
        word,
        SourceForm.errors.password,
        hint=rx.cond(values.has_password, kept, "Kept encrypted; never shown again"),
        type="password",
        placeholder=rx.cond(values.has_password, "set", ""),
    )


def _tls(modes: tuple[str, ...], hint: str) -> rx.Component:
    """How the connection is encrypted."""
    choices = [("", "default"), *((mode, mode) for mode in modes)]
    return choice("sslmode", "TLS", choices, SourceForm.errors.sslmode, hint=hint, default_value=SourceForm.fields.sslmode)


def _steps() -> rx.Component:
    """The steps of the last test."""
    return rx.cond(
        SourceForm.steps.length() > 0,
        rx.el.ol(rx.foreach(SourceForm.steps, _step), class_name="steps", custom_attrs={"aria-label": "Steps of the test"}),
        rx.fragment(),
    )


def _step(step: rx.Var[StepRow]) -> rx.Component:
    """One step: what, how long, and why it failed."""
    return rx.el.li(
        tone_icon(step.icon, step.tone, 14),
        rx.el.b(step.name),
        rx.el.span(step.message, class_name="dim"),
        rx.el.span(step.took, class_name="num dim"),
    )


def _delete_dialog() -> rx.Component:
    """Deleting takes the history with it, so the name is typed."""
    name = SourceForm.delete_name
    return confirm(
        SourceForm.is_deleting,
        SourceForm.show_delete,
        f"Delete {name}?",
        rx.el.p("Its settings and ", SourceForm.keep_days, " days of history go. This cannot be undone."),
        rx.el.div(
            rx.el.label("Type ", rx.el.b(name), html_for="delete-name"),
            rx.el.input(id="delete-name", class_name="in", auto_complete="off", value=SourceForm.typed, on_change=SourceForm.type_name),
            class_name="fd wide typed",
        ),
        form_note(SourceForm.delete_note),
        actions(
            cancel_button(),
            rx.el.button(
                "Delete source",
                type="button",
                class_name="btn dsolid",
                disabled=SourceForm.typed.strip() != name,
                on_click=SourceForm.delete,
            ),
        ),
        width=440,
    )
