"""Events in, messages out: ten or half a second, nothing lost, nothing late, whatever the history does."""

import asyncio
import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.backend.events import recorder as recorder_module
from dashboard_app.backend.events.judging import judged
from dashboard_app.model.errors import DatabaseUnavailable, Failed, InvalidInput, QueueFull
from dashboard_app.model.event import Shape
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.hub import Hub
from tests.backend.events.parts import LIMITS, Shelf, made, read, running, turns
from tests.policy.test_coalesce import taken_apart


async def test_three_within_half_a_second_are_one_and_one_alone_stays_itself():
    async with running() as (events, clock, reader):
        for number in (123, 124, 125):
            events.publish("JOB_STARTED", {"job_id": number})
        events.publish("JOB_FAILED", {"job_id": 7})
        await clock.advance(0.49)
        assert read(reader) == []
        await clock.advance(0.02)
        assert read(reader) == [("JOBS_BATCH_STARTED", {"job_ids": [123, 124, 125], "batch_count": 3}), ("JOB_FAILED", {"job_id": 7})]
        now = events.figures()
        assert (now.published_total, now.batched_total, now.batches_total, now.saved_total, now.messages_total) == (4, 3, 1, 2, 2)
        assert now.lost_total == 0


async def test_ten_over_all_types_go_at_once():
    async with running() as (events, _, reader):
        events.accept([judged(f"T{number % 7}_X", {"t_id": number}) for number in range(12)])
        await turns()
        assert sum(message.count for message in reader.take()) == 10


async def test_alerts_and_moves_of_breakers_leave_at_once_and_alone():
    async with running() as (events, _, reader):
        events.publish("JOB_STARTED", {"job_id": 1})
        for _ in range(2):
            events.publish("ALERT_OPENED", {"alert_id": 5})
        assert read(reader) == [("ALERT_OPENED", {"alert_id": 5})] * 2


async def test_batching_is_off_for_an_event_for_a_source_or_for_all():
    async with running() as (events, clock, reader):
        events.publish("JOB_STARTED", {"job_id": 1}, batching=False)
        events.unbatched.add("loud")
        events.publish("JOB_STARTED", {"job_id": 2}, source="loud")
        assert [data["job_id"] for _, data in read(reader)] == [1, 2]
        events.publish("JOB_STARTED", {"job_id": 3}, source="other")
        assert read(reader) == []
        events.retune(LIMITS, batching=False)
        events.publish("JOB_STARTED", {"job_id": 4})
        assert read(reader) == [("JOB_STARTED", {"job_id": 4})]
        await clock.advance(0.6)
        assert read(reader) == [("JOB_STARTED", {"job_id": 3})]


async def test_a_type_may_have_a_shape_of_its_own():
    async with running() as (events, clock, reader):
        events.shapes["HEART_BEAT"] = Shape.COUNT
        for _ in range(3):
            events.publish("HEART_BEAT", {"heart_id": 1})
        await clock.advance(0.6)
        assert read(reader) == [("HEARTS_BATCH_BEAT", {"batch_count": 3})]


async def test_what_was_gathered_already_goes_on_as_it_came():
    async with running() as (events, clock, reader):
        events.publish_many("JOB_COMPLETED", [{"job_id": number} for number in range(1201)])
        sizes = [(kind, data.get("batch_count", 1)) for kind, data in read(reader)]
        assert sizes == [("JOBS_BATCH_COMPLETED", 500), ("JOBS_BATCH_COMPLETED", 500), ("JOBS_BATCH_COMPLETED", 201)]
        events.publish_many("JOB_COMPLETED", [{"job_id": number} for number in range(501)])
        assert read(reader)[-1] == ("JOB_COMPLETED", {"job_id": 500})
        events.publish_many("JOB_COMPLETED", [{"job_id": 1}, {"job_id": 2}])
        await clock.advance(0.6)
        assert read(reader) == [("JOBS_BATCH_COMPLETED", {"job_ids": [1, 2], "batch_count": 2})]
        assert events.figures().published_total == 1201 + 501 + 2


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("", {}),
        (5, {}),
        ("A B", {}),
        ("A\nid: 1", {}),
        ("A,B", {}),
        ("A" * 101, {}),
        ("RESET", {}),
        ("A", []),
        ("A", None),
        ("A", {"x": {1, 2}}),
        ("A", {"x": 2**70}),
        ("A", {"x": "\ud800"}),
        ("A", {"x": "y" * 70_000}),
    ],
)
def test_what_cannot_travel_is_refused(event_type, data):
    with pytest.raises(InvalidInput) as refused:
        judged(event_type, data)
    assert refused.value.errors


