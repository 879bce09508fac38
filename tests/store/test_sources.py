"""The store alone; what the registry makes of it is proven in tests/backend/sources."""

import pytest

from dashboard_app.model.errors import Conflict, DatabaseUnavailable
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from dashboard_app.store.sources import OWN_NAME, PageQuery, SourceStore

ROW = {"name": "billing", "kind": "postgresql", "host": "db", "port": 5432, "tags": ["eu"], "options": {"sslmode": "require"}}


@pytest.fixture
async def database(fresh_database, settings_for):
    opened = Database(lambda: fresh_database, settings_for())
    await migrate(opened)
    yield opened
    await opened.close()


async def test_a_source_lives_from_its_row_to_its_removal(database, fresh_database):
    store = SourceStore(database)
    own = await store.put_own(fresh_database)
    assert (own.source.id, own.source.name) == (1, OWN_NAME)
    assert await store.put_own(fresh_database) == own
    added = await store.add({**ROW, "password_encrypted": b"sealed"})
    assert (added.source.id, added.password_encrypted) == (2, b"sealed")
    with pytest.raises(Conflict):
        await store.add(ROW)
    changed = await store.change(2, {"port": 5433})
    assert (changed.source.port, changed.password_encrypted) == (5433, b"sealed")
    assert await store.everything() == (own, changed)
    assert await store.page(PageQuery(search="bill")) == ((changed.source,), 1)
    assert await store.remove(2)
    assert not await store.remove(2)
    assert await store.change(2, {"port": 1}) is None


async def test_a_database_that_is_away_is_named_so(database, postgres):
    store = SourceStore(database)
    postgres.stop()
    for call in (store.page(PageQuery()), store.everything(), store.add(ROW), store.remove(1)):
        with pytest.raises(DatabaseUnavailable):
            await call
