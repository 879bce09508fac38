"""The service probe: what it finds at a real guard, and what it says of everything else that may answer there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.service import ServiceProbe
from dashboard_app.backend.sources.probes.service_checks import checks_of
from dashboard_app.backend.sources.probes.service_wire import BODY_CAP_BYTES, NOT_A_GUARD, NOT_HTTP
from dashboard_app.backend.sources.probes.target import Target, target_of
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.health import CheckStatus
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import SourceKind, SourceSettings
from dashboard_app.policy.health import fold, sentence
from tests.backend.sources.conftest import until
from tests.backend.sources.probes.served_guard import TOKEN, served_guard
from tests.timing import within

Build = Callable[..., ServiceProbe]


@pytest.fixture
async def service_probe() -> AsyncIterator[Build]:
    probes = []

    def build(port: int, *, host: str = "127.0.0.1", token: str = TOKEN, **over: str) -> ServiceProbe:
        target = Target(host, port, "", "", Secret(token), over.get("sslmode", "disable"), over.get("root", ""), over.get("base_path", ""))
        probes.append(ServiceProbe(target, Resolver(), SystemClock()))
        return probes[-1]

    yield build
    for probe in probes:
        await probe.close()


def answering(body: bytes, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n") -> Callable[..., object]:
    """A listener's behaviour: one HTTP answer, whatever is asked."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        await reader.read()

    return behave


@pytest.mark.parametrize(
    ("held", "status", "usage", "said"),
    [
        (0, "healthy", CheckStatus.PASS, None),
        (6, "healthy", CheckStatus.PASS, None),
        (7, "degraded", CheckStatus.WARN, "7 of 10 in use, MODERATE"),
        (8, "degraded", CheckStatus.WARN, "8 of 10 in use, AGGRESSIVE"),
        (9, "unhealthy", CheckStatus.FAIL, "9 of 10 in use, EMERGENCY"),
    ],
)
async def test_the_guards_thresholds_are_the_checks_verdicts(service_probe: Build, held, status, usage, said) -> None:
    async with served_guard() as served:
        served.hold(held)
        found = await service_probe(served.port).health(2)
    assert [check.name for check in found.checks] == ["connect", "database", "pool_usage", "waiting", "status"]
    assert found.checks[2].status is usage
    assert found.checks[2].observed == held * 10
    assert (fold(found.checks).value, sentence(found.checks)) == (status, said)
    assert found.latency_ms is not None
    assert found.latency_ms > 0


async def test_the_numbers_are_the_guards_own(service_probe: Build) -> None:
    async with served_guard() as served:
        served.hold(8)
        probe = service_probe(served.port)
        found = await probe.metrics(2)
    assert found == {
        "usage_percent": 80,
        "peak_usage_percent": 80,
        "checked_out": 8,
        "capacity": 10,
        "idle": 0,
        "overflow": 2,
        "waiting": 0,
        "oldest_wait_s": 0,
        "admission_in_flight": 0,
        "admission_rejected_total": 0,
        "level": 2,
    }
    assert set(found) == set(probe.units)


async def test_who_waits_and_for_how_long_is_a_check() -> None:
    async with served_guard() as served:
        served.hold(10)
        body = served.guard.status()
    body["pool"] = {**body["pool"], "waiting": 3, "oldest_wait_s": 2.5}
    (waiting,) = [check for check in checks_of(body, 1.0) if check.name == "waiting"]
    assert (waiting.status, waiting.message) == (CheckStatus.WARN, "3 wait for a connection, the longest for 2.5 s")
    body["pool"] |= {"waiting": 1, "oldest_wait_s": 10.0}
    (waiting,) = [check for check in checks_of(body, 1.0) if check.name == "waiting"]
    assert (waiting.status, waiting.observed) == (CheckStatus.FAIL, 1)


async def test_a_service_without_its_database_is_unhealthy_and_says_so(service_probe: Build) -> None:
    async with served_guard() as served:
        served.guard._verdict(is_answering=False)
        found = await service_probe(served.port).health(2)
    assert sentence(found.checks) == "The service cannot reach its database"
    assert {check.name: check.status for check in found.checks}["pool_usage"] is CheckStatus.PASS


