"""The console over this process's own API: identity in the scope, time limits, changes that run to their end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from dashboard_app.backend.guard.clients import parse as parse_client
from dashboard_app.console.client.caller import CONSOLE
from dashboard_app.console.console import Console
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import (
    BackendFailed,
    Conflict,
    Forbidden,
    InvalidInput,
    KindNotSupported,
    NotFound,
    Refused,
    SpillwayError,
    TooLarge,
)
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import SourceKind, SourceSettings
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.settings import Settings
from tests.console.running import until

ADMIN = Principal(PrincipalKind.USER, "ana", Role.ADMIN, 1)
VIEWER = Principal(PrincipalKind.USER, "vic", Role.VIEWER, 2)
NEW = SourceSettings("new", SourceKind.POSTGRESQL, "db", 5432, password=Secret("pw"))


class Api:
    """An ASGI app that notes who asks for what, and answers what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Principal | None, bytes]] = []
        self.scopes: list[dict[str, Any]] = []
        self.status, self.body = 200, b"{}"
        self.delay_s = 0.0
        self.finished = 0
        self.retry_after: bytes | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        self.scopes.append(dict(scope))
        self.seen.append((scope["method"], scope["path"], scope["spillway.principal"], body))
        await asyncio.sleep(self.delay_s)
        if self.status == 0:
            raise RuntimeError("crash")
        headers = [(b"content-type", b"application/json")] + ([(b"retry-after", self.retry_after)] if self.retry_after else [])
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
        self.finished += 1


def console_over(api: Api, tmp_path: Path, **settings: Any) -> Console:
    return Console(Settings(data_dir=tmp_path, **settings), SystemClock(), app=api)


async def test_who_asks_travels_in_the_scope_never_in_a_header(tmp_path: Path) -> None:
    api = Api()
    backend = console_over(api, tmp_path).backend
    await backend.guard.status()
    await backend.guard.holders(ADMIN)
    assert [who for _, _, who, _ in api.seen] == [CONSOLE, ADMIN]
    assert all(scope["spillway.request_id"] and scope["spillway.address"] == "console" for scope in api.scopes)
    headers = {name for scope in api.scopes for name, _ in scope["headers"]}
    assert headers.isdisjoint({b"authorization", b"cookie"})


async def test_every_request_names_the_console_and_the_version_it_acts_on(tmp_path: Path) -> None:
    api = Api()
    console = console_over(api, tmp_path)

    async def told() -> str:
        await console.backend.guard.status()
        return dict(api.scopes[-1]["headers"])[b"x-throttle-client"].decode()

    assert await told() == "spillway-console"
    console.throttle.hear({"x-throttle": "level=MODERATE; max=7; rpm=70; delay=300; version=42"})
    assert await told() == "spillway-console; version=42"
    assert parse_client(await told()) == ("spillway-console", 42)


def test_a_console_of_another_machine_is_told_apart_by_a_name_that_a_guard_takes(tmp_path: Path) -> None:
    console = Console(Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:1", port=8123), SystemClock())
    name = console.backend._caller.wire.name
    assert name.startswith("spillway-console@")
    assert name.endswith(":8123")
    assert parse_client(name) == (name, None)


async def test_the_right_is_checked_before_anything_is_sent(tmp_path: Path) -> None:
    api = Api()
    backend = console_over(api, tmp_path).backend
    for action in (
        backend.create_source(VIEWER, NEW),
        backend.update_source(VIEWER, 1, {}),
        backend.delete_source(VIEWER, 1),
        backend.test_source(VIEWER, NEW),
        backend.guard.cleanup(VIEWER, dry_run=False),
        backend.guard.holders(VIEWER),
        backend.guard.history(VIEWER),
        backend.guard.service_holders(VIEWER, 7),
        backend.guard.service_cleanup(VIEWER, 7, dry_run=True),
        backend.drill(VIEWER, "hold", {}),
        backend.health(1, principal=VIEWER),
    ):
        with pytest.raises(Forbidden):
            await action
    assert api.seen == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"detail": "no"}, InvalidInput),
        (403, {"detail": "no"}, Forbidden),
        (404, {"detail": "gone"}, NotFound),
        (409, {"detail": "taken"}, Conflict),
        (413, {}, TooLarge),
        (418, {}, Refused),
        (422, {"code": "kind_not_supported"}, KindNotSupported),
        (503, {"code": "database_unavailable"}, BackendFailed),
        (0, {}, BackendFailed),
    ],
)
async def test_problems_become_our_errors(tmp_path: Path, status: int, body: dict[str, Any], error: type[Exception]) -> None:
    api = Api()
    api.status, api.body = status, orjson.dumps(body)
    with pytest.raises(error):
        await console_over(api, tmp_path).backend.create_source(ADMIN, NEW)


