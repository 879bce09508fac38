"""Who holds connections of an engine, since when, doing what: kept from SQLAlchemy's own events, read without touching the pool."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.pool import Pool

from dashboard_app.backend.guard.call_site import call_site
from dashboard_app.backend.guard.checkout import QUERY_CHARS, Checkout
from dashboard_app.backend.guard.labels import current_label
from dashboard_app.backend.guard.sites import Sites
from dashboard_app.model.errors import Reclaimed

_KEY = "spillway_checkout"
TAKEN = "The pool guard took this connection back: it was held for too long and ran nothing."


@dataclass(frozen=True, slots=True)
class IdleConnection:
    """A connection that lies in the pool. `since`: monotonic seconds."""

    id: int
    since: float
    record: Any


class Ledger:
    """The checkouts of one engine. Events write it, in whatever thread uses the engine; `lock` settles who comes first."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float], on_failure: Callable[[BaseException], None]) -> None:
        """Listen to `engine` from now on; `on_failure` hears of errors that may mean that the database is away."""
        self.lock = Lock()
        self.sites = Sites()
        self._monotonic = monotonic
        self._on_failure = on_failure
        self._numbers = itertools.count(1)
        self._checkouts: dict[int, Checkout] = {}
        self._idle: dict[int, IdleConnection] = {}
        self._listen(engine)

    def checkouts(self) -> list[Checkout]:
        """All checkouts, the longest held first."""
        return sorted(list(self._checkouts.values()), key=lambda checkout: checkout.since)  # noqa: C414 - list() is atomic, sorted() is not

    def idle(self) -> list[IdleConnection]:
        """Live connections in the pool, the longest idle first."""
        return sorted(list(self._idle.values()), key=lambda connection: connection.since)  # noqa: C414

    def is_out(self, checkout: Checkout) -> bool:
        """True while this very checkout is out."""
        return self._checkouts.get(id(checkout.record)) is checkout

    @contextmanager
    def running(self, handle: Any, query: str) -> Iterator[None]:
        """Inside, the checkout behind `handle` counts as running `query`: for drivers that are used directly.

        `handle` is an (async) SQLAlchemy connection or the proxy that `raw_connection()` gives.

        Raises:
            Reclaimed: the guard has taken the connection back.

        """
        checkout = _of_handle(handle)
        self._start(checkout, query)
        try:
            yield
        except (OSError, TimeoutError) as error:
            self._on_failure(error)
            raise
        finally:
            self._stop(checkout)

    def _listen(self, engine: Engine) -> None:
        """Attach every listener; the pool's survive `engine.dispose()`, which hands them to the new pool."""
        pool: Pool = engine.pool
        event.listen(pool, "checkout", self._checked_out)
        event.listen(pool, "checkin", self._checked_in)
        event.listen(pool, "reset", self._resetting)
        event.listen(pool, "invalidate", self._invalidated)
        event.listen(pool, "close", self._closed)
        event.listen(pool, "detach", self._detached)
        event.listen(engine, "before_cursor_execute", self._before_execute)
        event.listen(engine, "after_cursor_execute", self._after_execute)
        event.listen(engine, "begin", self._began)
        event.listen(engine, "commit", self._ending)
        event.listen(engine, "rollback", self._ending)
        event.listen(engine, "handle_error", self._failed)

    def _checked_out(self, _connection: Any, record: Any, handle: Any) -> None:
        label = current_label()
        checkout = Checkout(
            next(self._numbers),
            record,
            handle,
            task=label.task,
            route=label.route,
            exempt=label.exempt,
            call_site=call_site(),
            since=self._monotonic(),
        )
        handle.__dict__[_KEY] = checkout
        self._idle.pop(id(record), None)
        self._checkouts[id(record)] = checkout

    def _checked_in(self, connection: Any, record: Any) -> None:
        checkout = self._checkouts.pop(id(record), None)
        now = self._monotonic()
        if checkout is not None:
            self.sites.add(checkout.call_site, now - checkout.since)
        if connection is not None:
            self._idle[id(record)] = IdleConnection(next(self._numbers), now, record)

    def _resetting(self, _connection: Any, record: Any, _state: Any) -> None:
        if (checkout := self._checkouts.get(id(record))) is not None:
            with self.lock:
                checkout.is_returning = True

    def _invalidated(self, _connection: Any, record: Any, _error: BaseException | None) -> None:
        self._resetting(None, record, None)

    def _closed(self, _connection: Any, record: Any) -> None:
        self._idle.pop(id(record), None)

    def _detached(self, _connection: Any, record: Any) -> None:
        self._checked_in(None, record)

    def _before_execute(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        self._start(_of_connection(connection), statement)

    def _after_execute(self, connection: Connection, *_rest: Any) -> None:
        checkout = _of_connection(connection)
        self._stop(checkout)
        if checkout is not None:
            checkout.has_transaction = True

    def _began(self, connection: Connection) -> None:
        if (checkout := _of_connection(connection)) is not None:
            checkout.is_ending = False

    def _ending(self, connection: Connection) -> None:
        if (checkout := _of_connection(connection)) is not None:
            with self.lock:
                checkout.is_ending = True
                checkout.has_transaction = False

    def _failed(self, context: ExceptionContext) -> BaseException | None:
        """A statement or a ping failed: it runs no longer. The holder of a connection taken back hears our own error."""
        error = context.original_exception
        if context.connection is not None:
            self._stop(_of_connection(context.connection))
        if isinstance(error, Reclaimed):
            return Reclaimed(error.detail)
        if context.is_disconnect or isinstance(error, (OSError, TimeoutError)):
            self._on_failure(error)
        return None

    def _start(self, checkout: Checkout | None, query: str) -> None:
        """Count a statement as under way, unless a cleanup came first."""
        if checkout is None:
            return
        with self.lock:
            if checkout.is_taken:
                raise Reclaimed(TAKEN)
            checkout.running += 1
            checkout.is_ending = False
        checkout.query = query if len(query) <= QUERY_CHARS else query[:QUERY_CHARS]

    def _stop(self, checkout: Checkout | None) -> None:
        """A statement is over."""
        if checkout is not None:
            checkout.running = max(checkout.running - 1, 0)
            checkout.idle_since = self._monotonic()


def _of_connection(connection: Connection) -> Checkout | None:
    """The checkout behind a SQLAlchemy connection. Its public `.connection` would reconnect one that was invalidated."""
    return _of_proxy(connection._dbapi_connection)  # noqa: SLF001


def _of_proxy(proxy: Any) -> Checkout | None:
    """The checkout that was noted on the pool's proxy."""
    found = getattr(proxy, "__dict__", {}).get(_KEY)
    return found if isinstance(found, Checkout) else None


def _of_handle(handle: Any) -> Checkout | None:
    """The checkout behind whatever a caller has in hand."""
    sync = getattr(handle, "sync_connection", handle)
    return _of_connection(sync) if isinstance(sync, Connection) else _of_proxy(sync)
