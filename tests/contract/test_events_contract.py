"""Events over the API: published, streamed over SSE and WebSocket, resumed, bounded. Real sockets, a real PostgreSQL."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest
from httpx_sse import aconnect_sse

from dashboard_app.backend.events import streams as streams_module
from dashboard_app.model.user import Role
from dashboard_app.settings import Settings
from tests.backend.api.test_bad_input import assert_problem
from tests.contract.conftest import served, until
from tests.contract.on_a_port import on_a_port

OPERATOR = {"x-as": "token operator robot"}
PERSON = {"x-as": "user viewer vera"}
LIMIT_S = 20
STATS = {
    "batcher_events_batched",
    "batcher_events_saved",
    "batcher_batches_created",
    "batcher_events_lost",
    "subscribers",
    "published_total",
}


@pytest.fixture(scope="module")
async def one_api(postgres, tmp_path_factory):
    """(host and port, the served API), one for the whole file."""
    address = postgres.create_database("events_contract")
    async with served(address, Settings(data_dir=tmp_path_factory.mktemp("events"))) as api, on_a_port(api.door) as where:
        yield where, api
    postgres.drop_database("events_contract")


@pytest.fixture
async def live(one_api):
    """The same, when nothing waits and nobody reads."""
    where, api = one_api
    await until(lambda: api.events.streams.count == 0 and api.events.events.figures().waiting == 0)
    return where, api


def messages_total(api):
    return api.events.events.figures().messages_total


class Reader:
    """Reads the stream over SSE until it has what was asked for."""

    def __init__(self, source):
        self._events = source.aiter_sse()

    async def take(self, count=1):
        async with asyncio.timeout(LIMIT_S):
            return [await anext(self._events) for _ in range(count)]


@asynccontextmanager
async def reading(where, api, query="", headers=None):
    """A reader that is joined for certain when the block begins."""
    before = api.events.streams.count
    async with (
        httpx.AsyncClient(base_url=f"http://{where}", timeout=LIMIT_S) as client,
        aconnect_sse(client, "GET", f"/api/v1/events/stream{query}", headers=OPERATOR | (headers or {})) as source,
    ):
        source.response.raise_for_status()
        await until(lambda: api.events.streams.count > before)
        yield Reader(source)
    await until(lambda: api.events.streams.count <= before)


@asynccontextmanager
async def socket(where, api, query="", headers=OPERATOR):
    before = api.events.streams.count
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://{where}/api/v1/events/ws{query}", headers=headers) as opened:
        await until(lambda: api.events.streams.count > before)
        yield opened


async def publish(where, *events, headers=OPERATOR):
    async with httpx.AsyncClient(base_url=f"http://{where}") as client:
        answer = await client.post("/api/v1/events", json=list(events) if len(events) != 1 else events[0], headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


def job(number, kind="JOB_STARTED", **data):
    return {"type": kind, "data": {"job_id": number, **data}}


async def test_three_starts_are_one_message_over_both_ways(live):
    where, api = live
    before = api.events.events.figures()
    async with reading(where, api) as reader, socket(where, api) as other:
        assert await publish(where, job(123), job(124), job(125)) == {"accepted": 3}
        (event,) = await reader.take()
        assert (event.event, json.loads(event.data)) == ("JOBS_BATCH_STARTED", {"job_ids": [123, 124, 125], "batch_count": 3})
        message = await other.receive_json(timeout=LIMIT_S)
        assert message == {"id": int(event.id), "event": event.event, "data": json.loads(event.data)}
        async with httpx.AsyncClient(base_url=f"http://{where}") as client:
            stats = (await client.get("/api/v1/events/stats", headers=PERSON)).json()
        assert stats.keys() >= STATS
        assert stats["subscribers"] == 2
        assert stats["published_total"] - before.published_total == 3
        assert stats["batcher_events_saved"] - before.saved_total == 2
        assert stats["batcher_events_lost"] == before.lost_total


async def test_a_stream_says_first_when_to_come_again_and_that_nobody_may_hold_it_back(live):
    where, api = live
    async with (
        httpx.AsyncClient(base_url=f"http://{where}", timeout=LIMIT_S) as client,
        client.stream("GET", "/api/v1/events/stream", headers=OPERATOR) as answer,
    ):
        assert (await anext(answer.aiter_lines())).startswith("retry: ")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert "no-transform" in answer.headers["cache-control"]
        assert "content-length" not in answer.headers
        assert "x-throttle" in answer.headers
    await until(lambda: api.events.streams.count == 0)


async def test_types_match_what_was_published_and_its_batch(live):
    where, api = live
    async with reading(where, api, "?types=JOB_FAILED,ROW_X") as reader, reading(where, api, "?types=JOBS_BATCH_STARTED") as batches:
        await publish(where, job(1), job(2), job(3, "JOB_FAILED"), job(4, "JOB_FAILED"))
        (event,) = await reader.take()
        assert event.event == "JOBS_BATCH_FAILED"
        (event,) = await batches.take()
        assert json.loads(event.data)["job_ids"] == [1, 2]


@pytest.mark.parametrize("way", ["header", "query"])
async def test_a_reader_resumes_without_a_gap_or_a_double(live, way):
    where, api = live
    async with reading(where, api) as reader:
        await publish(where, job(1))
        (first,) = await reader.take()
    for number in (2, 3):
        before = messages_total(api)
        await publish(where, job(number))
        await until(lambda before=before: messages_total(api) > before)
    resume = {"headers": {"Last-Event-ID": first.id}} if way == "header" else {"query": f"?last_event_id={first.id}"}
    async with reading(where, api, **resume) as reader:
        await publish(where, job(4))
        assert [json.loads(event.data)["job_id"] for event in await reader.take(3)] == [2, 3, 4]
    async with socket(where, api, f"?last_event_id={first.id}") as again:
        assert [(await again.receive_json(timeout=LIMIT_S))["data"]["job_id"] for _ in range(3)] == [2, 3, 4]


@pytest.mark.parametrize("last", ["5", "not-a-number", "99999999999999999999", "9007199254740993"])
async def test_whoever_cannot_resume_is_told_and_goes_on_from_there(live, last):
    where, api = live
    before = messages_total(api)
    await publish(where, job(1))
    await until(lambda: messages_total(api) > before)
    async with reading(where, api, headers={"Last-Event-ID": last}) as reader:
        (reset,) = await reader.take()
        assert reset.event == "RESET"
        assert json.loads(reset.data) == {"oldest_id": api.events.events.hub.oldest.id, "newest_id": int(reset.id)}
        await publish(where, job(2))
        (event,) = await reader.take()
        assert json.loads(event.data) == {"job_id": 2}
    async with reading(where, api, headers={"Last-Event-ID": reset.id}) as reader:
        (event,) = await reader.take()
        assert json.loads(event.data) == {"job_id": 2}  # from the id of the reset there is no second gap


async def test_a_resume_works_over_restarts(fresh_database, settings_for):
    settings = settings_for()
    last, seen = None, []
    for start in range(3):
        async with served(fresh_database, settings) as api, on_a_port(api.door) as where:
            async with reading(where, api, headers={"Last-Event-ID": last} if last else {}) as reader:
                await publish(where, job(start * 10))
                *_, event = await reader.take(2 if last else 1)
                last = event.id
                seen.append(json.loads(event.data)["job_id"])
            await publish(where, job(start * 10 + 1))  # while nobody reads; the end of the process flushes and keeps it
    assert seen == [0, 10, 20]


async def test_a_session_has_five_streams_and_the_sixth_is_told_so(live):
    where, api = live
    async with httpx.AsyncClient(base_url=f"http://{where}", timeout=LIMIT_S) as client, aiohttp.ClientSession() as session:
        answers = [await client.send(client.build_request("GET", "/api/v1/events/stream", headers=PERSON), stream=True) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        refused = await client.get("/api/v1/events/stream", headers=PERSON)
        assert_problem(refused, 429, "rate_limited")
        assert int(refused.headers["retry-after"]) >= 1
        with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
            await session.ws_connect(f"ws://{where}/api/v1/events/ws", headers=PERSON)
        assert denied.value.status == 429
        other = await client.send(client.build_request("GET", "/api/v1/events/stream", headers={"x-as": "user viewer olaf"}), stream=True)
        assert other.status_code == 200
        await answers[0].aclose()
        await until(lambda: api.events.streams.count == 5)
        again = await client.send(client.build_request("GET", "/api/v1/events/stream", headers=PERSON), stream=True)
        assert again.status_code == 200
        for answer in (*answers[1:], other, again):
            await answer.aclose()
    await until(lambda: api.events.streams.count == 0)
    assert not api.events.streams._held


async def test_silence_is_filled_with_comments_and_a_stream_ends_after_its_life(live, monkeypatch):
    where, api = live
    monkeypatch.setattr(streams_module, "BEAT_S", 0.05)
    monkeypatch.setattr(streams_module, "LIFE_S", 0.2)
    async with httpx.AsyncClient(base_url=f"http://{where}", timeout=LIMIT_S) as client:
        text = (await client.get("/api/v1/events/stream", headers=OPERATOR)).text  # the answer is whole: it has ended
    assert [line for line in text.splitlines() if line][1:] == [": still here"] * 3
    async with socket(where, api) as opened:
        message = await opened.receive(timeout=LIMIT_S)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING}
        assert message.data == 1001


async def test_a_reader_who_takes_nothing_is_cut_and_holds_up_nobody(live, monkeypatch):
    where, api = live
    monkeypatch.setattr(streams_module, "BEAT_S", 0.2)
    host, port = where.split(":")
    _, frozen = await asyncio.open_connection(host, int(port), limit=1024)
    frozen.write(f"GET /api/v1/events/stream HTTP/1.1\r\nHost: {where}\r\nx-as: {OPERATOR['x-as']}\r\n\r\n".encode())
    await frozen.drain()
    await until(lambda: api.events.streams.count == 1)
    frozen.transport.pause_reading()
    async with reading(where, api) as reader:
        big = "x" * 60_000
        for number in range(200):  # 12 MB: more than any buffer between both ends
            api.events.events.publish("JOB_STARTED", {"job_id": number, "big": big}, batching=False)
            (event,) = await reader.take()
            assert json.loads(event.data)["job_id"] == number
        await until(lambda: api.events.streams.count == 1, 20)
    frozen.close()


async def test_a_reader_whom_the_history_left_behind_is_cut_and_told_when_it_resumes(live):
    where, api = live
    api.events.events.publish("JOB_STARTED", {"job_id": 0}, batching=False)
    last = api.events.events.hub.newest_id
    with api.events.streams.opened(streams_module.Wanted(frozenset(), None)) as slow:
        for number in range(10_050):
            api.events.events.publish("JOB_STARTED", {"job_id": number}, batching=False)

        async def never(_messages):
            raise AssertionError

        assert await slow.run(never) == "behind"
    async with reading(where, api, headers={"Last-Event-ID": str(last)}) as reader:
        (event,) = await reader.take()
        assert event.event == "RESET"


async def test_a_stopping_process_ends_every_stream(live, monkeypatch):
    where, api = live
    monkeypatch.setattr(api.events.streams, "_is_closed", False)  # the others of this file go on
    async with httpx.AsyncClient(base_url=f"http://{where}", timeout=LIMIT_S) as client:
        stream = asyncio.create_task(client.get("/api/v1/events/stream", headers=OPERATOR))
        await until(lambda: api.events.streams.count == 1)
        api.events.streams.close()
        async with asyncio.timeout(LIMIT_S):
            assert (await stream).status_code == 200
        assert (await client.get("/api/v1/events/stream", headers=OPERATOR)).status_code == 200  # ends at once


async def test_before_the_history_was_read_nobody_can_resume(live, monkeypatch):
    where, api = live
    monkeypatch.setattr(api.events.events, "is_open", False)
    async with httpx.AsyncClient(base_url=f"http://{where}") as client, aiohttp.ClientSession() as session:
        answer = await client.get("/api/v1/events/stream", headers=OPERATOR)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
            await session.ws_connect(f"ws://{where}/api/v1/events/ws", headers=OPERATOR)
        assert denied.value.status == 503


async def test_the_description_names_both_ways_to_resume(live):
    _, api = live
    stream = api.app.openapi()["paths"]["/api/v1/events/stream"]["get"]
    assert {("Last-Event-ID", "header"), ("last_event_id", "query")} <= {(one["name"], one["in"]) for one in stream["parameters"]}


async def test_who_may_do_what(live):
    where, api = live
    async with httpx.AsyncClient(base_url=f"http://{where}") as client, aiohttp.ClientSession() as session:
        assert (await client.post("/api/v1/events", json=job(1), headers=PERSON)).status_code == 403
        wrong = await client.post("/api/v1/events", json=[job(1), {"type": ""}], headers=OPERATOR)
        assert wrong.status_code == 422
        assert [error["field"] for error in wrong.json()["errors"]] == ["1.type"]
        for path in ("", "/stream", "/ws", "/stats"):
            answer = await client.request("POST" if not path else "GET", f"/api/v1/events{path}")
            assert answer.status_code == 401, path
        with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
            await session.ws_connect(f"ws://{where}/api/v1/events/ws")
        assert denied.value.status == 401
        assert (await client.get("/api/v1/events/ws", headers=PERSON)).status_code == 426
        for query in ("?last_event_id=x", "?last_event_id=-1", "?unknown=1"):
            assert (await client.get(f"/api/v1/events/stream{query}", headers=PERSON)).status_code == 422
            with pytest.raises(aiohttp.WSServerHandshakeError) as denied:
                await session.ws_connect(f"ws://{where}/api/v1/events/ws{query}", headers=PERSON)
            assert denied.value.status == 422
    assert api.events.streams.count == 0


async def test_when_too_many_wait_a_list_is_refused_with_a_time_to_come_back(fresh_database, settings_for):
    async with served(fresh_database, settings_for(event_queue_max=5)) as api, api.client(Role.OPERATOR) as client:
        answer = await client.post("/api/v1/events", json=[job(number) for number in range(6)])
        assert_problem(answer, 503, "queue_full")
        assert "retry-after" in answer.headers
        assert (await client.post("/api/v1/events", json=job(1))).status_code == 202
