"""What the guard has measured, as rows: routes, how checkouts were served, clients, the sizing curve, call sites, leaks."""

from dataclasses import replace

import pytest

from dashboard_app.console import words
from dashboard_app.console.client.measured import (
    ClientReading,
    Clients,
    Efficiency,
    Performance,
    RouteReading,
    SizeReading,
    Sizing,
    parse_clients,
    parse_performance,
    parse_sizing,
)
from dashboard_app.console.rows import holders, leaks, measured, sizing
from dashboard_app.model.errors import BackendFailed

NONE = Efficiency(0, 0, 0, 0)


def _plain(text: str) -> str:
    return words.plain(text).replace(words.NB, " ").replace(words.THIN, " ")


def _route(**over: object) -> RouteReading:
    return replace(RouteReading("GET /x", 1204, 0, 0.0, 4.0, 20.0, 410.0), **over)


def test_a_route_that_fails_says_so_and_a_slow_one_only_when_enough_was_answered():
    told = measured.routes(
        Performance(
            900, (_route(errors=3, error_percent=0.25), _route(p99_ms=1500.0), _route(p99_ms=1500.0, requests=3), _route()), NONE, NONE
        )
    )
    assert [(row.verdict, row.tone, _plain(row.errors)) for row in told] == [
        ("Fails", "bad", "0.2 %"), ("Slow", "warn", "none"), ("", "", "none"), ("", "", "none"),
    ]  # fmt: skip
    assert (_plain(told[3].requests), _plain(told[3].p50), _plain(told[3].p99)) == ("1 204", "4.0 ms", "410 ms")


def test_the_worst_twelve_routes_are_shown_and_the_heading_says_so():
    many = Performance(900, tuple(_route(route=f"GET /{n}") for n in range(31)), NONE, NONE)
    assert [row.route for row in measured.routes(many)] == [f"GET /{n}" for n in range(12)]
    assert _plain(measured.routes_heading(many)) == "the worst 12 of 31 routes, last 15 min"
    assert _plain(measured.routes_heading(replace(many, routes=many.routes[:1]))) == "1 route, last 15 min"


def test_how_checkouts_were_served_in_shares_with_the_totals_beside():
    figures = measured.efficiency(Performance(900, (), Efficiency(950, 30, 20, 2), Efficiency(9500, 300, 200, 2)))
    assert [(figure.label, _plain(figure.value), figure.unit, figure.tone) for figure in figures] == [
        ("Checkouts", "1 000", "", ""), ("From an idle one", "95.0", "%", ""), ("Opened one first", "3.0", "%", ""),
        ("Waited", "2.0", "%", "warn"), ("Gave up", "2", "", "bad"),
    ]  # fmt: skip
    assert _plain(figures[0].note) == "last 15 min; 10 000 since the start"
    nothing = measured.efficiency(Performance(900, (), NONE, NONE))
    assert [figure.value for figure in nothing] == ["0", words.UNKNOWN, words.UNKNOWN, words.UNKNOWN, "0"]
    assert {figure.tone for figure in nothing} == {""}


def _client(**over: object) -> ClientReading:
    return replace(ClientReading("orders", True, 42, "current", 3.0, 3.0, 20, 30), **over)


def test_clients_say_whether_they_follow_and_ask_too_much_only_while_limits_bind():
    told = Clients(
        42, True, 200, 7, (_client(follows="stale", requests_last_minute=31), _client(version=None, follows="unknown", config_age_s=None))
    )
    over, mute = measured.clients(told)
    assert (over.word, over.tone, over.is_over, _plain(over.requests)) == ("Stale", "bad", True, "31 of 30")
    assert (mute.word, mute.version, mute.age, mute.is_over) == ("Does not say", words.UNKNOWN, words.UNKNOWN, False)
    assert _plain(measured.clients_heading(told)) == "version 42 holds · 0 of 2 clients on it · 7 forgotten: 200 are kept"
    (free, _) = measured.clients(replace(told, is_binding=False))
    assert (free.is_over, _plain(free.requests)) == (False, "31 no limit now")
    (strange,) = measured.clients(replace(told, items=(_client(follows="sideways", is_signed_in=False),)))
    assert (strange.word, strange.tone, strange.note) == ("sideways", "off", "not signed in")
    many = measured.clients_heading(replace(told, items=(_client(),) * 30, dropped_total=0))
    assert _plain(many) == "version 42 holds · 30 of 30 clients on it · the first 20 shown"


