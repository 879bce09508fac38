import asyncio
import ssl
from dataclasses import replace

import pytest
from sqlalchemy import text

from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.secret import Secret
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import Database, connect, is_loopback
from tests.timing import within


@pytest.fixture
async def database(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    yield database
    await database.close()


async def test_ping_gives_the_milliseconds_of_one_round_trip(database):
    assert 0 < await database.ping() < 2000


async def test_nothing_connects_before_the_first_checkout(settings_for):
    asked = []

    def address():
        asked.append(1)
        raise AssertionError

    database = Database(address, settings_for())
    assert asked == []
    await database.close()


async def test_names_of_the_two_pools_tell_them_apart_on_the_server(database):
    async with database.engine.connect() as guarded, database.control.connect() as control:
        assert await guarded.scalar(text("SHOW application_name")) == "spillway"
        assert await control.scalar(text("SHOW application_name")) == "spillway-control"


async def test_a_frozen_server_fails_a_ping_within_its_limit(database, postgres):
    await database.ping(20)
    with postgres.frozen(), within(0.6), pytest.raises(DatabaseUnavailable):
        await database.ping(0.3)


async def test_a_ping_works_again_after_the_server_thawed(database, postgres):
    with postgres.frozen(), pytest.raises(DatabaseUnavailable):
        await database.ping(0.2)
    async with asyncio.timeout(10):
        while True:
            try:
                await database.ping()
            except DatabaseUnavailable:
                continue
            break


async def test_a_stopped_server_is_unavailable_and_a_started_one_is_back(database, postgres):
    await database.ping()
    postgres.stop()
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    postgres.start()
    assert await database.ping() > 0


async def test_no_variable_or_password_file_of_the_process_is_used(fresh_database, monkeypatch, tmp_path):
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:*:{fresh_database.password.reveal()}\n")
    passfile.chmod(0o600)
    for name, value in {
        "PGPASSFILE": str(passfile),
        "PGPASSWORD": fresh_database.password.reveal(),
        "PGHOST": "203.0.113.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGDATABASE": "nowhere",
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGTARGETSESSIONATTRS": "standby",
        "PGSERVICE": "none",
    }.items():
        monkeypatch.setenv(name, value)
    connection = await connect(fresh_database)
    assert await connection.fetchval("SELECT current_database()") == fresh_database.database
    await connection.close()
    with pytest.raises(Exception, match="password"):
        await connect(replace(fresh_database, password=Secret("")))


@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer"])
async def test_a_server_without_tls_is_reached_unless_tls_is_asked_for(fresh_database, sslmode):
    connection = await connect(replace(fresh_database, sslmode=sslmode))
    await connection.close()


async def test_require_never_falls_back_to_clear_text(fresh_database):
    with pytest.raises(ConnectionError):
        await connect(replace(fresh_database, sslmode="require"))


@pytest.mark.parametrize("sslmode", ["allow", "prefer", "require"])
async def test_the_authorities_of_the_machine_are_read_only_to_verify(sslmode, monkeypatch, unused_tcp_port):
    read = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda context, purpose: read.append(purpose))
    with pytest.raises(ConnectionRefusedError):
        await connect(DatabaseAddress("127.0.0.1", unused_tcp_port, "d", "u", Secret("p"), sslmode))
    assert read == []


def test_loopback_is_told_from_names_and_other_addresses():
    assert [host for host in ("localhost", "127.0.0.9", "::1", "10.0.0.1", "db.example") if is_loopback(host)] == [
        "localhost",
        "127.0.0.9",
        "::1",
    ]
