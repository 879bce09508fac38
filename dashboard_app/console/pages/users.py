"""`/users`: who can sign in, as what, and who did? For admins."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.fields import choice, field, submit
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.people import cell, listed, shown_once, told
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import shell
from dashboard_app.console.pages.users_state import UsersState
from dashboard_app.console.rows import people as rows


def page() -> rx.Component:
    """The accounts, or why they are not shown."""
    state = UsersState
    return shell(
        "users",
        rx.cond(state.is_refused, refused("Accounts need the admin role."), _page()),
        _question(),
        refocus(is_open=state.is_asking),
    )


def _page() -> rx.Component:
    """Verdict, what the last act came to, the list, the form."""
    state = UsersState
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h1(rx.cond(state.title != "", state.title, "Reading accounts…")),
                rx.el.p("Viewers look, operators act, admins change. What changes is felt at once, on open pages too.", class_name="lede"),
            ),
            class_name="ph",
        ),
        told(state.result, state.failure),
        shown_once(state.link, "Link to set a password", state.link_note, state.put_away, "password-link"),
        listed("users", ("Account", "Role", "Last sign-in", "Sessions", ""), state.people, _person),
        _form(),
        class_name="page",
    )


def _person(row: rx.Var) -> rx.Component:
    """One account."""
    state = UsersState
    role = rx.el.select(
        *(rx.el.option(word, value=value) for value, word in rows.ROLES),
        value=row.role,
        on_change=lambda value: state.set_role(row.key, value),
        class_name="in",
        disabled=row.is_disabled,
        custom_attrs={"aria-label": rx.Var.create("Role of ") + row.email},
    )
    lock = rx.cond(
        row.is_disabled,
        _button("Let in again", row, state.enable(row.key)),
        _button("Disable…", row, state.ask_disable(row.key), disabled=row.is_self),
    )
    return rx.el.li(
        cell(
            "Account",
            rx.el.b(row.email, class_name="cut", title=row.email),
            rx.cond(row.is_disabled, rx.el.span("disabled", class_name="badge t-off"), rx.el.small(row.name, class_name="quiet cut")),
            rx.cond(row.is_tied, rx.el.small("by ", state.provider, class_name="quiet cut"), rx.fragment()),
            class_name="pwho",
        ),
        cell(
            "Role", role, rx.cond(row.is_tied & state.gives_roles, rx.el.small("until the next sign-in", class_name="quiet"), rx.fragment())
        ),
        cell("Last sign-in", sentence(row.last_sign_in)),
        cell("Sessions", rx.el.span(row.sessions.to_string(), class_name="num")),
        rx.el.span(
            rx.cond(row.is_disabled, rx.fragment(), _button("Password link", row, state.make_link(row.key))),
            rx.cond(row.has_second_factor, _button("Reset second factor", row, state.reset_factor(row.key)), rx.fragment()),
            _button("Sign out", row, state.sign_out(row.key), disabled=row.sessions == 0),
            lock,
            class_name="pacts",
        ),
        key=row.key,
        class_name="prow",
        custom_attrs={"data-testid": "user-row", "data-email": row.email},
    )


def _button(word: str, row: rx.Var, act: Any, *, disabled: Any = False) -> rx.Component:
    """One act on an account."""
    return rx.el.button(
        word, rx.el.span(", ", row.email, class_name="unseen"), type="button", class_name="btn sm", on_click=act, disabled=disabled
    )


def _form() -> rx.Component:
    """A new account."""
    state = UsersState
    return rx.el.section(
        rx.el.h2("Add an account"),
        rx.el.form(
            rx.el.div(
                field(
                    "email",
                    "Email",
                    state.errors.get("email", ""),
                    hint="They sign in with it",
                    type="email",
                    required=True,
                    max_length=254,
                ),
                field("name", "Name", state.errors.get("name", ""), hint="May be left empty", max_length=200),
                choice("role", "Role", rows.ROLES, rx.Var.create(""), hint="It can be changed later"),
                class_name="fields pfields",
            ),
            submit("Add and make a link"),
            on_submit=state.add,
            key=state.turn.to_string(),
        ),
        class_name="panel ppanel",
    )


def _question() -> rx.Component:
    """Before an account is locked out."""
    state = UsersState
    return confirm(
        state.is_asking,
        state.set_asking,
        "Disable this account?",
        rx.el.p(
            rx.el.b(state.asked_email), " is signed out everywhere at once and cannot sign in. Tokens stay good. It can be let in again."
        ),
        actions(cancel_button(), rx.el.button("Disable the account", type="button", class_name="btn dsolid", on_click=state.disable)),
        width=460,
    )
