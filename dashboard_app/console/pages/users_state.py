"""The state of `/users`: accounts added, changed, let in by a link and locked out."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console, identity
from dashboard_app.console.pages.admin_list import AdminList
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, fill
from dashboard_app.console.rows import people as rows
from dashboard_app.console.session import assign
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.model.user import Role, User

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


class UsersState(AdminList, rx.State):
    """The accounts as an admin sees them. `link` is shown once and leaves with the next act."""

    people: list[rows.UserRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    link: str = ""
    link_note: str = ""
    asked_email: str = ""
    provider: str = ""
    """What the identity provider is called."""
    gives_roles: bool = False
    """Whether it gives the roles of those whom it knows."""

    @rx.event
    async def load(self) -> None:
        """Show the accounts to an admin."""
        if await self._enters("users", "users.read", people=[], link=""):
            await self._read()

    async def _read(self) -> None:
        """The accounts as they are now."""
        try:
            principal = await permitted(self, "users.read")
            users, sessions = await identity().list_users(), await identity().open_sessions()
            tied = await identity().tied_users()
        except SpillwayError as problem:
            assign(self, failure=f"The accounts could not be read. {words.told(problem)}", title="Accounts")
            return
        settings = console().settings
        assign(self, provider=settings.oidc_name, gives_roles=settings.oidc_role_claim is not None)
        assign(self, people=rows.user_rows(users, sessions, principal.user_id, tied), title=rows.users_title(users))

    async def _act(self, key: str, act: Any) -> None:
        """Do something to the account behind `key`, and say what it came to. `act(principal, user)` gives the sentence."""
        self._begin(link="")
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
        self._begin(link="")
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
        self.turn += 1
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
