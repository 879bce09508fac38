"""Cuts at random moments and restarts of the server: whoever resumes has no gap and nothing twice."""

import asyncio
import contextlib
import json
import random

import httpx
import pytest
from httpx_sse import aconnect_sse

from dashboard_app.settings import Settings
from tests.contract.conftest import served
from tests.contract.on_a_port import on_a_port

HEADERS = {"x-as": "token operator robot"}
LIMIT_S = 60


class Follower:
    """A reader that is cut again and again, and always says what it had last."""

    def __init__(self, dice):
        self._dice = dice
        self.last, self.seen, self.resets, self.cuts = None, [], 0, 0

    async def follow(self, where):
        """Read until it is cancelled, hanging up by itself after 0 to 12 messages each time."""
        while True:
            headers = HEADERS | ({"Last-Event-ID": self.last} if self.last else {})
            with contextlib.suppress(httpx.HTTPError, StopAsyncIteration):
                async with (
                    httpx.AsyncClient(base_url=f"http://{where}", timeout=LIMIT_S) as client,
                    aconnect_sse(client, "GET", "/api/v1/events/stream?types=TICK_SEEN", headers=headers) as source,
                ):
                    left = self._dice.randint(0, 12)
                    async for event in source.aiter_sse():
                        self._take(event)
                        left -= 1
                        if left < 0:
                            break
            self.cuts += 1

    def _take(self, event):
        self.last = event.id
        if event.event == "RESET":
            self.resets += 1
            return
        data = json.loads(event.data)
        self.seen += data["tick_ids"] if "tick_ids" in data else [data["tick_id"]]


async def resumed(address, settings, *, cuts, restarts):
    """(numbers published, a follower with so many cuts over so many restarts)."""
    follower, published = Follower(random.Random(6)), 0  # noqa: S311 - moments, no secret
    for _ in range(restarts + 1):
        async with served(address, settings) as api, on_a_port(api.door) as where:
            wanted = follower.cuts + cuts // (restarts + 1)
            following = asyncio.create_task(follower.follow(where))
            async with asyncio.timeout(LIMIT_S):
                while not api.events.streams.count:  # noqa: ASYNC110 - another task connects
                    await asyncio.sleep(0.005)
                while follower.cuts < wanted:
                    for _ in range(5):
                        published += 1
                        api.events.events.publish("TICK_SEEN", {"tick_id": published})
                    await asyncio.sleep(0.005)
            following.cancel()
            await asyncio.wait([following])
    async with served(address, settings) as api, on_a_port(api.door) as where:  # what the last process still had is read from its history
        following = asyncio.create_task(follower.follow(where))
        async with asyncio.timeout(LIMIT_S):
            while follower.seen[-1] < published:  # noqa: ASYNC110 - another task reads
                await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.wait([following])
    return published, follower


@pytest.mark.timeout(300)
async def test_cuts_and_restarts_leave_no_gap_and_no_double(fresh_database, tmp_path):
    published, follower = await resumed(fresh_database, Settings(data_dir=tmp_path / "data"), cuts=60, restarts=2)
    assert follower.seen == list(range(1, published + 1))
    assert follower.resets == 0
    assert follower.cuts >= 60
