"""Who holds connections of an engine, since when, doing what: kept from what passes its doors, read without touching the pool."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.pool import Pool

from dashboard_app.backend.guard.call_site import called
from dashboard_app.backend.guard.checkout import QUERY_CHARS, Checkout
from dashboard_app.backend.guard.doors import bracket_statements
from dashboard_app.backend.guard.leaks import Leak, Leaks
from dashboard_app.backend.guard.sites import Sites
from dashboard_app.model.errors import Reclaimed

TAKEN = "The pool guard took this connection back: it was held for too long and ran nothing."


@dataclass(frozen=True, slots=True)
class IdleConnection:
    """A connection that lies in the pool. `since`: monotonic seconds."""

    id: int
    since: float
    record: Any


class Ledger:
    """The checkouts of one engine. Its pool's doors and events write it, in whatever thread uses it; `lock` settles who comes first."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float], on_failure: Callable[[BaseException], None]) -> None:
        """Listen to `engine` from now on; `on_failure` hears of errors that may mean that the database is away."""
        self.lock = Lock()
        self.sites = Sites(called)
        self.on_return: Callable[[Any, float, bool], None] = lambda _record, _now, _is_lost: None
        """Called with the record of each checkout that is over, when, and whether it was taken back or a suspected leak."""
        self.leaks = Leaks()
        self._monotonic = monotonic
        self._on_failure = on_failure
        self._numbers = itertools.count(1)
        self._checkouts: dict[int, Checkout] = {}
        self._idle: dict[int, tuple[int, float, Any]] = {}
        self._listen(engine)

    def checkouts(self) -> list[Checkout]:
        """All checkouts, the longest held first."""
        return sorted(list(self._checkouts.values()), key=lambda checkout: checkout.since)  # noqa: C414 - list() is atomic, sorted() is not

    def idle(self) -> list[IdleConnection]:
        """Live connections in the pool, the longest idle first."""
        return sorted((IdleConnection(*told) for told in list(self._idle.values())), key=lambda connection: connection.since)

    def is_out(self, checkout: Checkout) -> bool:
        """True while this very checkout is out."""
        return self._checkouts.get(id(checkout.record)) is checkout

    def look_for_leaks(self, now: float, threshold_s: float) -> None:
        """Note the checkouts that have become suspected leaks since the last look."""
        for checkout in self.checkouts():
            if now - checkout.since < threshold_s:
                break  # the rest is younger
            if checkout.leak is None and checkout.is_suspect(now, threshold_s):
                leak = Leak(checkout.id, checkout.task, checkout.label.route, checkout.trace, checkout.since)
                with self.lock:
                    is_news = checkout.note(leak)
                if not is_news:
                    continue
                self.leaks.find(leak, now)
                if not self.is_out(checkout):  # it came back while it was noted, and nobody knew then
                    self.leaks.end(leak, now, is_reclaimed=checkout.is_taken)

    @contextmanager
    def running(self, handle: Any, query: str) -> Iterator[None]:
        """Inside, the checkout behind `handle` counts as running `query`: for drivers that are used directly.

        `handle` is an (async) SQLAlchemy connection or the proxy that `raw_connection()` gives.

        Raises:
            Reclaimed: the guard has taken the connection back.

        """
        checkout = self._start(_proxy_of(handle), query)
        try:
            yield
        except (OSError, TimeoutError) as error:
            self._on_failure(error)
            raise
        finally:
            if checkout is not None:
                self._stop(checkout)

    def _listen(self, engine: Engine) -> None:
        """Attach every listener; the pool's survive `engine.dispose()`, which hands them to the new pool."""
        pool: Pool = engine.pool
        event.listen(pool, "invalidate", self._invalidated)
        event.listen(pool, "close", self._closed)
        event.listen(engine, "handle_error", self._failed)
        bracket_statements(engine.dialect, self._start, self._stop)

    def checked_out(self, handle: Any) -> None:
        """The pool is about to give out `handle`."""
        record = handle._connection_record  # noqa: SLF001 - what an event for it would say
        checkout = Checkout(next(self._numbers), record, self._monotonic())
        handle.spillway_checkout = checkout
        key = id(record)
        self._idle.pop(key, None)
        self._checkouts[key] = checkout

    def returned(self, record: Any) -> None:
        """`record` is about to lie in the pool, with a connection or without one."""
        key = id(record)
        checkout = self._checkouts.pop(key, None)
        now = self._monotonic()
        if checkout is not None:
            leak, is_taken = checkout.leak, checkout.is_taken
            self.sites.add(checkout.trace[0] if checkout.trace else None, now - checkout.since)
            self.on_return(record, now, is_taken or leak is not None)
            if leak is not None:
                self.leaks.end(leak, now, is_reclaimed=is_taken)
        if record.dbapi_connection is not None:
            self._idle[key] = next(self._numbers), now, record

    def _invalidated(self, _connection: Any, record: Any, _error: BaseException | None) -> None:
        if (checkout := self._checkouts.get(id(record))) is not None:
            with self.lock:
                checkout.is_cut = True

    def _closed(self, _connection: Any, record: Any) -> None:
        self._idle.pop(id(record), None)

    def _failed(self, context: ExceptionContext) -> BaseException | None:
        """A statement, a connect or a ping failed. The holder of a connection taken back hears our own error, not SQLAlchemy's wrapping."""
        error = context.original_exception
        if isinstance(error, Reclaimed):
            return Reclaimed(error.detail)
        if context.is_disconnect or isinstance(error, (OSError, TimeoutError)):
            self._on_failure(error)
        return None

    def _start(self, proxy: Any, query: str | None) -> Checkout | None:
        """Count something as under way on the connection behind `proxy`, unless a cleanup came first. `query` None: an end of a transaction."""
        try:
            checkout: Checkout = proxy.spillway_checkout  # asking for the proxy's `__dict__` would make it slower for good
        except AttributeError:
            return None
        with self.lock:
            if checkout.is_taken:
                if query is None:
                    return None
                raise Reclaimed(TAKEN)
            checkout.running += 1
        checkout.has_transaction = query is not None
        if query is not None:
            checkout.query = query if len(query) <= QUERY_CHARS else query[:QUERY_CHARS]
        return checkout

    def _stop(self, checkout: Checkout) -> None:
        """It is over."""
        checkout.running -= 1
        checkout.idle_since = self._monotonic()


def _proxy_of(handle: Any) -> Any:
    """The pool's proxy behind whatever a caller has in hand. A Connection's public `.connection` would reconnect an invalidated one."""
    sync = getattr(handle, "sync_connection", handle)
    return sync._dbapi_connection if isinstance(sync, Connection) else sync  # noqa: SLF001
