"""Batching, quiet hours, retries and the bounds of one channel, by a clock that the test moves."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from dashboard_app.backend.notify import courier as module
from dashboard_app.backend.notify.courier import Courier, CourierRule, Known
from dashboard_app.model.alert import Severity
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import Failed, NotDelivered
from dashboard_app.model.notification import CourierState, Outcome, QuietHours
from dashboard_app.model.secret import Secret
from tests.backend.notify.parts import KeptPost, alert, breaker, channel, source

EVENING = datetime(2026, 1, 1, 21, 0, tzinfo=UTC)
NIGHT = QuietHours(time(22), time(7), "UTC")


class Served:
    """A courier that runs, its clock and its post."""

    def __init__(self, *, known=None, rule=None, **settings):
        self.clock, self.post = ManualClock(EVENING), KeptPost()
        self.mute: set[str] = set()
        self.kept = 0
        self.url = lambda: Secret("json://x/")
        self.courier = Courier(
            known or Known(channel(**settings)),
            lambda: self.url(),  # noqa: PLW0108 - a test may put another in its place
            self.post,
            self.clock,
            rule or CourierRule(place="Spillway test"),
            is_mute=lambda notice: notice.key in self.mute,
            changed=self._changed,
        )
        self.task = asyncio.create_task(self.courier.run())

    def _changed(self):
        self.kept += 1

    async def offer(self, *notices, then_s=2.0):
        for notice in notices:
            self.courier.offer(notice)
        await self.clock.advance(then_s)

    @property
    def titles(self):
        return [letter.title for letter in self.post.letters]


@pytest.fixture
async def serve():
    made = []

    def start(**how):
        made.append(Served(**how))
        return made[-1]

    yield start
    for one in made:
        one.post.gate.set()
        one.task.cancel()
    await asyncio.gather(*(one.task for one in made), return_exceptions=True)


async def test_what_happens_within_two_seconds_is_one_message(serve):
    served = serve()
    await served.offer(source(1), source(2), source(3), then_s=1.9)
    assert served.post.letters == []
    await served.clock.advance(0.1)
    assert served.titles == ["[Spillway test] 3 sources are unhealthy: db-1, db-2 and db-3"]
    assert served.courier.outcome.sent_total == 1
    assert served.courier.outcome.last_sent_at == served.clock.now()
    assert served.kept


async def test_as_many_as_make_a_message_go_at_once_and_while_one_is_under_way_the_next_grows(serve):
    served = serve(rule=CourierRule(size=3))
    served.post.gate.clear()
    await served.offer(source(1), source(2), source(3), then_s=0)
    assert served.courier.view().state is CourierState.SENDING
    await served.offer(*(source(number) for number in range(10, 30)), then_s=60)
    served.post.gate.set()
    await served.clock.advance(0)
    assert [letter.title.split(":")[0] for letter in served.post.letters] == [
        "[Spillway] 3 sources are unhealthy",
        "[Spillway] 20 sources are unhealthy",
    ]


async def test_what_a_channel_does_not_ask_for_is_not_sent(serve):
    served = serve(topics=frozenset(), least=Severity.CRITICAL)
    await served.offer(source(1), alert(7))
    assert served.post.tries == []


async def test_in_quiet_hours_all_but_the_critical_waits_and_is_one_message_at_their_end(serve):
    served = serve(quiet=NIGHT)
    await served.clock.advance(3600)
    await served.offer(source(1), source(2), breaker())
    await served.offer(alert(7))
    assert served.titles == ["[Spillway test] Critical: Pool usage 93 %"]
    view = served.courier.view()
    assert (view.state, view.held, view.waiting) == (CourierState.QUIET, 3, 3)
    assert view.quiet_until == datetime(2026, 1, 2, 7, tzinfo=UTC)
    await served.offer(source(1, "healthy", "unhealthy"), then_s=3600)
    await served.clock.advance((view.quiet_until - served.clock.now()).total_seconds() - 1)
    assert len(served.post.letters) == 1
    await served.clock.advance(5)
    body = served.post.letters[1].body
    assert len(served.post.letters) == 2
    assert body.splitlines() == [
        "While it was quiet:",
        "db-1 changed and is healthy again",
        "db-2 is unhealthy",
        "Breaker api opened: failures in a row",
    ]
    assert served.courier.view().held == 0


async def test_quiet_hours_that_are_taken_away_end_at_once(serve):
    served = serve(quiet=NIGHT)
    await served.clock.advance(3600)
    await served.offer(source(1), then_s=60)
    assert served.post.letters == []
    served.courier.change(replace(served.courier.channel, settings=replace(served.courier.channel.settings, quiet=None)))
    await served.clock.advance(2)
    assert served.titles == ["[Spillway test] db-1 is unhealthy"]


async def test_what_an_earlier_process_kept_back_is_sent_when_the_quiet_hours_are_over(serve):
    held = (replace(source(4), is_held=True),)
    served = serve(known=Known(channel(quiet=NIGHT), Outcome(sent_total=5), held))
    await served.clock.advance(2)
    assert (served.titles, served.courier.outcome.sent_total) == (["[Spillway test] db-4 is unhealthy"], 6)


async def test_tries_grow_apart_and_everything_that_came_meanwhile_goes_with_the_next_message(serve):
    served = serve()
    served.post.failures = [NotDelivered("The receiver answered 500.")] * 3
    await served.offer(source(1))
    view = served.courier.view()
    assert (view.state, view.outcome.last_error) == (CourierState.RETRYING, "The receiver answered 500.")
    tries = [len(served.post.tries)]
    for pause in (2, 4, 8):
        await served.clock.advance(pause - 0.1)
        tries.append(len(served.post.tries))
        await served.offer(source(pause), then_s=0.1)
        tries.append(len(served.post.tries))
    assert tries == [1, 1, 2, 2, 3, 3, 5], "the last one is the next message, which has waited long enough"
    assert served.post.tries == [False, True, True, True, False], "who has failed goes among the failing"
    assert [letter.title.split(":")[0] for letter in served.post.letters] == [
        "[Spillway test] db-1 is unhealthy",
        "[Spillway test] 3 sources are unhealthy",
    ]
    outcome = served.courier.outcome
    assert (outcome.sent_total, outcome.failed_total, outcome.last_error) == (2, 0, "The receiver answered 500.")


async def test_a_message_is_given_up_after_its_tries_and_the_next_one_is_sent(serve):
    served = serve(rule=CourierRule(retries=2))
    served.post.failures = [NotDelivered("The receiver answered 503.")] * 3
    await served.offer(source(1), then_s=60)
    assert (served.post.letters, served.courier.outcome.failed_total, len(served.post.tries)) == ([], 1, 3)
    await served.offer(source(2))
    assert served.titles == ["[Spillway] db-2 is unhealthy"]


@pytest.mark.parametrize("failure", [NotDelivered("The receiver answered 404.", is_final=True), Failed("no key fits")])
async def test_what_would_fare_the_same_again_is_tried_once(serve, failure):
    served = serve()

    def url():
        raise failure

    served.url = url
    await served.offer(source(1), then_s=600)
    assert (served.courier.outcome.failed_total, served.courier.outcome.last_error) == (1, failure.detail)


async def test_a_channel_that_is_switched_off_while_it_tries_sends_nothing_more(serve):
    served = serve()
    served.post.failures = [NotDelivered("The receiver answered 500.")]
    await served.offer(source(1))
    served.courier.change(replace(served.courier.channel, settings=replace(served.courier.channel.settings, enabled=False)))
    await served.clock.advance(60)
    assert (served.post.letters, len(served.post.tries), served.courier.view().state) == ([], 1, CourierState.OFF)


async def test_an_alert_that_somebody_has_makes_no_noise_and_neither_does_its_end(serve):
    served = serve()
    served.mute = {"alert 7"}
    await served.offer(alert(7), alert(8))
    assert served.titles == ["[Spillway test] Critical: Pool usage 93 %"]
    served.mute = set()
    await served.offer(alert(7, "resolved"), alert(8, "resolved"))
    assert [letter.body for letter in served.post.letters[1:]] == ["Over: Critical: Pool usage 93 %"]


async def test_what_is_kept_back_has_a_bound_and_the_message_says_how_many_did_not_fit(serve, monkeypatch):
    monkeypatch.setattr(module, "HELD_MAX", 3)
    served = serve(quiet=NIGHT)
    await served.clock.advance(3600)
    await served.offer(*(source(number) for number in range(5)))
    assert (served.courier.view().held, served.courier.outcome.dropped_total) == (3, 2)
    await served.clock.advance(timedelta(hours=9, seconds=5).total_seconds())
    assert served.post.letters[0].body.splitlines()[1:] == [
        "3 sources are unhealthy: db-2, db-3 and db-4",
        "2 older notices did not fit and are left out.",
    ]
    await served.offer(source(9))
    assert "left out" not in served.post.letters[1].body


async def test_what_waits_has_a_bound_while_a_receiver_hangs(serve, monkeypatch):
    monkeypatch.setattr(module, "QUEUE_MAX", 10)
    served = serve()
    served.post.gate.clear()
    await served.offer(source(0))
    await served.offer(*(source(number) for number in range(1, 40)))
    view = served.courier.view()
    assert (view.waiting, view.outcome.dropped_total) == (11, 29)


async def test_closing_sends_what_waits_and_keeps_what_cannot_be_sent(serve):
    served = serve()
    served.courier.offer(source(1))
    closing = asyncio.create_task(served.courier.close())
    await served.clock.advance(0)
    await closing
    assert served.titles == ["[Spillway test] db-1 is unhealthy"]
    served.post.failures = [NotDelivered("gone")] * 20
    await served.offer(source(2))
    await served.courier.close()
    assert [notice.key for notice in served.courier.held] == ["source 2"]


async def test_another_rule_counts_from_the_next_message_on(serve):
    served = serve()
    served.courier.retune(CourierRule(size=1, place="Elsewhere"))
    await served.offer(source(1), then_s=0)
    assert served.titles == ["[Elsewhere] db-1 is unhealthy"]
