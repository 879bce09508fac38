"""Events in words: lines, filters, what is new, what an opened row shows, and the verdict."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from dashboard_app.console.feed import Entry
from dashboard_app.console.rows import events as rows
from dashboard_app.console.rows.event_words import family
from dashboard_app.console.rows.events import Query
from dashboard_app.console.words import NB, plain
from dashboard_app.model.event import RESET
from dashboard_app.model.feed import FeedState

AT = datetime(2026, 1, 1, 14, 2, 11, tzinfo=UTC)
STATS = {
    "batcher_events_batched": 90,
    "batcher_events_saved": 80,
    "batcher_batches_created": 10,
    "batcher_events_lost": 0,
    "subscribers": 2,
    "published_total": 100,
    "history": "ok",
}


def entry(seq=1, event_type="JOB_STARTED", data=None, payload=None):
    return Entry(seq, 1000 + seq, event_type, AT, orjson.dumps({"job_id": seq} if data is None else data) if payload is None else payload)


def told(event_type, data, sees_payload=True):
    return rows.row(entry(7, event_type, data), {4: "orders"}, sees_payload=sees_payload)


@pytest.mark.parametrize(
    ("event_type", "single"),
    [
        ("JOB_STARTED", "JOB_STARTED"),
        ("JOBS_BATCH_STARTED", "JOB_STARTED"),
        ("IMPORT_RUNS_BATCH_DONE", "IMPORT_RUN_DONE"),
        ("TICK_BATCH", "TICK"),
        ("TICK", "TICK"),
    ],
)
def test_a_batch_belongs_to_its_single_type(event_type, single):
    assert family(event_type) == single


@pytest.mark.parametrize(
    ("event_type", "data", "text", "tone"),
    [
        (
            "LEVEL_CHANGED",
            {"level": "EMERGENCY", "previous": "NORMAL", "usage_percent": 93.3, "version": 4},
            f"NORMAL → EMERGENCY at 93.3{NB}%",
            "bad",
        ),
        ("LEVEL_CHANGED", {"note": "somebody else's"}, "note somebody else's", "n"),
        ("ALERT_OPENED", {"alert_id": 1, "severity": "warning", "message": "Pool above 90 %"}, "warning: Pool above 90 %", "warn"),
        ("ALERT_RESOLVED", {"alert_id": 1, "severity": "warning", "message": "Pool above 90 %"}, "warning: Pool above 90 %", "n"),
        (
            "BREAKER_CHANGED",
            {"name": "api", "from": "closed", "to": "open", "cause": "failure_rate"},
            "api: closed → open (failure rate)",
            "bad",
        ),
        ("BREAKER_CHANGED", {"name": "api", "from": "open", "to": "closed"}, "api: open → closed", "n"),
        ("SOURCE_CHANGED", {"source_id": 4, "status": "unhealthy", "previous": "healthy"}, "orders: healthy → unhealthy", "bad"),
        ("SOURCE_CHANGED", {"source_id": 9, "status": "degraded", "previous": None}, "source 9: unknown → degraded", "warn"),
        ("ROUND_FINISHED", {"lane": "health", "done": 24, "failed": 2, "duration_s": 42.0}, f"health: 24 done, 2 failed in 42{NB}s", "n"),
        ("JOB_FAILED", {"job_id": 3, "why": {"code": 7}}, 'job_id 3 · why {"code": 7}', "bad"),
        ("JOBS_BATCH_STARTED", {"batch_count": 2, "job_ids": [1, 2], "items": [{"ms": 4}, {"ms": 9}]}, "job_ids 1, 2 · ms 4, 9", "n"),
        ("TICK_BATCH", {"batch_count": 2, "items": [{"ms": 4}, 3]}, "ms 4", "n"),
        ("A", {}, "", "n"),
    ],
)
def test_a_line_says_what_it_is_about(event_type, data, text, tone):
    row = told(event_type, data)
    assert (row.text, row.tone) == (text, tone)


def test_a_batch_says_of_how_many_it_is():
    assert told("JOBS_BATCH_STARTED", {"batch_count": 3, "job_ids": [1, 2, 3]}).count == 3
    assert told("JOBS_BATCH_STARTED", {"batch_count": "many"}).count == 1
    assert told("JOB_STARTED", {"batch_count": 3}).count == 1


def test_a_line_is_cut():
    row = told("A_B", {f"field_{number}": "x" * 100 for number in range(9)})
    assert len(row.text) == 200
    assert row.text.endswith("…")


def test_a_viewer_sees_types_and_ids_only():
    assert told("JOB_FAILED", {"job_id": 3, "secret": "hunter2"}, sees_payload=False).text == "job_id 3"
    assert told("JOBS_BATCH_FAILED", {"job_ids": [3, 4], "items": [{"secret": "x"}, {}]}, sees_payload=False).text == "job_ids 3, 4"
    assert told("ALERT_OPENED", {"alert_id": 1, "severity": "critical", "message": "secret"}, sees_payload=False).text == "alert_id 1"
    assert not rows.matches(entry(1, "A", {"secret": "hunter2"}), Query(search="hunter2"), sees_payload=False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), [1, 2, 3, 4]),
        (Query(type="JOB_STARTED"), [1, 2, 4]),
        (Query(type="JOBS_BATCH_STARTED"), [2, 4]),
        (Query(search="ANA"), [3, 4]),
        (Query(search="job_"), [1, 2, 4]),
        (Query(search="1003"), [3, 4]),
        (Query(type="JOB_STARTED", search="ana"), [4]),
    ],
)
def test_filters_go_by_type_and_text_and_never_hide_a_gap(query, found):
    known = [
        entry(1),
        entry(2, "JOBS_BATCH_STARTED", {"job_ids": [5, 6], "batch_count": 2}),
        entry(3, "USER_LEFT", {"who": "Ana"}),
        entry(4, RESET, {}),
    ]
    assert [one.seq for one in known if rows.matches(one, query, sees_payload=True)] == found


def test_the_address_is_the_memory_of_the_filters():
    query = Query.parse({"type": " JOB_STARTED ", "q": "a&b", "other": "x"})
    assert query == Query("JOB_STARTED", "a&b")
    assert query.href() == "/events?type=JOB_STARTED&q=a%26b"
    assert query.href(type="", search="") == "/events"
    assert [choice.word for choice in rows.type_choices(query, ["JOBS_BATCH_DONE", "JOB_DONE"])] == ["any", "JOB_DONE", "JOB_STARTED"]
    assert [choice.is_on for choice in rows.type_choices(query, [])] == [False, True]


def test_a_page_begins_with_the_newest_and_then_gets_only_what_is_new():
    known = [entry(seq) for seq in range(1, 301)]
    first = rows.first_rows(known, Query(), {}, sees_payload=True)
    assert [first[0].seq, first[-1].seq, len(first)] == [300, 101, rows.FIRST_ROWS]
    tail = rows.tail_of(known, Query(), 298, {}, sees_payload=True)
    assert ([row.seq for row in tail.rows], tail.missed) == ([300, 299], 0)
    assert rows.tail_of(known, Query(), 300, {}, sees_payload=True).rows == []


def test_what_comes_too_fast_is_counted_and_said():
    known = [entry(seq) for seq in range(51, 301)]
    tail = rows.tail_of(known, Query(), 10, {}, sees_payload=True)
    assert len(tail.rows) == rows.ROWS_AT_ONCE + 1
    last = tail.rows[-1]
    assert (last.kind, last.text, last.count) == ("skipped", "190 more messages came too fast to be shown", 190)
    assert len(tail.rows) + tail.missed == 290
    nothing = rows.tail_of(known, Query(type="OTHER"), 10, {}, sees_payload=True)
    assert [row.count for row in nothing.rows] == [40]


def test_a_gap_says_from_when_events_are_here():
    row = rows.row(entry(3, RESET, {}), {}, sees_payload=False)
    assert (row.kind, plain(row.text)) == ("gap", "Gap here: events before 14:02:11 are no longer kept")


def test_an_opened_batch_shows_its_events():
    data = {"batch_count": 2, "job_ids": [5, 6], "kind": "ocr", "items": [{"ms": 4}, {"ms": 9, "x": None}]}
    detail = rows.detail(entry(3, "JOBS_BATCH_DONE", data))
    assert [(part.name, part.value) for part in detail.fields] == [("batch_count", "2"), ("kind", "ocr")]
    assert [(part.name, part.value) for part in detail.items] == [("5", "ms 4"), ("6", "ms 9 · x null")]
    only_ids = rows.detail(entry(3, "JOBS_BATCH_DONE", {"batch_count": 2, "job_ids": [5, 6]}))
    assert [(part.name, part.value) for part in only_ids.items] == [("5", ""), ("6", "")]
    only_items = rows.detail(entry(3, "TICK_BATCH", {"batch_count": 2, "items": [{"ms": 4}, 7]}))
    assert [(part.name, part.value) for part in only_items.items] == [("1", "ms 4"), ("2", "7")]
    assert rows.detail(entry(3, "TICK_BATCH", {"batch_count": 2})).items == []
    many = rows.detail(entry(3, "JOBS_BATCH_DONE", {"batch_count": 130, "job_ids": list(range(130))}))
    assert (len(many.items), many.note) == (100, "and 30 more")


def test_an_opened_event_shows_its_fields_or_why_there_are_none():
    detail = rows.detail(entry(3, "USER_LEFT", {"who": "Ana", "tags": ["a", "b"], "deep": {"x": [1]}}))
    assert [(part.name, part.value) for part in detail.fields] == [("who", "Ana"), ("tags", "a, b"), ("deep", '{"x": [1]}')]
    assert rows.detail(entry(3, data={})).note == "It has no data."
    assert rows.detail(entry(3, payload=b"")).note == "Its data was too large to be kept here."
    assert rows.detail(entry(3, payload=b"[1]")).fields == []


def test_the_figures_say_what_batching_saved_and_what_was_lost():
    facts = {fact.label: (fact.value, fact.tone) for fact in rows.facts(STATS)}
    assert facts == {
        "Published": ("100", "n"),
        "Batched": ("90", "n"),
        "Saved by batching": ("80", "n"),
        "Lost": ("0", "n"),
        "Subscribers": ("2", "n"),
    }
    worse = {fact.label: fact for fact in rows.facts(STATS | {"batcher_events_lost": 3, "waiting": 5})}
    assert worse["Lost"].tone == "bad"
    assert worse["Published"].note == "5 waiting to go out"
    assert rows.facts(STATS | {"published_total": 0})[2].note == "none yet"


@pytest.mark.parametrize(
    ("changes", "state", "age_s", "title", "tone"),
    [
        ({}, FeedState.CONNECTED, 3, "Events flow", "off"),
        ({}, FeedState.CONNECTED, 90, "Quiet since 14:02:11", "off"),
        ({}, FeedState.CONNECTED, None, "No event yet", "off"),
        ({"batcher_events_lost": 1}, FeedState.CONNECTED, 3, "1 event was lost", "bad"),
        ({"batcher_events_lost": 2}, FeedState.CONNECTED, 3, "2 events were lost", "bad"),
        ({"history": "failing"}, FeedState.CONNECTED, 3, "Events flow", "warn"),
        ({}, FeedState.RECONNECTING, 3, "The live feed is away", "warn"),
        ({}, FeedState.POLLING, 3, "No events come here", "warn"),
    ],
)
def test_the_title_says_whether_the_stream_flows(changes, state, age_s, title, tone):
    now = AT + timedelta(seconds=age_s or 0)
    verdict = rows.verdict(STATS | changes, state, None if age_s is None else AT, now)
    assert (plain(verdict.title), verdict.tone) == (title, tone)


@pytest.mark.parametrize(
    ("query", "newest_at", "said"),
    [
        (Query(), AT, "Quiet. Last event 14:02:11."),
        (Query(), None, "Quiet. No event yet."),
        (Query(type="JOB_DONE"), AT, "No event of type JOB_DONE has come since."),
        (Query(search="x"), AT, "No event with 'x' has come since."),
        (Query("JOB_DONE", "x"), AT, "No event of type JOB_DONE with 'x' has come since."),
    ],
)
def test_an_empty_tail_says_why(query, newest_at, said):
    assert plain(rows.empty_words(query, newest_at)) == said