async def test_when_too_many_wait_a_list_is_refused_whole_and_an_announcement_counts_as_lost():
    events, _ = made(limits=BatchLimits(10, 0.5, 10, waiting_most=5))
    with pytest.raises(QueueFull):
        events.accept([judged("A_B", {})] * 6)
    assert events.figures().waiting == 0
    events.accept([judged("A_B", {})] * 5)
    assert events.publish("A_B", {}) is False
    await events.release()
    assert events.publish_from_thread("A_B", {}) is False  # nothing will run to take it
    now = events.figures()
    assert (now.waiting, now.lost_total, now.published_total) == (5, 2, 5)


async def test_threads_publish_too_and_nothing_of_it_is_lost():
    async with running(limits=BatchLimits(10, 0.5, 10, 10_000)) as (events, clock, reader):

        def work(worker):
            for number in range(50):
                assert events.announce("JOB_STARTED", {"job_id": worker * 1000 + number})
                events.announce("ALERT_OPENED", {"alert_id": worker * 1000 + number})

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        await clock.advance(1)
        found = [message for message in reader.take(10_000) if message.origin == "JOB_STARTED"]
        ids = [number for message in found for one in [json.loads(message.payload)] for number in one.get("job_ids", [one.get("job_id")])]
        assert sorted(ids) == sorted(worker * 1000 + number for worker in range(4) for number in range(50))
        assert events.figures().lost_total == 0
        assert events.figures().published_total == 400


async def test_what_threads_announce_before_it_runs_goes_out_first():
    events, clock = made()
    assert events.announce("LEVEL_CHANGED", {"level": "MODERATE"})
    reader = events.hub.join()
    task = asyncio.create_task(events.run())
    await clock.advance(0.6)
    assert read(reader) == [("LEVEL_CHANGED", {"level": "MODERATE"})]
    assert events.figures().lost_total == 0
    task.cancel()
    await asyncio.wait([task])


async def test_publishers_wait_or_are_refused_while_the_history_cannot_keep_up(monkeypatch):
    monkeypatch.setattr(recorder_module, "MOST_UNSAVED", 5)
    shelf = Shelf()
    async with running(shelf=shelf) as (events, clock, reader):
        shelf.gate.clear()  # the database takes its time
        for number in range(8):
            events.publish("ALERT_OPENED", {"alert_id": number})
        await turns()
        with pytest.raises(QueueFull):
            events.accept([judged("ALERT_OPENED", {"alert_id": 9})])
        events.accept([judged("JOB_STARTED", {"job_id": number}) for number in range(10)])
        await clock.advance(1)
        assert {kind for kind, _ in read(reader)} == {"ALERT_OPENED"}  # the batch waits
        shelf.gate.set()
        await clock.advance(1)
        assert [kind for kind, _ in read(reader)] == ["JOBS_BATCH_STARTED"]
        assert events.figures().lost_total == 0


async def test_the_figures_are_told_every_five_minutes_and_not_more_often():
    async with running() as (events, clock, reader):
        await clock.advance(299)
        assert read(reader) == []
        await clock.advance(2)
        assert [kind for kind, _ in read(reader)] == ["BROADCAST_STATISTICS"]
        await clock.advance(298)
        assert read(reader) == []
        await clock.advance(2)
        ((kind, data),) = read(reader)
        assert (kind, data["published_total"]) == ("BROADCAST_STATISTICS", 1)
        assert events.figures().published_total == 2


async def test_ids_grow_by_time_and_each_message_names_the_one_before():
    async with running() as (events, _, reader):
        for number in range(5):
            events.publish("A_B", {"a_id": number}, batching=False)
        messages = reader.take()
        assert [message.follows for message in messages] == [0, *(message.id for message in messages[:-1])]
        assert messages[0].sse == b'id: %d\nevent: A_B\ndata: {"a_id":0}\n\n' % messages[0].id
        assert json.loads(messages[0].text) == {"id": messages[0].id, "event": "A_B", "data": {"a_id": 0}}
        assert messages[0].size > 300


