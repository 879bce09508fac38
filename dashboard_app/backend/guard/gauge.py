"""The pool's needle: counts → usage → level, kept up to date by the very calls that change a count.

Reading is right without any timer: a level that is due to fall falls when somebody looks. The monitor looks once a second so that
listeners hear of it, too.
"""

import logging
from collections.abc import Callable
from threading import RLock
from typing import Any

from sqlalchemy.pool import QueuePool

from dashboard_app.backend.guard.admission import Admission
from dashboard_app.backend.guard.doors import Waits, stored
from dashboard_app.backend.guard.recorder import Happening, Recorder
from dashboard_app.model.clock import Clock
from dashboard_app.model.pool import Level, PoolCounts
from dashboard_app.policy.throttle import Throttle, follow, hint_for, level_for, reach

logger = logging.getLogger("spillway.guard")


class Gauge:
    """Usage and level of one pool, and of the one that `engine.dispose()` puts in its place: `follow` is told of it."""

    def __init__(self, pool: QueuePool, waits: Waits, admission: Admission, clock: Clock) -> None:
        """Who waits stands in `waits` for a connection, in `admission` for a place."""
        self.recorder = Recorder()
        self.version = 1
        self.throttle = Throttle()
        self._waits = waits
        self._admission = admission
        self._in_pool, self._at_door = waits.since, admission.waiters
        self._clock = clock
        self._monotonic = clock.monotonic
        self._lock = RLock()
        self._checked_out = 0
        self._hint = hint_for(Level.NORMAL, 1)
        self._listeners: list[Callable[[], None]] = []
        self._size = pool.size()
        self._max_overflow: int = pool._max_overflow  # noqa: SLF001 - SQLAlchemy tells its size in public, its limit not
        if self._size < 1 or self._max_overflow < 0:
            raise ValueError("a guard needs a bounded pool: pool_size >= 1 and max_overflow >= 0")
        self.follow(pool)
        self._calm_below = next(n for n in range(self.capacity + 1) if self._level_at(n) is not Level.NORMAL)

    @property
    def capacity(self) -> int:
        """The most connections the pool ever opens."""
        return self._size + self._max_overflow

    def follow(self, pool: QueuePool) -> None:
        """From now on `pool` is the pool."""
        self._pool: Any = pool
        self._items = stored(pool)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each change of the level, in the thread that caused it: it must be quick and must not wait."""
        self._listeners.append(callback)

    def checked_out(self) -> int:
        """Connections in use, those being opened among them: what the pool's `size() - checkedin() + overflow()` says, at a third of the cost."""
        return self._size - len(self._items) + int(self._pool._overflow)  # noqa: SLF001 - read twice for each checkout

    @property
    def is_waited_for(self) -> bool:
        """True while somebody waits for a connection or for admission."""
        return bool(self._in_pool or self._at_door)

    def counts(self) -> PoolCounts:
        """The pool now; about 2 µs."""
        size, idle, overflow = self._size, len(self._items), self._pool.overflow()
        waiting, oldest_s = self._admission.queued()
        if self._in_pool:
            waiting, oldest_s = waiting + len(self._in_pool), max(oldest_s, self._waits.oldest_s(self._clock.monotonic()))
        return PoolCounts(size, self._max_overflow, size - idle + overflow, idle, max(overflow, 0), waiting, round(oldest_s, 3))

    def hint(self) -> str:
        """The value of `X-Throttle`, as of now; about 1 µs."""
        self.note()
        return self._hint

    def percent(self, checked_out: int) -> float:
        """Usage in percent, one decimal, as everybody is told it."""
        return round(100.0 * checked_out / self.capacity, 1)

    def note(self) -> None:
        """A count may have changed, or somebody wants to know the level: bring it up to date."""
        now = self._monotonic()
        checked_out = self._size - len(self._items) + self._pool._overflow  # noqa: SLF001 - as in `checked_out`
        is_calm = checked_out < self._calm_below and self.throttle.by_usage is Level.NORMAL
        mark = self.recorder.newest
        if is_calm and now < mark.end and checked_out <= mark.top and not self._in_pool and not self._at_door:
            self._checked_out = mark.last = checked_out
            return
        self.recorder.mark(now, checked_out, len(self._in_pool) + len(self._at_door))
        if is_calm:
            self._checked_out = checked_out
            return
        with self._lock:
            before = self.throttle
            if before.low_since is not None:
                self.throttle = follow(before, self.percent(self._checked_out), now)
            self.throttle = follow(self.throttle, self.percent(checked_out), now)
            self._checked_out = checked_out
            has_changed = self._settle(before, f"{checked_out} of {self.capacity} in use")
        if has_changed:
            self._tell()

    def set_reachable(self, is_reachable: bool) -> bool:
        """The database answers, or does not; at once. True when that is news."""
        with self._lock:
            before = self.throttle
            self.throttle = reach(before, is_reachable)
            if self.throttle is before:
                return False
            word = "reachable" if is_reachable else "unreachable"
            logger.log(logging.INFO if is_reachable else logging.ERROR, "the database is %s", word)
            self.recorder.tell(Happening(self._clock.now(), word, f"the database is {word}"))
            self._settle(before, f"the database is {word}", always=True)
        self._tell()
        return True

    def _settle(self, before: Throttle, why: str, *, always: bool = False) -> bool:
        """Give a change a version, a line and a mark; False when what clients are told stays the same."""
        level = self.throttle.level
        if level is before.level and not always:
            return False
        self.version += 1
        self._hint = hint_for(level, self.version)
        if level is not before.level:
            facts = {"from": before.level.value, "to": level.value}
            logger.info("throttling level %s -> %s (%s)", before.level, level, why, extra=facts)
            self.recorder.tell(Happening(self._clock.now(), "level", f"{before.level} → {level}: {why}"))
        return True

    def _tell(self) -> None:
        """Let every listener know. A listener's mistake must not break the checkout that moved the needle."""
        for callback in self._listeners:
            try:
                callback()
            except Exception:  # the holder of a connection is no place for a listener's error to surface
                logger.exception("a listener of the pool guard failed")

    def _level_at(self, checked_out: int) -> Level:
        """The level that so many connections in use call for."""
        return level_for(self.percent(checked_out))
