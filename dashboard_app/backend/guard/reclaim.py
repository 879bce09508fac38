"""Taking a checkout back from a holder that still has it in hand, with the pool's accounting exact and no double return.

First a fence: the holder's handle gets a stand-in that raises `Reclaimed`. Behind it the connection is the guard's alone. Then the
connection is closed and the pool's own record is checked in, as its holder would have done; or the fence is lifted again.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any, NoReturn

from dashboard_app.backend.guard.checkout import Checkout
from dashboard_app.backend.guard.ledger import TAKEN
from dashboard_app.model.errors import Reclaimed
from dashboard_app.model.pool import HolderState


class _TakenConnection:
    """What the holder has instead of a connection: giving it back is no error, any use raises `Reclaimed`."""

    autocommit = True

    def rollback(self) -> None:
        """Nothing: the server has rolled back."""

    def close(self) -> None:
        """Nothing: it is closed."""

    def terminate(self) -> None:
        """Nothing: it is closed."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Reclaimed(TAKEN)


class _TakenRecord:
    """What the holder's handle has instead of the pool's record. SQLAlchemy sees it as not in use, so nothing is returned twice."""

    in_use = False

    def __init__(self) -> None:
        """Empty, as for a connection that is gone."""
        self.info: dict[str, object] = {}
        self.record_info: dict[str, object] = {}

    @property
    def fairy_ref(self) -> None:
        """The handle SQLAlchemy looks for; there is none."""

    @fairy_ref.setter
    def fairy_ref(self, _handle: object) -> NoReturn:
        """`detach()` begins here and would put this record into the pool."""
        raise Reclaimed(TAKEN)

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:
        """Nothing: it is gone."""

    def checkin(self, _fairy_was_created: bool = True) -> None:
        """Nothing: the guard has checked it in."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Reclaimed(TAKEN)


@dataclass(frozen=True, slots=True)
class Fence:
    """A checkout that only the guard can use now. It keeps the handle alive, so that its end cannot run in between."""

    checkout: Checkout
    handle: Any
    connection: Any
    was_in_transaction: bool


def fence(checkout: Checkout, lock: Lock) -> Fence | None:
    """Cut the holder off; None when it has begun to run something, has gone, or was cut off already."""
    with lock:
        handle = checkout.handle()
        state = checkout.state()
        if handle is None or checkout.is_taken or handle.dbapi_connection is None or state is HolderState.QUERY:
            return None
        checkout.is_taken = True
        connection = handle.dbapi_connection
        handle.dbapi_connection = _TakenConnection()
        handle._connection_record = _TakenRecord()  # noqa: SLF001 - SQLAlchemy has no public way to take a checkout back
        return Fence(checkout, handle, connection, state is HolderState.IDLE_IN_TRANSACTION)


def lift(fenced: Fence, lock: Lock) -> bool:
    """Give the connection back to its holder; False when the holder has closed its handle meanwhile, so that it must be taken back."""
    with lock:
        if not isinstance(fenced.handle.dbapi_connection, _TakenConnection):
            return False
        fenced.handle.dbapi_connection = fenced.connection
        fenced.handle._connection_record = fenced.checkout.record  # noqa: SLF001 - undoes what `fence` did
        fenced.checkout.is_taken = False
        return True


def take_back(fenced: Fence) -> None:
    """Close the connection and give its place in the pool to whoever waits. No I/O is waited for outside a greenlet.

    The driver's connection is cut without a farewell from the server; a statement cannot be under way.
    """
    finalizer = vars(fenced.handle).get("_finalizer")  # 2.0 has none: its handle's end looks whether the record is still its own
    if finalizer is not None:
        finalizer.detach()  # the handle's end must not return the record a second time
    record = fenced.checkout.record
    record.invalidate(Reclaimed(TAKEN))
    record.checkin()
