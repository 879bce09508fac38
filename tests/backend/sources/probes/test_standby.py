"""The probe on a real standby and on its primary."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from dashboard_app.model.health import CheckStatus
from dashboard_app.store.embedded import EmbeddedServer
from dashboard_app.store.postgres_programs import account_for, find_programs, readable_by, run_program
from tests.backend.sources.conftest import until


@pytest.fixture(scope="module")
def standby(postgres):
    """The address of a server that follows the session's server."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-standby-"))
    folder.chmod(0o711)
    cluster = folder / "data" / "embedded" / "cluster"
    cluster.parent.mkdir(mode=0o711, parents=True)
    (folder / "data").chmod(0o711)
    cluster.mkdir(mode=0o700)
    account = account_for(folder / "none")
    if account is not None:
        os.chown(cluster, account.uid, account.gid)
    programs = readable_by(find_programs(os.environ.get("SPILLWAY_PG_BIN")), account, cluster.parent)
    primary = postgres.address()
    (folder / "data" / "embedded.password").write_text(primary.password.reveal())
    to = f"host={primary.host} port={primary.port} user={primary.user} password={primary.password.reveal()}"
    run_program(programs, account, ["pg_basebackup", "-D", str(cluster), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", to])
    server = EmbeddedServer(folder / "data", os.environ.get("SPILLWAY_PG_BIN"), {"fsync": "off"})
    server.start()
    yield server.address()
    server.stop_if_last_user()
    shutil.rmtree(folder)


def named(finding):
    return {check.name: check for check in finding.checks}


async def test_a_standby_is_healthy_says_that_it_is_one_and_how_far_it_lags(standby, postgres, probe_on):
    follower, leader = probe_on(standby, database="postgres"), probe_on(postgres.address("postgres"))

    async def streams() -> bool:
        return "replication_lag" in named(await leader.health(5)) and "replication_lag" in named(await follower.health(5))

    await until(streams)
    found = named(await follower.health(5))
    assert (found["read_only"].observed, found["read_only"].status) == ("standby", CheckStatus.PASS)
    assert {check.status for check in found.values()} == {CheckStatus.PASS}
    assert found["replication_lag"].unit == "s"
    await follower.metrics(5)
    postgres.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))")

    async def receives() -> bool:
        return (await follower.metrics(5))["wal_bytes_per_s"] >= 0 and "replication_lag_s" in await leader.metrics(5)

    await until(receives)
