"""The state of the channels of `/alerts`: the list, the form, testing and deleting. An address passes through and is never kept."""

from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.client.notifications import ListedChannel
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows import channels as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import Conflict, InvalidInput, NotSignedIn, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed

POLICY = {
    "channels.read": "notifications.read",
    "channels.add": "notifications.write",
    "channels.edit": "notifications.write",
    "channels.show": "notifications.write",
    "channels.submit": "notifications.write",
    "channels.switch": "notifications.write",
    "channels.test": "notifications.write",
    "channels.ask_delete": "notifications.write",
    "channels.show_delete": "notifications.write",
    "channels.delete": "notifications.write",
}
"""Event handler → the action it needs."""
READ_EVERY_S = 5.0


class Channels(rx.State):
    """At most 20 channels, and two dialogs, one at a time."""

    is_refused: bool = False
    is_offered: bool = True
    is_read: bool = False
    channels: rx.Field[list[rows.ChannelRow]] = rx.field(default_factory=list)
    failure: str = ""
    testing: int = 0
    """The channel that is being tested; 0: none."""
    tested: int = 0
    trial: str = ""
    is_trial_good: bool = True

    is_open: bool = False
    title: str = ""
    turn: int = 0
    """Grows with each opening: the form starts anew with its values."""
    fields: rows.ChannelFields = rows.ChannelFields()
    errors: rows.ChannelErrors = rows.ChannelErrors()
    note: str = ""
    is_saving: bool = False

    is_deleting: bool = False
    delete_id: int = 0
    delete_name: str = ""
    delete_note: str = ""

    _known: dict[int, ListedChannel] = {}  # noqa: RUF012 - Reflex copies a state's defaults

    @rx.event
    async def read(self) -> None:
        """Bring the list up to date."""
        principal = await principal_of(self)
        if principal is not None:
            await self._read(principal)

    @rx.event
    def add(self) -> None:
        """Open the empty form."""
        self._open("Add a channel", rows.ChannelFields())

    @rx.event
    def edit(self, channel_id: int) -> None:
        """Open the form with a channel in it."""
        channel = self._known.get(channel_id)
        if channel is not None:
            self._open(f"Edit {channel.name}", rows.fields_of(channel))

    @rx.event
    def show(self, is_open: bool) -> None:
        """Close the form (or keep it open)."""
        self.is_open = is_open

    @rx.event(background=True)
    async def submit(self, form: dict[str, Any]) -> None:
        """Save the channel; what is wrong goes under its field."""
        async with self:
            if self.is_saving:
                return
            channel_id = self.fields.id
            assign(self, is_saving=True, errors=rows.ChannelErrors(), note="")
        errors, note, saved = rows.ChannelErrors(), "", None
        try:
            saved = await console().backend.notifications.save(
                await self._principal(), channel_id, rows.body_of(form, is_new=not channel_id)
            )
        except InvalidInput as failure:
            errors, note = rows.errors_of(failure.errors, failure.detail)
        except Conflict as failure:
            errors = rows.ChannelErrors(name=failure.detail)
        except SpillwayError as failure:
            note = f"Could not save: {words.told(failure)}"
        async with self:
            assign(self, is_saving=False, errors=errors, note=note, is_open=saved is None)
        if saved is not None:
            await self._done(f"{saved.name} saved.")

    @rx.event(background=True)
    async def switch(self, channel_id: int, enabled: bool) -> None:
        """Switch a channel on or off."""
        text, tone = ("Switched on." if enabled else "Switched off."), "ok"
        try:
            await console().backend.notifications.save(await self._principal(), channel_id, {"enabled": enabled})
        except SpillwayError as failure:
            text, tone = words.told(failure), "warn"
        await self._done(text, tone)

    @rx.event(background=True)
    async def test(self, channel_id: int) -> None:
        """Send a test message, and say under the channel how it went."""
        async with self:
            if self.testing:
                return
            assign(self, testing=channel_id, tested=0, trial="", is_trial_good=True)
        is_good = False
        try:
            tried = await console().backend.notifications.test(await self._principal(), channel_id)
            text, is_good = rows.trial_words(tried), not tried.error
        except SpillwayError as failure:
            text = f"Not sent: {words.told(failure)}"
        principal = await principal_of(self)
        async with self:
            assign(self, testing=0, tested=channel_id, trial=text, is_trial_good=is_good)
            if principal is not None:
                await self._read(principal)

    @rx.event
    def ask_delete(self, channel_id: int) -> None:
        """Ask before a channel goes."""
        channel = self._known.get(channel_id)
        if channel is not None:
            assign(self, delete_id=channel_id, delete_name=channel.name, delete_note="", is_deleting=True)

    @rx.event
    def show_delete(self, is_open: bool) -> None:
        """Close the dialog (or keep it open)."""
        self.is_deleting = is_open

    @rx.event(background=True)
    async def delete(self) -> None:
        """Delete the channel of the dialog."""
        async with self:
            if not self.is_deleting:
                return
            channel_id, name = self.delete_id, self.delete_name
        try:
            await console().backend.notifications.delete(await self._principal(), channel_id)
        except SpillwayError as failure:
            async with self:
                self.delete_note = f"Could not delete: {words.told(failure)}"
            return
        async with self:
            self.is_deleting = False
        await self._done(f"{name} deleted.")

    def _open(self, title: str, fields: rows.ChannelFields) -> None:
        """Show the form anew."""
        assign(self, title=title, fields=fields, turn=self.turn + 1, is_open=True, errors=rows.ChannelErrors(), note="", is_saving=False)

    async def _principal(self) -> Principal:
        """Who asks; the calls refuse when it may not."""
        principal = await principal_of(self)
        if principal is None:
            raise NotSignedIn("Your session has ended: sign in again.")
        return principal

    async def _done(self, text: str, tone: str = "ok") -> None:
        """Say it in the corner and read the channels again."""
        principal = await principal_of(self)
        async with self:
            (await self.get_state(ShellState))._say(text, tone)  # noqa: SLF001 - the frame's own way
            if principal is not None:
                await self._read(principal)

    async def _read(self, principal: Principal) -> None:
        """Read the channels, if this person may see them; a failure keeps what is shown."""
        self.is_refused = not allowed(principal.role, "notifications.read")
        if self.is_refused:
            assign(self, channels=[], _known={})
            return
        try:
            found = await console().backend.notifications.channels(principal)
        except SpillwayError as failure:
            self.failure = f"The channels could not be read: {words.told(failure)}"
            return
        self._known = {channel.id: channel for channel in found or ()}
        assign(self, failure="", is_read=True, is_offered=found is not None, channels=rows.channel_rows(found or ()))