CURVE = tuple(SizeReading(n, 0.0, 1000.0 / n, w, 50.0 / n) for n, w in ((5, 4200.0), (6, 800.0), (7, 40.0), (8, 0.0)))
SIZING = Sizing(5000, 812.0, 0, True, 30, 50.0, 7, 0.0, CURVE, "")


def test_the_curve_marks_what_is_and_what_would_have_been_enough():
    view = sizing.view(SIZING)
    assert _plain(view.verdict) == "7 connections would have been enough for 99 of 100 to wait less than 50.0 ms; the pool has 30."
    assert [(mark.word, mark.kind, mark.is_low) for mark in view.marks] == [("enough 7", "enough", False), ("now 30", "now", False)]
    assert view.path.startswith("M0.0 ")
    assert view.path.endswith(f"200.0H{sizing.WIDTH}")  # nobody waits from there on
    heights = [float(point.split()[1].split("H")[0]) for point in view.path[1:].split("L")]
    assert heights == sorted(heights)
    limit_y = sizing.HEIGHT * (1 - view.limit_percent / 100)
    assert heights[1] < limit_y < heights[2]  # 6 are too few, 7 are enough: the drawing says what the words say
    assert [row.mark for row in view.rows] == ["", "", "enough", ""]
    assert (_plain(view.rows[0].p99), view.rows[3].p99, _plain(view.rows[0].waited)) == ("4.2 s", "none", "10.0 %")
    assert [_plain(tick.word) for tick in view.y_ticks] == ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]
    assert (view.x_ticks[0].word, view.x_ticks[0].percent) == ("5", 0.0)
    assert _plain(view.label) == "99th percentile of the wait: 4.2 s with 5 connections, 0.0 ms with 8; 7 are enough"


def test_marks_that_stand_together_do_not_cover_each_other():
    low = sizing.view(replace(SIZING, capacity=30, recommended=28)).marks[0]
    assert low.is_low
    (same,) = sizing.view(replace(SIZING, capacity=7)).marks
    assert same.word == "now 7, just enough"
    far = sizing.view(replace(SIZING, capacity=100, recommended=40)).marks[0]
    assert not far.is_low


def test_a_label_near_an_end_of_the_axis_stays_in_the_panel():
    enough, now = sizing.view(replace(SIZING, capacity=30, recommended=28)).marks
    assert (enough.side, now.side) == ("end", "end")
    enough, now = sizing.view(SIZING).marks
    assert (enough.side, now.side) == ("start", "end")
    middle = sizing.view(replace(SIZING, capacity=100, recommended=50)).marks[0]
    assert middle.side == ""


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"recommended": 40}, "40 connections would have been enough: the pool has 30. With them 99 of 100 wait less than 50.0 ms."),
        ({"recommended": None}, "No pool of up to 100 connections would have been enough. Shorter holds help; more connections do not."),
        ({"is_judged": False, "recommended": None, "curve": (), "note": "12 checkouts were measured."}, "Too little to judge by yet: 12 checkouts were measured."),
        ({"is_judged": False, "recommended": None, "curve": ()}, "Too little to judge by yet."),
    ],
)  # fmt: skip
def test_the_verdict_on_the_size_in_words(over, told):
    view = sizing.view(replace(SIZING, **over))
    assert _plain(view.verdict) == told
    assert bool(view.path) is bool(over.get("curve", CURVE))


def test_the_note_says_what_was_played_again():
    assert (
        _plain(sizing.view(replace(SIZING, left_out=2)).note) == "the last 5 000 checkouts, 13 min 32 s of work, 2 suspected leaks left out"
    )
    assert sizing.view(replace(SIZING, checkouts=0)).note == ""
    single = sizing.view(replace(SIZING, curve=CURVE[3:], recommended=8))
    assert "and with any more" in single.label


