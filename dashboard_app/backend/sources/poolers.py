"""What can be asked of, and done to, a source that is a PgBouncer. An act has a connection of its own, since PAUSE may keep it waiting."""

import logging
import re
import time
from dataclasses import dataclass

from dashboard_app.backend.sources.probes.finding import Probe
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer import PgBouncerProbe
from dashboard_app.backend.sources.probes.pgbouncer_checks import CLIENTS, DATABASES, PICTURE, picture_of
from dashboard_app.backend.sources.probes.pgbouncer_console import Console
from dashboard_app.backend.sources.probes.simple_query import Refusal
from dashboard_app.backend.sources.probes.target import CONSOLE
from dashboard_app.backend.sources.probing import Probing
from dashboard_app.backend.sources.registry import Sources
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, DeadlinePassed, NotFound, NotSupportedByServer, ProbeFailed, WrongKind
from dashboard_app.model.pooler import Pooler, PoolerAct, PoolerClient
from dashboard_app.model.source import Source, SourceKind

log = logging.getLogger(__name__)

ACT_LIMIT_S = 10.0
"""How long an act may take. PAUSE waits for every transaction under way, and new ones wait behind it."""
LOOK_LIMIT_S = 3.0
_COMMAND = {PoolerAct.PAUSE: "PAUSE", PoolerAct.RESUME: "RESUME", PoolerAct.RECONNECT: "RECONNECT"}
_CLIENT_ID = re.compile(r"[0-9A-Za-z]{1,40}")


@dataclass(frozen=True, slots=True)
class Acted:
    """What was done: the command as PgBouncer got it, how long it took, and how things are now (None: it gave no answer any more)."""

    command: str
    took_ms: float
    after: Pooler | None


class Poolers:
    """PgBouncer sources: their pools, their clients, and four acts."""

    def __init__(self, sources: Sources, probing: Probing, clock: Clock, resolver: Resolver, *, act_limit_s: float = ACT_LIMIT_S) -> None:
        """No I/O here."""
        self._sources = sources
        self._probing = probing
        self._clock = clock
        self._limit_s = act_limit_s
        self._resolver = resolver
        self._busy: set[int] = set()

    async def picture(self, source_id: int) -> Pooler:
        """Its pools and databases, read now or less than a second ago.

        Raises:
            NotFound: no such source. WrongKind: it is no PgBouncer. Conflict: it is paused. ProbeFailed: it gave no answer.

        """

        async def read(probe: Probe, limit_s: float) -> Pooler:
            return await _pgbouncer(probe).picture(limit_s)

        self._source(source_id)
        return await self._probing.reading(source_id, "pools", read)

    async def clients(self, source_id: int) -> tuple[PoolerClient, ...]:
        """Its clients, who waits longest first. Raises as `picture`."""

        async def read(probe: Probe, limit_s: float) -> tuple[PoolerClient, ...]:
            return await _pgbouncer(probe).clients(limit_s)

        self._source(source_id)
        return await self._probing.reading(source_id, "clients", read)

    async def act(self, source_id: int, act: PoolerAct, *, database: str | None = None, client: str | None = None) -> Acted:
        """Do it. `database` None: all of them; `client` names whom `kill-client` ends. Names are looked up at the server and quoted from there.

        Raises:
            NotFound: no such source, database or client. WrongKind: it is no PgBouncer. Conflict: another act is under way, or the server
            says that it is in no state for this. NotSupportedByServer: its version cannot do this. DeadlinePassed: it was not done in time
            (a PAUSE is then taken back). ProbeFailed: it gave no answer.

        """
        self._source(source_id)
        if source_id in self._busy:
            raise Conflict("Another act on this PgBouncer is under way")
        self._busy.add(source_id)
        console = Console(self._sources.target(source_id), self._resolver, self._clock)
        try:
            command = await self._command(console, act, database, client)
            began = time.perf_counter()
            await self._run(console, act, command)
            self._probing.outdate(source_id)
            took_ms = round((time.perf_counter() - began) * 1000, 1)
            return Acted(command, took_ms, await _look(console))
        finally:
            console.close()
            self._busy.discard(source_id)

    def _source(self, source_id: int) -> Source:
        """The source, when it is a PgBouncer; raises NotFound, WrongKind."""
        source = self._sources.known(source_id)
        if source.kind is not SourceKind.PGBOUNCER:
            raise WrongKind(f"This source is of kind {source.kind.value}, not {SourceKind.PGBOUNCER.value}")
        return source

    async def _command(self, console: Console, act: PoolerAct, database: str | None, client: str | None) -> str:
        """The command, its names as the server spells them."""
        if act is PoolerAct.KILL_CLIENT:
            return f"KILL_CLIENT {await _client_id(console, client or '')}"
        if database is None:
            return _COMMAND[act]
        return f"{_COMMAND[act]} {await _database_name(console, database)}"

    async def _run(self, console: Console, act: PoolerAct, command: str) -> None:
        """Send the command; a PAUSE that does not end in time is taken back."""
        try:
            await console.once((command,), self._limit_s)
        except ProbeFailed as failure:
            if failure.timed_out:
                raise await self._given_up(console, act, command) from failure
            if isinstance(failure.__cause__, Refusal):
                raise _refused(command, failure.__cause__.message, failure.detail) from failure
            raise

    async def _given_up(self, console: Console, act: PoolerAct, command: str) -> DeadlinePassed:
        """What is raised for an act that did not end in time."""
        late = f"PgBouncer did not finish {command} within {self._limit_s:g} s"
        if act is not PoolerAct.PAUSE:
            return DeadlinePassed(late, retry_after_s=self._limit_s)
        undo = command.replace("PAUSE", "RESUME", 1)
        try:
            await console.once((undo,), LOOK_LIMIT_S)
        except ProbeFailed as failure:
            if not isinstance(failure.__cause__, Refusal):
                log.warning("%s was given up and could not be taken back: %s", command, failure.detail)
                return DeadlinePassed(f"{late}, and it could not be taken back: resume it by hand", retry_after_s=self._limit_s)
        return DeadlinePassed(f"{late}: a transaction is still under way. It was taken back, clients go on", retry_after_s=self._limit_s)