async def test_readers_never_wait_for_the_history_and_it_catches_up_when_it_is_back():
    shelf = Shelf()
    async with running(shelf=shelf) as (events, clock, reader):
        shelf.is_away = True
        events.publish("A_B", {"a_id": 1}, batching=False)
        assert read(reader) == [("A_B", {"a_id": 1})]
        await clock.advance(1.1)
        assert shelf.tries == 3  # at once, and twice more half a second apart
        assert events.figures().is_history_failing
        events.publish("A_B", {"a_id": 2}, batching=False)
        assert events.figures().unsaved == 2
        shelf.is_away = False
        await clock.advance(5.1)
        assert [json.loads(message.payload)["a_id"] for message in shelf.messages] == [1, 2]
        now = events.figures()
        assert (now.unsaved, now.lost_total, now.is_history_failing) == (0, 0, False)


async def test_what_leaves_memory_before_it_is_kept_is_counted_and_its_readers_will_be_told():
    shelf = Shelf()
    async with running(shelf=shelf, hub=Hub(kept=3)) as (events, clock, _):
        shelf.is_away = True
        for number in range(8):
            events.publish("A_B", {"a_id": number}, batching=False)
            await turns()
        shelf.is_away = False
        await clock.advance(6)
        kept = [json.loads(message.payload)["a_id"] for message in shelf.messages]
        assert kept == [0, 5, 6, 7]
        assert events.figures().lost_total == 4
        events.hub.on_gone = lambda _message: None
        again = Hub()
        again.load(shelf.messages)
        assert again.position_after(shelf.messages[0].id) is None  # there is a hole behind it
        assert again.position_after(shelf.messages[1].id) is not None


async def test_what_the_database_refuses_for_good_is_set_aside_and_holds_up_nothing():
    shelf = Shelf()
    async with running(shelf=shelf) as (events, clock, _):
        shelf.failure = Failed()
        shelf.is_away = True
        events.publish("A_B", {"a_id": 1}, batching=False)
        await clock.advance(1.1)
        shelf.is_away = False
        events.publish("A_B", {"a_id": 2}, batching=False)
        await clock.advance(0.1)
        assert [json.loads(message.payload)["a_id"] for message in shelf.messages] == [2]
        assert events.figures().lost_total == 1


async def test_before_the_history_is_read_everything_waits_and_then_numbers_go_on():
    before, _ = made()
    before.is_open = True
    before.publish("A_B", {"a_id": 0}, batching=False)
    shelf = Shelf(before.hub.between(0, 10))
    shelf.is_away = True
    events, clock = made(shelf=shelf)
    events.publish("A_B", {"a_id": 1}, batching=False)
    with pytest.raises(DatabaseUnavailable):
        await events.run()
    shelf.is_away = False
    task = asyncio.create_task(events.run())
    await turns()
    await clock.advance(0.6)
    reader = events.hub.join(events.hub.position_after(shelf.messages[0].id))
    assert read(reader) == [("A_B", {"a_id": 1})]
    task.cancel()
    await asyncio.wait([task])


async def test_an_orderly_end_publishes_and_keeps_what_waits():
    shelf = Shelf()
    events, clock = made(shelf=shelf)
    task = asyncio.create_task(events.run())
    await turns()
    events.publish("JOB_STARTED", {"job_id": 1})
    closing = asyncio.create_task(events.close())
    await clock.advance(0)
    await closing
    task.cancel()
    await asyncio.wait([task])
    await events.release()
    assert [json.loads(message.payload) for message in shelf.messages] == [{"job_id": 1}]
    await events.close()  # nothing runs: nothing to do


fields = st.dictionaries(st.sampled_from(["job_id", "worker", "ms"]), st.integers(0, 3) | st.text(max_size=2), max_size=3)
types = st.sampled_from(["JOB_STARTED", "JOB_FAILED", "JOB_X_Y", "JOB_A", "JOB_B", "JOB_C", "JOB_D"])


@settings(max_examples=40)
@given(st.lists(st.tuples(types, fields), max_size=60))
async def test_every_field_of_every_event_is_found_again_in_the_stream(published):
    async with running(limits=BatchLimits(10, 0.5, 10, 1000)) as (events, clock, reader):
        for event_type, data in published:
            events.publish(event_type, data)
        await clock.advance(1)
        found: dict[str, list[dict[str, object]]] = {}
        for message in reader.take(1000):
            data = json.loads(message.payload)
            found.setdefault(message.origin, []).extend([data] if message.count == 1 else _apart(message.origin, data, message.count))
        for event_type in {kind for kind, _ in published}:
            assert found[event_type] == [data for kind, data in published if kind == event_type]


def _apart(origin, data, count):
    """As `taken_apart`, for types whose id field has another name: then all is in `items`."""
    return taken_apart(data, count) if origin != "JOB_X_Y" else data["items"]
