"""Events on a clock of the test and a history in memory."""

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager

from dashboard_app.backend.events.publisher import Events
from dashboard_app.backend.events.recorder import Recorder, RecorderRule
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.hub import Hub

LIMITS = BatchLimits(size=10, age_s=0.5, most=10, waiting_most=100)


class Shelf:
    """A history that can be away, as a database is."""

    def __init__(self, messages=()):
        self.messages = list(messages)
        self.is_away = False
        self.failure = DatabaseUnavailable()
        self.tries = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def add(self, messages):
        self.tries += 1
        await self.gate.wait()
        if self.is_away:
            raise self.failure
        self.messages += messages

    async def newest(self, count, most_bytes):
        if self.is_away:
            raise self.failure
        return self.messages[-count:]

    async def prune(self, before):
        return 0


class NoPool:
    """Always has a place."""

    @asynccontextmanager
    async def admission(self):
        yield

    @contextlib.contextmanager
    def holding(self, **_names):
        yield


def made(shelf=None, clock=None, limits=LIMITS, hub=None, batching=True):
    clock = clock or ManualClock()
    hub = hub or Hub()
    recorder = Recorder(shelf if shelf is not None else Shelf(), hub, NoPool(), clock, RecorderRule(tries=2, pause_s=0.5, days=7))
    return Events(hub, recorder, clock, limits, batching=batching), clock


@asynccontextmanager
async def running(**options):
    """`events, clock, reader` with the events running, and a reader of all that is published."""
    events, clock = made(**options)
    task = asyncio.create_task(events.run())
    try:
        await turns()
        yield events, clock, events.hub.join()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, BaseExceptionGroup):
            await task


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


def read(reader):
    """(type, data) of what a reader has not read yet."""
    return [(message.type, json.loads(message.payload)) for message in reader.take()]
