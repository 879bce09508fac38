from dataclasses import replace

import pytest

from dashboard_app.backend.sources.assembly import build_sources
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import Conflict, InvalidInput, KindNotSupported, NotFound
from dashboard_app.model.health import Health, HealthStatus
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import OWN_SOURCE_ID, SourceKind, SourceSettings
from dashboard_app.store.database import Database
from tests.backend.sources.conftest import MirrorVault


def settings(name="billing-primary", **over) -> SourceSettings:
    fields = {
        "name": name,
        "kind": SourceKind.POSTGRESQL,
        "host": "10.20.4.11",
        "port": 5432,
        "database": "billing",
        "username": "spillway",
        "password": Secret("geheim"),
    }
    return SourceSettings(**{**fields, **over})


async def test_the_built_in_source_follows_the_database_and_is_there_from_the_first_minute(parts, fresh_database):
    own = await parts.sources.get(OWN_SOURCE_ID)
    assert (own.host, own.port, own.database) == (fresh_database.host, fresh_database.port, fresh_database.database)
    assert [view.source.id for view in (await parts.sources.list()).items] == [1]
    assert parts.sources.target(1).password == fresh_database.password


async def test_the_built_in_source_is_known_while_the_database_is_away(settings_for, fresh_database):
    away = Database(lambda: replace(fresh_database, port=1), settings_for())
    parts = build_sources(away, MirrorVault(), settings_for(), SystemClock())
    await parts.sources.open()
    assert (await parts.sources.get(1)).port == 1
    assert (await parts.probing.health(1)).status is HealthStatus.UNHEALTHY
    await parts.probing.close()
    await away.close()


async def test_the_built_in_source_takes_marks_and_refuses_the_rest(parts):
    changed = await parts.sources.update(1, {"tags": ["core"], "environment": "prod", "enabled": False})
    assert (changed.tags, changed.environment, changed.enabled) == (("core",), "prod", False)
    with pytest.raises(Conflict, match="host"):
        await parts.sources.update(1, {"host": "elsewhere"})
    with pytest.raises(Conflict, match="password"):
        await parts.sources.update(1, {"password": "other"})
    with pytest.raises(Conflict):
        await parts.sources.delete(1)
    await parts.sources.update(1, {"host": changed.host})


async def test_a_start_on_another_address_moves_the_built_in_source_and_keeps_its_marks(parts, database, fresh_database, settings_for):
    await parts.sources.update(1, {"tags": ["core"]})
    moved = Database(lambda: replace(fresh_database, host="localhost"), settings_for())
    again = build_sources(moved, MirrorVault(), settings_for(), SystemClock())
    await again.sources.open()
    own = await again.sources.get(1)
    assert (own.host, own.tags) == ("localhost", ("core",))
    await moved.close()


async def test_what_is_created_is_read_back_without_its_password(parts):
    source = await parts.sources.create(settings(tags=("payments", "eu")))
    assert source.id == 2
    assert await parts.sources.get(2) == source
    assert "geheim" not in repr(source)
    assert parts.sources.credentials(2) == Secret("geheim")


async def test_the_password_is_stored_encrypted(parts, postgres, fresh_database):
    await parts.sources.create(settings())
    rows = postgres.execute("SELECT * FROM data_sources WHERE id = 2", database=fresh_database.database)
    assert b"geheim"[::-1] in rows[0]["password_encrypted"]
    assert "geheim" not in str({k: v for k, v in rows[0].items() if k != "password_encrypted"})


async def test_an_edit_without_a_password_keeps_it_and_an_empty_one_removes_it(parts):
    await parts.sources.create(settings())
    changed = await parts.sources.update(2, {"host": "db.example.org", "password": None})
    assert changed.host == "db.example.org"
    assert changed.updated_at > changed.created_at
    assert parts.sources.credentials(2) == Secret("geheim")
    await parts.sources.update(2, {"password": "neu"})
    assert parts.sources.credentials(2) == Secret("neu")
    await parts.sources.update(2, {"password": ""})
    assert parts.sources.credentials(2) == Secret("")


async def test_a_name_is_taken_once_and_case_counts(parts):
    await parts.sources.create(settings("one"))
    with pytest.raises(Conflict, match="one"):
        await parts.sources.create(settings("one"))
    second = await parts.sources.create(settings("One"))
    with pytest.raises(Conflict):
        await parts.sources.update(second.id, {"name": "one"})


async def test_what_is_deleted_is_gone_with_its_samples(parts, postgres, fresh_database):
    source = await parts.sources.create(settings())
    await parts.sources.delete(source.id)
    for call in (parts.sources.get(source.id), parts.sources.delete(source.id), parts.sources.update(source.id, {"port": 1})):
        with pytest.raises(NotFound):
            await call


