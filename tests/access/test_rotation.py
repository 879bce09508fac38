"""All stored secrets are given to a new key while others read and write them."""

import asyncio

import pytest
from sqlalchemy import insert, select, update

from dashboard_app.access.rotation import rotate
from dashboard_app.access.vault import Vault
from dashboard_app.model.secret import Secret
from dashboard_app.store.sealed import SealedStore
from dashboard_app.store.tables import data_sources, notification_channels

MANY, PAGE = 60, 20


@pytest.fixture
async def stored(parts, settings_for, monkeypatch):
    """A migrated database with many passwords and one address, written with the old key; and vaults that know the old, both, and the new."""
    monkeypatch.setattr("dashboard_app.store.sealed.PAGE", PAGE)
    old, both, new = (Vault(settings_for(secret_key=keys)) for keys in ("old", "new,old", "new"))
    rows = [
        {"name": f"s{n}", "kind": "postgresql", "host": "h", "port": 1, "password_encrypted": old.encrypt(Secret(f"password-{n}"))}
        for n in range(MANY)
    ]
    channel = {"name": "c", "service": "json", "alerts": True, "breakers": True, "sources": True, "least_severity": "info"}

    async def fill(connection):
        await connection.execute(insert(data_sources), rows)
        await connection.execute(insert(notification_channels), [channel | {"url_encrypted": old.encrypt(Secret("json://x"))}])

    await parts.database.on_control(fill)
    return parts.database, old, both, new


async def _all(database, every=1):
    wanted = data_sources.c.name.like("s%") & (data_sources.c.id % every == 0)

    async def read(connection):
        found = await connection.execute(select(data_sources.c.name, data_sources.c.password_encrypted).where(wanted))
        return [(row[0], bytes(row[1])) for row in found]

    return await database.on_control(read)


async def test_every_place_is_known_and_given_to_the_new_key_once(stored):
    database, _, both, new = stored
    assert SealedStore(database).places() == [
        "data_sources.password_encrypted",
        "notification_channels.url_encrypted",
        "users.totp_encrypted",
    ]
    done = await rotate(both, SealedStore(database))
    assert (done.changed, done.current, done.unreadable, done.key_id) == (MANY + 1, 0, (), new.key_ids[0])
    again = await rotate(both, SealedStore(database))
    assert (again.changed, again.current) == (0, MANY + 1)
    for name, value in await _all(database):
        assert new.decrypt(value) == Secret(f"password-{name[1:]}")


async def test_while_it_runs_every_read_is_right_and_no_change_of_others_is_lost(stored):
    database, old, both, new = stored
    rotation = asyncio.create_task(rotate(both, SealedStore(database)))
    reads = writes = 0
    while not rotation.done() or writes < 3:
        for name, value in await _all(database, every=7):
            assert both.decrypt(value).reveal() in {f"password-{name[1:]}", f"changed-{name[1:]}"}
            reads += 1
        number = MANY - 1 - writes  # what it has not come to yet, and what it has passed
        for n in (number, writes):
            change = (
                update(data_sources).where(data_sources.c.name == f"s{n}").values(password_encrypted=old.encrypt(Secret(f"changed-{n}")))
            )
            await database.on_control(lambda connection, change=change: connection.execute(change))
        writes += 1
    await rotation
    left = await rotate(both, SealedStore(database))
    assert left.unreadable == ()
    changed = {*range(writes), *range(MANY - writes, MANY)}
    for name, value in await _all(database):
        number = int(name[1:])
        assert new.decrypt(value) == Secret(f"{'changed' if number in changed else 'password'}-{number}")
    assert reads >= MANY / 10


async def test_what_no_key_opens_is_named_and_left_as_it_is(stored, settings_for):
    database, _, _, new = stored
    done = await rotate(new, SealedStore(database))
    assert (done.changed, done.is_whole, len(done.unreadable)) == (0, False, MANY + 1)
    assert done.unreadable[0].startswith("data_sources.password_encrypted ")
