"""One connection out of the pool: who asked for it, since when, and what it is doing."""

from typing import Any

from dashboard_app.backend.guard.call_site import call_site, stack, trace
from dashboard_app.backend.guard.driver import backend_pid, driver_state
from dashboard_app.backend.guard.labels import current_label, own_name
from dashboard_app.backend.guard.leaks import Leak
from dashboard_app.model.pool import Holder, HolderState

QUERY_CHARS = 200
"""How much of a statement is kept."""
_DEPTH = 3
"""The calls between the pool's watched `connect()` and a look at who called it: here, the ledger, the door."""


class Checkout:
    """One checkout; its ledger changes it as SQLAlchemy's events come. Times are monotonic seconds.

    It holds the pool's record, which holds the holder's handle only weakly: a handle nobody refers to must stay collectable.
    """

    __slots__ = (
        "has_transaction",
        "id",
        "idle_since",
        "is_cut",
        "is_taken",
        "label",
        "leak",
        "query",
        "record",
        "running",
        "since",
        "task",
        "trace",
    )

    def __init__(self, number: int, record: Any, since: float) -> None:
        """Nothing runs yet; whoever calls is who asked."""
        self.id = number
        self.record = record
        self.label = label = current_label()
        self.task = label.task or own_name()
        self.trace = trace(_DEPTH)
        self.leak: Leak | None = None
        self.since = since
        self.idle_since = since
        self.running = 0
        self.query = ""
        self.has_transaction = False
        self.is_cut = False
        self.is_taken = False

    @property
    def call_site(self) -> str:
        """The frame of the application that asked for it."""
        return call_site(self.trace)

    def handle(self) -> Any:
        """SQLAlchemy's proxy that the holder uses, None when it is gone: the record may be the next holder's by now."""
        known = self.record.fairy_ref
        handle = None if known is None else known()
        return handle if getattr(handle, "spillway_checkout", None) is self else None

    def state(self) -> HolderState:
        """What it is doing now. A commit, a rollback and the way back into the pool count as a query: they are not ours to break."""
        if self.running or self.is_cut or self._is_returning():
            return HolderState.QUERY
        told = driver_state(self.record.driver_connection)
        if told is not None:
            return told
        return HolderState.IDLE_IN_TRANSACTION if self.has_transaction else HolderState.IDLE

    def _is_returning(self) -> bool:
        """True from the moment its holder closes it: the handle's own count of users falls before all else. No event: that would be dear."""
        handle = self.handle()
        return handle is None or handle._counter <= 0  # noqa: SLF001 - the same in SQLAlchemy 2.0 and 2.1

    def backend_pid(self) -> int | None:
        """The server process behind it, None when unknown."""
        return backend_pid(self.record.driver_connection)

    def is_suspect(self, now: float, threshold_s: float) -> bool:
        """True when it is older than `threshold_s`, runs nothing and nobody vouched for it."""
        return not self.label.exempt and now - self.since >= threshold_s and self.state() is not HolderState.QUERY

    def note(self, leak: Leak) -> bool:
        """Remember that it is a suspected leak; False when another thread had noted so. Call it under the ledger's lock."""
        if self.leak is not None:
            return False
        self.leak = leak
        return True

    def holder(self, now: float, threshold_s: float) -> Holder:
        """What operators see."""
        label = self.label
        is_suspect = self.is_suspect(now, threshold_s)
        return Holder(
            id=self.id,
            task=f"{self.task} (exempt: {label.exempt})" if label.exempt else self.task,
            route=label.route,
            call_site=self.call_site,
            held_s=round(now - self.since, 3),
            state=self.state(),
            query=self.query,
            suspected_leak=is_suspect,
            backend_pid=self.backend_pid(),
            stack=stack(self.trace) if is_suspect else (),
        )
