"""The breaker of one watched service: what counts, who is refused, and how it is known that the service is back."""

import asyncio

import pytest

from dashboard_app.backend.sources.probes.service_breaker import ServiceBreaker
from dashboard_app.backend.sources.probes.service_wire import Answered, TokenRefused
from dashboard_app.model.breaker import BreakerLimits, BreakerState, Outcome
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BreakerOpen, ProbeFailed
from dashboard_app.runtime.named_breaker import NamedBreaker

DEAD = ProbeFailed("The connection was refused")


class Service:
    """What is asked: answers with `error`, or well. `asked` counts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.breaker = NamedBreaker("service:7", BreakerLimits(2, 30.0), self.clock, about="orders-api")
        self.guarded = ServiceBreaker(self.breaker, self.clock)
        self.error: Exception | None = None
        self.asked = 0

    async def answer(self) -> str:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return "well"

    async def call(self, *, may_try: bool = False) -> str:
        return await self.guarded.called(self.answer, may_try=may_try)

    async def look(self) -> str:
        return await self.guarded.looked(self.answer)

    async def open(self) -> None:
        self.error = DEAD
        for _ in range(2):
            with pytest.raises(ProbeFailed):
                await self.call()
        assert self.breaker.state is BreakerState.OPEN


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_dead_service_is_refused_at_once_with_the_seconds_and_nothing_is_sent(service):
    await service.open()
    service.clock.tick(10)
    with pytest.raises(BreakerOpen, match="breaker service:7 is open") as refused:
        await service.call()
    assert (refused.value.retry_after_s, service.asked) == (20.0, 2)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (DEAD, True),
        (ProbeFailed("no answer", timed_out=True), True),
        (ProbeFailed("HTTP 503"), True),
        (TokenRefused("HTTP 401"), False),
        (Answered("HTTP 404"), False),
        (ProbeFailed("changed meanwhile", given_up=True), False),
    ],
)
async def test_only_what_says_that_the_service_is_sick_counts(service, error, counts):
    service.error = error
    with pytest.raises(ProbeFailed):
        await service.call()
    assert service.breaker.reading().failure_count == int(counts)


async def test_a_caller_who_leaves_is_no_failure_and_gives_a_trials_place_back(service):
    await service.open()
    service.clock.tick(30)
    left = asyncio.create_task(service.guarded.called(asyncio.Event().wait, may_try=True))
    await asyncio.sleep(0)
    assert service.breaker.state is BreakerState.HALF_OPEN
    left.cancel()
    await asyncio.wait({left})
    service.error = None
    assert await service.call(may_try=True) == "well"
    assert service.breaker.state is BreakerState.CLOSED


async def test_after_the_wait_a_look_of_a_person_is_the_trial_but_a_cleanup_never_is(service):
    await service.open()
    service.clock.tick(30)
    with pytest.raises(BreakerOpen):
        await service.call()
    with pytest.raises(ProbeFailed):
        await service.call(may_try=True)
    assert (service.asked, service.breaker.state) == (3, BreakerState.OPEN)


async def test_the_probe_always_looks_and_its_success_closes_the_breaker_before_the_wait_is_over(service):
    await service.open()
    for _ in range(3):
        with pytest.raises(ProbeFailed):
            await service.look()
    assert [move.target for move in service.breaker.transitions()] == [BreakerState.OPEN]
    assert service.breaker.reading().totals[Outcome.REJECTED] == 0
    service.error = None
    assert await service.look() == "well"
    assert service.breaker.state is BreakerState.CLOSED
    assert await service.call() == "well"


async def test_the_probe_is_the_trial_once_the_wait_is_over(service):
    await service.open()
    service.clock.tick(30)
    with pytest.raises(ProbeFailed):
        await service.look()
    assert [move.cause for move in service.breaker.transitions()] == ["threshold", "waited", "trial"]


async def test_held_open_by_a_person_not_even_the_probe_asks(service):
    service.breaker.hold(BreakerState.FORCED_OPEN, by="Ana Ruiz", reason="it is being moved")
    for asked in (service.look, service.call):
        with pytest.raises(BreakerOpen, match=r"Ana Ruiz holds its breaker service:7 open \(it is being moved\)"):
            await asked()
    assert service.asked == 0


async def test_what_the_service_asks_for_in_retry_after_is_obeyed(service):
    service.error = ProbeFailed("HTTP 429", retry_after_s=90)
    for _ in range(2):
        with pytest.raises(ProbeFailed):
            await service.call()
    assert service.breaker.reading().retry_in_s == 90
