"""What a host is judged by when a source is entered: at once for an address, within a moment for a name."""

import socket
import threading
import time

import pytest

from dashboard_app.backend.sources.assembly import build_sources
from dashboard_app.backend.sources.exchange import import_sources
from dashboard_app.backend.sources.reach import LOOK_S, Reach
from dashboard_app.model.clock import ManualClock, SystemClock
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.network import networks_of
from dashboard_app.model.source import SourceKind, SourceSettings
from tests.backend.sources.conftest import MirrorVault


@pytest.fixture
def names(monkeypatch):
    """Names that lead to what the test says; None: the name server is silent until the test is over."""
    answers, over, asked = {}, threading.Event(), []

    def look_up(host, *_, **__):
        asked.append(host)
        if answers.get(host) is None:
            over.wait(20)
            raise OSError
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answers[host]]

    monkeypatch.setattr("dashboard_app.backend.sources.probes.names.socket.getaddrinfo", look_up)
    answers["asked"] = asked
    yield answers
    over.set()


async def test_a_name_that_leads_to_a_refused_address_is_refused_when_it_is_entered(names):
    names |= {"meta.example.org": ["192.0.2.1", "169.254.169.254"], "db.example.org": ["192.0.2.1"]}
    reach = Reach(networks_of("private"), ManualClock())
    await reach.check("db.example.org")
    with pytest.raises(InvalidInput, match=r"host: meta\.example\.org leads to 169\.254\.169\.254, which is link-local") as refused:
        await reach.check("meta.example.org")
    assert refused.value.errors[0]["field"] == "host"


async def test_a_name_that_nobody_knows_yet_may_be_entered():
    await Reach((), ManualClock()).check("no-such-host.invalid")


async def test_a_silent_name_server_costs_one_moment_in_half_a_minute(names):
    clock = ManualClock()
    reach, began = Reach((), clock), time.monotonic()
    for number in range(20):
        await reach.check(f"db-{number}.example.org")
    assert time.monotonic() - began < 5 * LOOK_S
    assert names["asked"] == ["db-0.example.org"]
    clock.tick(31)
    await reach.check("db-0.example.org")
    await reach.check("db-1.example.org")
    assert len(names["asked"]) == 1, "the first look-up is still under way and shared"


async def test_an_import_is_refused_as_a_whole_when_one_of_its_hosts_is(parts):
    text = """sources:
  - {name: good, kind: postgresql, host: 127.0.0.1, port: 5432, username: u}
  - {name: bad, kind: postgresql, host: "fe80::1", port: 5432, username: u}
"""
    for dry_run in (True, False):
        with pytest.raises(InvalidInput, match="fe80::1 is link-local"):
            await import_sources(parts.sources, text, dry_run=dry_run)
    assert [source.id for source in parts.sources.everything()] == [1]


async def test_without_a_list_our_own_database_is_watched_and_tried_and_nothing_else_inside(database, settings_for, fresh_database):
    built = build_sources(database, MirrorVault(), settings_for(outbound_networks="", probe_timeout_s=5), SystemClock())
    await built.sources.open()
    at = fresh_database
    fields = {"name": "x", "kind": SourceKind.POSTGRESQL, "host": at.host, "port": at.port, "database": at.database, "username": at.user}
    assert (await built.probing.health(1)).status in {"healthy", "degraded"}
    assert (await built.probing.test(SourceSettings(**fields, password=at.password))).ok
    elsewhere = await built.probing.test(SourceSettings(**fields | {"port": 1}, password=at.password))
    assert elsewhere.steps[-1].message.startswith("Not connected: 127.0.0.1 is a loopback address")
    with pytest.raises(InvalidInput, match="a loopback address, and SPILLWAY_OUTBOUND_NETWORKS does not list it"):
        await built.sources.create(SourceSettings(**fields))
    await built.probing.close()
