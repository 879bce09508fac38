"""Channels on a real PostgreSQL: settings, address, outcome and what is kept back come back as they went."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import Conflict
from dashboard_app.model.notification import ChannelSettings, Outcome, QuietHours, Topic
from dashboard_app.store.channels import ChannelStore
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from tests.backend.notify.parts import alert, source

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
NIGHT = ChannelSettings(
    "night", frozenset({Topic.SOURCES}), Severity.INFO, enabled=False, quiet=QuietHours(time(22), time(7), "Europe/Madrid")
)


@pytest.fixture
async def store(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    await migrate(database)
    yield ChannelStore(database)
    await database.close()


async def test_a_channel_comes_back_as_it_went(store):
    made = await store.add(NIGHT, "slack", b"sealed")
    assert (made.channel.settings, made.channel.service, made.url_encrypted, made.outcome, made.held) == (
        NIGHT,
        "slack",
        b"sealed",
        Outcome(),
        (),
    )
    outcome = Outcome(3, 1, 2, AT, AT, "The receiver answered 500.")
    held = (replace(source(1), is_held=True), alert(7))
    await store.keep(made.channel.id, outcome, held)
    await store.keep(99, outcome, ())
    (found,) = await store.everything()
    assert (found.outcome, found.held) == (outcome, held)

    awake = replace(NIGHT, name="day", quiet=None)
    changed = await store.change(made.channel.id, awake)
    assert (changed.channel.settings, changed.url_encrypted, changed.outcome) == (awake, b"sealed", outcome)
    moved = await store.change(made.channel.id, awake, "json", b"elsewhere")
    assert (moved.channel.service, moved.url_encrypted) == ("json", b"elsewhere")
    assert moved.channel.updated_at > made.channel.updated_at
    with pytest.raises(Conflict):
        await store.add(awake, "json", b"x")
    assert await store.change(99, awake.__class__("other")) is None
    assert (await store.remove(made.channel.id), await store.remove(made.channel.id)) == (True, False)
