"""Whatever a source is told to point to: no connection is made where none may be, and what is connected to is what was judged."""

import asyncio
import base64
import socket
import sys

import pytest

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer import PgBouncerProbe
from dashboard_app.backend.sources.probes.postgresql import PostgresProbe
from dashboard_app.backend.sources.probes.service import ServiceProbe
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.health import CheckStatus
from dashboard_app.model.network import networks_of
from dashboard_app.model.secret import Secret
from tests.policy.test_outbound import NEVER

PROBES = (PostgresProbe, PgBouncerProbe, ServiceProbe)
ALL = networks_of("0.0.0.0/0 ::/0")
METADATA = "169.254.169.254"
_CONNECTS: list[tuple] = []
_HOOKED: list[bool] = []


@pytest.fixture
def connects():
    """Every address that this process connects a socket to, as the interpreter itself tells it."""
    if not _HOOKED:  # a hook stays for the process's life
        sys.addaudithook(lambda event, args: _CONNECTS.append(args[1]) if event == "socket.connect" and len(args) > 1 else None)
        _HOOKED.append(True)
    _CONNECTS.clear()
    return _CONNECTS


def probe(kind, host, port=5432, allowed=ALL, password="", **over):
    names = {"database": "given", "username": "given"} if kind is not ServiceProbe else {"database": "", "username": ""}
    return kind(
        Target(host, port, password=Secret(password), sslmode=over.pop("sslmode", "disable"), **names, **over),
        Resolver(allowed),
        SystemClock(),
    )


@pytest.mark.parametrize("kind", PROBES)
async def test_no_spelling_of_a_refused_address_is_ever_connected_to(kind, connects):
    for host in NEVER:
        found = probe(kind, host)
        finding = await found.health(5)
        await found.close()
        assert finding.checks[0].status is CheckStatus.FAIL
        assert "Not connected: " in finding.checks[0].message, host
    assert connects == []


@pytest.mark.parametrize("kind", PROBES)
async def test_a_name_that_leads_elsewhere_between_the_check_and_the_connection_gains_nothing(kind, connects, listener, monkeypatch):
    async def hang_up(reader, writer):
        await reader.read(1)

    port = await listener(hang_up)
    answers = ["127.0.0.1", METADATA, "127.0.0.1", METADATA]
    asked = []

    def look_up(host, *_, **__):
        if host != "rebound.example.org":  # asyncio passes addresses through here, too
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(answers[len(asked) % 2])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (asked[-1], 0))]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    said = []
    for _ in range(4):
        found = probe(kind, "rebound.example.org", port)
        said.append((await found.health(5)).checks[0].message)
        await found.close()
    assert asked == answers, "each try looks the name up once"
    assert ["Not connected: " in words for words in said] == [False, True, False, True]
    assert {address for address in connects if address[0] != "127.0.0.1"} == set()


@pytest.mark.parametrize("kind", PROBES)
async def test_a_socket_of_this_machine_is_spoken_to_for_our_own_database_only(kind, connects, tmp_path):
    path = tmp_path / ".s.PGSQL.5432"
    server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), str(path))
    found = probe(kind, str(tmp_path))
    assert (await found.health(0.5)).checks[0].status is CheckStatus.FAIL
    await found.close()
    server.close()
    assert [address for address in connects if str(tmp_path) in str(address)] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere_and_takes_no_token_along(status, connects, listener):
    async def redirect(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} x\r\nLocation: http://{METADATA}/latest/\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    found = probe(ServiceProbe, "127.0.0.1", await listener(redirect), password="token")
    assert "which is not followed" in (await found.health(5)).checks[0].message
    await found.close()
    assert {address[0] for address in connects} == {"127.0.0.1"}


@pytest.mark.parametrize("kind", PROBES)
async def test_nothing_that_lies_round_this_process_reaches_a_rogue_server(kind, listener, monkeypatch, tmp_path):
    heard = bytearray()

    async def rogue(reader, writer):
        while head := await reader.read(1 << 16):
            heard.extend(head)
            if head.startswith(b"GET "):
                writer.write(b'HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
            else:
                writer.write(b"N" if head[4:8] == b"\x04\xd2\x16\x2f" else b"R\x00\x00\x00\x08\x00\x00\x00\x03")

    port = await listener(rogue)
    files = {"pgpass": "*:*:*:*:PASSFILE", ".pgpass": "*:*:*:*:PASSFILE", "netrc": "default login NETRC password NETRC", ".netrc": "default login NETRC password NETRC",
             "service": "[rogue]\nuser=SERVICE\npassword=SERVICE", ".pg_service.conf": "[rogue]\nuser=SERVICE\npassword=SERVICE", ".my.cnf": "[client]\nuser=MYCNF\npassword=MYCNF"}  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / ".postgresql").mkdir()
    for name in ("postgresql.crt", "postgresql.key", "root.crt"):
        (tmp_path / ".postgresql" / name).write_text("CERTIFICATE")
    elsewhere = f"http://PROXY:PROXY@127.0.0.1:{port}"
    for name, value in {
        **dict.fromkeys(("PGUSER", "PGPASSWORD", "PGDATABASE", "PGHOST", "PGAPPNAME", "MYSQL_PWD", "MYSQL_USER"), "ENVIRONMENT"),
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), elsewhere),
        "HOME": str(tmp_path), "PGPASSFILE": str(tmp_path / "pgpass"), "PGSERVICE": "rogue", "PGSERVICEFILE": str(tmp_path / "service"), "NETRC": str(tmp_path / "netrc"),
        "PGSSLCERT": str(tmp_path / ".postgresql/postgresql.crt"), "PGSSLKEY": str(tmp_path / ".postgresql/postgresql.key"), "PGSSLMODE": "require",
        "PGPORT": "1", "PGOPTIONS": "-c search_path=ENVIRONMENT",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for sslmode in ("disable",) if kind is ServiceProbe else ("disable", "prefer"):
        found = probe(kind, "127.0.0.1", port, sslmode=sslmode)
        assert (await found.health(0.5)).checks[0].status is CheckStatus.FAIL
        await found.close()
    assert b"given" in heard or heard.startswith(b"GET /api/v1/health/database/status HTTP/1.1\r\n")
    ours = (b"PASSFILE", b"NETRC", b"SERVICE", b"MYCNF", b"PROXY", b"ENVIRONMENT", b"CERTIFICATE", b"http://")
    assert [one for one in ours if one in heard or base64.b64encode(one + b":" + one) in heard] == []
    assert b"authorization" not in heard.lower()


async def test_our_own_database_may_lie_where_no_source_may_point(connects):
    own = Target("127.0.0.1", 1, "given", "given", Secret(""), "disable", is_own=True)
    found = PostgresProbe(own, Resolver(()), SystemClock())
    assert "Not connected" not in (await found.health(5)).checks[0].message
    await found.close()
    assert connects == [("127.0.0.1", 1)]
