"""Every call of the console goes through here: ordinary ones by queue and breaker, guard calls by a lane of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from dashboard_app.console.client.wire import BODY_CAP_BYTES, Wire, judged
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, Refused
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.breaker import counts_as_failure
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.runtime.request_queue import Priority, RequestQueue
from dashboard_app.runtime.retry import Backoff, RetryBudget, with_retries

Value = TypeVar("Value")
GUARD_LIMIT_S = 2.0
CONSOLE = Principal(PrincipalKind.CONSOLE, "console", Role.VIEWER)
"""Who asks when no person does."""


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Call:
    """One ordinary request. `key` names the source it is about; `may_try`: it may be a trial of a half-open breaker."""

    method: str
    path: str
    priority: Priority = Priority.BACKGROUND
    key: str = ""
    may_try: bool = False
    principal: Principal | None = None
    params: Mapping[str, str | int] | None = None
    body: object = None
    on_start: Callable[[], None] = _nothing
    is_known_sick: bool = False
    """The source has failed before: another failure is its own and says nothing of the server."""
    retries: int = 0
    """Retries of this very call, a moment apart; only for reads. The loader's reads have none here: their lane retries by its plan."""
    is_paced: bool = False
    """A window decides when it starts, not the queue's concurrency and interval."""
    cap_bytes: int = BODY_CAP_BYTES
    """The longest answer that is read."""


class Caller:
    """Sends calls. `on_failure` hears of every call, guard calls too, that says the server may be sick."""

    def __init__(self, wire: Wire, queue: RequestQueue, breaker: NamedBreaker, clock: Clock, *, request_timeout_s: float) -> None:
        """Use what is given; nothing is sent yet."""
        self.wire = wire
        self._queue = queue
        self._breaker = breaker
        self.clock = clock
        self.request_timeout_s = request_timeout_s
        self.on_failure: Callable[[], None] = _nothing
        self.budget = RetryBudget(clock)
        """Shared by every retry of this console."""

    async def ordinary(self, call: Call, parse: Callable[[Any], Value]) -> Value:
        """The parsed answer of a call that waits in the queue and needs the breaker's ticket.

        Raises:
            TryLater: BreakerOpen, QueueFull, DeadlinePassed: nothing was sent.
            Refused: the server refused this request.
            BackendFailed: the server failed.

        """
        if not call.retries:
            return await self._once(call, parse)
        return await with_retries(
            lambda: self._once(call, parse),
            retries=call.retries,
            delay_s=Backoff(),
            is_retryable=_is_passing,
            sleep=self.clock.sleep,
            budget=self.budget,
        )

    async def guard(
        self,
        method: str,
        path: str,
        parse: Callable[[Any], Value],
        *,
        principal: Principal | None = None,
        body: object = None,
        limit_s: float = GUARD_LIMIT_S,
    ) -> Value:
        """The parsed answer of a guard call: no queue, no breaker, no throttle.

        Raises:
            Refused: the server refused this request.
            BackendFailed: the server failed or took longer than `limit_s`.

        """
        try:
            answer = await self.wire.send(method, path, limit_s=limit_s, principal=principal or CONSOLE, body=body)
            return parse(judged(answer, principal))
        except BackendFailed as failure:
            if counts_as_failure(failure):
                self.on_failure()
            raise

    async def ping(self) -> bool:
        """True when the server answered anything below 500. A failure counts as a failed call, a success for nothing."""
        try:
            ticket = self._breaker.ask(may_try=False)
        except BreakerOpen:
            return False
        try:
            answer = await self.wire.send("GET", "/api/v1/health/ping", limit_s=GUARD_LIMIT_S, principal=CONSOLE)
            if answer.status >= 500:  # noqa: PLR2004 - HTTP's own number
                judged(answer)
        except BackendFailed as failure:
            self._breaker.failed(ticket, failure)
            return False
        self._breaker.given_back(ticket)
        return True

    async def _once(self, call: Call, parse: Callable[[Any], Value]) -> Value:
        """One try: a place in the queue, then the breaker's ticket."""
        if not call.may_try and not self._breaker.lets_through:
            self._breaker.ask(may_try=False)
        async with self._queue.paced.place() if call.is_paced else self._queue.place(call.priority) as left_s:
            return await self._ticketed(call, parse, min(left_s, self.request_timeout_s))

    async def _ticketed(self, call: Call, parse: Callable[[Any], Value], limit_s: float) -> Value:
        """Send with a ticket and bring its outcome back; a caller that leaves gives the ticket back."""
        ticket = self._breaker.ask(may_try=call.may_try)
        began, is_settled, has_started = self.clock.monotonic(), False, False

        def on_sent() -> None:
            nonlocal has_started
            if not has_started:
                has_started = True
                call.on_start()

        try:
            answer = await self.wire.send(
                call.method,
                call.path,
                limit_s=limit_s,
                principal=call.principal or CONSOLE,
                params=call.params,
                body=call.body,
                on_sent=on_sent,
                cap_bytes=call.cap_bytes,
            )
            value = parse(judged(answer, call.principal))
            self._breaker.answered(ticket, began)
            is_settled = True
        except Refused:
            self._breaker.answered(ticket, began)
            is_settled = True
            raise
        except BackendFailed as failure:
            is_settled = True
            if failure.status == 429 and failure.retry_after_s:  # noqa: PLR2004 - HTTP's own number
                self._queue.rest(failure.retry_after_s)
            if counts_as_failure(failure) and call.is_known_sick and not ticket.is_trial:
                self._breaker.failed_alone(ticket)
            elif counts_as_failure(failure):
                self._breaker.failed(ticket, failure, key=call.key)
                self.on_failure()
            else:
                self._breaker.answered(ticket, began)
            raise
        finally:
            on_sent()  # one that found no connection was a start, too
            if not is_settled:
                self._breaker.given_back(ticket)
        return value


def _is_passing(failure: BaseException) -> bool:
    """True for a failure that a second try a moment later may not meet: not a time limit, which has cost its caller enough already."""
    return counts_as_failure(failure) and isinstance(failure, BackendFailed) and failure.cause in ("refused", "http")
