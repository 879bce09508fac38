"""The channels of this installation: made, changed, tried, and kept posted of what the stream of events tells."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dashboard_app.backend.notify.checks import Checker, check_settings, service_of, wrong
from dashboard_app.backend.notify.courier import Courier, CourierRule, Known, Post
from dashboard_app.backend.notify.intake import Intake
from dashboard_app.backend.notify.words import trial_letter
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, Failed, NotDelivered, NotFound, RateLimited
from dashboard_app.model.event import Message
from dashboard_app.model.notification import Channel, ChannelSettings, ChannelView, Notice, Trial
from dashboard_app.model.secret import Secret
from dashboard_app.runtime.hub import FellBehind, Hub, Reader
from dashboard_app.runtime.logs import protect
from dashboard_app.store.channels import CHANNELS_AT_MOST, ChannelStore, StoredChannel

_log = logging.getLogger("spillway.notifications")
_PAUSE_S = 1.0


class Sealer(Protocol):
    """What is needed of the vault."""

    def encrypt(self, secret: Secret) -> bytes:
        """The secret as it may be stored."""

    def decrypt(self, stored: bytes) -> Secret:
        """The secret again. Raises Failed."""


class Carrier(Post, Checker, Protocol):
    """Sends letters and judges addresses."""


class Channels:
    """One per process: `run`, then `close` before it is cancelled. Every call but those that change a channel works from memory."""

    def __init__(
        self,
        store: ChannelStore,
        vault: Sealer,
        carrier: Carrier,
        hub: Hub[Message],
        *,
        intake: Intake,
        clock: Clock,
        rule: CourierRule,
        is_mute: Callable[[Notice], bool],
        opened: asyncio.Event,
    ) -> None:
        """No I/O. `opened`: set once the history of events has been read."""
        self._store, self._vault, self._carrier, self._hub, self._intake = store, vault, carrier, hub, intake
        self._clock, self._rule, self._is_mute, self._opened = clock, rule, is_mute, opened
        self._couriers: dict[int, Courier] = {}
        self._urls: dict[int, bytes] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._unwritten: set[int] = set()
        self._group: asyncio.TaskGroup | None = None
        self._is_testing = False
        self.is_ready = False
        """True once the channels have been read."""

    # ---- the loop

    async def run(self) -> None:
        """Until cancelled: read the channels, then bring them what happens."""
        await self._opened.wait()
        reader = self._hub.join()
        try:
            await self._start()
            async with asyncio.TaskGroup() as group:
                self._group = group
                for channel_id, courier in self._couriers.items():
                    self._tasks[channel_id] = group.create_task(courier.run(), name=f"courier {channel_id}")
                group.create_task(self._keep_posted(reader), name="notification-reader")
                group.create_task(self._run_writes(), name="notification-writes")
        finally:
            self._group = None
            self._tasks.clear()
            self._hub.leave(reader)

    async def close(self) -> None:
        """Send what waits, for at most 2 s, and keep the rest for the next start."""
        if self._group is not None:
            await asyncio.gather(*(courier.close() for courier in self._couriers.values()))
            self._unwritten |= set(self._couriers)
            await self._write()

    async def _start(self) -> None:
        """Read the channels, again until the database gives them."""
        while not self.is_ready:
            try:
                stored = await self._store.everything()
            except DatabaseUnavailable as error:
                _log.warning("notifications wait for the database: %s", error.detail)
                await self._clock.sleep(_PAUSE_S)
            else:
                for one in stored:
                    self._take(one)
                self.is_ready = True

    async def _keep_posted(self, reader: Reader[Message]) -> None:
        """Offer each notice to every channel."""
        while True:
            try:
                messages = reader.take()
            except FellBehind:
                _log.warning("notifications fell behind: some events were not looked at")
                reader.position = self._hub.start
                continue
            for message in messages:
                for notice in self._intake.notices_of(message):
                    for courier in self._couriers.values():
                        courier.offer(notice)
            if not messages:
                await reader.wait()
            else:
                await asyncio.sleep(0)

    async def _run_writes(self) -> None:
        """Keep outcomes and what quiet hours hold, once a second at most."""
        while True:
            await self._clock.sleep(_PAUSE_S)
            await self._write()

    async def _write(self) -> None:
        """Keep what has changed; while the database is away it waits."""
        for channel_id in list(self._unwritten):
            self._unwritten.discard(channel_id)
            courier = self._couriers.get(channel_id)
            if courier is None:
                continue
            try:
                await self._store.keep(channel_id, courier.outcome, courier.held)
            except DatabaseUnavailable:
                self._unwritten.add(channel_id)
                return

    # ---- what people do

    def views(self) -> Sequence[ChannelView]:
        """Every channel by id, and how it fares."""
        return [self._couriers[channel_id].view() for channel_id in sorted(self._couriers)]

    def view(self, channel_id: int) -> ChannelView:
        """One of them. Raises NotFound."""
        return self._courier(channel_id).view()

    async def add(self, settings: ChannelSettings, url: Secret) -> ChannelView:
        """The new channel.

        Raises:
            InvalidInput: a field is not acceptable. Conflict: the name is taken, or there are too many. DatabaseUnavailable, Failed.

        """
        check_settings(settings)
        if len(self._couriers) >= CHANNELS_AT_MOST:
            raise Conflict(f"There are {CHANNELS_AT_MOST} channels already; delete one first.")
        service = await self._judged(url)
        self._take(await self._store.add(settings, service, self._vault.encrypt(url)))
        return self.views()[-1]

    async def change(self, channel_id: int, changes: Mapping[str, Any], url: Secret | None = None) -> ChannelView:
        """The channel after `changes` (fields of ChannelSettings by name). Without an address the stored one stays.

        Raises:
            NotFound, InvalidInput. Conflict: the name is taken. DatabaseUnavailable, Failed.

        """
        courier = self._courier(channel_id)
        wanted = replace(courier.channel.settings, **changes)
        check_settings(wanted)
        service = await self._judged(url) if url is not None else None
        stored = await self._store.change(channel_id, wanted, service, self._vault.encrypt(url) if url is not None else None)
        if stored is None:
            self._forget(channel_id)
            raise _no_channel(channel_id)
        self._urls[channel_id] = stored.url_encrypted
        courier.change(stored.channel)
        return courier.view()

    async def remove(self, channel_id: int) -> Channel:
        """The channel that is gone, with what it had waiting. Raises NotFound, DatabaseUnavailable."""
        channel = self._courier(channel_id).channel
        await self._store.remove(channel_id)
        self._forget(channel_id)
        return channel

    async def test(self, channel_id: int, by: str) -> Trial:
        """Send a test message now, also in quiet hours and to a channel that is off.

        Raises:
            NotFound. RateLimited: another test is under way.

        """
        courier = self._courier(channel_id)
        if self._is_testing:
            raise RateLimited("Another test is under way.", retry_after_s=2.0)
        self._is_testing, began = True, time.monotonic()
        try:
            letter = trial_letter(self._rule.place, by, self._rule.link)
            took_s = await self._carrier.send(self._url(channel_id), letter, self._rule.limit_s)
        except Failed as failure:
            courier.note_failed(failure.detail)
            return Trial(time.monotonic() - began, failure.detail)
        else:
            courier.note_sent()
            return Trial(took_s)
        finally:
            self._is_testing = False

    def retune(self, rule: CourierRule) -> None:
        """Gather and try by another rule from now on."""
        self._rule = rule
        for courier in self._couriers.values():
            courier.retune(rule)

    async def _judged(self, url: Secret) -> str:
        """The service of an address that may be used. Raises InvalidInput."""
        service = service_of(url)
        protect_parts(url)
        try:
            await self._carrier.check(url)
        except NotDelivered as failure:
            raise wrong(f"cannot be used: {failure.detail}") from None
        return service

    def _courier(self, channel_id: int) -> Courier:
        """Who serves a channel. Raises NotFound."""
        if channel_id not in self._couriers:
            raise _no_channel(channel_id)
        return self._couriers[channel_id]

    def _url(self, channel_id: int) -> Secret:
        """The address of a channel. Raises Failed: no key fits."""
        try:
            url = self._vault.decrypt(self._urls[channel_id])
        except Failed:
            raise NotDelivered("The stored address cannot be read with the present SECRET_KEY. Enter it again.", is_final=True) from None
        protect_parts(url)
        return url

    def _take(self, stored: StoredChannel) -> None:
        """Serve a channel from now on."""
        channel_id = stored.channel.id
        self._urls[channel_id] = stored.url_encrypted
        known = Known(stored.channel, stored.outcome, stored.held)
        courier = Courier(
            known,
            lambda: self._url(channel_id),
            self._carrier,
            self._clock,
            self._rule,
            is_mute=self._is_mute,
            changed=lambda: self._unwritten.add(channel_id),
        )
        self._couriers[channel_id] = courier
        if self._group is not None:
            self._tasks[channel_id] = self._group.create_task(courier.run(), name=f"courier {channel_id}")

    def _forget(self, channel_id: int) -> None:
        """Serve a channel no more."""
        self._couriers.pop(channel_id, None)
        self._urls.pop(channel_id, None)
        task = self._tasks.pop(channel_id, None)
        if task is not None:
            task.cancel()


def protect_parts(url: Secret) -> None:
    """Let the address, and each part of it that may be a token, print as dots in every line of the log."""
    text = url.reveal()
    protect(url)
    for separator in "/?&=@:#":
        text = text.replace(separator, "\n")
    for part in text.split("\n"):
        if len(part) >= _TOKEN_LIKE:
            protect(Secret(part))


_TOKEN_LIKE = 16
"""A part shorter than this may be a word; what apprise says stays in its own process anyway."""


def _no_channel(channel_id: int) -> NotFound:
    """What is raised for an unknown id."""
    return NotFound(f"There is no channel {channel_id}.")
