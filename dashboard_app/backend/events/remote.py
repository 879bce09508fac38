"""Events from a program of its own: gathered in one thread, posted many at a time. A failed post is tried twice more, then set aside and counted."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import httpx

from dashboard_app.backend.events.judging import judged
from dashboard_app.model.clock import Clock, SystemClock
from dashboard_app.model.errors import BackendFailed, QueueFull, SpillwayError
from dashboard_app.model.event import Event
from dashboard_app.model.secret import Secret
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.batcher import Batcher, RetryRule

_log = logging.getLogger(__name__)
LIMITS = BatchLimits(size=100, age_s=0.25, most=1000, waiting_most=100_000)
RETRY = RetryRule(tries=2, first_s=0.5, longest_s=0.5)
_POST_S = 5.0
_START_S = 10.0
_HTTP_ERROR = 400


class RemotePublisher:
    """Publishes at another Spillway. A context manager: its end posts what waits, for at most `drain_s`."""

    def __init__(self, url: str, token: Secret, *, clock: Clock | None = None, limits: BatchLimits = LIMITS, drain_s: float = 5.0) -> None:
        """No I/O. `url`: where Spillway is; `token`: an API token of an operator."""
        self._url, self._token = f"{url.rstrip('/')}/api/v1/events", token
        self._drain_s = drain_s
        self._batcher: Batcher[Event] = Batcher(limits, self._post, clock or SystemClock(), retry=RETRY, give_up=self._set_aside)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="event-publisher", daemon=True)
        self._started: Future[None] = Future()
        self._ending: asyncio.Event | None = None
        self._client = httpx.AsyncClient(timeout=_POST_S, trust_env=False)

    def __enter__(self) -> Self:
        """Start to post."""
        self._thread.start()
        self._started.result(_START_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Post what waits, and end."""
        if self._loop is not None and self._ending is not None:
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(self._drain_s + _POST_S)

    def announce(self, event_type: str, data: Mapping[str, Any], *, source: str, batching: bool) -> bool:
        """Take one event; False when too many wait. How it is combined is the server's choice. Raises InvalidInput."""
        del source, batching
        try:
            self._batcher.add_from_thread(judged(event_type, data))
        except QueueFull:
            return False
        return True

    def figures_json(self) -> dict[str, Any]:
        """What was taken, posted and set aside."""
        now = self._batcher.figures()
        return {
            "batcher_events_batched": now.sent_total,
            "batcher_batches_created": now.batches_total,
            "batcher_events_saved": now.sent_total - now.batches_total,
            "batcher_events_lost": now.given_up_total + now.refused_total,
            "published_total": now.added_total,
            "waiting": now.waiting + now.under_way,
        }

    def _run(self) -> None:
        """The thread."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        """Post until the end is asked for."""
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        async with self._client:
            posting = asyncio.create_task(self._batcher.run(), name="event-batches")
            await asyncio.sleep(0)  # the batcher knows its loop from its first step on
            self._started.set_result(None)
            await self._ending.wait()
            await self._batcher.close(self._drain_s)
            posting.cancel()
        left = self._batcher.left()
        if left:
            _log.warning("%d events could not be posted", len(left))

    async def _post(self, batch: list[Event]) -> None:
        """Post one batch. Raises BackendFailed."""
        body = b"[" + b",".join(b'{"type":"%b","data":%b}' % (event.type.encode(), event.payload) for event in batch) + b"]"
        headers = {"Authorization": f"Bearer {self._token.reveal()}", "Content-Type": "application/json"}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as failure:
            raise BackendFailed("Spillway does not answer.", cause="refused") from failure
        if answer.status_code >= _HTTP_ERROR:
            raise BackendFailed(f"Spillway answers {answer.status_code}.", status=answer.status_code)

    def _set_aside(self, events: list[Event], failure: SpillwayError) -> None:
        """Say so; the batcher counts."""
        _log.error("%d events were set aside: %s", len(events), failure.detail)
