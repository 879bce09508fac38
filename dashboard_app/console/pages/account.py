"""`/account`: where am I signed in, and is that all me? For everybody."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.components.fields import field
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.people import cell, listed, told
from dashboard_app.console.components.shell import shell
from dashboard_app.console.context import console, identity
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import account as rows
from dashboard_app.console.session import assign
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.model.secret import Secret

POLICY = {
    "account_state.load": "account.read",
    "account_state.end_one": "account.write",
    "account_state.end_others": "account.write",
    "account_state.change_password": "account.write",
    "account_state.prove": "account.write",
}
"""Event handler → the action it needs."""


class AccountState(rx.State):
    """The sessions of the person who looks, and what the last act came to. A password never stays here."""

    sessions: list[rows.SessionRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    title: str = ""
    result: str = ""
    failure: str = ""
    errors: dict[str, str] = {}  # noqa: RUF012 - as above
    proof: str = ""
    turn: int = 0
    """Grows when the fields must be empty again."""

    @rx.event
    async def load(self) -> None:
        """Show where this person is signed in."""
        if await enter(self, "account") is None:
            return
        assign(self, result="", failure="", errors={})
        self.turn += 1
        await self._read()

    async def _read(self) -> None:
        """The sessions as they are now."""
        try:
            principal = await permitted(self, "account.read")
            found = await identity().own_sessions(principal)
        except SpillwayError as problem:
            assign(self, failure=f"Your sessions could not be read. {words.told(problem)}", title=rows.title(1))
            return
        proof = rows.proof_words(principal.proved_at, console().clock.now())
        assign(self, sessions=rows.session_rows(found, principal.session_id), title=rows.title(len(found)), proof=proof)

    @rx.event
    async def end_one(self, handle: str) -> None:
        """End one session."""
        try:
            await identity().end_own_session(await permitted(self, "account.write"), handle)
        except SpillwayError as problem:
            assign(self, result="", failure=words.told(problem))
        else:
            assign(self, result="That session is over.", failure="")
        await self._read()

    @rx.event
    async def end_others(self) -> None:
        """End every session but this one."""
        try:
            ended = await identity().end_other_sessions(await permitted(self, "account.write"))
        except SpillwayError as problem:
            assign(self, result="", failure=words.told(problem))
        else:
            assign(self, result=rows.ended_words(ended), failure="")
        await self._read()

    @rx.event
    async def prove(self, form: dict[str, Any]) -> None:
        """Show again who one is, so that what cannot be undone may be done."""
        try:
            await identity().prove(await permitted(self, "account.write"), Secret(str(form.get("password", ""))))
        except InvalidInput as wrong:
            assign(self, errors={"password": wrong.detail}, result="", failure="")
            return
        except SpillwayError as problem:
            assign(self, errors={}, result="", failure=words.told(problem))
            return
        self.turn += 1
        assign(self, errors={}, failure="", result="You have shown who you are: for 15 minutes you may do what cannot be undone.")
        await self._read()

    @rx.event
    async def change_password(self, form: dict[str, Any]) -> None:
        """Set a new password; the other sessions end."""
        present, new, again = (str(form.get(name, "")) for name in ("present", "new", "again"))
        if new != again:
            assign(self, errors={"again": "The two are not the same."}, result="", failure="")
            return
        try:
            principal = await permitted(self, "account.write")
            ended = await identity().change_password(principal, Secret(present), Secret(new))
        except InvalidInput as wrong:
            assign(self, errors={str(one["field"]): str(one["message"]) for one in wrong.errors}, result="", failure="")
            return
        except SpillwayError as problem:
            assign(self, errors={}, result="", failure=words.told(problem))
            return
        self.turn += 1
        assign(self, errors={}, failure="", result=f"Your new password counts from now on. {rows.ended_words(ended)}")
        await self._read()


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring the frame of an open `/account` up to date."""
    fill(await root.get_state(ShellState))


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
    return rx.el.section(
        rx.el.h2("Show that it is you"),
        rx.el.p(sentence(state.proof), class_name="fnote"),
        rx.el.form(
            rx.el.div(
                field(
                    "password",
                    "Password",
                    state.errors.get("password", ""),
                    type="password",
                    required=True,
                    max_length=1000,
                    auto_complete="current-password",
                ),
                class_name="fields pfields",
            ),
            rx.el.button("It is me", type="submit", class_name="btn"),
            on_submit=state.prove,
            key=state.turn.to_string(),
        ),
        class_name="panel ppanel",
        custom_attrs={"data-testid": "prove"},
    )


def _password() -> rx.Component:
    """The form that sets a new password."""
    state = AccountState
    fields = (
        ("present", "Present password", "current-password", ""),
        ("new", "New password", "new-password", "8 characters or more, and none of the most common ones"),
        ("again", "New password again", "new-password", ""),
    )
    return rx.el.section(
        rx.el.h2("Change the password"),
        rx.el.form(
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
            rx.el.button("Change the password", type="submit", class_name="btn primary"),
            on_submit=state.change_password,
            key=state.turn.to_string(),
        ),
        class_name="panel ppanel",
    )
