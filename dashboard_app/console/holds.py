"""States of breakers that people chose: set with a reason, audited, kept over a restart, ended when their time is over.

They are kept in a file of DATA_DIR, not in the database: a breaker is held in the very hours in which a database may be away, and a restart
then must not let go what a person holds. Breakers belong to one instance, as the folder does.
"""

import asyncio
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from dashboard_app.console.client.acts import AuditBook
from dashboard_app.model.breaker import HELD_STATES, BreakerState, Hold
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import InvalidInput, SpillwayError, TryLater
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require, require_proof
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.runtime.wake import Wake
from dashboard_app.runtime.whole_file import replace_file

_log = logging.getLogger(__name__)
REASON_AT_MOST = 500
_LARGEST_BYTES = 1024 * 1024
_LOOK_EVERY_S = 60.0
"""A clock that is set anew is noticed within this."""
_WRITE_LIMIT_S = 5.0


class Holds:
    """Sets breakers by hand. The file is written before a breaker moves: what is answered as done outlives a crash."""

    def __init__(self, path: Path, breakers: Breakers, clock: Clock, audit: AuditBook | None) -> None:
        """Nothing is read yet. `audit` None: nobody keeps a record."""
        self._path, self._breakers, self._clock, self._audit = path, breakers, clock, audit
        self._one_at_a_time = asyncio.Lock()
        self._changed = Wake(clock)
        self._is_recalled = False
        self._waiting: dict[str, Hold] = {}
        """Recalled for breakers that are not made yet: a watched service's comes with its first probe."""
        breakers.on_new(self._hold_newcomer)
        breakers.on_gone(self._forget)

    async def recall(self) -> None:
        """Put breakers into the states that were in force at the last stop; what has expired meanwhile is let go. Once."""
        if self._is_recalled:
            return
        self._is_recalled = True
        for name, hold in (await asyncio.to_thread(self._read)).items():
            if hold.until is None or hold.until > self._clock.now():
                self._waiting[name] = hold
        for breaker in self._breakers:
            self._hold_newcomer(breaker)

    async def set(
        self,
        principal: Principal,
        name: str,
        state: BreakerState,
        reason: str,
        *,
        until: datetime | None = None,
        request_id: str = "",
    ) -> NamedBreaker:
        """The breaker `name`, in `state` (closed, forced open, disabled or watched only) from now on.

        Raises:
            Forbidden: this needs the admin role.
            ProofNeeded: it is too long ago that this person showed who they are.
            NotFound: there is no such breaker.
            InvalidInput: no reason, or an `until` that is past or has no meaning.
            TryLater: the disk does not take the file, or nobody takes the audit row; nothing has changed then.

        """
        require(principal, "breakers.write")
        require_proof(principal, self._clock.now())
        breaker, reason = self._breakers[name], reason.strip()
        self._check(state, reason, until)
        hold = Hold(state, principal.name, self._clock.now(), reason, until)
        async with self._one_at_a_time:
            details = {"state": state.value, "before": breaker.state.value, "reason": reason}
            if until is not None:
                details["until"] = until.isoformat()
            await self._write({**self._in_force(), name: hold})
            try:
                if self._audit is not None:
                    await self._audit.record(principal, "breakers.write", name, request_id=request_id, details=details)
            except SpillwayError:
                await self._write(self._in_force())
                raise
            breaker.hold(state, by=hold.by, reason=reason, until=until, at=hold.at)
        self._changed.ring()
        return breaker

    async def run(self) -> None:
        """Close breakers whose time is over, for ever."""
        while True:
            ends = [breaker.held.until for breaker in self._breakers if breaker.held is not None and breaker.held.until is not None]
            rest_s = min(((end - self._clock.now()).total_seconds() for end in ends), default=_LOOK_EVERY_S)
            await self._changed.wait(self._clock.monotonic() + min(max(rest_s, 0.0), _LOOK_EVERY_S))
            await self._let_go()

    async def _let_go(self) -> None:
        """Close what has expired and note it in the file; a disk that refuses changes nothing, the file says when each ends."""
        async with self._one_at_a_time:
            if not [breaker for breaker in self._breakers if breaker.expire()]:
                return
            try:
                await self._write(self._in_force())
            except TryLater as failure:
                _log.warning("%s", failure.detail)

    def _hold_newcomer(self, breaker: NamedBreaker) -> None:
        """Put a breaker into the state that waits for it."""
        hold = self._waiting.pop(breaker.name, None)
        if hold is not None and (hold.until is None or hold.until > self._clock.now()):
            breaker.hold(hold.state, by=hold.by, reason=hold.reason, until=hold.until, at=hold.at)
            self._changed.ring()

    def _forget(self, name: str) -> None:
        """A breaker is gone for good: what waits for one of its name is nobody's; the file leaves it out from its next writing on."""
        self._waiting.pop(name, None)

    def _check(self, state: BreakerState, reason: str, until: datetime | None) -> None:
        """Raise InvalidInput for what cannot be meant."""
        if state not in HELD_STATES and state is not BreakerState.CLOSED:
            raise _wrong("state", "a person can set closed, forced_open, disabled or metrics_only")
        if not 0 < len(reason) <= REASON_AT_MOST:
            raise _wrong("reason", f"say why, in 1 to {REASON_AT_MOST} characters")
        if until is None:
            return
        if state is BreakerState.CLOSED:
            raise _wrong("until", "a closed breaker is not held; leave it out")
        if until.tzinfo is None or until <= self._clock.now():
            raise _wrong("until", "must be a time in the future, with its zone")

    def _in_force(self) -> dict[str, Hold]:
        """What people hold now, by breaker; what waits for its breaker, too."""
        return self._waiting | {breaker.name: breaker.held for breaker in self._breakers if breaker.held is not None}

    async def _write(self, holds: dict[str, Hold]) -> None:
        """Make these what a restart recalls. Raises TryLater when the disk refuses."""
        kept = {name: hold for name, hold in holds.items() if hold.state in HELD_STATES}
        try:
            async with asyncio.timeout(_WRITE_LIMIT_S):
                await asyncio.to_thread(replace_file, self._path, orjson.dumps(kept, option=orjson.OPT_UTC_Z))
        except (OSError, TimeoutError) as failure:
            raise TryLater("The disk does not take the state of the breaker; nothing was changed.", 5) from failure

    def _read(self) -> dict[str, Hold]:
        """What the file says; a breaker it names that can never exist is left out, a file that cannot be used is said in the log."""
        try:
            found = orjson.loads(_content(self._path))
            return {name: _hold_of(told) for name, told in found.items() if self._may_come(name)}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as failure:
            _log.warning("the held breakers in %s cannot be read: %s", self._path.name, type(failure).__name__)
            return {}

    def _may_come(self, name: str) -> bool:
        """True when there is a breaker of this name, or it is one of a service, which comes with its first probe."""
        return name.startswith("service:") or any(breaker.name == name for breaker in self._breakers)


def _content(path: Path) -> bytes:
    """The whole file. Raises ValueError when it is larger than this file can ever be."""
    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError("too large")
    return path.read_bytes()


def _hold_of(told: dict[str, Any]) -> Hold:
    """One entry of the file. Raises ValueError, KeyError or TypeError for anything else."""
    state = BreakerState(told["state"])
    if state not in HELD_STATES:
        raise ValueError("not a held state")
    until = told["until"]
    at = datetime.fromisoformat(told["at"])
    return Hold(state, str(told["by"]), at, str(told["reason"]), None if until is None else datetime.fromisoformat(until))


def _wrong(name: str, message: str) -> InvalidInput:
    """One field that is not acceptable."""
    return InvalidInput(f"Some values are not acceptable: {name}.", ({"field": name, "message": message},))
