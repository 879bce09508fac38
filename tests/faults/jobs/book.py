"""What was acknowledged, the rows it must have reached, and a server of the harness' own on which rows that move backwards are noted."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import Database, connect
from dashboard_app.store.embedded import EmbeddedServer
from dashboard_app.store.migrations import migrate

JOBS = 400
BACKWARDS = """
CREATE TABLE moved_backwards (job_id bigint, was bigint, came bigint);
CREATE FUNCTION note_backwards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.error_message::bigint < OLD.error_message::bigint THEN
        INSERT INTO moved_backwards VALUES (OLD.id, OLD.error_message::bigint, NEW.error_message::bigint);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER note_backwards BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION note_backwards();
"""
"""Each update of a run carries the next number in `error_message`: a smaller number after a greater one is a job that moved backwards."""


@dataclass
class Outcome:
    """One kind of fault, done `runs` times. `failed`: runs that broke another promise, as the notes say. `worst_s` is the longest start or stop, as `what` says."""

    name: str
    runs: int = 0
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0
    backwards: int = 0
    failed: int = 0
    worst_s: float = 0.0
    what: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Nothing lost, nothing backwards, and something was acknowledged at all."""
        return self.runs > 0 and self.acknowledged > 0 and not self.lost and not self.backwards and not self.failed

    def row(self) -> list[str | float]:
        """For a table."""
        worst = f"{self.what} {self.worst_s:.2f} s" if self.what else ""
        return [self.name, self.runs, self.acknowledged, self.refused, self.lost, self.backwards, self.failed, worst, "; ".join(self.notes)]


class Book:
    """The greatest acknowledged number of each job. Number n is for job `jobs[n % len(jobs)]`."""

    def __init__(self, jobs: list[int]) -> None:
        self.jobs, self.acknowledged, self.total = jobs, dict[int, int](), 0

    def job_of(self, number: int) -> int:
        return self.jobs[number % len(self.jobs)]

    def acknowledge(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            job = self.job_of(number)
            self.acknowledged[job] = max(number, self.acknowledged.get(job, 0))
            self.total += 1

    async def lost(self, connection: asyncpg.Connection) -> int:
        """How many jobs are behind what was acknowledged for them."""
        rows = await connection.fetch("SELECT id, coalesce(error_message, '0')::bigint AS n FROM jobs WHERE id = ANY($1)", self.jobs)
        found = {row["id"]: row["n"] for row in rows}
        return sum(found.get(job, -1) < number for job, number in self.acknowledged.items())


async def backwards(connection: asyncpg.Connection) -> int:
    """How many rows have moved backwards since the server was made."""
    return int(await connection.fetchval("SELECT count(*) FROM moved_backwards"))


async def prepare(address: DatabaseAddress, folder: Path) -> None:
    """Tables, and the trigger that notes what moves backwards."""
    connection = await connect(address, application_name="faults")
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    database = Database(lambda: address, Settings.model_validate({"data_dir": folder}))
    await migrate(database)
    await database.close()
    connection = await connect(address, application_name="faults")
    await connection.execute(BACKWARDS)
    await connection.close()


async def made_jobs(connection: asyncpg.Connection, count: int = JOBS) -> list[int]:
    """The ids of new jobs."""
    rows = await connection.fetch("INSERT INTO jobs (kind) SELECT 'fault' FROM generate_series(1, $1) RETURNING id", count)
    return [row["id"] for row in rows]


_shared: list[EmbeddedServer] = []


@contextlib.contextmanager
def shared_server() -> Iterator[None]:
    """For the length of the block every fault uses this one server, each with tables made anew."""
    with own_server() as (server, _):
        _shared.append(server)
        try:
            yield
        finally:
            _shared.remove(server)


@contextlib.contextmanager
def own_server() -> Iterator[tuple[EmbeddedServer, Path]]:
    """A PostgreSQL that syncs (or the shared one), and a folder that is thrown away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-faults-"))
    folder.chmod(0o711)  # as root the server runs under another account
    server = _shared[0] if _shared else EmbeddedServer(folder / "server")
    server.start()
    try:
        yield server, folder
    finally:
        if server not in _shared:
            server.stop_if_last_user()
        shutil.rmtree(folder, ignore_errors=True)
