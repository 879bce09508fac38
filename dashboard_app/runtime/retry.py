"""Retries by tenacity, built only after the first failure: the machinery costs 20-40 µs a call, the happy path nothing."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

Answer = TypeVar("Answer")


async def with_retries(
    call: Callable[[], Awaitable[Answer]],
    *,
    retries: int,
    delay_s: Callable[[], float],
    is_retryable: Callable[[BaseException], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> Answer:
    """The first good answer of up to 1 + `retries` calls, `delay_s()` apart; else the last error.

    An error that is not retryable is raised at once; cancellation always passes through.
    """
    try:
        return await call()
    except Exception as failure:
        if retries <= 0 or not is_retryable(failure):
            raise
    await sleep(delay_s())
    return await _retrying(retries, delay_s, is_retryable, sleep)(call)


def _retrying(
    retries: int,
    delay_s: Callable[[], float],
    is_retryable: Callable[[BaseException], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncRetrying:
    """Tenacity's loop for the calls after the first."""

    def wait(_: RetryCallState) -> float:
        return delay_s()

    return AsyncRetrying(stop=stop_after_attempt(retries), wait=wait, retry=retry_if_exception(is_retryable), sleep=sleep, reraise=True)