def _pgbouncer(probe: Probe) -> PgBouncerProbe:
    """The probe, when it is PgBouncer's; raises WrongKind when the source changed its kind a moment ago."""
    if not isinstance(probe, PgBouncerProbe):
        raise WrongKind
    return probe


async def _look(console: Console) -> Pooler | None:
    """How things are now; None when it gives no answer."""
    try:
        told = await console.ask(PICTURE, LOOK_LIMIT_S, wants_state=True)
    except ProbeFailed as failure:
        log.info("no picture after an act: %s", failure.detail)
        return None
    return picture_of(told.tables, told.version)


async def _database_name(console: Console, wanted: str) -> str:
    """The database as the server itself names it, quoted. A name that PgBouncer does not know yet would make it one ("*" entries do)."""
    rows = (await console.ask((DATABASES,), LOOK_LIMIT_S)).tables[DATABASES]
    name = next((row["name"] for row in rows if row.get("name") == wanted and wanted != CONSOLE), None)
    if name is None:
        raise NotFound("There is no such database behind this PgBouncer")
    return '"' + name.replace('"', '""') + '"'


async def _client_id(console: Console, wanted: str) -> str:
    """The client's id as the server itself gives it."""
    told = await console.ask((CLIENTS,), LOOK_LIMIT_S)
    rows = told.tables[CLIENTS]
    if not any("id" in row for row in rows):
        raise NotSupportedByServer(f"PgBouncer {told.version} has no KILL_CLIENT")
    found = next((row["id"] for row in rows if row.get("id") == wanted and row.get("database") != CONSOLE), None)
    if found is None or not _CLIENT_ID.fullmatch(found):
        raise NotFound("There is no such client of this PgBouncer any more")
    return found


def _refused(command: str, message: str, words: str) -> Conflict:
    """PgBouncer's refusal as one of our errors."""
    verb = command.partition(" ")[0]
    told = message.casefold()
    if told.startswith("invalid command"):
        return NotSupportedByServer(f"This version of PgBouncer has no {verb}")
    if "already" in told and "pause" in told:
        return Conflict("It is paused already")
    if "not paused" in told:
        return Conflict("It is not paused")
    return Conflict(words)
