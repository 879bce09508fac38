"""`/users`: who can sign in, as what, and who did? For admins."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.fields import choice, field
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.people import cell, listed, shown_once, told
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import shell
from dashboard_app.console.context import console, identity
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import people as rows
from dashboard_app.console.session import assign
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.model.user import Role, User
from dashboard_app.policy.permission import allowed

POLICY = {
    "users_state.load": "console.watch",
    "users_state.add": "users.write",
    "users_state.set_role": "users.write",
    "users_state.make_link": "users.write",
    "users_state.sign_out": "users.write",
    "users_state.reset_factor": "users.write",
    "users_state.enable": "users.write",
    "users_state.ask_disable": "users.write",
    "users_state.set_asking": "users.write",
    "users_state.disable": "users.write",
    "users_state.put_away": "users.write",
}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""


class UsersState(rx.State):
    """The accounts as an admin sees them. `link` is shown once and leaves with the next act."""

    is_refused: bool = False
    people: list[rows.UserRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    title: str = ""
    link: str = ""
    link_note: str = ""
    result: str = ""
    failure: str = ""
    errors: dict[str, str] = {}  # noqa: RUF012 - as above
    is_asking: bool = False
    asked_email: str = ""
    turn: int = 0
    """Grows when the fields must be empty again, and roles as they are kept."""

    _asked: str = ""

    @rx.event
    async def load(self) -> None:
        """Show the accounts to an admin."""
        principal = await enter(self, "users")
        if principal is None:
            return
        assign(
            self,
            is_refused=not allowed(principal.role, "users.read"),
            people=[],
            link="",
            result="",
            failure="",
            errors={},
            is_asking=False,
        )
        if not self.is_refused:
            await self._read()

    async def _read(self) -> None:
        """The accounts as they are now."""
        try:
            principal = await permitted(self, "users.read")
            users, sessions = await identity().list_users(), await identity().open_sessions()
        except SpillwayError as problem:
            assign(self, failure=f"The accounts could not be read. {words.told(problem)}", title="Accounts")
            return
        self.turn += 1
        assign(self, people=rows.user_rows(users, sessions, principal.user_id), title=rows.users_title(users))

    async def _act(self, key: str, act: Any) -> None:
        """Do something to the account behind `key`, and say what it came to. `act(principal, user)` gives the sentence."""
        assign(self, link="", result="", failure="", errors={})
        try:
            principal = await permitted(self, "users.write")
            user = await identity().user(int(key) if key.isdecimal() and len(key) < 10 else 0)  # noqa: PLR2004 - ids have fewer digits
            self.result = await act(principal, user)
        except SpillwayError as problem:
            self.failure = words.told(problem)
        await self._read()

    def _show(self, user: User, path: str) -> None:
        """Show a new link."""
        self.link = f"{console().settings.base_url}{path}"
        self.link_note = f"Send it to {user.email}. It works once, for 24 h, and is not shown again."

    @rx.event
    async def add(self, form: dict[str, Any]) -> None:
        """A new account, and the link by which its person sets a password."""
        assign(self, link="", result="", failure="", errors={})
        role = str(form.get("role", ""))
        try:
            principal = await permitted(self, "users.write")
            email, name = str(form.get("email", "")), str(form.get("name", ""))
            user, link = await identity().invite(email, Role(role) if role in set(Role) else Role.VIEWER, name=name, by=principal)
        except InvalidInput as wrong:
            self.errors = {str(one["field"]): str(one["message"]) for one in wrong.errors}
            return
        except SpillwayError as problem:
            self.failure = words.told(problem)
            return
        self.result = f"{user.email} can sign in as soon as a password is set."
        self._show(user, link.path)
        await self._read()

    @rx.event
    async def set_role(self, key: str, role: str) -> None:
        """Change what an account may do; felt at once."""

        async def act(principal: Any, user: User) -> str:
            if role not in set(Role):
                return ""
            changed = await identity().set_role(user.email, Role(role), by=principal)
            return f"{changed.email} is {changed.role.value} from now on."

        await self._act(key, act)

    @rx.event
    async def make_link(self, key: str) -> None:
        """A link by which the person sets a new password."""

        async def act(principal: Any, user: User) -> str:
            user, link = await identity().password_link(user.id, by=principal)
            self._show(user, link.path)
            return "Until the link is used, the old password counts."

        await self._act(key, act)

    @rx.event
    async def sign_out(self, key: str) -> None:
        """End every session of the account."""

        async def act(principal: Any, user: User) -> str:
            await identity().sign_out_user(user.id, by=principal)
            return f"{user.email} is signed out everywhere."

        await self._act(key, act)

    @rx.event
    async def reset_factor(self, key: str) -> None:
        """Let somebody in with the password alone who lost app and recovery codes."""

        async def act(principal: Any, user: User) -> str:
            await identity().reset_second_factor(user.email, by=principal)
            return f"{user.email} signs in with the password alone."

        await self._act(key, act)

    @rx.event
    async def enable(self, key: str) -> None:
        """Let an account in again."""

        async def act(principal: Any, user: User) -> str:
            await identity().disable(user.email, disabled=False, by=principal)
            return f"{user.email} can sign in again."

        await self._act(key, act)

    @rx.event
    def ask_disable(self, key: str) -> None:
        """Ask before an account is locked out."""
        found = next((row for row in self.people if row.key == key), None)
        if found is not None:
            self._asked = key
            assign(self, asked_email=found.email, is_asking=True)

    @rx.event
    def set_asking(self, is_open: bool) -> None:
        """Close the question; only a row opens it."""
        if not is_open:
            self.is_asking = False

    @rx.event
    async def disable(self) -> None:
        """Lock the account out that was asked about."""
        if not self.is_asking:
            return
        self.is_asking = False

        async def act(principal: Any, user: User) -> str:
            await identity().disable(user.email, by=principal)
            return f"{user.email} is locked out and signed out everywhere."

        await self._act(self._asked, act)

    @rx.event
    def put_away(self) -> None:
        """Take the link off the screen."""
        self.link = ""


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring the frame of an open `/users` up to date."""
    fill(await root.get_state(ShellState))


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
            class_name="pwho",
        ),
        cell("Role", role),
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
            rx.el.button("Add and make a link", type="submit", class_name="btn primary"),
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
