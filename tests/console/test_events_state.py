"""What the handlers of `/events` do, with a feed that is filled by hand."""

import orjson
import pytest

from dashboard_app.console import context
from dashboard_app.console.client.events import EventCalls
from dashboard_app.console.client.feed import FeedMessage
from dashboard_app.console.pages import events_state
from dashboard_app.console.pages.events_state import POLICY, EventsState
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, NotFound
from dashboard_app.model.user import Role
from dashboard_app.policy.permission import allowed
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity
from tests.console.state_pages import opened_at, run
from tests.console.test_rows_events import STATS


class Server:
    def __init__(self):
        self.failure, self.calls = None, 0

    async def ordinary(self, call, parse):
        self.calls += 1
        if self.failure:
            raise self.failure
        return parse(STATS)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def fake(monkeypatch, server):
    console = FakeConsole(ManualClock())
    console.events = EventCalls(server, console.clock)
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


def publish(fake, *numbers, event_type="JOB_STARTED"):
    for number in numbers:
        fake.feed._take(FeedMessage(number, event_type, orjson.dumps({"job_id": number, "secret": "hunter2"})))


async def opened(path="/events"):
    root = opened_at(path)
    state = await root.get_state(EventsState)
    await run(state, "load")
    return root, state


async def test_the_page_begins_with_what_came_and_then_gets_only_what_is_new(fake):
    publish(fake, 1, 2, 3)
    root, state = await opened()
    assert [row.seq for row in state.first] == [3, 2, 1]
    publish(fake, 4, 5)
    root._clean()
    await events_state.render(root, {})
    assert ([row.seq for row in state.tail.rows], state.tail.missed) == ([5, 4], 0)
    assert "first_rx_state_" not in root.get_delta()[EventsState.get_full_name()]
    seq = state.tail.seq
    await events_state.render(root, {})
    assert state.tail.seq == seq


async def test_the_figures_are_read_and_a_failure_keeps_them_and_says_so(fake, server):
    _, state = await opened()
    assert [fact.label for fact in state.facts] == ["Published", "Batched", "Saved by batching", "Lost", "Subscribers"]
    await fake.clock.advance(2)
    server.failure = BackendFailed("The server took too long.", cause="timeout")
    await run(state, "read")
    assert (len(state.facts), state.failure) == (5, "The server took too long.")
    server.failure = NotFound()
    await run(state, "read")
    assert state.failure == "This server has no events."


async def test_filters_of_the_url_hold_for_what_is_new_too(fake):
    publish(fake, 1, 2)
    root, state = await opened("/events?type=OTHER&q=9")
    assert (state.first, state.is_filtered, state.search) == ([], True, "9")
    publish(fake, 8)
    publish(fake, 9, event_type="OTHER")
    await events_state.render(root, {})
    assert [row.type for row in state.tail.rows] == ["OTHER"]
    assert await run(state, "search_for", " 7 ") is not None


async def test_a_row_opens_to_its_data_and_closes(fake):
    publish(fake, 1)
    _, state = await opened()
    await run(state, "open_row", 1)
    assert [(part.name, part.value) for part in state.opened.fields] == [("job_id", "1"), ("secret", "hunter2")]
    await run(state, "close_row")
    assert state.opened.seq == 0
    await run(state, "open_row", 99)
    assert state.opened.note == "It is no longer kept here."


async def test_a_viewer_gets_no_payload_at_all(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    publish(fake, 1)
    root, state = await opened()
    publish(fake, 2)
    await events_state.render(root, {})
    assert not state.may_open
    assert "hunter2" not in str(root.get_delta())
    assert not allowed(Role.VIEWER, POLICY["events_state.open_row"])


async def test_a_browser_that_lost_a_part_gets_all_again(fake):
    root, state = await opened()
    publish(fake, 1, 2)
    await run(state, "again")
    assert [row.seq for row in state.first] == [2, 1]
    await events_state.render(root, {})
    assert state.tail.rows == []


async def test_the_header_says_how_news_comes(fake):
    root, _ = await opened()
    shell = await root.get_state(ShellState)
    assert shell.feed.word.startswith("Polling every")
    fake.feed._went(is_up=True)
    fake.snapshot.touch()
    await events_state.render(root, {})
    assert shell.feed.word == "Connected"


async def test_a_page_that_nobody_sees_says_so(fake):
    root, _ = await opened()
    await run(await root.get_state(ShellState), "seen", False)
    assert fake.viewers.shown == [("client-1", False)]
