"""`/account`: where am I signed in, and is that all me? For everybody."""

import reflex as rx

from dashboard_app.console.components.fields import field, submit
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.people import cell, listed, told
from dashboard_app.console.components.shell import shell
from dashboard_app.console.pages.account_state import AccountState
from dashboard_app.console.pages.shell_state import ShellState


def page() -> rx.Component:
    """Sessions, then the password."""
    state = AccountState
    return shell(
        "account",
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    rx.el.h1(rx.cond(state.title != "", state.title, "Reading your account…")),
                    rx.el.p(
                        rx.el.b(ShellState.user_name),
                        ", ",
                        ShellState.user_role,
                        ". A session ends after 2 h without use, and after 12 h in any case.",
                        class_name="lede",
                    ),
                ),
                rx.el.div(
                    rx.el.button(
                        icon("log-out", 15),
                        "End all others",
                        type="button",
                        class_name="btn",
                        disabled=state.sessions.length() < 2,  # noqa: PLR2004 - this one and another
                        on_click=state.end_others,
                        custom_attrs={"data-testid": "end-other-sessions"},
                    ),
                    class_name="pa",
                ),
                class_name="ph",
            ),
            told(state.result, state.failure),
            listed("sess", ("Where", "Address", "Signed in", "Last seen", ""), state.sessions, _session),
            _proof(),
            _factor(),
            _password(),
            class_name="page",
        ),
    )


def _session(row: rx.Var) -> rx.Component:
    """One sign-in."""
    here = rx.el.span(icon("circle-check", 14), "This session", class_name="pthis")
    end = rx.el.button(
        "End",
        rx.el.span(" the session ", row.where, class_name="unseen"),
        type="button",
        class_name="btn sm",
        on_click=AccountState.end_one(row.handle),
    )
    return rx.el.li(
        cell("Where", rx.el.b(row.where, class_name="cut", title=row.agent)),
        cell("Address", rx.el.span(row.address, class_name="mono")),
        cell("Signed in", sentence(row.since)),
        cell("Last seen", sentence(row.seen)),
        rx.el.span(rx.cond(row.is_this, here, end), class_name="pacts"),
        key=row.handle,
        class_name="prow",
        custom_attrs={"data-testid": "session-row"},
    )


def _proof() -> rx.Component:
    """The form by which a person shows again who they are."""
    state = AccountState
    by_provider = rx.el.a(
        "Show it with ",
        state.provider,
        href="/oidc/start?prove=1&next=/account%3Fproved%3D1",
        class_name="btn",
        custom_attrs={"data-testid": "prove-provider", "reloadDocument": True},
    )
    return rx.el.section(
        rx.el.h2("Show that it is you"),
        rx.el.p(sentence(state.proof), class_name="fnote"),
        rx.cond(state.has_password, _proof_form(), rx.fragment()),
        rx.cond(state.provider != "", rx.el.div(by_provider, class_name="ponce"), rx.fragment()),
        class_name="panel ppanel",
        id="prove",
        custom_attrs={"data-testid": "prove"},
    )


def _proof_form() -> rx.Component:
    """The password, or a code of the app, once more."""
    state = AccountState
    return rx.el.form(
        rx.el.div(
            field(
                "password",
                rx.cond(state.has_factor, "Password, or a code of your app", "Password"),
                state.errors.get("password", ""),
                type="password",
                required=True,
                max_length=1000,
                auto_complete="current-password",
            ),
            class_name="fields pfields",
        ),
        submit("It is me", "btn"),
        on_submit=state.prove,
        key=state.turn.to_string(),
    )


def _factor() -> rx.Component:
    """The second factor: off, being set up, or on."""
    state = AccountState
    begin = rx.el.button(
        rx.cond(state.has_factor, "Set up another app", "Set up an app"),
        type="button",
        class_name="btn",
        on_click=state.begin_factor,
        disabled=state.title == "",
        custom_attrs={"data-testid": "begin-second-factor"},
    )
    end = rx.el.button("Ask for no code any more", type="button", class_name="btn danger", on_click=state.end_factor)
    return rx.el.section(
        rx.el.h2("Second factor"),
        rx.el.p(state.factor, class_name="fnote"),
        rx.cond(state.recovery.length() > 0, _recovery(), rx.fragment()),
        rx.cond(state.key != "", _key(), rx.el.div(begin, rx.cond(state.has_factor, end, rx.fragment()), class_name="ponce")),
        class_name="panel ppanel",
        custom_attrs={"data-testid": "second-factor"},
    )


def _key() -> rx.Component:
    """The key to be read by an app, and the field for its first code."""
    state = AccountState
    return rx.el.div(
        rx.image(src=state.picture, alt="The key as a QR code; the same stands beside it as text", class_name="pqr"),
        rx.el.div(
            rx.el.p(
                "Read this with an authenticator app, or type the key: ", rx.el.code(state.key, custom_attrs={"data-testid": "factor-key"})
            ),
            rx.el.form(
                rx.el.div(
                    field(
                        "code", "Code of the app", state.errors.get("code", ""), required=True, max_length=20, auto_complete="one-time-code"
                    ),
                    class_name="fields pfields",
                ),
                rx.el.div(
                    submit("Confirm"),
                    rx.el.button("Cancel", type="button", class_name="btn", on_click=state.put_away),
                    class_name="ponce",
                ),
                on_submit=state.confirm_factor,
            ),
        ),
        class_name="pkey",
    )


def _recovery() -> rx.Component:
    """The codes for when the app is lost."""
    state = AccountState
    return rx.el.div(
        rx.el.p(
            "Keep these codes where the app is not: each lets you in once when the app is lost. They are not shown again.", role="status"
        ),
        rx.el.ul(
            rx.foreach(state.recovery, lambda one: rx.el.li(rx.el.code(one))),
            class_name="pcodes",
            custom_attrs={"data-testid": "recovery-codes"},
        ),
        rx.el.button("I have kept them", type="button", class_name="btn", on_click=state.put_away),
        class_name="pkept",
    )


def _password() -> rx.Component:
    """The form that sets a new password."""
    state = AccountState
    fields = (
        ("present", "Present password", "current-password", ""),
        ("new", "New password", "new-password", "8 characters or more, and none of the most common ones"),
        ("again", "New password again", "new-password", ""),
    )
    form = rx.el.form(
        rx.el.div(
            *(
                field(
                    name,
                    label,
                    state.errors.get(name, ""),
                    hint=hint,
                    type="password",
                    required=True,
                    max_length=1000,
                    auto_complete=auto,
                )
                for name, label, auto, hint in fields
            ),
            class_name="fields pfields",
        ),
        submit("Change the password"),
        on_submit=state.change_password,
        key=state.turn.to_string(),
    )
    return rx.el.section(
        rx.el.h2("Change the password"),
        rx.cond(state.has_password, form, rx.el.p(state.no_password, class_name="fnote")),
        class_name="panel ppanel",
    )
