"""CONSOLE_AUTO_CLEANUP: when the console asks for a cleanup by itself, and when it does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.polls import Polls
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.breaker import BreakerLimits
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.model.user import PrincipalKind
from dashboard_app.runtime.breakers import Breakers

POLL_S = 30.0
CONFIG = ThrottlingConfig(Level.EMERGENCY, 1, 5, 2000, True, True, "critical", 93.3, (), 2, 30.0, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class Server:
    """A guard at EMERGENCY that notes when it was asked to clean up."""

    clock: ManualClock
    level: Level = Level.EMERGENCY
    status_word: str = "critical"
    last_cleanup_at: datetime | None = None
    is_silent: bool = False
    asked: list[float] = field(default_factory=list)
    by: list[Any] = field(default_factory=list)

    @property
    def guard(self) -> "Server":
        """The console asks nothing but its guard."""
        return self

    async def status(self) -> dict[str, Any]:
        if self.is_silent:
            raise BackendFailed("no answer", cause="timeout")
        last = None if self.last_cleanup_at is None else self.last_cleanup_at.isoformat()
        return {"status": self.status_word, "last_cleanup_at": last, "measured_at": self.clock.now().isoformat()}

    async def throttling_config(self) -> ThrottlingConfig:
        return replace(CONFIG, level=self.level)

    async def cleanup(self, principal: Any, *, dry_run: bool) -> dict[str, Any]:
        assert not dry_run
        self.asked.append(self.clock.monotonic() - 1000.0)
        self.by.append(principal)
        self.last_cleanup_at = self.clock.now()
        return {"reclaimed": 0}


@asynccontextmanager
async def polling(server: Server, *, cleans_up: bool = True) -> AsyncIterator[Polls]:
    clock = server.clock
    breaker = Breakers(BreakerLimits(5, 30, 1), clock)["api"]
    throttle = Throttle(clock, poll_s=POLL_S)
    polls = Polls(server, Snapshot(clock), throttle, breaker, clock, poll_s=POLL_S, cleans_up=cleans_up)  # type: ignore[arg-type]
    loop = asyncio.create_task(polls.run_config())
    yield polls
    loop.cancel()
    await asyncio.wait({loop})


@pytest.fixture
def server() -> Server:
    return Server(ManualClock())


async def test_two_scheduled_polls_at_emergency_bring_a_cleanup_in_the_consoles_own_name(server: Server) -> None:
    async with polling(server):
        await server.clock.advance(29.0)
        assert server.asked == []
        await server.clock.advance(2.0)
        assert server.asked == [30.0]
    (by,) = server.by
    assert (by.kind, by.name) == (PrincipalKind.CONSOLE, "console")


async def test_polls_that_news_brings_early_are_no_scheduled_ones(server: Server) -> None:
    async with polling(server) as polls:
        for _ in range(10):  # a level that flaps tells a new version with every answer
            await server.clock.advance(1.0)
            polls.news()
        await server.clock.advance(5.0)
        assert server.asked == []


async def test_an_emergency_that_ended_in_between_begins_anew(server: Server) -> None:
    async with polling(server):
        await server.clock.advance(20.0)
        server.level = Level.NORMAL
        await server.clock.advance(11.0)
        server.level = Level.EMERGENCY
        await server.clock.advance(31.0)
        assert server.asked == []
        await server.clock.advance(30.0)
        assert len(server.asked) == 1


async def test_it_asks_again_after_the_cool_down_and_not_sooner(server: Server) -> None:
    async with polling(server):
        await server.clock.advance(200.0)
    assert len(server.asked) >= 3
    assert all(later - earlier >= 30.0 for earlier, later in zip(server.asked, server.asked[1:], strict=False))


async def test_a_cleanup_by_anybody_else_starts_the_cool_down(server: Server) -> None:
    async with polling(server):
        await server.clock.advance(20.0)
        server.last_cleanup_at = server.clock.now() + timedelta(seconds=5)
        await server.clock.advance(15.0)
        assert server.asked == []
        await server.clock.advance(30.0)
        assert len(server.asked) == 1


@pytest.mark.parametrize("over", [{"status_word": "unavailable"}, {"is_silent": True}])
async def test_a_database_that_is_away_and_a_guard_that_is_silent_are_no_matter_of_a_cleanup(server: Server, over: dict[str, Any]) -> None:
    for name, value in over.items():
        setattr(server, name, value)
    async with polling(server):
        await server.clock.advance(100.0)
    assert server.asked == []


async def test_it_never_asks_when_it_is_switched_off(server: Server) -> None:
    async with polling(server, cleans_up=False):
        await server.clock.advance(100.0)
    assert server.asked == []
