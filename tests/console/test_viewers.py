"""Pages that watch: pushed to a few times a second, dropped when their socket or session is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard_app.console.snapshot import Snapshot
from dashboard_app.console.viewers import STATE_KEPT_S, Viewers
from dashboard_app.model.clock import ManualClock
from dashboard_app.policy.push_pace import SHARE, SLICE
from tests.console.running import KeptStates


class App:
    def __init__(self) -> None:
        self.event_namespace = SimpleNamespace(token_to_sid={"a": "1", "b": "2"})
        self.state_manager = KeptStates()
        self.tokens: list[str] = []

    @contextlib.asynccontextmanager
    async def modify_state(self, token: Any) -> AsyncIterator[str]:
        self.tokens.append(token.ident)
        yield token.ident


class Setup:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.snapshot = Snapshot(self.clock)
        self.viewers = Viewers(self.snapshot, self.clock)
        self.app = App()
        self.rendered: list[tuple[str, str]] = []

    async def render(self, root: Any, params: dict[str, Any]) -> None:
        self.rendered.append((root, params.get("q", "")))


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    made.viewers.bind(made.app, {"sources": made.render, "pool": lambda root, _: made.rendered.append((root, "pool"))})
    task = asyncio.create_task(made.viewers.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_burst_of_changes_is_at_most_four_pushes_a_second_to_each_page(setup: Setup) -> None:
    setup.viewers.watch("a", "sources", {"q": "bil"})
    setup.viewers.watch("b", "pool")
    for _ in range(100):
        setup.snapshot.touch()
        await setup.clock.advance(0.01)
    await setup.clock.advance(1)
    assert 1 <= setup.app.tokens.count("a") <= 5
    assert ("a", "bil") in setup.rendered
    assert ("b", "pool") in setup.rendered


async def test_nothing_is_pushed_without_a_change(setup: Setup) -> None:
    setup.viewers.watch("a", "sources")
    await setup.clock.advance(10)
    assert setup.app.tokens == []


async def test_a_client_without_a_socket_is_dropped_and_the_first_one_is_told_of(setup: Setup) -> None:
    first: list[int] = []
    setup.viewers.on_first = lambda: first.append(1)
    setup.viewers.watch("a", "sources")
    setup.viewers.watch("gone", "sources")
    await setup.clock.advance(3)
    assert (setup.viewers.count, first) == (1, [1])
    setup.viewers.leave("a")
    assert setup.viewers.count == 0


async def test_a_revoked_session_gets_nothing(setup: Setup) -> None:
    async def is_valid(session: str) -> bool:
        return session == "good"

    setup.viewers.bind(setup.app, {"sources": setup.render}, is_valid)
    setup.viewers.watch("a", "sources", session="good")
    setup.viewers.watch("b", "sources", session="revoked")
    setup.snapshot.touch()
    await setup.clock.advance(1)
    assert setup.app.tokens == ["a"]
    assert setup.viewers.count == 1


async def test_one_pages_fault_does_not_end_the_pushes_of_the_others(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    def broken(root: Any, params: dict[str, Any]) -> None:
        raise ValueError("a page's fault")

    setup.viewers.bind(setup.app, {"sources": setup.render, "broken": broken})
    setup.viewers.watch("a", "broken")
    setup.viewers.watch("b", "sources")
    for _ in range(3):
        setup.snapshot.touch()
        await setup.clock.advance(0.5)
    assert len(setup.rendered) == 3
    assert "a push to page broken failed" in caplog.text


async def test_a_page_whose_look_fails_is_pushed_to_at_each_change(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    setup.viewers.bind(setup.app, {"sources": setup.render, "pool": setup.render}, looks={"pool": lambda: 1 // 0})
    setup.viewers.watch("a", "pool")
    setup.viewers.watch("b", "sources")
    for _ in range(3):
        setup.snapshot.touch()
        await setup.clock.advance(0.5)
    assert sorted(root for root, _ in setup.rendered) == ["a"] * 3 + ["b"] * 3
    assert "a look at what page pool shows failed" in caplog.text


def test_what_anybody_sees_comes_from_the_page_or_its_address() -> None:
    viewers = Viewers(Snapshot(ManualClock()), ManualClock())
    viewers.watch("a", "sources", {"visible": [1, 2]}, visible=[3])
    viewers.watch("b", "source", {"source_id": "7"})
    viewers.watch("c", "source", {"source_id": "x"})
    assert viewers.visible() == {1, 2, 3, 7}


async def test_a_page_out_of_sight_gets_nothing_and_catches_up_when_it_comes_back(setup: Setup) -> None:
    first: list[int] = []
    setup.viewers.on_first = lambda: first.append(1)
    setup.viewers.watch("a", "sources", {"q": "bil"}, visible=[1])
    setup.viewers.show("a", is_shown=False)
    setup.viewers.show("nobody", is_shown=False)
    for _ in range(5):
        setup.snapshot.touch()
        await setup.clock.advance(1)
    assert (setup.app.tokens, setup.viewers.count, setup.viewers.visible()) == ([], 0, frozenset())
    setup.viewers.watch("a", "sources", {"q": "next"})
    setup.snapshot.touch()
    await setup.clock.advance(1)
    assert setup.app.tokens == []
    setup.viewers.show("a", is_shown=True)
    await setup.clock.advance(1)
    assert setup.rendered == [("a", "next")]
    assert (setup.viewers.count, len(first)) == (1, 3)
    setup.viewers.show("b", is_shown=False)
    setup.viewers.watch("b", "pool")
    assert setup.viewers.count == 1


async def test_news_for_one_page_goes_to_the_pages_of_that_name_only(setup: Setup) -> None:
    setup.viewers.watch("a", "sources")
    setup.viewers.watch("b", "pool")
    for _ in range(100):
        setup.viewers.news("pool")
        await setup.clock.advance(0.01)
    await setup.clock.advance(1)
    assert "a" not in setup.app.tokens
    assert 1 <= setup.app.tokens.count("b") <= 4


async def test_the_state_of_an_open_page_is_asked_for_well_within_the_time_that_it_is_kept_and_of_a_closed_one_no_more(
    setup: Setup,
) -> None:
    asked = setup.app.state_manager.asked
    await setup.clock.advance(STATE_KEPT_S / 3)
    await setup.clock.advance(STATE_KEPT_S / 3)
    assert asked.count("a") >= 2  # nobody watches on it: it is only open
    del setup.app.event_namespace.token_to_sid["a"]
    asked.clear()
    await setup.clock.advance(STATE_KEPT_S)
    assert "a" not in asked
    assert "b" in asked


PUSH_S = 0.01


def opened(setup: Setup, count: int) -> list[str]:
    """So many open pages; to bring one up to date keeps the loop busy for PUSH_S."""
    tokens = [f"t{number}" for number in range(count)]

    def render(root: Any, _params: dict[str, Any]) -> None:
        setup.rendered.append((root, ""))
        setup.clock.tick(PUSH_S)

    setup.viewers.bind(setup.app, {"sources": render})
    setup.app.event_namespace.token_to_sid = dict.fromkeys(tokens, "1")
    for token in tokens:
        setup.viewers.watch(token, "sources")
    return tokens


async def test_pushes_to_very_many_pages_keep_to_their_share_of_the_loop_and_reach_every_page(setup: Setup) -> None:
    tokens = opened(setup, 200)
    await setup.clock.advance(3)
    began = setup.clock.monotonic()
    while len(set(setup.app.tokens)) < len(tokens):
        setup.snapshot.touch()
        await setup.clock.advance(0.1)
        took_s = setup.clock.monotonic() - began
        assert len(setup.app.tokens) * PUSH_S <= SHARE * took_s + 2 * SLICE * PUSH_S
    assert took_s < 1.1 * len(tokens) * PUSH_S / SHARE
    assert setup.app.tokens == tokens  # each once, before anybody a second time


async def test_few_pages_are_pushed_to_as_soon_as_ever(setup: Setup) -> None:
    tokens = opened(setup, SLICE)
    await setup.clock.advance(3)
    setup.snapshot.touch()
    await setup.clock.advance(0.01)
    assert setup.app.tokens == tokens


async def test_what_is_urgent_is_shown_by_every_page_at_once(setup: Setup) -> None:
    is_away = False
    setup.viewers.urgency = lambda: is_away
    tokens = opened(setup, 200)
    await setup.clock.advance(3)
    setup.snapshot.touch()
    await setup.clock.advance(1)  # most have not had this push yet
    is_away = True
    setup.app.tokens.clear()
    setup.snapshot.touch()
    began = setup.clock.monotonic()
    while len(set(setup.app.tokens)) < len(tokens):
        await setup.clock.advance(0.05)
    assert setup.clock.monotonic() - began < 1.5 * len(tokens) * PUSH_S + 0.5  # at their share it would take 5 s


async def test_a_page_that_would_show_the_same_is_not_pushed_to(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    look, fails = "this", False

    def render(root: Any, _params: dict[str, Any]) -> None:
        if fails:
            raise ValueError("a page's fault")
        setup.rendered.append((root, look))

    async def changes() -> list[tuple[str, str]]:
        setup.rendered.clear()
        setup.snapshot.touch()
        await setup.clock.advance(1)
        return list(setup.rendered)

    setup.viewers.bind(setup.app, {"sources": render}, looks={"sources": lambda: look})
    setup.viewers.watch("a", "sources")
    assert await changes() == [("a", "this")]  # what it shows since its load is not known
    assert await changes() == []
    look = "that"
    assert await changes() == [("a", "that")]
    look, fails = "else", True
    assert await changes() == []
    fails = False
    assert await changes() == [("a", "else")]  # the failed push does not count
    assert await changes() == []
    setup.viewers.news("sources")
    assert await changes() == [("a", "else")]
    assert "a push to page sources failed" in caplog.text
