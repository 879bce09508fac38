"""The worker as a real process: it takes pending jobs, reports them, and ends when it is told to."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from tests.conftest import wait_until
from tests.instance import ROOT, url_of
from tests.posts import Posts

JOBS = 300


async def prepared(database: Database) -> None:
    await migrate(database)
    await database.close()


def test_the_worker_reports_every_job_in_few_batches_announces_them_and_ends_when_told(
    fresh_database, postgres, settings_for, tmp_path: Path
) -> None:
    asyncio.run(prepared(Database(lambda: fresh_database, settings_for())))
    made = "INSERT INTO jobs (kind, payload) SELECT 'document', CASE WHEN n % 10 = 0 THEN '{}' ELSE '{\"text\": \"tea\"}' END::jsonb "
    postgres.execute(f"{made} FROM generate_series(1, {JOBS}) AS n", database=fresh_database.database)

    def by_status() -> dict[str, int]:
        rows = postgres.execute("SELECT status, count(*) AS n FROM jobs GROUP BY status", database=fresh_database.database)
        return {row["status"]: row["n"] for row in rows}

    (line,) = re.findall(r"^python (-m examples.*)$", (ROOT / "examples/ingestion_worker/README.md").read_text(), re.MULTILINE)
    environment = os.environ | {"WORKER_DATABASE_URL": url_of(fresh_database), "WORKER_FOLDER": str(tmp_path / "worker")}
    with Posts() as posts, (tmp_path / "log").open("wb") as log:
        environment |= {"WORKER_SPILLWAY_URL": posts.url, "WORKER_SPILLWAY_TOKEN": "spw_worker"}
        process = subprocess.Popen([sys.executable, *shlex.split(line)], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: by_status() == {"completed": JOBS * 9 // 10, "error": JOBS // 10} or process.poll() is not None, 60)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
    said = (tmp_path / "log").read_text()
    assert code == 0, said
    assert said.count("statuses are written") <= JOBS // 10, said
    told = Counter(event["type"] for body in posts.bodies for event in body)
    assert (told["JOB_COMPLETED"], told["JOB_FAILED"]) == (JOBS * 9 // 10, JOBS // 10)
    assert posts.tokens == {"Bearer spw_worker"}
