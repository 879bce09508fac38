"""When a remembered credential counts as it is, when the database is asked about it, and who waits for that how long."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from dashboard_app.access.known import FRESH_S, GOOD_S, Known, KnownCredentials
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable

_LOG = logging.getLogger(__name__)
CHECK_LIMIT_S = 1.0
"""How long a check waits for the database before what is known counts."""
GUARD_WAIT_S = 0.015
"""How long the first guard call waits for a check: enough for a healthy one, far below the 50 ms a guard call may take."""
_MAX_CHECKS = 64
"""Checks under way; one more is refused, so that made-up tokens cannot starve the control pool."""

Find = Callable[[str], Awaitable[Known | None]]


class Checker:
    """One check per credential at a time, shared by all who wait for it."""

    def __init__(self, clock: Clock, is_reachable: Callable[[], bool], mark: Callable[[bool], None], on_end: Callable[[str], None]) -> None:
        """`mark` hears whether the database answered a check; `on_end` which credential turned out to be over."""
        self._clock = clock
        self._is_reachable = is_reachable
        self._mark = mark
        self._on_end = on_end
        self._checks: dict[str, asyncio.Task[None]] = {}

    @property
    def under_way(self) -> int:
        """Checks that have no answer yet."""
        return len(self._checks)

    async def known(self, memory: KnownCredentials, key: str, find: Find, *, guard_call: bool) -> Known | None:
        """The good entry for `key`, confirmed recently enough, or None.

        Raises:
            DatabaseUnavailable: it is not known well enough and the database cannot be asked.

        """
        known = memory.get(key)
        if known is not None and self._age_s(known) < (FRESH_S if known.is_written else GOOD_S):
            return self._unless_over(memory, known)
        may_use = known is not None and self._age_s(known) < GOOD_S
        if self._is_reachable():
            wait_s = CHECK_LIMIT_S + GUARD_WAIT_S
            if guard_call and may_use:
                wait_s = 0.0 if key in self._checks else GUARD_WAIT_S  # somebody waited for that check already
            check = self._check(memory, key, find)
            await asyncio.wait({check}, timeout=wait_s)
            if check.done() and not check.cancelled() and check.exception() is None:
                return self._unless_over(memory, memory.get(key))
        if not may_use:
            raise DatabaseUnavailable("The database cannot be asked whether this sign-in is good.")
        return self._unless_over(memory, memory.get(key))  # it may have been ended while we waited

    def close(self) -> None:
        """End every check that is under way."""
        for check in list(self._checks.values()):
            check.cancel()

    def _check(self, memory: KnownCredentials, key: str, find: Find) -> asyncio.Task[None]:
        """The check of `key` that is under way, or a new one. Raises DatabaseUnavailable when too many are."""
        check = self._checks.get(key)
        if check is None:
            if len(self._checks) >= _MAX_CHECKS:
                raise DatabaseUnavailable("Too many credentials are being checked.")
            check = asyncio.create_task(self._recheck(memory, key, find), name="identity-check")
            self._checks[key] = check
            check.add_done_callback(lambda done: self._checked(key, done))
        return check

    def _checked(self, key: str, check: asyncio.Task[None]) -> None:
        """Take a finished check off the list; an error of the program is logged, since nobody may be waiting any more."""
        self._checks.pop(key, None)
        error = None if check.cancelled() else check.exception()
        if error is not None and not isinstance(error, DatabaseUnavailable):
            _LOG.error("a credential could not be checked", exc_info=error)

    async def _recheck(self, memory: KnownCredentials, key: str, find: Find) -> None:
        """Bring the entry of `key` in step with the table; an answer from before a loss of rights is asked for again."""
        try:
            while True:
                generation, asked = memory.generation, self._clock.monotonic()
                found = await find(key)
                if memory.generation == generation:
                    break
        except DatabaseUnavailable:
            self._mark(False)
            raise
        self._mark(True)
        if found is None:
            memory.missing(key)
            self._on_end(key)
        else:
            memory.put(replace(found, confirmed_mono=asked))

    def _unless_over(self, memory: KnownCredentials, known: Known | None) -> Known | None:
        """The entry, or None when it is over by its own clock."""
        if known is not None and known.is_over(self._clock.now()):
            memory.end(known.key)
            self._on_end(known.key)
            return None
        return known

    def _age_s(self, known: Known) -> float:
        """Seconds since the entry was confirmed."""
        return self._clock.monotonic() - known.confirmed_mono
