"""What news of the feed leads to, and how often at most."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import orjson
import pytest

from dashboard_app.console.client.feed import FeedMessage
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.console import Console
from dashboard_app.console.loader import Loader
from dashboard_app.console.reactions import Reactions, kind_of
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.breaker import BreakerLimits
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.event import RESET
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.settings import Settings


class Setup:
    def __init__(self) -> None:
        self.clock, self.acts = ManualClock(), Counter()
        self.reactions = Reactions(self.clock)
        self.reactions.acts = {kind: lambda kind=kind: self.acts.update([kind]) for kind in ("LEVEL", "ALERT", "SOURCE", "JOB")}

    def tell(self, event_type: str, **data: object) -> None:
        self.reactions.hear(FeedMessage(1, event_type, orjson.dumps(data)))

    def hear(self, *types: str) -> None:
        for event_type in types:
            self.tell(event_type, source_id=1, status="unhealthy")


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    task = asyncio.create_task(made.reactions.run())
    await made.clock.advance(0)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("LEVEL_CHANGED", "LEVEL"),
        ("POOL_CLEANED", "LEVEL"),
        ("ALERT_OPENED", "ALERT"),
        ("SOURCE_CHANGED", "SOURCE"),
        ("SOURCES_BATCH_CHANGED", "SOURCE"),
        ("JOB_FAILED", "JOB"),
        ("JOBS_BATCH_FAILED", "JOB"),
        ("BREAKER_CHANGED", ""),
        ("ROUND_FINISHED", ""),
        ("jobless", ""),
    ],
)
def test_each_type_is_of_a_kind_or_of_none(event_type, kind):
    assert kind_of(event_type) == kind


async def test_news_is_acted_upon_at_once_and_a_storm_a_few_times_a_second(setup):
    setup.hear("LEVEL_CHANGED")
    await setup.clock.advance(0)
    assert setup.acts == {"LEVEL": 1}
    for _ in range(100):
        setup.hear("LEVEL_CHANGED", "SOURCES_BATCH_CHANGED", "ALERT_OPENED", "JOBS_BATCH_STARTED")
        await setup.clock.advance(0.01)
    assert all(setup.acts[kind] <= 5 for kind in ("LEVEL", "SOURCE", "ALERT"))
    assert setup.acts["JOB"] == 1
    await setup.clock.advance(5)
    assert setup.acts["JOB"] == 2


async def test_after_a_gap_everything_is_read_again(setup):
    setup.hear(RESET)
    await setup.clock.advance(0)
    assert setup.acts == {"LEVEL": 1, "ALERT": 1, "SOURCE": 1, "JOB": 1}


async def test_the_console_reads_what_the_news_is_about(tmp_path):
    console = Console(Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9"), ManualClock())
    acts = console.reactions.acts
    acts["JOB"]()
    acts["SOURCE"]()
    acts["LEVEL"]()
    acts["ALERT"]()
    assert console.jobs_news == 1
    assert console.loader._has_list_news
    assert all(bell._rung.is_set() for bell in (console.polls._config_bell, console.polls._status_bell, console.alert_poll._bell))
    await console.backend.close()


async def test_what_is_known_of_a_source_already_is_no_news(setup):
    setup.reactions.knows = lambda source_id, status: (source_id, status) in {(1, "healthy"), (2, "unhealthy")}
    setup.tell("SOURCE_CHANGED", source_id=1, status="healthy", previous="unknown")
    setup.tell("SOURCES_BATCH_CHANGED", source_ids=[1, 2], batch_count=2, items=[{"status": "healthy"}, {"status": "unhealthy"}])
    setup.tell("SOURCE_CHANGED", source_id="x", status="healthy")
    setup.tell("SOURCES_BATCH_CHANGED", source_ids=7)
    await setup.clock.advance(1)
    assert setup.acts == {}
    setup.tell("SOURCES_BATCH_CHANGED", source_ids=[1, 2], batch_count=2, status="healthy")
    await setup.clock.advance(1)
    assert setup.acts == {"SOURCE": 1}
    setup.reactions.hear(FeedMessage(9, RESET, b"{}"))
    await setup.clock.advance(1)
    assert setup.acts["SOURCE"] == 2


class Lists:
    """A server that counts how often its list is read."""

    def __init__(self) -> None:
        self.reads = 0

    async def sources(self, _priority: object = None) -> tuple[()]:
        self.reads += 1
        return ()


async def test_a_storm_of_changed_sources_reads_the_list_once_a_second_at_most_and_never_at_emergency(tmp_path):
    clock, lists = ManualClock(), Lists()
    throttle, breaker = Throttle(clock, poll_s=30), NamedBreaker("api", BreakerLimits(), clock)
    loader = Loader(Settings(data_dir=tmp_path), clock, lists, Snapshot(clock), breaker=breaker, throttle=throttle)
    task = asyncio.create_task(loader.run_list())
    await clock.advance(5)
    assert lists.reads == 1
    for _ in range(100):
        loader.sources_changed()
        await clock.advance(0.05)
    assert 4 <= lists.reads - 1 <= 6
    await clock.advance(2)
    before = lists.reads
    throttle.hear({"x-throttle": "level=EMERGENCY; max=1; rpm=5; delay=2000; version=2"})
    loader.sources_changed()
    await clock.advance(5)
    assert lists.reads == before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