async def test_a_change_by_another_process_is_seen_after_a_refresh(parts, database, settings_for):
    other = build_sources(database, MirrorVault(), settings_for(), SystemClock())
    await other.sources.open()
    made = await other.sources.create(settings())
    with pytest.raises(NotFound):
        await parts.sources.get(made.id)
    await parts.sources.refresh()
    assert (await parts.sources.get(made.id)).name == "billing-primary"
    await other.sources.delete(made.id)
    with pytest.raises(NotFound):
        await parts.sources.update(made.id, {"port": 5433})
    with pytest.raises(NotFound):
        await parts.sources.get(made.id)


@pytest.mark.parametrize("source_id", [0, -1, 99, 2**70])
async def test_an_unknown_id_is_not_found(parts, source_id):
    with pytest.raises(NotFound):
        await parts.sources.get(source_id)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"host": None}, "host"),
        ({"port": "5432"}, "port"),
        ({"port": True}, "port"),
        ({"tags": "x"}, "tags"),
        ({"options": {"host": "other"}}, "options"),
        ({"options": {"sslrootcert": "/nowhere"}}, "options.sslrootcert"),
        ({"kind": ["x"]}, "kind"),
    ],
)
async def test_a_wrong_change_names_its_field_and_changes_nothing(parts, changes, field):
    source = await parts.sources.create(settings())
    with pytest.raises(InvalidInput) as caught:
        await parts.sources.update(source.id, changes)
    assert caught.value.errors[0]["field"] == field
    assert await parts.sources.get(source.id) == source


async def test_a_kind_that_is_not_built_yet_is_refused_by_name(parts):
    with pytest.raises(KindNotSupported, match="redis"):
        await parts.sources.create(settings(kind=SourceKind.REDIS))
    source = await parts.sources.create(settings())
    with pytest.raises(KindNotSupported, match="oracle"):
        await parts.sources.update(source.id, {"kind": "oracle"})


async def names(parts, **query):
    page = await parts.sources.list(**query)
    return [view.source.name for view in page.items], page.total


@pytest.fixture
async def fleet(parts):
    """Source 1 and four more, of which two were probed."""
    for name, over in {
        "alpha": {"tags": ("eu",), "host": "db-1.example.org"},
        "beta_2": {"tags": ("eu", "prod")},
        "Gamma": {"enabled": False},
        "delta%": {},
    }.items():
        await parts.sources.create(settings(name, **over))
    now = SystemClock().now()
    for source_id, status in ((2, HealthStatus.UNHEALTHY), (3, HealthStatus.HEALTHY), (4, HealthStatus.HEALTHY)):
        parts.sources._recall.remember(Health(source_id, status, now, 3.0, now))
    return parts


@pytest.mark.parametrize(
    ("query", "expected", "total"),
    [
        ({}, ["alpha", "beta_2", "delta%", "Gamma", "spillway"], 5),
        ({"sort": "-name", "limit": 2}, ["spillway", "Gamma"], 5),
        ({"limit": 2, "offset": 4}, ["spillway"], 5),
        ({"offset": 9}, [], 5),
        ({"search": "ALPH"}, ["alpha"], 1),
        ({"search": "example.org"}, ["alpha"], 1),
        ({"search": "pro"}, ["beta_2"], 1),
        ({"search": "%"}, ["delta%"], 1),
        ({"search": "_"}, ["beta_2"], 1),
        ({"search": "'; DROP TABLE data_sources"}, [], 0),
        ({"tag": "eu"}, ["alpha", "beta_2"], 2),
        ({"tag": "e"}, [], 0),
        ({"kind": "postgresql", "tag": "prod"}, ["beta_2"], 1),
        ({"kind": "redis"}, [], 0),
        ({"status": "unhealthy"}, ["alpha"], 1),
        ({"status": "healthy"}, ["beta_2"], 1),
        ({"status": "unknown"}, ["delta%", "Gamma", "spillway"], 3),
        ({"sort": "status"}, ["alpha", "delta%", "Gamma", "spillway", "beta_2"], 5),
        ({"sort": "-status", "limit": 1}, ["beta_2"], 5),
        ({"sort": "created_at", "limit": 2}, ["spillway", "alpha"], 5),
    ],
)
async def test_a_page_is_filtered_and_sorted_by_the_server(fleet, query, expected, total):
    assert await names(fleet, **query) == (expected, total)


async def test_each_item_carries_its_last_health_and_recent_letters_and_a_paused_one_is_unknown(fleet):
    views = {view.source.name: view for view in (await fleet.sources.list()).items}
    assert (views["alpha"].health.status, views["alpha"].recent) == (HealthStatus.UNHEALTHY, "b")
    assert (views["delta%"].health, views["delta%"].recent) == (None, "")
    assert (views["Gamma"].health.status, views["Gamma"].health.message) == (HealthStatus.UNKNOWN, "paused")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"offset": -1},
        {"offset": 2**31},
        {"sort": "password"},
        {"status": "fine"},
        {"kind": "oracle"},
        {"search": "a\0b"},
        {"tag": "\ud800"},
    ],
)
async def test_a_query_out_of_its_range_is_refused(parts, query):
    with pytest.raises(InvalidInput):
        await parts.sources.list(**query)
