"""`/breakers`: its words, its figures against the API, and who may act."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.console import context
from dashboard_app.console.api.present import breaker_detail_json, queue_json
from dashboard_app.console.console import Console
from dashboard_app.console.pages.breakers_state import LASTS, BreakersState, render
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows import breakers as rows
from dashboard_app.console.words import NB, plain
from dashboard_app.model.breaker import BreakerLimits, BreakerState, Cause
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, BreakerOpen
from dashboard_app.runtime.named_breaker import NamedBreaker, Transition
from dashboard_app.runtime.queue_ledger import QueueFigures
from dashboard_app.settings import Settings
from tests.console.fake_console import ANA, VIC, FakeIdentity
from tests.console.state_pages import opened_at, run

FAILURE = BackendFailed("no answer", cause="timeout")
LIMITS = BreakerLimits(3, 30.0)


@pytest.fixture
def console(tmp_path, monkeypatch):
    made = Console(Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9", demo=True), ManualClock())
    monkeypatch.setattr(context._bound, "console", made)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return made


async def opened(root=None):
    state = await (root or opened_at("/breakers")).get_state(BreakersState)
    await run(state, "load")
    return state


def failing(clock, limits=LIMITS, failures=3):
    breaker = NamedBreaker("api", limits, clock, chance=lambda: 0.0)
    for _ in range(failures):
        breaker.failed(breaker.ask(), FAILURE)
    return breaker


def card_of(breaker):
    return rows.card(breaker.reading(), breaker.transitions(), breaker.outcomes(), breaker.limits)


def test_a_closed_card_says_since_when_and_how_near_it_is_to_opening():
    clock = ManualClock()
    assert card_of(NamedBreaker("api", LIMITS, clock)).sentence == "Closed since the start"
    card = card_of(failing(clock, failures=2))
    assert plain(card.sentence) == "Closed since the start; 2 failures in a row since 00:00:00"
    assert (card.failures, card.failed_percent, card.rate) == ("2 of 3", 67, f"100{NB}% of the last 2 calls failed")


def test_an_open_card_says_why_and_counts_down_to_the_trial():
    clock = ManualClock()
    breaker = failing(clock)
    clock.tick(18)
    card = card_of(breaker)
    assert plain(card.sentence) == "Open since 00:00:00 after 3 failures in a row"
    assert (card.counts, card.trial_s, card.word) == (True, 12.0, "Open")
    clock.tick(12)
    breaker.ask()
    trying = card_of(breaker)
    assert (plain(trying.sentence), trying.counts) == ("Trying since 00:00:30: 1 trial must succeed to close it", False)


@pytest.mark.parametrize(
    ("state", "until", "told"),
    [
        (BreakerState.FORCED_OPEN, None, "Held open by Ana since 00:00:00: a move. No further try until the breaker is closed."),
        (BreakerState.FORCED_OPEN, 1, "Held open by Ana since 00:00:00: a move. Closes by itself at 01:00:00."),
        (BreakerState.DISABLED, None, "Switched off by Ana since 00:00:00: a move. It never opens."),
        (
            BreakerState.METRICS_ONLY,
            1,
            "Only watches, set by Ana since 00:00:00: a move. It would have opened 1\u00d7. Closes by itself at 01:00:00.",
        ),
    ],
)
def test_a_held_card_names_who_why_and_until_when(state, until, told):
    clock = ManualClock()
    breaker = NamedBreaker("api", LIMITS, clock)
    breaker.hold(state, by="Ana", reason="a move", until=clock.now() + timedelta(hours=until) if until else None)
    if state is not BreakerState.FORCED_OPEN:
        for _ in range(3):
            breaker.failed(breaker.ask(), FAILURE)
    assert plain(card_of(breaker).sentence) == told


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_of_a_move_has_words(cause):
    at = datetime(2026, 1, 1, 14, 2, 11, tzinfo=UTC)
    breaker = NamedBreaker("api", LIMITS, ManualClock())
    move = Transition(at, BreakerState.CLOSED, BreakerState.OPEN, cause.value, by="Ana" if cause is Cause.PERSON else "")
    (told,) = rows.card(breaker.reading(), [move], (), LIMITS).moves
    assert plain(told.at) == "14:02:11"
    assert len(plain(told.text)) > 8


def test_only_the_last_five_moves_are_shown_newest_first():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    moves = [
        Transition(at, BreakerState.CLOSED, BreakerState.CLOSED, "person", by=f"P{number}", until=at + timedelta(hours=1))
        for number in range(9)
    ]
    card = rows.card(NamedBreaker("api", LIMITS, ManualClock()).reading(), moves, (), LIMITS)
    assert [plain(move.text) for move in card.moves] == [f"P{number} closed it, until 01:00:00" for number in (8, 7, 6, 5, 4)]


@pytest.mark.parametrize(
    ("states", "title"),
    [
        ((BreakerState.CLOSED, BreakerState.CLOSED), "Every breaker is closed"),
        ((BreakerState.FORCED_OPEN, BreakerState.CLOSED), "Breaker api is held open"),
        ((BreakerState.CLOSED, BreakerState.DISABLED), "Every call goes through"),
    ],
)
def test_the_title_is_the_verdict(states, title):
    breakers = [NamedBreaker(name, LIMITS, ManualClock()) for name in ("api", "websocket")]
    for breaker, state in zip(breakers, states, strict=True):
        breaker.hold(state, by="Ana", reason="x")
    assert rows.verdict([breaker.reading() for breaker in breakers])[0] == title


def test_open_and_trying_are_verdicts_too_and_refusals_are_counted():
    clock = ManualClock()
    breaker = failing(clock)
    with pytest.raises(BreakerOpen):
        breaker.ask()
    assert rows.verdict([breaker.reading()]) == ("Breaker api is open", "1 call was refused in the last 15 minutes.")
    clock.tick(30)
    breaker.ask()
    assert rows.verdict([breaker.reading()])[0] == "Breaker api is being tried"


def test_the_dialogs_say_what_they_do_and_only_stopping_everything_asks_for_the_name():
    breaker = failing(ManualClock())
    told = {
        (name, state): rows.dialog(name, state, breaker.reading(), breaker.outcomes())
        for name in ("api", "websocket")
        for state in (BreakerState.FORCED_OPEN, BreakerState.CLOSED, BreakerState.METRICS_ONLY, BreakerState.DISABLED)
    }
    assert [key for key, dialog in told.items() if dialog.typed] == [("api", BreakerState.FORCED_OPEN)]
    assert told["api", BreakerState.CLOSED].effect == "3 of the last 3 calls failed; the next failures open it again."
    assert told["api", BreakerState.FORCED_OPEN].effect.startswith("The console stops asking the server for everyone")
    assert "go through again at once" in told["api", BreakerState.METRICS_ONLY].effect
    assert [dialog.lasts for (_, state), dialog in told.items() if state is BreakerState.CLOSED] == [False, False]


def test_the_round_is_a_letter_per_source_and_names_who_is_asked():
    row = rows.round_row("Health", {3: "w", 1: "d", 2: "r", 4: "s", 5: "f"}, {2: "billing"}, "", 3)
    assert (row.places, row.told) == ("drwsf", "3 of 5 done, 1 of at most 3 asked at once")
    assert row.asked == "Asked now: billing"
    many = rows.round_row("Health", dict.fromkeys(range(1, 7), "r"), {}, "", 6)
    assert many.asked == "Asked now: source 1, source 2, source 3, source 4 and 2 more"
    assert rows.round_row("Health", {}, {}, "paused", 3).asked == "Nobody is asked right now"


def test_the_queue_shows_what_its_figures_are():
    figures = QueueFigures(2, 3, {"click": 1, "view": 0, "background": 2}, 40, 1, 5, 1250.0, 2, 4)
    shown = {fact.label: (fact.value, fact.note) for fact in rows.queue(figures)}
    assert shown["Waiting"] == ("3", "1 click · 0 in view · 2 background")
    assert (shown["Wait, p95"][0], shown["Rejected"]) == (f"1.25{NB}s", ("5", "2 made room"))


async def test_every_number_of_the_page_is_the_apis(console):
    api = console.breakers["api"]
    for took in [0.1] * 7 + [3.0] * 2:
        api.succeeded(api.ask(), took)
    for _ in range(5):
        api.failed(api.ask(), FAILURE)
    for _ in range(3):
        with pytest.raises(BreakerOpen):
            api.ask()
    console.clock.tick(2000)
    api.succeeded(api.ask())
    state = await opened()
    card, told = state.cards[0], breaker_detail_json(api)
    order = ("succeeded", "slow", "failed", "rejected")
    assert [int(row.recent) for row in card.calls] == [told["recent_calls"][name] for name in order] == [1, 0, 0, 0]
    assert [int(row.total) for row in card.calls] == [told["calls"][name] for name in order] == [8, 2, 5, 3]
    letters = {"succeeded": "o", "slow": "w", "failed": "b", "rejected": "u"}
    assert card.strip == "".join(letters[outcome] for outcome in told["outcomes"])
    assert len(card.moves) == len(told["transitions"]) == 3
    assert (card.state, card.failures) == (told["state"], f"{told['failure_count']} of 5")
    async with console.queue.place(0):
        await run(state, "read")
        figures = queue_json(console.queue.figures())
    shown = {fact.label: fact.value for fact in state.queue}
    assert (shown["Running"], shown["Started"]) == (str(figures["running"]), str(figures["started_total"])) == ("1", "1")


async def test_an_admin_holds_api_open_with_reason_and_name_and_closes_it_again(console):
    root = opened_at("/breakers")
    state = await opened(root)
    await run(state, "ask", "api", "forced_open")
    await run(state, "act", {"reason": " ", "typed": "ap", "until": ""})
    assert (state.is_dialog_open, bool(state.reason_error), bool(state.typed_error)) == (True, True, True)
    await run(state, "act", {"reason": "a move", "typed": "api", "until": "60"})
    held = console.breakers["api"].held
    assert (state.is_dialog_open, held.by, held.reason) == (False, "Ana Ruiz", "a move")
    assert held.until == console.clock.now() + timedelta(hours=1)
    await render(root, {})
    shell = await root.get_state(ShellState)
    assert (shell.is_fallback, shell.breaker.state, shell.banner.next_step) == (True, "forced_open", "never")
    assert "Ana Ruiz opened the breaker at 00:00:00: a move." in plain(shell.banner.cause)
    await run(state, "ask", "api", "closed")
    await run(state, "act", {"reason": "done", "until": "60"})
    await render(root, {})
    assert (console.breakers["api"].lets_through, shell.is_fallback) == (True, False)


async def test_a_viewer_reads_everything_and_may_change_nothing(console, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    state = await opened()
    assert [card.name for card in state.cards] == ["api", "websocket"]
    await run(state, "ask", "api", "closed")
    await run(state, "act", {"reason": "because"})
    assert "needs the admin role" in state.failure
    assert console.breakers["api"].held is None


async def test_what_no_page_sends_changes_nothing(console):
    state = await opened()
    await run(state, "act", {"reason": "no dialog is open"})
    await run(state, "ask", "other", "closed")
    await run(state, "ask", "api", "ajar")
    assert not state.is_dialog_open
    await run(state, "ask", "websocket", "disabled")
    await run(state, "act", {"reason": "x" * 600, "until": "1e9"})
    assert state.failure.startswith("Reason: say why")
    await run(state, "set_dialog", False)
    assert (state.is_dialog_open, console.breakers["websocket"].held) == (False, None)
    assert all(minutes == "" or int(minutes) > 0 for minutes in LASTS)


@pytest.mark.parametrize(
    ("settings", "size", "least"),
    [({"breaker_window": "count", "breaker_window_calls": 10}, 10, 10), ({"breaker_window": "time", "breaker_window_s": 5}, 5, 20)],
)
def test_a_window_by_setting_opens_the_consoles_breaker(tmp_path, settings, size, least):
    made = Console(Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9", breaker_failure_threshold=100, **settings), ManualClock())
    api = made.breakers["api"]
    assert (api.limits.rates.size, api.limits.rates.min_calls) == (size, least)
    for number in range(least):
        assert api.state is BreakerState.CLOSED
        (api.failed(api.ask(), FAILURE) if number % 2 else api.succeeded(api.ask()))
    assert (api.state, api.transitions()[-1].cause) == (BreakerState.OPEN, "failure_rate")


async def test_the_lanes_tell_where_each_source_is(console):
    lane = console.loader.health
    lane.set_sources({1, 2, 3}, {})
    lane.begin()
    lane._roster.busy.add(2)
    assert lane.places() == {1: "w", 2: "r", 3: "w"}
    assert (await opened()).lanes[0].places == "wrw"