async def test_field_errors_come_through(tmp_path: Path) -> None:
    api = Api()
    api.status, api.body = 422, orjson.dumps({"detail": "bad", "errors": [{"field": "name", "message": "is taken"}]})
    with pytest.raises(InvalidInput) as refusal:
        await console_over(api, tmp_path).backend.create_source(ADMIN, NEW)
    assert refusal.value.errors == ({"field": "name", "message": "is taken"},)


async def test_a_password_is_sent_only_when_one_was_given(tmp_path: Path) -> None:
    api = Api()
    api.body = orjson.dumps({"id": 1, "name": "new", "kind": "postgresql"})
    backend = console_over(api, tmp_path).backend
    await backend.create_source(ADMIN, NEW)
    await backend.create_source(ADMIN, SourceSettings("new", SourceKind.POSTGRESQL, "db", 5432))
    assert [b"password" in body for *_, body in api.seen] == [True, False]


async def test_a_guard_call_ends_after_two_seconds_though_the_transport_knows_no_timeout(tmp_path: Path) -> None:
    api = Api()
    api.delay_s = 3600
    console = console_over(api, tmp_path)
    with pytest.raises(BackendFailed) as failure:
        await console.backend.guard.status()
    assert failure.value.cause == "timeout"
    assert (await console.backend.guard.connection_test(ADMIN))["ok"] is False
    assert console.breakers["api"].reading().failure_count == 0


async def test_a_change_runs_to_its_end_though_its_asker_gave_up(tmp_path: Path) -> None:
    api = Api()
    api.delay_s = 0.2
    backend = console_over(api, tmp_path).backend
    asking = asyncio.create_task(backend.guard.cleanup(ADMIN, dry_run=False))
    await until(lambda: api.seen)
    asking.cancel()
    await until(lambda: api.finished == 1)


async def test_a_click_that_is_given_up_is_no_failure(tmp_path: Path) -> None:
    api = Api()
    api.delay_s = 3600
    console = console_over(api, tmp_path)
    asking = asyncio.create_task(console.backend.health(1, principal=ADMIN))
    await until(lambda: api.seen)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: console.queue.figures().running == 0)
    assert console.breakers["api"].reading().failure_count == 0


@pytest.mark.parametrize(("status", "asked"), [(503, 3), (404, 1), (200, 1)])
async def test_what_a_person_reads_is_tried_three_times_when_the_server_fails_and_once_else(
    tmp_path: Path, status: int, asked: int
) -> None:
    api = Api()
    api.status = status
    console = console_over(api, tmp_path)
    now = console.clock.now()
    with contextlib.suppress(BackendFailed, NotFound):
        await console.backend.history(1, "latency_ms", now, now, principal=ADMIN)
    assert len(api.seen) == asked
    assert console.queue.figures().running == 0


async def test_a_change_is_never_sent_twice(tmp_path: Path) -> None:
    api = Api()
    api.status = 503
    with pytest.raises(BackendFailed):
        await console_over(api, tmp_path).backend.create_source(ADMIN, NEW)
    assert len(api.seen) == 1


