"""One breaker round a watched service: what people ask of a dead service is refused at once, and a probe is how it is known to be back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from dashboard_app.backend.sources.probes.service_wire import Answered
from dashboard_app.model.breaker import BreakerState, Ticket
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, ProbeFailed
from dashboard_app.runtime.named_breaker import NamedBreaker

Found = TypeVar("Found")


class ServiceBreaker:
    """Says what of the traffic to one service counts, and as what.

    A failure: no connection, no answer in time, 5xx, 429, an answer that is no guard's. No failure: any other answer (a refused token, a
    redirect, 404), and a call that was given up.
    """

    def __init__(self, breaker: NamedBreaker, clock: Clock) -> None:
        """Put `breaker` round a service."""
        self.breaker = breaker
        self._clock = clock

    @property
    def is_held_open(self) -> bool:
        """True while a person does not want the service to be asked at all."""
        return self.breaker.state is BreakerState.FORCED_OPEN

    async def called(self, call: Callable[[], Awaitable[Found]], *, may_try: bool) -> Found:
        """What `call` finds. `may_try`: once the wait is over it may be the trial.

        Raises:
            BreakerOpen: the service is left alone, for so long. ProbeFailed: it was asked and gave no answer.

        """
        try:
            ticket = self.breaker.ask(may_try=may_try)
        except BreakerOpen as refusal:
            raise BreakerOpen(self._refusal(), refusal.retry_after_s) from None
        async with self._settled(ticket):
            return await call()

    async def looked(self, look: Callable[[], Awaitable[Found]]) -> Found:
        """What `look`, the health probe, finds: it is never refused, save by a person, and its success closes the breaker.

        While the breaker is open and its wait not over a failure changes nothing; after the wait it is the trial.

        Raises:
            BreakerOpen: a person holds it open. ProbeFailed: no answer.

        """
        if self.is_held_open:
            raise BreakerOpen(self._refusal())
        ticket = self._ticket()
        if ticket is not None:
            async with self._settled(ticket):
                return await look()
        found = await look()
        self.breaker.try_now()
        if (late := self._ticket()) is not None:
            self.breaker.succeeded(late)
        return found

    def _ticket(self) -> Ticket | None:
        """A ticket, when there is one; a look that has none is no call that was refused."""
        return self.breaker.ticket_if_free()

    @asynccontextmanager
    async def _settled(self, ticket: Ticket) -> AsyncIterator[None]:
        """Bring the outcome of the block back; a block that is left gives the ticket back."""
        began, is_settled = self._clock.monotonic(), False
        try:
            yield
            self.breaker.answered(ticket, began)
            is_settled = True
        except Answered:
            self.breaker.answered(ticket, began)
            is_settled = True
            raise
        except ProbeFailed as failure:
            if not failure.given_up:
                cause = "timeout" if failure.timed_out else "refused"
                self.breaker.failed(ticket, BackendFailed(failure.detail, cause=cause, retry_after_s=failure.retry_after_s))
                is_settled = True
            raise
        finally:
            if not is_settled:
                self.breaker.given_back(ticket)

    def _refusal(self) -> str:
        """Why it is not asked, in words."""
        held = self.breaker.held
        if held is not None and self.is_held_open:
            return f"The service is not asked: {held.by or 'somebody'} holds its breaker {self.breaker.name} open ({held.reason})"
        return f"The service has failed too often and is left alone for a moment: its breaker {self.breaker.name} is open"
