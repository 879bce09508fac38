"""What workers announce with: the process's own publisher, or another Spillway over HTTP."""

import threading

import pytest

from dashboard_app.backend.events import broadcaster
from dashboard_app.backend.events.broadcaster import Broadcaster
from dashboard_app.backend.events.remote import RemotePublisher
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.secret import Secret
from dashboard_app.policy.batching import BatchLimits
from tests.backend.events.parts import read, running
from tests.posts import Posts


async def test_it_announces_on_behalf_of_its_source_and_counts():
    async with running() as (events, clock, reader):
        broadcaster.bind(events)
        try:
            gathered, single = Broadcaster("thumbnail-worker"), Broadcaster("alarm", use_batching=False)
            assert gathered.publish("JOB_STARTED", job_id=1)
            assert single.publish("JOB_STARTED", job_id=2)
            assert read(reader) == [("JOB_STARTED", {"job_id": 2})]
            assert gathered.publish("JOB_STARTED", job_id=3)
            await clock.advance(0.6)
            assert read(reader) == [("JOBS_BATCH_STARTED", {"job_ids": [1, 3], "batch_count": 2})]
            with pytest.raises(InvalidInput):
                gathered.publish("no type", x=1)
            told = gathered.get_broadcast_stats()
            assert (told["source"], told["announced"], told["refused"], told["batcher_events_saved"]) == ("thumbnail-worker", 2, 0, 1)
        finally:
            broadcaster._PROCESS.clear()


def test_without_a_publisher_it_says_so_and_counts():
    lonely = Broadcaster("nobody-listens")
    assert lonely.publish("JOB_STARTED", job_id=1) is False
    assert lonely.get_broadcast_stats() == {"source": "nobody-listens", "announced": 0, "refused": 1, "use_batching": True}


def test_a_program_of_its_own_posts_many_at_a_time_from_any_thread():
    with Posts() as posts:
        posts.answers = [503, 503]  # two tries fail, the third is taken
        with RemotePublisher(posts.url, Secret("sw_token"), limits=BatchLimits(100, 0.05, 1000, 10_000)) as publisher:
            worker = Broadcaster("worker", publisher=publisher)
            threads = [
                threading.Thread(target=lambda start=start: [worker.publish("JOB_STARTED", job_id=start + n) for n in range(100)])
                for start in (0, 1000)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        found = [event["data"]["job_id"] for body in posts.bodies for event in body]
        assert sorted(found) == [*range(100), *range(1000, 1100)]
        assert len(posts.bodies) <= 4
        assert posts.tokens == {"Bearer sw_token"}
        told = worker.get_broadcast_stats()
        assert (told["announced"], told["batcher_events_lost"]) == (200, 0)


def test_what_is_refused_three_times_is_set_aside_and_counted():
    with Posts() as posts:
        posts.answers = [500] * 3
        with RemotePublisher(posts.url, Secret("sw_token"), limits=BatchLimits(2, 0.05, 2, 100)) as publisher:
            for number in range(2):
                publisher.announce("JOB_STARTED", {"job_id": number}, source="w", batching=True)
        assert publisher.figures_json()["batcher_events_lost"] == 2
        assert posts.bodies == []
    full = RemotePublisher("http://127.0.0.1:9", Secret("sw_token"))
    assert full.announce("JOB_STARTED", {}, source="w", batching=True) is False  # it does not run
    assert full.figures_json()["batcher_events_lost"] == 1