async def test_a_test_goes_step_by_step(service_probe: Build) -> None:
    async with served_guard() as served:
        served.hold(2)
        told = await service_probe(served.port, host="localhost").test(2)
        assert [(step.name, step.ok) for step in told.steps] == [("name", True), ("TCP", True), ("status", True), ("holders", True)]
        assert [step.message for step in told.steps[2:]] == ["2 of 10 in use, NORMAL", "2 held"]
        told = await service_probe(served.port, token="wrong").test(2)
        assert told.ok
        assert told.steps[-1].message.startswith("not for this token")
        assert {host for _, _, host in served.asked} == {f"localhost:{served.port}", f"127.0.0.1:{served.port}"}
    told = await service_probe(1).test(2)
    assert [(step.name, step.ok) for step in told.steps] == [("name", True), ("TCP", False)]
    assert told.steps[-1].message == "Connection refused: nothing listens at 127.0.0.1:1"


async def test_a_base_path_stands_before_the_guards_paths(service_probe: Build) -> None:
    async with served_guard("/shop/orders") as served:
        assert (await service_probe(served.port, base_path="/shop/orders").health(2)).latency_ms is not None
        found = await service_probe(served.port).health(2)
    assert found.checks[0].message == "The service has no pool guard at /api/v1/health/database (HTTP 404)"


@pytest.mark.parametrize(("token", "words"), [("wrong", "refuses this token"), ("", "wants a token")])
async def test_a_token_that_is_not_taken_is_named(service_probe: Build, token, words) -> None:
    async with served_guard(public_status=False) as served:
        found = await service_probe(served.port, token=token).health(2)
        assert found.checks[0].message == f"The service {words} (HTTP 401)"
        assert (await service_probe(served.port).health(2)).latency_ms is not None


async def test_holders_and_cleanup_go_through(service_probe: Build) -> None:
    async with served_guard(leak_threshold_s=0.01) as served:
        served.hold(3)
        probe = service_probe(served.port)
        holders = await probe.guard_holders()
        assert len(holders["items"]) == 3
        assert ".Served.hold:" in holders["items"][0]["call_site"]

        async def are_lost() -> bool:
            return all(item["suspected_leak"] for item in (await probe.guard_holders())["items"])

        await until(are_lost)
        dry = await probe.guard_cleanup(dry_run=True)
        assert (dry["reclaimed"], dry["left_alone"], len(dry["victims"])) == (3, 0, 3)
        assert (await probe.guard_status())["pool"]["checked_out"] == 3
        done = await probe.guard_cleanup(dry_run=False)
        assert (done["reclaimed"], done["after"]["checked_out"]) == (3, 0)
        assert ("POST", "/api/v1/health/database/force-cleanup") in {(method, path) for method, path, _ in served.asked}


async def test_all_who_look_at_once_cost_one_reading(service_probe: Build) -> None:
    async with served_guard() as served:
        probe = service_probe(served.port)
        await asyncio.gather(*(probe.guard_status() for _ in range(50)))
        assert len(served.asked) == 1


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def hanging_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def babbling(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01SSH-2.0-nonsense\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("behave", [silent, dripping])
async def test_a_service_that_hangs_is_given_up_in_time(service_probe: Build, listener, behave) -> None:
    port = await listener(behave)
    with within(2):  # most of the second is for the way to that step, which a busy machine makes long
        found = await service_probe(port).health(1)
    assert found.timed_out
    assert found.checks[0].message == "No answer within 1 s at step status"
    with pytest.raises(ProbeFailed):
        await service_probe(port).metrics(0.2)


GOOD = {
    "status": "healthy",
    "usage_percent": 10.0,
    "pool": {
        "size": 5,
        "max_overflow": 5,
        "capacity": 10,
        "checked_out": 1,
        "idle": 4,
        "overflow": 0,
        "waiting": 0,
        "oldest_wait_s": 0.0,
    },
    "throttling_level": "NORMAL",
    "measured_at": "2026-01-01T00:00:00.000Z",
}


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (hanging_up, "The service closed the connection"),
        (babbling, NOT_HTTP),
        (answering(b"<html>hello</html>"), NOT_A_GUARD),
        (answering(b""), NOT_A_GUARD),
        (answering(b"[]"), NOT_A_GUARD),
        (answering(b'"status"'), NOT_A_GUARD),
        (answering(b"{}"), NOT_A_GUARD),
        (answering(b"[" * 100_000), NOT_A_GUARD),
        (answering(b'{"status": "healthy", "status": "\xff"}'), NOT_A_GUARD),
        (answering(b" " * (BODY_CAP_BYTES + 1)), "The service's answer is too long"),
        (answering(b"{}", b"HTTP/1.1 500 Oops\r\n"), "The service answered HTTP 500"),
        (answering(b"{}", b"HTTP/1.1 204 None\r\n"), "The service answered HTTP 204"),
        (answering(b"{}", b"HTTP/1.1 403 No\r\n"), "The service refuses this token (HTTP 403)"),
        (
            answering(b"", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"),
            "The service answers with a redirect (HTTP 302), which is not followed",
        ),
        (answering(json.dumps(GOOD | {"status": "great"}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"usage_percent": None}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"usage_percent": True}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"measured_at": "2026-01-01T00:00:00"}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"measured_at": "now"}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"pool": GOOD["pool"] | {"capacity": 0}}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"pool": GOOD["pool"] | {"checked_out": -1}}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"pool": GOOD["pool"] | {"checked_out": 1.5}}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"reasons": "none"}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"reasons": [7]}).encode()), NOT_A_GUARD),
        (answering(json.dumps(GOOD | {"admission": []}).encode()), NOT_A_GUARD),
    ],
)
async def test_whatever_else_answers_is_a_plain_reason(service_probe: Build, listener, behave, words) -> None:
    found = await service_probe(await listener(behave)).health(2)
    assert (found.checks[0].message, found.latency_ms) == (words, None)
    assert fold(found.checks).value == "unhealthy"