def test_what_is_held_now_counts_for_who_uses_the_pool():
    answer = {
        "items": [{"id": n, "held_s": 100.0, "call_site": "jobs.leak:7", "state": "idle"} for n in range(3)],
        "call_sites": [{"call_site": "web.list:1", "checkouts": 1000, "held_s_total": 100.0, "held_s_p95": 0.02}],
    }
    first, second = holders.call_sites(answer)
    assert (first.call_site, first.held_now, first.checkouts, _plain(first.share), first.held_p95) == (
        "jobs.leak:7",
        "3",
        "3",
        "75.0 %",
        words.UNKNOWN,
    )
    assert (second.call_site, second.held_now, _plain(second.checkouts), second.share_percent) == ("web.list:1", "0", "1 000", 25.0)
    assert len(holders.call_sites({"call_sites": [answer["call_sites"][0] | {"call_site": str(n)} for n in range(30)]})) == 12


ITEMS = {
    "items": [
        {"id": 1, "held_s": 5.0, "call_site": "b", "state": "query", "task": "one"},
        {"id": 2, "held_s": 9.0, "call_site": "c", "state": "idle", "task": "two"},
        {"id": 3, "held_s": 7.0, "call_site": "a", "state": "idle_in_transaction", "task": "three"},
    ]
}


@pytest.mark.parametrize(("sort", "ids", "words_"), [
    ("held", [2, 3, 1], "longest first"), ("state", [3, 2, 1], "by state"), ("site", [3, 1, 2], "by call site"), ("nonsense", [2, 3, 1], "longest first"),
])  # fmt: skip
def test_the_holders_have_three_orders(sort, ids, words_):
    assert [row.id for row in holders.holders(ITEMS, sort)] == ids
    assert holders.heading(ITEMS, sort).endswith(words_)


def test_many_that_are_alike_and_do_nothing_wrong_are_said_to_fill_the_pool():
    many = {"items": [{"id": n, "held_s": 1.0, "state": "query", "task": "report", "call_site": "r"} for n in range(10)]}
    assert [(row.verdict, row.tone) for row in holders.holders(many, capacity=30)] == [("Fills the pool", "warn")]
    assert [row.verdict for row in holders.holders(many, capacity=31)] == ["Normal"]
    assert [row.verdict for row in holders.holders(many)] == ["Normal"]


def test_the_stack_is_told_of_a_suspected_leak_only_and_is_bounded():
    item = {"id": 1, "held_s": 99.0, "call_site": "b", "state": "idle", "stack": [f"m.f:{n}" for n in range(50)], "backend_pid": 4711}
    (leak,) = holders.holders({"items": [item | {"suspected_leak": True}]})
    assert (len(leak.stack), leak.stack[0], leak.process, leak.call_site) == (12, "m.f:0", "4711", "b")
    (fine,) = holders.holders({"items": [item]})
    assert fine.stack == []


LEAKS = {
    "leaks": {
        "found_total": 12, "returned_total": 3, "reclaimed_total": 8,
        "recent": [
            {"id": 7, "task": "nightly", "route": "POST /x", "call_site": "a.b:1", "stack": ["a.b:1", "c.d:2"], "held_s": 61.0, "ended": "returned"},
            {"id": 8, "task": "", "route": "", "call_site": "", "stack": [], "held_s": 61.0, "ended": None},
        ],
    }
}  # fmt: skip


def test_suspected_leaks_are_told_with_how_they_ended():
    assert (
        _plain(leaks.summary(LEAKS))
        == "12 suspected leaks since the server started: 3 came back after all, 8 were taken back and 1 is still out"
    )
    back, out = leaks.rows(LEAKS)
    assert (back.who, back.ended, _plain(back.held), back.stack) == (
        "nightly · POST /x #7",
        "came back after all",
        "1 min 1 s",
        ["a.b:1", "c.d:2"],
    )
    assert (out.who, out.ended, out.held, out.tone) == ("unnamed task #8", "still out", "", "bad")
    assert (leaks.summary({}), leaks.rows({}), leaks.summary({"leaks": {"found_total": 0}})) == ("", [], "")


@pytest.mark.parametrize("parse", [parse_performance, parse_clients, parse_sizing])
@pytest.mark.parametrize("body", [None, [], {}, {"items": 3}, {"routes": [{}], "pool": 1, "curve": [1], "sample": {}}])
def test_an_answer_of_another_shape_is_garbage_not_a_crash(parse, body):
    with pytest.raises(BackendFailed):
        parse(body)
