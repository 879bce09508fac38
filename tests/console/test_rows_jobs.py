"""Jobs as rows, and the verdict on their updates."""

import pytest

from dashboard_app.console.rows import jobs
from dashboard_app.console.words import NB, THIN, UNKNOWN

STATS = {
    "accepted_total": 41_210,
    "written_total": 41_180,
    "superseded_total": 12,
    "queued": 16,
    "dead_letter_total": 2,
    "batches_total": 900,
    "checkouts_total": 902,
    "fallbacks_total": 0,
    "last_batch": {"size": 50, "duration_ms": 8.0},
    "journal_bytes": 24_576,
    "oldest_s": 1.1,
    "level": "ok",
}


@pytest.mark.parametrize(
    ("changes", "title", "tone"),
    [
        ({}, f"All 41{THIN}210 updates are accounted for", "off"),
        ({"written_total": 41_177}, "3 updates are unaccounted for", "bad"),
        ({"written_total": 41_181}, "1 update is unaccounted for", "bad"),
        (
            dict.fromkeys(("accepted_total", "written_total", "superseded_total", "queued", "dead_letter_total"), 0),
            "No job update was sent since the start",
            "off",
        ),
        ({"level": "waiting"}, f"All 41{THIN}210 updates are accounted for", "warn"),
        ({"level": "journal_failed"}, f"All 41{THIN}210 updates are accounted for", "bad"),
        ({"oldest_s": 12.0}, f"All 41{THIN}210 updates are accounted for", "warn"),
    ],
)
def test_the_title_is_the_verdict_on_the_sum(changes, title, tone):
    said = jobs.ledger(STATS | changes)
    assert (said.title, said.tone, said.adds_up) == (title, tone, "unaccounted" not in title)


def test_the_figures_say_what_they_count():
    told = {fact.label: (fact.value, fact.note) for fact in jobs.facts(STATS)}
    assert told["Queued"] == ("16", f"oldest 1.1{NB}s")
    assert told["Last batch"] == ("50", f"in 8.0{NB}ms")
    assert told["Journal"] == (f"24.0{NB}KiB", "on disk, not written yet")
    idle = STATS | {"queued": 0, "journal_bytes": 0, "last_batch": {"size": 0, "duration_ms": 0.0}}
    told = {fact.label: (fact.value, fact.note) for fact in jobs.facts(idle)}
    assert (told["Queued"][1], told["Last batch"], told["Journal"][1]) == ("none waits", (UNKNOWN, "none since the start"), "empty")


def item(**changes):
    return {
        "id": 7,
        "kind": "ocr",
        "status": "completed",
        "error_message": None,
        "payload": {"file": "ä.png"},
        "created_at": "2026-11-22T14:00:00Z",
        "updated_at": "2026-11-22T14:00:02.500Z",
    } | changes


def test_a_job_shows_how_long_it_took_once_it_is_over():
    (row,) = jobs.job_rows([item()])
    assert (row.word, row.tone, row.took, row.payload) == ("Completed", "ok", f"2.5{NB}s", '{"file": "ä.png"}')
    (row,) = jobs.job_rows([item(status="processing")])
    assert row.took == UNKNOWN
    (row,) = jobs.job_rows([item(status="paused")])
    assert (row.word, row.tone) == ("paused", "off")


@pytest.mark.parametrize(
    ("params", "href"),
    [
        ({}, "/jobs"),
        ({"status": "error", "kind": "ocr"}, "/jobs?status=error&kind=ocr"),
        ({"status": "bad", "before": "x"}, "/jobs"),
        ({"before": "99"}, "/jobs?before=99"),
        ({"before": str(2**63)}, "/jobs"),
    ],
)
def test_the_url_is_the_memory_of_filters(params, href):
    query = jobs.Query.parse(params)
    assert query.href(before=query.before) == href


def test_the_next_page_begins_behind_the_last_row_shown():
    items = [item(id=number) for number in range(200, 149, -1)]
    assert len(items) == 51
    assert jobs.older_href(jobs.Query(status="error"), items) == "/jobs?status=error&before=151"
    assert jobs.older_href(jobs.Query(), items[:50]) == ""
    assert jobs.Query(status="error", before=151).params() == {"limit": 51, "status": "error", "before": 151}


def test_counts_stand_beside_their_statuses_and_are_left_out_when_unknown():
    choices = jobs.statuses(jobs.Query(status="error"), {"by_status": {"error": 3, "completed": 12_400}})
    assert [(one.word, one.count, one.is_on) for one in choices[:1]] == [("All", f"12.4{NB}k", False)]
    assert [one.word for one in choices if one.is_on] == ["Error"]
    assert {one.count for one in jobs.statuses(jobs.Query(), None)} == {""}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (jobs.Query(), "No jobs yet."),
        (jobs.Query(before=5), "Nothing older."),
        (jobs.Query(status="error"), "No job is error."),
        (jobs.Query(kind="ocr"), "No job of kind ocr."),
        (jobs.Query(status="error", kind="ocr"), "No job is error and kind ocr."),
    ],
)
def test_an_empty_list_says_why(query, words):
    assert jobs.empty_words(query) == words


def test_a_dead_letter_names_its_job_and_reason():
    letter = {
        "id": 1,
        "job_id": 991,
        "status": "error",
        "error_message": None,
        "reason": "Job 991 does not exist",
        "at": "2026-11-22T14:00:00Z",
    }
    (row,) = jobs.letter_rows([letter])
    assert (row.job, row.word, row.reason, row.error) == ("991", "Error", "Job 991 does not exist", "")


def test_charts_say_when_nothing_was_written_and_are_left_out_when_the_server_keeps_no_past():
    assert jobs.charts(None) == []
    quiet = jobs.charts({"points": [[1000, 0, 0, 0], [6000, 0, 0, 0]]})
    assert {(chart.note, len(chart.data[0])) for chart in quiet} == {("Nothing was written in the last 10 minutes.", 0)}
    written, batches, duration = jobs.charts({"points": [[1000, 0, 0, 0], [6000, 12.5, 50, 3.2]]})
    assert written.data == [[1.0, 6.0], [0.0, 12.5]]
    assert (batches.data[1], duration.data[1]) == ([0.0, 50.0], [0.0, 3.2])
    assert written.label == f"Updates written, last 10 minutes: between 0{NB}/s and 12.5{NB}/s, now 12.5{NB}/s"
