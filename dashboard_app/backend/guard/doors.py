"""The pool's and the dialect's own doors, watched on the instance, where SQLAlchemy has no event or a dear one.

There is no event for a wait that begins or for a count that has changed, and a failed connect fires none, so the queue's get and put, the
pool's connect and its overflow count are wrapped; each is a stable method of SQLAlchemy 2.0 and 2.1. The creator is wrapped, too, because
a refused connect raises the driver's own error past `handle_error`.

Statements, commits and rollbacks are bracketed at the dialect: the engine's cursor events would cost each connection 50 µs and more
(measured), say nothing about the end of a commit, and nothing at all when a statement fails.
"""

import itertools
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.pool import QueuePool
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty

from dashboard_app.backend.guard.demand import Demands

_NOBODY = object()


class Waits:
    """Who waits in the pool, since when (monotonic seconds)."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.since: dict[int, float] = {}
        """When each wait began, by its number."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self.since)

    def begin(self, now: float) -> int:
        """A number for a wait that begins."""
        number = next(self._numbers)
        self.since[number] = now
        return number

    def end(self, number: int) -> None:
        """That wait is over."""
        del self.since[number]

    def oldest_s(self, now: float) -> float:
        """Seconds the longest wait has lasted, 0 when nobody waits."""
        return now - min(list(self.since.values()), default=now)


def stored(pool: QueuePool) -> Sized:
    """What holds the connections that lie in `pool`, for its length: its own `qsize()` takes a lock or three calls."""
    queue: Any = pool._pool  # noqa: SLF001 - see the module's docstring
    is_async = isinstance(queue, AsyncAdaptedQueue)
    items: Any = queue._queue if is_async else queue  # noqa: SLF001
    return cast("Sized", items._queue if is_async else items.queue)  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of what at the doors, each in the thread and moment in which it happens."""

    on_change: Callable[[], None]
    """A count has changed, or a wait begins or ends."""
    on_checkout: Callable[[Any], None]
    """A handle is about to be given out."""
    on_return: Callable[[Any], None]
    """A record is about to lie in the pool again."""
    on_failure: Callable[[BaseException], None]
    """A connect has failed."""
    on_successor: Callable[[QueuePool], None]
    """Another pool is in this one's place."""
    demands: Demands
    """Hears how each checkout was served."""


def watch(pool: QueuePool, waits: Waits, monotonic: Callable[[], float], told: Told) -> None:
    """Wrap the doors of `pool` and count its waits; the pool that `engine.dispose()` puts in its place is watched, too.

    SQLAlchemy has events for checkout, return and dispose. One listener of the pool's makes each checkout take a longer way, one of the
    engine's makes each connection look for nine more (10 and 50 µs on a busy machine, measured).
    """
    queue: Any = pool._pool  # noqa: SLF001 - see the module's docstring
    get, put, connect, recreate = queue.get, queue.put, pool.connect, pool.recreate
    on_change, on_checkout, on_return, demands = told.on_change, told.on_checkout, told.on_return, told.demands

    def watched_get(block: bool = True, timeout: Any = _NOBODY) -> Any:
        if timeout is _NOBODY:  # only a checkout names one; who takes a connection out to close it asks nothing of the pool
            found = get(block)
            on_change()
            return found
        if not block:
            asked = monotonic()
            found = get(block, timeout)
            demands.took(found, asked, has_waited=False)
            on_change()
            return found
        asked, has_waited = monotonic(), queue.empty()
        number = waits.begin(asked)
        try:
            on_change()
            found = get(block, timeout)
        except Empty:
            demands.gave_up()
            raise
        else:
            demands.took(found, asked, has_waited=has_waited)
            return found
        finally:
            waits.end(number)
            on_change()

    def watched_put(item: Any, block: bool = True, timeout: float | None = None) -> None:
        on_return(item)
        put(item, block, timeout)
        on_change()

    def connected() -> Any:
        handle = connect()
        on_checkout(handle)
        return handle

    def recreated() -> QueuePool:
        successor = recreate()
        watch(successor, waits, monotonic, told)
        told.on_successor(successor)
        return successor

    queue.get, queue.put = watched_get, watched_put
    pool.connect, pool.recreate = connected, recreated  # type: ignore[method-assign]
    _watch_count(pool, "_inc_overflow", on_change)
    _watch_count(pool, "_dec_overflow", on_change)
    _watch_creator(pool, told.on_failure, demands)


def _watch_count(pool: Any, name: str, on_change: Callable[[], None]) -> None:
    """Call `on_change` after the pool's method `name` has moved its overflow count."""
    count = getattr(pool, name)

    def counted() -> bool:
        moved: bool = count()
        on_change()
        return moved

    setattr(pool, name, counted)


def _watch_creator(pool: Any, on_failure: Callable[[BaseException], None], demands: Demands) -> None:
    """Report a connect that failed with an error (a cancelled one says nothing about the server)."""
    create = pool._invoke_creator  # noqa: SLF001 - see the module's docstring

    def created(record: Any) -> Any:
        demands.opening(record)
        try:
            return create(record)
        except BaseException as error:  # counted and raised again, a cancelled one too
            demands.failed(record)
            if isinstance(error, Exception):
                on_failure(error)
            raise

    pool._invoke_creator = created  # noqa: SLF001


def bracket_statements(dialect: Any, start: Callable[[Any, str | None], Any], stop: Callable[[Any], None]) -> None:
    """Call `start(proxy, statement)` before whatever `dialect` sends for an engine, and after it `stop` with what start returned, unless None.

    The statement is None for a commit and a rollback. A rollback on a connection that was taken back is nobody's error.
    """
    for name in ("do_execute", "do_executemany"):
        setattr(dialect, name, _bracketed(getattr(dialect, name), start, stop))
    bare = dialect.do_execute_no_params
    bracketed = _bracketed(lambda cursor, statement, _, context: bare(cursor, statement, context), start, stop)
    dialect.do_execute_no_params = lambda cursor, statement, context=None: bracketed(cursor, statement, None, context)
    for name in ("do_commit", "do_rollback"):
        _bracket_end(dialect, name, start, stop)


def _bracketed(execute: Callable[..., None], start: Callable[[Any, str | None], Any], stop: Callable[[Any], None]) -> Callable[..., None]:
    """`execute`, bracketed."""

    def executed(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        begun = None if context is None else start(context.root_connection._dbapi_connection, statement)  # noqa: SLF001 - `.connection` may reconnect
        try:
            execute(cursor, statement, parameters, context)
        finally:
            if begun is not None:
                stop(begun)

    return executed


def _bracket_end(dialect: Any, name: str, start: Callable[[Any, str | None], Any], stop: Callable[[Any], None]) -> None:
    """Bracket a commit or a rollback: (the pool's proxy)."""
    end = getattr(dialect, name)

    def ended(proxy: Any) -> None:
        begun = start(proxy, None)
        try:
            end(proxy)
        finally:
            if begun is not None:
                stop(begun)

    setattr(dialect, name, ended)