async def test_a_guard_that_leaves_out_what_may_be_left_out_is_understood_and_its_words_are_cleaned(service_probe: Build, listener) -> None:
    said = GOOD | {"reasons": ["a\x1b[31m\nb" + "x" * 500] * 50, "more": {"of": "this"}}
    status = await service_probe(await listener(answering(json.dumps(said).encode()))).guard_status()
    assert len(status["reasons"]) == 20
    assert status["reasons"][0].startswith("a[31m bx")
    assert len(status["reasons"][0]) == 200
    assert "more" not in status
    assert status["forecast"] == {"slope_percent_per_min": None, "exhaustion_in_s": None}


async def test_no_redirect_no_proxy_no_cookie_and_no_compression(service_probe: Build, listener, monkeypatch) -> None:
    asked = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    probe = service_probe(await listener(behave))
    for _ in range(2):
        assert (await probe.health(2)).checks[0].message.startswith("The service answers with a redirect")
    assert len(asked) == 2
    assert all("accept-encoding: identity" in head and f"authorization: bearer {TOKEN}" in head for head in asked)
    assert "cookie" not in asked[1]


async def test_tls_is_verified_unless_it_was_said_not_to(service_probe: Build, certificate) -> None:
    async with served_guard(certificate=certificate) as served:
        for sslmode, root, words in [
            ("verify-full", str(certificate), ""),
            ("verify-ca", str(certificate), ""),
            ("require", "", ""),
            ("verify-full", "", "The server's TLS certificate is not accepted: self-signed certificate"),
            ("disable", "", "The service closed the connection"),
        ]:
            found = await service_probe(served.port, sslmode=sslmode, root=root).health(2)
            assert found.checks[0].message == words, sslmode
        named = await service_probe(served.port, host="localhost", sslmode="verify-full", root=str(certificate)).test(2)
        assert [step.name for step in named.steps] == ["name", "TCP", "TLS"]
        assert "Hostname mismatch" in named.steps[-1].message
        told = await service_probe(served.port, sslmode="verify-full", root=str(certificate)).test(2)
        assert [step.name for step in told.steps] == ["name", "TCP", "TLS", "status", "holders"]


def test_tls_is_the_default_but_for_loopback() -> None:
    def target(host: str, **options: str) -> Target:
        return target_of(SourceSettings("s", SourceKind.SERVICE, host, 8000, options=options), Secret(""))

    assert [target(host).sslmode for host in ("127.0.0.1", "::1", "localhost")] == ["disable"] * 3
    assert [target(host).sslmode for host in ("10.0.0.1", "orders.example.org")] == ["verify-full"] * 2
    assert target("10.0.0.1", sslmode="disable", base_path="/x").base_path == "/x"
    assert (target("127.0.0.1").database, target("127.0.0.1").username) == ("", "")


async def test_a_probe_that_was_closed_meanwhile_fails_in_words(service_probe: Build, listener) -> None:
    probe = service_probe(await listener(silent))
    reading = asyncio.create_task(probe.health(5))

    async def is_asking() -> bool:
        return bool(probe._wire._client and probe._wire._client._transport._pool.connections)

    await until(is_asking)
    await probe.release(0.0)
    found = await reading
    assert found.latency_ms is None
    assert found.checks[0].message
