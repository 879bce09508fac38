"""The pool's verdict, figures and reasons, in words."""

import pytest

from dashboard_app.console import words
from dashboard_app.console.rows.pool import facts, full_in_s, hero, reasons, verdict, with_figure
from tests.console.fake_console import status_json
from tests.console.fake_details import pool_json

NOON = "\ue00443200\ue005"


def _status(checked_out: int = 25, level: str = "AGGRESSIVE", *, left: float | None = 210.0, slope: float = 4.7, **more: object) -> dict:
    return status_json(checked_out, level=level) | {
        "pool": pool_json(checked_out) | more,
        "forecast": {"slope_percent_per_min": slope, "exhaustion_in_s": left},
    }


def _said(status: dict | None, **more: object) -> tuple[str, str]:
    told = verdict(status, **({"gone_for_s": None} | more))
    return told.title.replace(words.NB, " "), words.plain(told.lede).replace(words.NB, " ")


@pytest.mark.parametrize(
    ("status", "more", "title", "lede"),
    [
        (None, {}, "Reading the pool…", ""),
        (None, {"gone_for_s": 6.0}, "The guard does not answer", "The pool may be fine; this page cannot tell."),
        (
            _status(), {"since": NOON, "who": "28 connections are held by drill."}, "The pool is 83.3 % in use and filling",
            "28 connections are held by drill. Clients were slowed at 12:00:00. At this rate it is full in about 3 min 30 s.",
        ),
        (
            _status(), {"gone_for_s": 95.0}, "The pool was 83.3 % in use",
            "The guard has not answered for 95 s. The pool may be fine; this page cannot tell.",
        ),
        (_status(3, "NORMAL", slope=0.0, left=None), {}, "The pool is 10.0 % in use", "Clients run at full speed. Nobody waits."),
        (_status(21, "MODERATE", slope=-2.0, left=None), {"who": "Somebody."}, "The pool is 70.0 % in use and emptying",
         "Somebody. Clients are slowed by MODERATE."),
        (_status(30, "EMERGENCY", waiting=2), {}, "The pool is full: 30 of 30 in use",
         "Clients are nearly stopped by EMERGENCY. 2 requests wait for a connection."),
        (_status(12, "EMERGENCY") | {"status": "unavailable"}, {"since": NOON}, "The pool's database cannot be reached",
         "Clients are told EMERGENCY since 12:00:00. 12 of 30 connections are held. Clean up works without the database."),
    ],
)  # fmt: skip
def test_the_title_is_the_verdict_and_the_line_under_it_says_what_it_means(status, more, title, lede):
    assert _said(status, **more) == (title, lede)


@pytest.mark.parametrize(
    ("left", "slope", "out", "expected"),
    [
        (210.0, 4.7, 25, 210.0),
        (3600.0, 1.0, 25, None),
        (3599.0, 1.0, 25, 3599.0),
        (210.0, 0.0, 25, None),
        (None, 4.7, 25, None),
        (10.0, 9.0, 30, None),
    ],
)
def test_full_in_is_told_only_when_usage_rises_and_it_is_within_the_hour(left, slope, out, expected):
    assert full_in_s(_status(out, left=left, slope=slope)) == expected


def test_the_bar_shows_pool_overflow_and_peak():
    shown = hero(_status())
    assert (shown.figure, shown.word, shown.tone, shown.bar) == ("83.3", "Degraded", "warn", "high")
    assert (shown.in_pool_percent, shown.overflow_percent, shown.pool_mark_percent) == (66.67, 16.67, 66.67)
    assert (shown.peak_mark, shown.peak_fits) == ("peak 26", True)
    assert shown.label.startswith("25 of 30 connections in use: 20 of 20 in the pool, 5 of 10 overflow; peak")


def test_a_bar_that_is_not_live_loses_its_tone_and_a_peak_at_the_edge_moves_down():
    assert hero(_status(), is_live=False).bar == "n"
    assert not hero(_status() | {"peak_usage_percent": 100.0}).peak_fits


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("13 of 30 connections in use, nobody waits", "<13 of 30> connections in use, nobody waits."),
        ("3 checkouts are older than 60 s and run nothing", "<3 checkouts> are older than 60 s and run nothing."),
        ("usage rises by 4.7 points a minute, over 5 minutes", "Usage rises by <4.7 points a minute>, over 5 minutes."),
        ("usage is at or below 75 % again", "Usage is at or below <75 %> again."),
        ("the database does not answer since 1970-01-01T12:00:00Z", f"The database does not answer since {NOON}."),
        ("2 checkouts sit idle, 2 of them from `jobs.py:12`", "<2 checkouts> sit idle, 2 of them from [jobs.py:12]."),
        ("nobody waits", "Nobody waits."),
        ("", ""),
    ],
)
def test_a_reason_has_its_first_figure_bold_and_its_times_and_names_marked(told, shown):
    marked = shown.replace("<", "\ue000").replace(">", "\ue001").replace("[", "\ue002").replace("]", "\ue003")
    assert with_figure(told) == marked


def test_reasons_are_the_guards_own_with_leaks_trend_and_admission_added():
    rows = reasons(_status(), leaks=3)
    assert [row.icon for row in rows] == ["gauge", "hourglass", "trending-up", "users"]
    assert words.plain(rows[3].sentence) == "22 of 25 places for database work are taken; none refused."


def test_reasons_do_not_say_twice_what_the_guard_said():
    status = _status() | {"reasons": ["3 checkouts are a suspected leak", "usage rises by 5 points a minute"], "admission": None}
    assert [row.icon for row in reasons(status, leaks=3)] == ["hourglass", "trending-up"]


def test_a_falling_pool_says_so_and_eight_reasons_are_enough():
    assert "falls by" in words.plain(reasons(_status(slope=-3.0, left=None))[1].sentence)
    assert len(reasons(_status() | {"reasons": [f"reason {n}" for n in range(12)]})) == 8


def test_facts_stand_in_the_same_order_and_mark_what_needs_a_person():
    shown = facts(_status(waiting=2, oldest_wait_s=1.5), pool_timeout_s=30.0)
    assert [fact.label for fact in shown] == ["In use", "Idle", "Waiting", "Oldest wait", "Admitted", "Refused", "Full in"]
    assert [(fact.value, fact.unit, fact.tone) for fact in shown] == [
        ("25", "/ 30", ""), ("0", "", "warn"), ("2", "", "bad"), ("1.5", "s", "warn"), ("22", "/ 25", ""), ("0", "", ""),
        (f"3{words.NB}min 30", "s", "bad"),
    ]  # fmt: skip
    assert shown[3].note == f"gives up after 30{words.NB}s"


def test_facts_of_a_quiet_pool_and_of_a_guard_without_admission():
    shown = facts(_status(3, "NORMAL", left=None, slope=0.0, idle=17) | {"admission": None})
    assert (shown[1].note, shown[3].value, shown[4].value, shown[6].value, shown[6].note) == (
        "ready at once",
        "0.0",
        words.UNKNOWN,
        words.UNKNOWN,
        "not filling",
    )
