"""`/tokens`: which programs can come in, as what, and do they still? For admins."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.fields import choice, field, submit
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.people import cell, listed, shown_once, told
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import shell
from dashboard_app.console.context import console, identity
from dashboard_app.console.pages.admin_list import AdminList
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, fill
from dashboard_app.console.rows import people as rows
from dashboard_app.console.session import assign
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.model.user import Role
from dashboard_app.policy.scopes import SCOPES

POLICY = {
    "tokens_state.load": "console.watch",
    "tokens_state.make": "tokens.write",
    "tokens_state.ask_revoke": "tokens.write",
    "tokens_state.set_asking": "tokens.write",
    "tokens_state.revoke": "tokens.write",
    "tokens_state.put_away": "tokens.write",
}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""


class TokensState(AdminList, rx.State):
    """The tokens without their secrets. `made` is shown once and leaves with the next act."""

    tokens: list[rows.TokenRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    made: str = ""
    asked_name: str = ""

    @rx.event
    async def load(self) -> None:
        """Show the tokens to an admin."""
        if await self._enters("tokens", "tokens.read", tokens=[], made=""):
            await self._read()

    async def _read(self) -> None:
        """The tokens as they are now."""
        try:
            await permitted(self, "tokens.read")
            found = await identity().list_tokens()
        except SpillwayError as problem:
            assign(self, failure=f"The tokens could not be read. {words.told(problem)}", title="API tokens")
            return
        now = console().clock.now()
        assign(self, tokens=rows.token_rows(found, now), title=rows.tokens_title(found, now))

    @rx.event
    async def make(self, form: dict[str, Any]) -> None:
        """A new token, shown this once."""
        self._begin(made="")
        role, lives_s = str(form.get("role", "")), rows.lives_s(str(form.get("expires", "90")))
        try:
            principal = await permitted(self, "tokens.write")
            name, least = str(form.get("name", "")), Role(role) if role in set(Role) else Role.VIEWER
            self.made, record = await identity().make_token(name, least, lives_s, scopes=rows.scopes_of(form), by=principal)
        except InvalidInput as wrong:
            self.errors = {str(one["field"]): str(one["message"]) for one in wrong.errors}
            return
        except SpillwayError as problem:
            self.failure = words.told(problem)
            return
        self.turn += 1
        self.result = f"{record.name} is good from now on."
        await self._read()

    @rx.event
    def ask_revoke(self, key: str) -> None:
        """Ask before a token loses its power."""
        found = next((row for row in self.tokens if row.key == key and row.is_good), None)
        if found is not None:
            self._asked = key
            assign(self, asked_name=found.name, is_asking=True)

    @rx.event
    async def revoke(self) -> None:
        """Take the power of the token that was asked about."""
        if not self.is_asking:
            return
        self.is_asking = False
        self._begin(made="")
        try:
            record = await identity().revoke_token(int(self._asked), by=await permitted(self, "tokens.write"))
        except SpillwayError as problem:
            self.failure = words.told(problem)
        else:
            self.result = f"{record.name} is no longer good."
        await self._read()

    @rx.event
    def put_away(self) -> None:
        """Take the token off the screen."""
        self.made = ""


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring the frame of an open `/tokens` up to date."""
    fill(await root.get_state(ShellState))


def page() -> rx.Component:
    """The tokens, or why they are not shown."""
    state = TokensState
    return shell(
        "tokens",
        rx.cond(state.is_refused, refused("API tokens need the admin role."), _page()),
        _question(),
        refocus(is_open=state.is_asking),
    )


def _page() -> rx.Component:
    """Verdict, what the last act came to, the list, the form."""
    state = TokensState
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h1(rx.cond(state.title != "", state.title, "Reading tokens…")),
                rx.el.p(
                    "Programs show a token in ",
                    rx.el.code("Authorization: Bearer …"),
                    "; it opens no page. Only its first characters are kept.",
                    class_name="lede",
                ),
            ),
            class_name="ph",
        ),
        told(state.result, state.failure),
        shown_once(state.made, "The new token", "Copy it now: it is not shown again.", state.put_away, "new-token"),
        listed("tokens", ("Name", "Role", "Good", "Last used", "Made", ""), state.tokens, _token),
        rx.cond(state.tokens.length() == 0, rx.el.p("No program has a token yet.", class_name="empty-line"), rx.fragment()),
        _form(),
        class_name="page",
    )


def _token(row: rx.Var) -> rx.Component:
    """One token."""
    revoke = rx.el.button(
        "Revoke…",
        rx.el.span(" ", row.name, class_name="unseen"),
        type="button",
        class_name="btn sm",
        on_click=TokensState.ask_revoke(row.key),
    )
    return rx.el.li(
        cell(
            "Name", rx.el.b(row.name, class_name="cut", title=row.name), rx.el.small(row.begins, class_name="mono quiet"), class_name="pwho"
        ),
        cell("Role", row.role, rx.el.small(row.scopes, class_name="quiet cut", title=row.scopes)),
        cell("Good", sentence(row.state)),
        cell("Last used", sentence(row.used)),
        cell("Made", sentence(row.since), rx.el.small(" by ", row.by, class_name="quiet cut")),
        rx.el.span(rx.cond(row.is_good, revoke, rx.fragment()), class_name="pacts"),
        key=row.key,
        class_name=rx.cond(row.is_good, "prow", "prow gone"),
        custom_attrs={"data-testid": "token-row"},
    )


def _form() -> rx.Component:
    """A new token."""
    state = TokensState
    nothing = rx.Var.create("")
    return rx.el.section(
        rx.el.h2("Make a token"),
        rx.el.form(
            rx.el.div(
                field("name", "Name", state.errors.get("name", ""), hint="What it is for", required=True, max_length=200),
                choice("role", "Role", rows.ROLES, nothing, hint="The least that is enough"),
                choice("expires", "Good for", rows.LIVES, nothing, default_value="90"),
                class_name="fields pfields",
            ),
            _scopes(),
            submit("Make the token"),
            on_submit=state.make,
            key=state.turn.to_string(),
        ),
        class_name="panel ppanel",
    )


def _scopes() -> rx.Component:
    """What the token may be narrowed to: a box for each scope."""
    error = TokensState.errors.get("scopes", "")
    return rx.el.fieldset(
        rx.el.legend("Only for"),
        rx.el.p(
            rx.cond(error != "", error, "Tick none, and the token may do all that its role may."),
            class_name=rx.cond(error != "", "fnote bad", "fnote"),
        ),
        rx.el.div(
            *(
                rx.el.label(
                    rx.el.input(type="checkbox", name=f"{rows.SCOPE_PREFIX}{name}"),
                    rx.el.span(rx.el.code(name), rx.el.small(scope.words, class_name="quiet")),
                )
                for name, scope in SCOPES.items()
            ),
            class_name="pscopes",
        ),
        class_name="pscope",
        custom_attrs={"data-testid": "token-scopes"},
    )


def _question() -> rx.Component:
    """Before a token loses its power."""
    state = TokensState
    return confirm(
        state.is_asking,
        state.set_asking,
        "Revoke this token?",
        rx.el.p("Programs that show ", rx.el.b(state.asked_name), " are refused from the next request on. This cannot be undone."),
        actions(cancel_button(), rx.el.button("Revoke the token", type="button", class_name="btn dsolid", on_click=state.revoke)),
        width=460,
    )
