"""What a command works with: settings, and the services on the same database as a running app, or on one started for it."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import typer

from dashboard_app.access.api_tokens import COMMAND_LINE
from dashboard_app.access.audit import Audit
from dashboard_app.access.identity import Identity
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.timekeeper import Timekeeper
from dashboard_app.access.vault import Vault
from dashboard_app.backend.sources.assembly import SourceParts, build_sources
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import SpillwayError, StartRefused
from dashboard_app.model.secret import Secret
from dashboard_app.runtime.steady_clock import SteadyClock
from dashboard_app.settings import LoadedSettings, Settings, load_settings
from dashboard_app.store.address_provider import address_provider
from dashboard_app.store.data_dir import prepare
from dashboard_app.store.database import Database
from dashboard_app.store.embedded import of_settings
from dashboard_app.store.migrations import migrate

FAILED, WRONG_USAGE = 1, 2
"""Exit codes: it could not be done; it was asked for in a wrong way, or the settings are wrong."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workplace:
    """The services of one command. Sources are read and can be tried; nothing runs in the background."""

    settings: Settings
    database: Database
    identity: Identity
    audit: Audit
    parts: SourceParts
    clock: Clock

    async def noted(self, action: str, target: str, **details: object) -> None:
        """Record what the command did."""
        await self.audit.record(COMMAND_LINE, action, target, details=details)


def settings_or_exit() -> LoadedSettings:
    """The settings; wrong ones end the command with one line per mistake and exit code 2."""
    try:
        return load_settings()
    except StartRefused as refused:
        typer.echo(refused.detail, err=True)
        raise typer.Exit(WRONG_USAGE) from refused


def run(work: Callable[[Workplace], Awaitable[T]]) -> T:
    """What `work` gives; an error of ours ends the command with one plain line and exit code 1."""
    settings = settings_or_exit().values
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    server = of_settings(settings) if settings.database_url is None else None
    try:
        prepare(settings.data_dir)
        try:
            if server is not None:
                server.start()
            return asyncio.run(_with_services(settings, work))
        finally:
            if server is not None:
                server.stop_if_last_user()
    except SpillwayError as error:
        typer.echo(one_line(error.detail), err=True)
        raise typer.Exit(FAILED) from error


async def _with_services(settings: Settings, work: Callable[[Workplace], Awaitable[T]]) -> T:
    """Do the work with services that are opened before and closed after."""
    async with opened(settings) as workplace:
        return await work(workplace)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Workplace]:
    """The services on a database that is up to date."""
    clock = SteadyClock()
    database = Database(address_provider(settings), settings)
    audit = Audit(database, settings.data_dir, clock)
    vault = Vault(settings)
    identity = Identity(database, settings, clock, audit=audit, vault=vault, passwords=Passwords())
    parts = build_sources(database, vault, settings, clock)
    try:
        await migrate(database)
        await Timekeeper(clock, database).begin()
        await parts.sources.open()
        yield Workplace(settings, database, identity, audit, parts, clock)
    finally:
        await parts.probing.close()
        await identity.close()
        await audit.close()
        await database.close()


def one_line(text: str) -> str:
    """`text` without line breaks."""
    return " ".join(text.split())


def asked_password(what: str = "Password") -> Secret:
    """The password: typed twice and unseen at a terminal, else the first line of the standard input. Never an argument."""
    if sys.stdin.isatty():
        return Secret(str(typer.prompt(what, hide_input=True, confirmation_prompt=True)))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        typer.echo(f"{what} is missing: type it at a terminal, or give it as the first line of the standard input", err=True)
        raise typer.Exit(WRONG_USAGE)
    return Secret(line)


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as aligned columns; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
