"""What a worker announces with: `Broadcaster(source="thumbnail-worker").publish("JOB_STARTED", job_id=123)`, from any thread or task.

Inside Spillway it goes to the process's own publisher; a program of its own gives a `RemotePublisher`, which gathers and posts.
Announcing never waits, never raises for a full queue, and never fails silently: what could not be taken is counted.
"""

import threading
from collections.abc import Mapping
from typing import Any, Protocol

_PROCESS: "list[Publisher]" = []


class Publisher(Protocol):
    """Who takes events in."""

    def announce(self, event_type: str, data: Mapping[str, Any], *, source: str, batching: bool) -> bool:
        """Publish one event from any thread or task; False when it was not taken. Raises InvalidInput."""

    def figures_json(self) -> dict[str, Any]:
        """The batcher's figures."""


def bind(publisher: Publisher) -> None:
    """Let every Broadcaster without a publisher of its own use this one from now on."""
    _PROCESS[:] = [publisher]


class Broadcaster:
    """Announces on behalf of one source. Cheap to make, safe to share between threads."""

    def __init__(self, source: str, *, use_batching: bool = True, publisher: Publisher | None = None) -> None:
        """`use_batching` False: each event goes out by itself, at once. `publisher` None: the process's own, when there is one."""
        self.source, self.use_batching = source, use_batching
        self._publisher = publisher
        self._lock = threading.Lock()
        self._taken = self._refused = 0

    def publish(self, event_type: str, /, **data: Any) -> bool:
        """Announce one event; False when it was not taken, which is counted.

        Raises:
            InvalidInput: the type or a value can never be published.

        """
        publisher = self._publisher or (_PROCESS[0] if _PROCESS else None)
        is_taken = publisher is not None and publisher.announce(event_type, data, source=self.source, batching=self.use_batching)
        with self._lock:
            if is_taken:
                self._taken += 1
            else:
                self._refused += 1
        return is_taken

    def get_broadcast_stats(self) -> dict[str, Any]:
        """What this source has announced, and the figures of the batcher behind it (none without a publisher)."""
        publisher = self._publisher or (_PROCESS[0] if _PROCESS else None)
        own = {"source": self.source, "announced": self._taken, "refused": self._refused, "use_batching": self.use_batching}
        return own | ({} if publisher is None else publisher.figures_json())
