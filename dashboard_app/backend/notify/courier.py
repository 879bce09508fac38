"""Brings notices to one channel: gathers them, keeps them back in quiet hours, tries again, and remembers how it went.

The rule for full: a notice that finds `QUEUE_MAX` waiting is left out, of those kept back the oldest goes; either is counted and told in the
next message. A message whose tries are used up is set aside and counted. Nothing here is ever announced: a failure makes no notice.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from dashboard_app.backend.notify.words import letter_of
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Failed, NotDelivered, QueueFull, SpillwayError
from dashboard_app.model.notification import Channel, ChannelView, CourierState, Letter, Notice, Outcome, Topic
from dashboard_app.model.secret import Secret
from dashboard_app.policy.batching import BatchLimits, pause_s
from dashboard_app.policy.notify import RESOLVED, is_wanted, quiet_until, waits
from dashboard_app.runtime.batcher import Batcher, RetryRule
from dashboard_app.runtime.retry import with_retries
from dashboard_app.runtime.wake import Wake

_log = logging.getLogger("spillway.notifications")
QUEUE_MAX = 1000
HELD_MAX = 500
_LONGEST_PAUSE_S = 60.0
_LOOK_EVERY_S = 30.0
_CLOSE_S = 2.0
_UNTOLD_MAX = 5000


class Post(Protocol):
    """What carries a letter."""

    async def send(self, url: Secret, letter: Letter, limit_s: float, *, is_failing: bool = False) -> float:
        """The seconds it took. Raises NotDelivered."""


@dataclass(frozen=True, slots=True)
class CourierRule:
    """How messages are gathered and sent; `place` and `link` are what they say of this installation."""

    size: int = 50
    age_s: float = 2.0
    limit_s: float = 10.0
    retries: int = 8
    delay_s: float = 2.0
    place: str = "Spillway"
    link: str = ""

    @property
    def limits(self) -> BatchLimits:
        """As the batcher takes them: whatever has gathered goes in one message."""
        return BatchLimits(self.size, self.age_s, QUEUE_MAX, QUEUE_MAX)


_FRESH = Outcome()


@dataclass(frozen=True, slots=True)
class Known:
    """A channel as it was read: how it fared, and what quiet hours kept back."""

    channel: Channel
    outcome: Outcome = _FRESH
    held: tuple[Notice, ...] = ()


class Courier:
    """One per channel: `run`, then `close`."""

    def __init__(
        self,
        known: Known,
        url: Callable[[], Secret],
        post: Post,
        clock: Clock,
        rule: CourierRule,
        *,
        is_mute: Callable[[Notice], bool] = lambda _notice: False,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`url` raises Failed when it cannot be read. `is_mute`: nobody wants to hear of this any more. `changed`: there is something to keep."""
        self.channel, self.outcome, self.rule = known.channel, known.outcome, rule
        self.held: deque[Notice] = deque(known.held, HELD_MAX)
        self._url, self._post, self._clock, self._is_mute, self._changed = url, post, clock, is_mute, changed
        self._batcher: Batcher[Notice] = Batcher(rule.limits, self._deliver, clock, retry=RetryRule(tries=0), give_up=self._set_aside)
        self._bell = Wake(clock)
        self._left_out = 0
        self._untold: deque[int] = deque(maxlen=_UNTOLD_MAX)
        """Alerts that opened while nobody wanted to hear of them: their end is not told, either."""
        self._is_sending = self._is_failing = False

    def offer(self, notice: Notice) -> None:
        """Take a notice in, when this channel is told of such things."""
        settings = self.channel.settings
        if not is_wanted(settings, notice):
            return
        if not waits(settings, notice, self._clock.now()):
            self._add(notice)
            return
        if len(self.held) == HELD_MAX:
            self._leave_out()
        self.held.append(replace(notice, is_held=True))
        self._bell.ring()
        self._changed()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batcher.run(), name="notification-batches")
            group.create_task(self._end_quiet_hours(), name="notification-quiet-hours")

    async def close(self) -> None:
        """Send what waits, for at most 2 s, before `run` is cancelled; what is left then is kept for the next start."""
        await self._batcher.close(_CLOSE_S)
        self.held.extend(self._batcher.left())

    def change(self, channel: Channel) -> None:
        """Go by other settings from now on."""
        self.channel = channel
        self._bell.ring()

    def retune(self, rule: CourierRule) -> None:
        """Gather and try by another rule from now on."""
        self.rule = rule
        self._batcher.retune(rule.limits)

    def view(self) -> ChannelView:
        """How it fares."""
        until = quiet_until(self.channel.settings.quiet, self._clock.now())
        held = len(self.held)
        return ChannelView(self.channel, self.outcome, self._state(until), self._batcher.waiting_count + held, held, until)

    def note_sent(self) -> None:
        """A message has arrived."""
        self._is_failing = False
        self.outcome = replace(self.outcome, sent_total=self.outcome.sent_total + 1, last_sent_at=self._clock.now())
        self._changed()

    def note_failed(self, why: str) -> None:
        """A try has failed."""
        if not self._is_failing:
            _log.warning("a notification for %s was not delivered: %s", self.channel.settings.name, why)
        self._is_failing = True
        self.outcome = replace(self.outcome, last_error=why, last_error_at=self._clock.now())
        self._changed()

    def _state(self, until: datetime | None) -> CourierState:
        """What it is doing."""
        if not self.channel.settings.enabled:
            return CourierState.OFF
        if self._is_sending:
            return CourierState.RETRYING if self._is_failing else CourierState.SENDING
        if self._batcher.waiting_count:
            return CourierState.GATHERING
        return CourierState.IDLE if until is None else CourierState.QUIET

    def _add(self, notice: Notice) -> None:
        """Let it go with the next message."""
        try:
            self._batcher.add(notice)
        except QueueFull:
            self._leave_out()

    def _leave_out(self) -> None:
        """One more that is in no message."""
        self._left_out += 1
        self.outcome = replace(self.outcome, dropped_total=self.outcome.dropped_total + 1)

    async def _end_quiet_hours(self) -> None:
        """When the quiet hours are over, or were taken away, send what they kept back in one message."""
        while True:
            now = self._clock.now()
            until = quiet_until(self.channel.settings.quiet, now) if self.channel.settings.enabled else now
            if self.held and until is None:
                held, self.held = list(self.held), deque(maxlen=HELD_MAX)
                for notice in held:
                    self._add(notice)
                self._changed()
            wait_s = None if not self.held or until is None else min(max((until - now).total_seconds(), 0.0) + 0.01, _LOOK_EVERY_S)
            await self._bell.wait(None if wait_s is None else self._clock.monotonic() + wait_s)

    async def _deliver(self, batch: list[Notice]) -> None:
        """One message. Raises SpillwayError when its tries are used up."""
        told = [notice for notice in batch if is_wanted(self.channel.settings, notice) and self._is_heard(notice)]
        if not told:
            return
        rule, pauses = self.rule, (pause_s(number, self.rule.delay_s, _LONGEST_PAUSE_S) for number in itertools.count(1))
        letter = letter_of(told, place=rule.place, link=rule.link, dropped=self._left_out)
        left_out, self._is_sending = self._left_out, True
        try:
            await with_retries(
                lambda: self._try(letter),
                retries=rule.retries,
                delay_s=lambda: next(pauses),
                is_retryable=_is_passing,
                sleep=self._clock.sleep,
            )
        finally:
            self._is_sending = False
        self._left_out -= left_out
        self.note_sent()

    def _is_heard(self, notice: Notice) -> bool:
        """False for what nobody wants to hear of now, and for the end of an alert whose beginning was not told."""
        if self._is_mute(notice):
            if notice.topic is Topic.ALERTS:
                self._untold.append(notice.ref)
            return False
        return notice.became != RESOLVED or notice.ref not in self._untold

    async def _try(self, letter: Letter) -> None:
        """Send it once."""
        if not self.channel.settings.enabled:
            raise NotDelivered("The channel was switched off.", is_final=True)
        try:
            await self._post.send(self._url(), letter, self.rule.limit_s, is_failing=self._is_failing)
        except Failed as failure:
            self.note_failed(failure.detail)
            raise

    def _set_aside(self, batch: list[Notice], failure: SpillwayError) -> None:
        """A message that no try has brought there."""
        self.outcome = replace(self.outcome, failed_total=self.outcome.failed_total + 1)
        self._changed()
        _log.error("a notification of %d notices for %s was given up: %s", len(batch), self.channel.settings.name, failure.detail)


def _is_passing(failure: BaseException) -> bool:
    """True when another try may fare better."""
    return isinstance(failure, NotDelivered) and not failure.is_final
