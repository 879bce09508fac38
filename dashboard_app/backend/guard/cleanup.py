"""Giving back what is lost: who would be touched and why (plan), and doing it, each victim checked again just before.

Never a statement under way, never a session of another application. Three ways: an idle connection is closed; a checkout past the leak
threshold that runs nothing is taken back; when its session sits idle in a transaction the server ends it first (one statement that
checks pid, backend_start, state and application again) and then the checkout is taken back, since its end alone frees no place.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.pool import QueuePool
from sqlalchemy.util.queue import Empty

from dashboard_app.backend.guard.bounded import Bounded
from dashboard_app.backend.guard.checkout import Checkout
from dashboard_app.backend.guard.doors import Waits
from dashboard_app.backend.guard.gauge import Gauge
from dashboard_app.backend.guard.ledger import Ledger
from dashboard_app.backend.guard.reclaim import Fence, fence, lift, take_back
from dashboard_app.backend.guard.report import CleanupReport, Skipped
from dashboard_app.backend.guard.server_view import ACTIVE, IDLE_IN_TRANSACTION, Backend, ServerView
from dashboard_app.model.clock import Clock
from dashboard_app.model.pool import CleanupAction, HolderState, Level, Victim
from dashboard_app.policy.throttle import level_for

logger = logging.getLogger("spillway.guard")
_DRY_ASK_S = 0.03
_ASK_S = 0.8
_TERMINATE_S = 0.9
STARTED = "left alone because it had started a query"
_UNSEEN = "left alone because the server runs a query of it that the pool does not see"
POOLED = "A connection pooler stands before the database: the server's sessions are the pooler's, so none is terminated"
"""What a report says then. The pooler itself rolls a transaction back when the connection that began it is taken back."""
UNENDED = "its session was not ended: the server cannot be asked; its checkout was taken back"


@dataclass(frozen=True, slots=True)
class _Aim:
    """One checkout to act on: with `backend` its session is ended on the server first. Without, it is taken back, whatever was planned."""

    checkout: Checkout
    victim: Victim
    backend: Backend | None


class Cleanup:
    """Plans and performs cleanups of one pool. Two at once are safe: each victim is fenced by one of them only."""

    def __init__(
        self,
        ledger: Ledger,
        gauge: Gauge,
        pool: Callable[[], QueuePool],
        *,
        waits: Waits,
        server: ServerView | None,
        is_pooled: bool = False,
        threshold_s: float,
        clock: Clock,
        bounded: Bounded,
    ) -> None:
        """`threshold_s` is the leak threshold; `is_pooled`: sessions of the server are a pooler's, and `server` is None."""
        self._ledger = ledger
        self._gauge = gauge
        self._pool = pool
        self._waits = waits
        self._server = server
        self._is_pooled = is_pooled
        self.threshold_s = threshold_s
        self._clock = clock
        self._bounded = bounded

    async def dry_run(self) -> CleanupReport:
        """What a cleanup would do now. The server is asked for 30 ms at most; without its answer the ledger's word counts."""
        began = time.perf_counter()
        aims, _ = await self._aims(_DRY_ASK_S)
        closable = self._idle_victims()
        before = self._gauge.counts()
        in_use, idle = before.checked_out - len(aims), before.idle - len(closable)
        after = replace(before, checked_out=in_use, idle=idle, overflow=max(0, in_use + idle - before.size))
        ends = sum(1 for aim in aims if aim.victim.action is CleanupAction.TERMINATE)
        return CleanupReport(
            is_dry_run=True,
            closed_idle=len(closable),
            reclaimed=len(aims) - ends,
            terminated_backends=ends,
            before=before,
            after=after,
            duration_ms=_since_ms(began),
            victims=tuple([aim.victim for aim in aims] + closable),
            left_alone=after.checked_out,
            note=POOLED if self._is_pooled else "",
            level_after=level_for(after.usage_percent) if self._gauge.throttle.is_reachable else Level.EMERGENCY,
        )

    async def perform(self) -> CleanupReport:
        """Do it, and say what was done and what was left alone after all. At most 1.7 s are spent on the server."""
        began = time.perf_counter()
        before = self._gauge.counts()
        aims, skipped = await self._aims(_ASK_S)
        taken: list[Victim] = []
        fences: list[tuple[_Aim, Fence]] = []
        for aim in aims:
            fenced = fence(aim.checkout, self._ledger.lock) if self._ledger.is_out(aim.checkout) else None
            if fenced is None:
                skipped.append(Skipped(aim.victim.id, STARTED if self._ledger.is_out(aim.checkout) else "returned after all"))
            elif aim.backend is None:
                if fenced.was_in_transaction and not self._is_pooled:
                    skipped.append(Skipped(aim.victim.id, UNENDED))
                take_back(fenced)
                taken.append(replace(aim.victim, action=CleanupAction.RECLAIM))
            else:
                fences.append((aim, fenced))
        ended, without_server = await self._end(fences, skipped)
        closed = self._close_idle()
        report = CleanupReport(
            is_dry_run=False,
            closed_idle=len(closed),
            reclaimed=len(taken) + len(without_server),
            terminated_backends=len(ended),
            before=before,
            after=self._gauge.counts(),
            duration_ms=_since_ms(began),
            victims=tuple(ended + taken + without_server + closed),
            skipped=tuple(skipped),
            note=POOLED if self._is_pooled else "",
        )
        _log(report)
        return report

    async def _aims(self, limit_s: float) -> tuple[list[_Aim], list[Skipped]]:
        """Which checkouts to act on and how, the longest held first; and which to leave alone although they are old."""
        now = self._clock.monotonic()
        suspects = [checkout for checkout in self._ledger.checkouts() if checkout.is_suspect(now, self.threshold_s)]
        backends = await self._ask(suspects, limit_s)
        aims: list[_Aim] = []
        skipped: list[Skipped] = []
        for checkout in suspects:
            backend = (backends or {}).get(checkout.backend_pid() or 0)
            if backend is not None and backend.state == ACTIVE:
                skipped.append(Skipped(checkout.id, _UNSEEN))
            else:
                aims.append(self._aim(checkout, backend, now, can_end=backends is None))
        return aims, skipped

    async def _ask(self, suspects: Sequence[Checkout], limit_s: float) -> dict[int, Backend] | None:
        """The server sessions behind `suspects` by pid; {} when the server is known to be away or not to be asked, None when it was late."""
        pids = [pid for checkout in suspects if (pid := checkout.backend_pid()) is not None]
        if not pids or self._server is None or not self._gauge.throttle.is_reachable:
            return {}
        try:
            return {backend.pid: backend for backend in await self._bounded.within(limit_s, self._server.backends(pids))}
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - any driver's error means the same here: the server cannot be asked
            logger.info("the server could not be asked about its sessions: %s", type(error).__name__)
            return {}

    def _aim(self, checkout: Checkout, backend: Backend | None, now: float, *, can_end: bool) -> _Aim:
        """What to do with one suspect. `can_end`: the server was only late, a real cleanup will ask it again."""
        age_s = now - checkout.since
        sits = f"held for {age_s:.0f} s, the last {now - checkout.idle_since:.0f} s without a statement"
        is_open = checkout.state() is HolderState.IDLE_IN_TRANSACTION
        if (can_end and is_open) or (backend is not None and backend.state in IDLE_IN_TRANSACTION):
            action, reason = CleanupAction.TERMINATE, f"{sits}, idle in a transaction"
        elif is_open:
            why = "behind a pooler no session is ended" if self._is_pooled else "the server cannot be asked to end it"
            action, reason, backend = CleanupAction.RECLAIM, f"{sits}, idle in a transaction; {why}", None
        else:
            action, reason, backend = CleanupAction.RECLAIM, sits, None
        return _Aim(checkout, Victim(checkout.id, _name(checkout), round(age_s, 3), action, reason), backend)

    async def _end(self, fences: Sequence[tuple[_Aim, Fence]], skipped: list[Skipped]) -> tuple[list[Victim], list[Victim]]:
        """End the sessions behind the fences, then take their checkouts back: (ended, taken back without the server)."""
        if not fences:
            return [], []
        try:
            done = await self._terminate([aim.backend for aim, _ in fences if aim.backend is not None])
        except asyncio.CancelledError:
            for _, fenced in fences:  # nobody may stay behind a fence
                _let_go(fenced, self._ledger)
            raise
        ended: list[Victim] = []
        without_server: list[Victim] = []
        for aim, fenced in fences:
            if aim.backend is not None and aim.backend.pid in (done or ()):
                take_back(fenced)
                ended.append(aim.victim)
            elif done is None or aim.checkout.backend_pid() is None:  # the session may also have ended by itself
                take_back(fenced)
                without_server.append(replace(aim.victim, action=CleanupAction.RECLAIM))
                skipped.append(Skipped(aim.victim.id, UNENDED))
            else:
                _let_go(fenced, self._ledger)
                skipped.append(Skipped(aim.victim.id, STARTED))
        return ended, without_server

    async def _terminate(self, backends: Sequence[Backend]) -> set[int] | None:
        """The pids of the sessions that were ended; None when the server does not answer in time or refuses."""
        if self._server is None:
            return None
        try:
            return await self._bounded.within(_TERMINATE_S, self._server.terminate(backends))
        except Exception as error:  # noqa: BLE001 - as above
            logger.warning("the server did not end idle transactions: %s", type(error).__name__)
            return None

    def _idle_victims(self) -> list[Victim]:
        """The connections that lie in the pool and would be closed."""
        now = self._clock.monotonic()
        spare = max(self._pool().checkedin() - len(self._waits), 0)
        return [
            Victim(idle.id, "", round(now - idle.since, 3), CleanupAction.CLOSE_IDLE, f"idle in the pool for {now - idle.since:.0f} s")
            for idle in self._ledger.idle()[:spare]
        ]

    def _close_idle(self) -> list[Victim]:
        """Drop what lies in the pool and close it. A connection that a waiter was promised stays: no second wake-up would come."""
        known = {id(idle.record): idle for idle in self._ledger.idle()}
        now = self._clock.monotonic()
        pool = self._pool()
        closed: list[Victim] = []
        while pool.checkedin() > len(self._waits):
            try:
                record = pool._pool.get(False)  # noqa: SLF001 - dispose() would forget what is checked out
            except Empty:
                break
            idle = known.get(id(record))
            record.invalidate()
            pool._dec_overflow()  # noqa: SLF001 - the place of a dropped record is free again
            if idle is not None:
                age_s = now - idle.since
                closed.append(Victim(idle.id, "", round(age_s, 3), CleanupAction.CLOSE_IDLE, f"idle in the pool for {age_s:.0f} s"))
        return closed


def _let_go(fenced: Fence, ledger: Ledger) -> None:
    """Lift the fence; when the holder has closed its handle meanwhile, return the connection in its stead."""
    if not lift(fenced, ledger.lock):
        take_back(fenced)


def _name(checkout: Checkout) -> str:
    """Who holds it, for a person."""
    return " ".join(part for part in (checkout.task, checkout.label.route, checkout.call_site) if part)


def _since_ms(began: float) -> float:
    """Milliseconds since `began`."""
    return round((time.perf_counter() - began) * 1000, 1)


def _log(report: CleanupReport) -> None:
    """One line for each victim that held something: its holder will ask."""
    for victim in report.victims:
        if victim.action is not CleanupAction.CLOSE_IDLE:
            logger.warning("%s of checkout %d (%s): %s", victim.action, victim.id, victim.holder, victim.reason)
