"""One connection out of the pool: who asked for it, since when, and what it is doing."""

import weakref
from typing import Any

from dashboard_app.backend.guard.driver import backend_pid, driver_state
from dashboard_app.model.pool import Holder, HolderState

QUERY_CHARS = 200
"""How much of a statement is kept."""


class Checkout:
    """One checkout; its ledger changes it as SQLAlchemy's events come. Times are monotonic seconds.

    It holds the pool's record, but the holder's handle only weakly: a handle nobody refers to must stay collectable.
    """

    __slots__ = (
        "_handle",
        "call_site",
        "exempt",
        "has_transaction",
        "id",
        "idle_since",
        "is_returning",
        "is_taken",
        "query",
        "record",
        "route",
        "running",
        "since",
        "task",
    )

    def __init__(self, number: int, record: Any, handle: Any, *, task: str, route: str, exempt: str, call_site: str, since: float) -> None:
        """Nothing runs yet."""
        self.id = number
        self.record = record
        self._handle = weakref.ref(handle)
        self.task = task
        self.route = route
        self.exempt = exempt
        self.call_site = call_site
        self.since = since
        self.idle_since = since
        self.running = 0
        self.query = ""
        self.has_transaction = False
        self.is_returning = False
        self.is_taken = False

    def handle(self) -> Any:
        """SQLAlchemy's proxy that the holder uses, None when it is gone."""
        return self._handle()

    def state(self) -> HolderState:
        """What it is doing now. A commit, a rollback and the way back into the pool count as a query: they are not ours to break."""
        if self.running or self.is_returning:
            return HolderState.QUERY
        told = driver_state(self.record.driver_connection)
        if told is not None:
            return told
        return HolderState.IDLE_IN_TRANSACTION if self.has_transaction else HolderState.IDLE

    def backend_pid(self) -> int | None:
        """The server process behind it, None when unknown."""
        return backend_pid(self.record.driver_connection)

    def is_suspect(self, now: float, threshold_s: float) -> bool:
        """True when it is older than `threshold_s`, runs nothing and nobody vouched for it."""
        return not self.exempt and now - self.since >= threshold_s and self.state() is not HolderState.QUERY

    def holder(self, now: float, threshold_s: float) -> Holder:
        """What operators see."""
        return Holder(
            id=self.id,
            task=f"{self.task} (exempt: {self.exempt})" if self.exempt else self.task,
            route=self.route,
            call_site=self.call_site,
            held_s=round(now - self.since, 3),
            state=self.state(),
            query=self.query,
            suspected_leak=self.is_suspect(now, threshold_s),
            backend_pid=self.backend_pid(),
        )
