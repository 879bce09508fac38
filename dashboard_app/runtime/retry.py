"""Retries by tenacity, built only after the first failure: the machinery costs 20-40 µs a call, the happy path nothing.

All retries of a process share one budget, so that they cannot multiply the load of a server that is failing already.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_base, wait_random_exponential

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed

Answer = TypeVar("Answer")
RETRY_AFTER_MAX_S = 60.0
"""Whoever is told to come back later than this is not kept waiting: the failure is told at once."""


class RetryBudget:
    """A token bucket: each request pays in `share` of a token, each retry takes one, so retries add at most that share.

    `most` tokens are there at first and can be saved; one more comes every `trickle_s` seconds, without which a handful of sources
    would not get the retries their plan promises.
    """

    def __init__(self, clock: Clock, *, share: float = 0.1, most: float = 10.0, trickle_s: float = 30.0) -> None:
        """Full."""
        self._clock, self._share, self._most, self._trickle_s = clock, share, most, trickle_s
        self._tokens, self._at = most, clock.monotonic()
        self.refused_total = 0

    def requested(self) -> None:
        """Pay in for one request that is no retry."""
        self._tokens = min(self._tokens + self._share, self._most)

    def take(self) -> bool:
        """True when one more retry may be sent; it is paid for then."""
        now = self._clock.monotonic()
        self._tokens = min(self._tokens + (now - self._at) / self._trickle_s, self._most)
        self._at = now
        if self._tokens < 1.0:
            self.refused_total += 1
            return False
        self._tokens -= 1.0
        return True


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with full jitter: before the n-th retry a random part of `first_s` x 2^(n-1), `most_s` at most."""

    first_s: float = 0.2
    most_s: float = 2.0

    def wait(self) -> wait_base:
        """As tenacity counts it."""
        return wait_random_exponential(multiplier=self.first_s, max=self.most_s)


async def with_retries(
    call: Callable[[], Awaitable[Answer]],
    *,
    retries: int,
    delay_s: Callable[[], float] | Backoff,
    is_retryable: Callable[[BaseException], bool],
    sleep: Callable[[float], Awaitable[None]],
    budget: RetryBudget | None = None,
) -> Answer:
    """The first good answer of up to 1 + `retries` calls, `delay_s` apart or as long as the server's Retry-After; else the last error.

    An error that is not retryable, that asks for more than RETRY_AFTER_MAX_S, or for which the budget has nothing left is raised at
    once; cancellation always passes through.
    """
    if budget is not None:
        budget.requested()
    try:
        return await call()
    except Exception as failure:  # `is_retryable` names the errors; every other is raised again
        if retries <= 0 or not is_retryable(failure):
            raise
        failed: list[Exception] = [failure]

    async def again() -> Answer:
        """The outcome of the call that was made already, then those of the retries."""
        if failed:
            raise failed.pop()
        return await call()

    def is_over(state: RetryCallState) -> bool:
        """True when the last failure is the answer."""
        return state.attempt_number > retries or not _may_retry(_failure(state), budget)

    own = delay_s.wait() if isinstance(delay_s, Backoff) else _fixed(delay_s)
    retrying = AsyncRetrying(
        stop=is_over,
        wait=lambda state: max(own(state), _asked_for(_failure(state))),
        retry=retry_if_exception(is_retryable),
        sleep=sleep,
        reraise=True,
    )
    return await retrying(again)


def _fixed(delay_s: Callable[[], float]) -> Callable[[RetryCallState], float]:
    """A pause that the caller draws."""
    return lambda _: delay_s()


def _failure(state: RetryCallState) -> BaseException | None:
    """What the last attempt failed with."""
    return state.outcome.exception() if state.outcome is not None else None


def _may_retry(failure: BaseException | None, budget: RetryBudget | None) -> bool:
    """True when the server does not ask for a long rest and the budget pays."""
    return _asked_for(failure) <= RETRY_AFTER_MAX_S and (budget is None or budget.take())


def _asked_for(failure: BaseException | None) -> float:
    """The Retry-After of a failure in seconds; 0 when it names none."""
    return (failure.retry_after_s or 0.0) if isinstance(failure, BackendFailed) else 0.0
