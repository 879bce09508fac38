"""`doctor`: every setting with its origin, and whether what Spillway needs is there."""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version

import asyncpg

from dashboard_app import frontend
from dashboard_app.commands.workplace import table
from dashboard_app.model.errors import SpillwayError
from dashboard_app.settings import PREFIX, LoadedSettings, Settings, is_built, masked
from dashboard_app.store.address_provider import address_provider, direct_address_provider
from dashboard_app.store.data_dir import owner, prepare
from dashboard_app.store.database import connect, unavailable_errors
from dashboard_app.store.embedded import of_settings
from dashboard_app.store.migrations import head_revision

_PARTS = ("reflex", "sqlalchemy", "asyncpg", "alembic", "fastapi", "uvicorn")
_LEAST_PYTHON = (3, 11)
_LEAST_POSTGRES = 15
_MOST_DRIFT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it is well, and what was found."""

    name: str
    is_well: bool
    found: str


def settings_table(loaded: LoadedSettings) -> str:
    """Every setting: name, value (secrets as dots), where it came from, and a mark when its feature is not built yet."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = masked(name, getattr(loaded.values, name))
        rows.append((f"{PREFIX}{name.upper()}", value or "(unset)", loaded.origins[name], "" if is_built(field) else "not built yet"))
    return table([("SETTING", "VALUE", "FROM", ""), *rows])


def findings(settings: Settings) -> list[Finding]:
    """What every check found. Takes as long as the database takes to answer; starts the embedded one when it does not run."""
    python = sys.version_info[:2] >= _LEAST_PYTHON
    return [
        Finding("python", python, platform.python_version()),
        Finding("versions", True, ", ".join(f"{part} {version(part)}" for part in _PARTS)),
        _data_dir(settings),
        _frontend(),
        *_database(settings),
    ]


def _data_dir(settings: Settings) -> Finding:
    """Can it be written, and who owns it?"""
    try:
        path = prepare(settings.data_dir)
        probe = path / f".doctor.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except SpillwayError as error:
        return Finding("data folder", is_well=False, found=error.detail)
    except OSError as error:
        return Finding("data folder", is_well=False, found=f"{settings.data_dir}: {error.strerror}")
    pid = owner(settings.data_dir)
    return Finding(
        "data folder", is_well=True, found=f"{path}, {'no app runs on it' if pid is None else f'in use by the app with pid {pid}'}"
    )


def _frontend() -> Finding:
    """Is the console built?"""
    if frontend.is_fresh():
        return Finding("console", is_well=True, found="built")
    return Finding("console", is_well=True, found="not built, or its sources have changed: the next start builds it")


def _database(settings: Settings) -> list[Finding]:
    """Does the database answer, is it recent enough, is it up to date, does its clock agree with ours?"""
    server = of_settings(settings) if settings.database_url is None else None
    try:
        if server is not None:
            server.start()
        return asyncio.run(_ask(settings))
    except SpillwayError as error:
        return [Finding("database", is_well=False, found=" ".join(error.detail.split()))]
    finally:
        if server is not None:
            server.stop_if_last_user()


async def _ask(settings: Settings) -> list[Finding]:
    """Ask the database."""
    address = direct_address_provider(settings)()
    where = f"{address.host}:{address.port}/{address.database}"
    with unavailable_errors():
        connection = await connect(address, application_name="spillway-doctor")
        try:
            found = [await check(connection, where) for check in _CHECKS]
            return found if settings.database_direct_url is None else [*found, await _pooler(settings)]
        finally:
            connection.terminate()


async def _pooler(settings: Settings) -> Finding:
    """Does the pooler answer, and is it one?"""
    address = address_provider(settings)()
    where = f"{address.host}:{address.port}/{address.database}"
    connection = await connect(address, application_name="spillway-doctor", statement_cache_size=0)
    try:
        is_one = await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
    finally:
        connection.terminate()
    return Finding(
        "pooler", is_well=True, found=f"{where} answers{'' if is_one else ', and is the database itself: no pooler is needed for it'}"
    )


async def _version(connection: asyncpg.Connection, where: str) -> Finding:
    found = connection.get_server_version()
    return Finding("database", found.major >= _LEAST_POSTGRES, f"{where} answers, PostgreSQL {found.major}.{found.micro or found.minor}")


async def _revision(connection: asyncpg.Connection, _where: str) -> Finding:
    has_table = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    now = await connection.fetchval("SELECT version_num FROM alembic_version") if has_table else None
    newest = head_revision()
    if now == newest:
        return Finding("tables", is_well=True, found=f"revision {now}")
    return Finding(
        "tables", is_well=True, found=f"revision {now or 'none'}, the newest is {newest}: the next start or `migrate` brings it there"
    )


async def _clock(connection: asyncpg.Connection, _where: str) -> Finding:
    drift_s = time.time() - float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8"))
    return Finding("clock", abs(drift_s) <= _MOST_DRIFT_S, f"{drift_s:+.1f} s from the database's")


_CHECKS: tuple[Callable[[asyncpg.Connection, str], Awaitable[Finding]], ...] = (_version, _revision, _clock)
