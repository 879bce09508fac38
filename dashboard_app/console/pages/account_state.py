"""The state of `/account`: own sessions, the proof, the second factor, the password."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.access.codes import picture
from dashboard_app.access.oidc_words import sentence_of
from dashboard_app.console import words
from dashboard_app.console.context import console, identity
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import account as rows
from dashboard_app.console.session import assign
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import is_proved

POLICY = {
    "account_state.load": "account.read",
    "account_state.end_one": "account.write",
    "account_state.end_others": "account.write",
    "account_state.change_password": "account.write",
    "account_state.prove": "account.write",
    "account_state.begin_factor": "account.write",
    "account_state.confirm_factor": "account.write",
    "account_state.end_factor": "account.write",
    "account_state.put_away": "account.write",
}
"""Event handler → the action it needs."""
_PROVED = "You have shown who you are: for 15 minutes you may do what cannot be undone."


class AccountState(rx.State):
    """The sessions of the person who looks, and what the last act came to. A password never stays here."""

    sessions: list[rows.SessionRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    title: str = ""
    result: str = ""
    failure: str = ""
    errors: dict[str, str] = {}  # noqa: RUF012 - as above
    proof: str = ""
    factor: str = ""
    has_factor: bool = False
    has_password: bool = True
    provider: str = ""
    """What the identity provider is called, for somebody whom it knows."""
    no_password: str = ""
    key: str = ""
    picture: str = ""
    recovery: list[str] = []  # noqa: RUF012 - as above
    turn: int = 0
    """Grows when the fields must be empty again."""

    _pending: str = ""

    @rx.event
    async def load(self) -> None:
        """Show where this person is signed in."""
        if await enter(self, "account") is None:
            return
        asked = self.router.url.query_parameters
        refused = sentence_of(str(asked.get("oidc", "")), console().settings.oidc_name)
        assign(self, result="", failure=refused, errors={})
        self._forget_key()
        principal = await self._read()
        if "proved" in asked and principal is not None and is_proved(principal, console().clock.now()):
            self.result = _PROVED

    async def _read(self) -> Principal | None:
        """The sessions as they are now; who looks, when that could be read."""
        try:
            principal = await permitted(self, "account.read")
            found = await identity().own_sessions(principal)
            left = await identity().own_second_factor(principal)
            has_password, is_known = await identity().ways_in(principal)
        except SpillwayError as problem:
            assign(self, failure=f"Your sessions could not be read. {words.told(problem)}", title=rows.title(1))
            return None
        provider = console().settings.oidc_name if is_known else ""
        factor = rows.factor_words(left, "the password" if has_password or not provider else provider)
        assign(self, has_factor=left is not None, factor=factor, has_password=has_password, provider=provider)
        self.no_password = "" if has_password else rows.way_words(provider)
        proof = rows.proof_words(principal.proved_at, console().clock.now())
        assign(self, sessions=rows.session_rows(found, principal.session_id), title=rows.title(len(found)), proof=proof)
        return principal

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
        assign(self, errors={}, failure="", result=_PROVED)
        await self._read()

    def _forget_key(self) -> None:
        """Take key and recovery codes out of this state."""
        self._pending = ""
        assign(self, key="", picture="", recovery=[])

    @rx.event
    async def begin_factor(self) -> None:
        """Show a key for an authenticator app."""
        self._forget_key()
        try:
            begun = await identity().begin_second_factor(await permitted(self, "account.write"))
        except SpillwayError as problem:
            assign(self, errors={}, result="", failure=words.told(problem))
            return
        self._pending = begun.pending
        assign(self, key=begun.key.reveal(), picture=picture(begun.address), errors={}, result="", failure="")

    @rx.event
    async def confirm_factor(self, form: dict[str, Any]) -> None:
        """Confirm the key with a code of the app; shows the recovery codes."""
        try:
            principal = await permitted(self, "account.write")
            recovery = await identity().confirm_second_factor(principal, self._pending, str(form.get("code", "")))
        except InvalidInput as wrong:
            assign(self, errors={"code": wrong.detail}, result="", failure="")
            return
        except SpillwayError as problem:
            assign(self, errors={}, result="", failure=words.told(problem))
            return
        self._forget_key()
        assign(self, recovery=recovery, errors={}, failure="", result="From now on a code is asked for when you sign in.")
        await self._read()

    @rx.event
    async def end_factor(self) -> None:
        """Go back to the password alone."""
        self._forget_key()
        try:
            await identity().end_second_factor(await permitted(self, "account.write"))
        except SpillwayError as problem:
            assign(self, errors={}, result="", failure=words.told(problem))
        else:
            assign(self, errors={}, result="No code is asked for any more.", failure="")
        await self._read()

    @rx.event
    def put_away(self) -> None:
        """Take key and recovery codes off the screen."""
        self._forget_key()

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
