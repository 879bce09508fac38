"""The channels while the database is away, while events outrun them, and at their bounds; with a store in memory and letters kept."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from dashboard_app.backend.notify.channels import Channels
from dashboard_app.backend.notify.courier import CourierRule
from dashboard_app.backend.notify.intake import Intake
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, InvalidInput, NotFound
from dashboard_app.model.event import Draft, message_of
from dashboard_app.model.notification import ChannelSettings, Outcome
from dashboard_app.model.secret import Secret
from dashboard_app.runtime.hub import Hub
from dashboard_app.store.channels import CHANNELS_AT_MOST, StoredChannel
from tests.backend.notify.parts import KeptPost, channel

URL = Secret("json://127.0.0.1/x")


class KeptChannels:
    """The table in memory."""

    def __init__(self):
        self.rows: dict[int, StoredChannel] = {}
        self.is_away = False

    def _answers(self):
        if self.is_away:
            raise DatabaseUnavailable("away")

    async def everything(self):
        self._answers()
        return list(self.rows.values())

    async def add(self, settings, service, url_encrypted):
        self._answers()
        number = len(self.rows) + 1
        self.rows[number] = StoredChannel(replace(channel(), id=number, settings=settings), url_encrypted, Outcome(), ())
        return self.rows[number]

    async def change(self, channel_id, settings, service=None, url_encrypted=None):
        self._answers()
        found = self.rows.get(channel_id)
        return None if found is None else replace(found, channel=replace(found.channel, settings=settings))

    async def remove(self, channel_id):
        return self.rows.pop(channel_id, None) is not None

    async def keep(self, channel_id, outcome, held):
        self._answers()
        self.rows[channel_id] = replace(self.rows[channel_id], outcome=outcome, held=tuple(held))


class Plain:
    def encrypt(self, secret):
        return secret.reveal().encode()

    def decrypt(self, stored):
        return Secret(stored.decode())


@pytest.fixture
async def world():
    class World:
        store, hub, clock, post, opened = KeptChannels(), Hub(kept=10), ManualClock(), KeptPost(), asyncio.Event()

        def move(self, *targets):
            for target in targets:
                data = orjson.dumps({"name": f"b{self.hub.newest_id}", "from": "closed", "to": target, "cause": ""})
                self.hub.publish(
                    [message_of(self.hub.newest_id + 1, self.hub.newest_id, Draft("BREAKER_CHANGED", "BREAKER_CHANGED", data))]
                )

    made = World()
    intake = Intake(made.clock, lambda _: None, lambda _: None)
    made.channels = Channels(
        made.store,
        Plain(),
        made.post,
        made.hub,
        intake=intake,
        clock=made.clock,
        rule=CourierRule(),
        is_mute=lambda _: False,
        opened=made.opened,
    )
    made.task = asyncio.create_task(made.channels.run())
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def started(world):
    world.opened.set()
    await world.clock.advance(0)
    return await world.channels.add(ChannelSettings("ops"), URL)


async def test_what_happened_before_the_history_was_read_is_not_told_and_what_comes_while_the_database_is_away_is(world):
    await world.store.add(ChannelSettings("ops"), "json", b"json://127.0.0.1/x")
    world.store.is_away = True
    world.move("open")
    world.opened.set()
    await world.clock.advance(3)
    assert not world.channels.is_ready
    world.move("open", "forced_open")
    world.store.is_away = False
    await world.clock.advance(5)
    assert [letter.body.splitlines() for letter in world.post.letters] == [["Breaker b1 opened", "Breaker b2 is held open"]]


async def test_events_that_outrun_the_reader_are_left_behind_and_the_rest_is_told(world):
    await started(world)
    world.move(*["open"] * 30)
    await world.clock.advance(5)
    assert world.post.letters[0].body.splitlines()[0] == "Breaker b20 opened"
    assert len(world.post.letters[0].body.splitlines()) == 10


async def test_an_outcome_waits_while_the_database_is_away(world):
    view = await started(world)
    world.store.is_away = True
    await world.channels.test(view.channel.id, "Ana")
    await world.clock.advance(3)
    assert world.store.rows[1].outcome.sent_total == 0
    world.store.is_away = False
    await world.clock.advance(1)
    assert world.store.rows[1].outcome.sent_total == 1


async def test_what_cannot_be_sent_before_the_end_is_kept_for_the_next_start(world):
    await started(world)
    world.post.gate.clear()
    world.move("open")
    await world.clock.advance(2)
    closing = asyncio.create_task(world.channels.close())
    await closing
    assert [notice.key for notice in world.store.rows[1].held] == ["breaker b0"]


async def test_a_channel_that_another_process_has_deleted_is_gone_here_too_and_there_is_a_bound(world):
    view = await started(world)
    world.store.rows.clear()
    with pytest.raises(NotFound):
        await world.channels.change(view.channel.id, {"enabled": False})
    with pytest.raises(NotFound):
        world.channels.view(view.channel.id)
    for number in range(CHANNELS_AT_MOST):
        await world.channels.add(ChannelSettings(f"c{number}"), URL)
    with pytest.raises(Conflict, match="20 channels"):
        await world.channels.add(ChannelSettings("one more"), URL)
    with pytest.raises(InvalidInput):
        await world.channels.add(ChannelSettings(" "), URL)


async def test_a_channel_that_is_deleted_sends_nothing_more(world):
    view = await started(world)
    world.move("open")
    await world.clock.advance(1)
    await world.channels.remove(view.channel.id)
    await world.clock.advance(5)
    assert world.post.letters == []
