"""What a cleanup would do and did, in sentences."""

import pytest

from dashboard_app.console import words
from dashboard_app.console.rows.cleanup import plan, result
from tests.console.fake_details import dry_run_json, pool_json


def _plain(text: str) -> str:
    return words.plain(text).replace(words.NB, " ")


def test_the_dialog_names_each_victim_with_age_and_consequence():
    shown = plan(dry_run_json(), at="14:13:02", level_now="AGGRESSIVE")
    assert _plain(shown.found) == "A dry run at 14:13:02 found 3 connections to win back. Running queries are never touched."
    assert [_plain(step.title) for step in shown.steps] == [
        "End 1 server session",
        "Take back 2 checkouts",
        "Close 0 idle connections",
        "Leave 22 alone",
    ]
    assert _plain(shown.steps[0].detail) == "nightly-import #8123 · idle in transaction for 3 min. Its open transaction is rolled back."
    assert _plain(shown.steps[1].detail) == (
        "nightly-import #8124 · held 2 min and nightly-import #8125 · held 104 s. Nothing runs in them; their next statement fails."
    )
    assert (_plain(shown.usage), shown.level, _plain(shown.confirm), shown.wins) == (
        "83.3 % → about 73.3 %", "AGGRESSIVE → MODERATE", "Win back 3 connections", 3,
    )  # fmt: skip


def test_more_victims_than_fit_are_listed_apart_and_nothing_is_left_out():
    shown = plan(dry_run_json(28, out=28), at="14:13:02", level_now="EMERGENCY")
    taken = shown.steps[1]
    assert _plain(taken.title) == "Take back 27 checkouts"
    assert _plain(taken.detail).startswith("27 \u00d7 nightly-import · held up to 2 min. Nothing runs in them")
    assert len(taken.more) == 27
    mixed = dry_run_json(28, out=28)
    mixed["victims"][5]["holder"] = "report"
    taken = plan(mixed, at="14:13:02", level_now="EMERGENCY").steps[1]
    assert "and 24 more" in taken.detail
    assert len(taken.more) == 24


def test_the_level_is_left_out_when_it_stays():
    assert plan(dry_run_json() | {"level_after": "AGGRESSIVE"}, at="", level_now="AGGRESSIVE").level == ""


@pytest.mark.parametrize(
    ("answer", "found", "confirm"),
    [
        (
            {"before": pool_json(25)},
            "Nothing to win back. 25 connections are in use and none looks lost. Look at the longest holders below.",
            "",
        ),
        (
            {"before": pool_json(1)},
            "Nothing to win back. 1 connection is in use and none looks lost. Look at the longest holders below.",
            "",
        ),
        ({"before": pool_json(0)}, "Nothing to win back. No connection is in use and none is idle.", ""),
        (
            {"before": pool_json(4), "closed_idle": 7},
            "A dry run at 14:00 found nothing lost, and 7 idle connections to close. Running queries are never touched.",
            "Close 7 idle connections",
        ),
    ],
)
def test_a_dry_run_that_found_nothing_lost_says_what_there_is(answer, found, confirm):
    shown = plan(answer, at="14:00", level_now="NORMAL")
    assert (_plain(shown.found), _plain(shown.confirm), shown.usage) == (found, confirm, "")


def _done(**more: object) -> dict:
    return {
        "closed_idle": 0,
        "reclaimed": 2,
        "terminated_backends": 1,
        "before": pool_json(25),
        "after": pool_json(22),
        "duration_ms": 12.4,
    } | more


@pytest.mark.parametrize(
    ("answer", "planned", "sentence", "tone"),
    [
        (_done(), 3, "Won back 3 of 3 in 12.4 ms: 1 session ended and 2 checkouts taken back.", "ok"),
        (
            _done(reclaimed=1, skipped=[{"id": 8125, "reason": "left alone because it had started a query"}]), 3,
            "Won back 2 of 3 in 12.4 ms: 1 session ended and 1 checkout taken back. #8125 left alone because it had started a query.", "warn",
        ),
        (_done(reclaimed=0, terminated_backends=0), 2,
         "Won back 0 of 2 in 12.4 ms: nothing needed doing any more. 2 connections were left alone: given back or in use again.", "warn"),
        (_done(reclaimed=0, terminated_backends=0, closed_idle=7), 0, "Done in 12.4 ms: 7 idle connections closed.", "ok"),
        (_done(skipped=[{"id": n, "reason": "returned after all"} for n in range(5)]), 8,
         "Won back 3 of 8 in 12.4 ms: 1 session ended and 2 checkouts taken back. #0 returned after all; #1 returned after all; #2 returned after all; and 2 more.", "warn"),
    ],
)  # fmt: skip
def test_the_result_says_what_was_promised_and_what_was_done(answer, planned, sentence, tone):
    shown = result(answer, planned=planned)
    assert (_plain(shown.sentence), shown.tone) == (sentence, tone)
    assert _plain(shown.usage) == "83.3 % → 73.3 %"


def test_a_result_without_pools_shows_no_usage():
    assert result({"reclaimed": 1}, planned=1).usage == ""


@pytest.mark.parametrize(
    ("holder", "told"),
    [
        ("drill leak POST /api/v1/drill/hold app.backend.drill.holds.Holds._hold:78", "drill leak #1"),
        ("GET /api/v1/audit app.store.audit.AuditStore.page:40", "GET /api/v1/audit #1"),
        ("", "unnamed task #1"),
        ("request #1", "request #1"),
        ("x" * 90, f"{'x' * 59}… #1"),
    ],
)
def test_a_victim_is_named_by_its_task_or_else_by_its_route(holder, told):
    victim = {"id": 1, "holder": holder, "age_s": 5.0, "action": "reclaim", "reason": ""}
    assert plan({"victims": [victim]}, at="", level_now="NORMAL").steps[0].detail.startswith(f"{told} · held")


def test_what_the_guard_says_of_the_whole_is_told_before_and_after():
    note = "A connection pooler stands before the database"
    dry = {"victims": [{"id": 4, "holder": "job", "age_s": 9, "action": "reclaim"}], "note": note}
    assert plan(dry, at="12:00", level_now="NORMAL").found.endswith(f" {note}.")
    assert result({"reclaimed": 1, "note": note}, planned=1).sentence.endswith(f" {note}.")