async def test_after_a_429_the_next_request_waits_for_its_retry_after(tmp_path: Path) -> None:
    api = Api()
    api.status, api.retry_after = 429, b"1"
    console = console_over(api, tmp_path)
    with pytest.raises(BackendFailed):
        await console.backend.health(1, principal=ADMIN)
    api.status, began = 404, console.clock.monotonic()
    with pytest.raises(NotFound):
        await console.backend.health(2, principal=ADMIN)
    assert console.clock.monotonic() - began >= 0.95


async def test_what_a_server_does_not_offer_is_none(tmp_path: Path) -> None:
    api = Api()
    api.status = 404
    backend = console_over(api, tmp_path).backend
    assert await backend.guard.status() is None
    assert await backend.guard.throttling_config() is None
    assert await backend.guard.history(ADMIN) is None


def test_a_console_needs_a_server(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="BACKEND_URL"):
        Console(Settings(data_dir=tmp_path), SystemClock())


class Book:
    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    async def record(self, principal: Principal, action: str, target: str, result: str = "ok", **_: object) -> None:
        self.rows.append((principal.name, action, target, result))

    @asynccontextmanager
    async def act(self, principal: Principal, action: str, target: str, **_: object) -> AsyncIterator[dict[str, object]]:
        result = "failed"
        try:
            yield {}
            result = "ok"
        except SpillwayError as error:
            result = error.code
            raise
        finally:
            await self.record(principal, action, target, result)


async def test_with_another_machine_as_server_the_human_is_audited_here_failures_too(tmp_path: Path) -> None:
    book = Book()
    settings = Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9")
    backend = Console(settings, SystemClock(), audit=book).backend
    with pytest.raises(BackendFailed):
        await backend.guard.cleanup(ADMIN, dry_run=False)
    with pytest.raises(BackendFailed):
        await backend.guard.service_cleanup(ADMIN, 7, dry_run=False)
    with pytest.raises(BackendFailed):
        await backend.guard.service_cleanup(ADMIN, 7, dry_run=True)
    with pytest.raises(BackendFailed):
        await backend.delete_source(ADMIN, 7)
    assert book.rows == [
        ("ana", "pool.cleanup", "pool", "backend_failed"),
        ("ana", "pool.cleanup", "source 7", "backend_failed"),
        ("ana", "sources.write", "DELETE source 7", "backend_failed"),
    ]


async def test_a_failure_carries_the_start_of_its_request_id(tmp_path: Path) -> None:
    api = Api()
    api.status, api.body = 503, orjson.dumps({"detail": "no", "code": "database_unavailable"})
    with pytest.raises(BackendFailed) as failed:
        await console_over(api, tmp_path).backend.guard.holders(ADMIN)
    assert len(failed.value.reference) == 8
    assert api.scopes[-1]["spillway.request_id"].startswith(failed.value.reference)


async def test_a_watched_service_that_fails_says_nothing_of_the_server_that_watches_it(tmp_path: Path) -> None:
    api, heard = Api(), []
    console = console_over(api, tmp_path)
    console.backend._caller.on_failure = lambda: heard.append(1)
    api.status, api.body = 502, orjson.dumps({"detail": "Connection refused", "code": "probe_failed"})
    for ask in (console.backend.guard.service_status(ADMIN, 7), console.backend.guard.service_holders(ADMIN, 7)):
        with pytest.raises(BackendFailed, match="Connection refused"):
            await ask
    assert heard == []
    api.body = orjson.dumps({"detail": "no", "code": "backend_failed"})
    with pytest.raises(BackendFailed):
        await console.backend.guard.service_status(ADMIN, 7)
    assert heard == [1]
    assert [path for _, path, _, _ in api.seen][:2] == ["/scan/data-sources/7/guard/status", "/scan/data-sources/7/guard/holders"]
