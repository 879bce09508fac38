"""What the command palette offers, to whom, and in which order."""

from dataclasses import replace

import pytest
import reflex as rx
from reflex.istate.data import RouterData

from dashboard_app.console import context
from dashboard_app.console.components.icons import STATE_ICONS
from dashboard_app.console.pages.palette_state import PaletteState
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.palette import COMMAND_ICONS, HITS_AT_MOST, LONGEST_TEXT, Hit, commands, found, in_place, source_hits
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.user import Role
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity


def names(hits):
    return [hit.name for hit in hits]


def ids(role, *, is_demo=True, is_fallback=False):
    return {hit.id for hit in commands(role, is_demo=is_demo, is_fallback=is_fallback)}


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (
            Role.VIEWER,
            {"page:sources", "page:pool", "do:theme", "do:keys"},
            {"do:refresh", "do:cleanup", "do:add", "page:audit", "page:drill"},
        ),
        (Role.OPERATOR, {"do:refresh"}, {"do:cleanup", "do:add", "page:settings"}),
        (Role.ADMIN, {"do:refresh", "do:cleanup", "do:add", "page:audit", "page:settings", "page:drill"}, set()),
    ],
)
def test_a_role_is_offered_what_it_may_do_and_nothing_else(role, may, may_not):
    assert may <= ids(role)
    assert not may_not & ids(role)


def test_what_needs_the_server_is_gone_while_it_is_away_and_the_cleanup_stays():
    assert {"do:refresh", "do:add"} & ids(Role.ADMIN, is_fallback=True) == set()
    assert "do:cleanup" in ids(Role.ADMIN, is_fallback=True)


def test_the_drill_is_a_page_of_the_demo():
    assert "page:drill" not in ids(Role.ADMIN, is_demo=False)


def test_nothing_that_changes_data_is_run_from_here():
    """A change is made by the page's own button, which asks first: the palette only presses it."""
    (cleanup,) = (hit for hit in commands(Role.ADMIN, is_demo=True, is_fallback=False) if hit.id == "do:cleanup")
    assert (cleanup.href, cleanup.press) == ("/pool", "[data-testid='force-cleanup']")


FLEET = [
    Hit(str(place), name, note)
    for place, (name, note) in enumerate(
        [("orders-billing", ""), ("billing-primary", ""), ("ledger", "10.0.0.5:5432 · billing"), ("bold-pink", ""), ("xbilling", "")]
    )
]


def test_the_start_of_a_name_comes_before_its_middle_its_host_and_scattered_letters():
    assert names(found(FLEET, "bil", [])) == ["billing-primary", "orders-billing", "xbilling", "ledger"]
    assert names(found(FLEET, "blpr", [])) == ["billing-primary"]
    assert names(found(FLEET, "bp", [])) == ["billing-primary", "bold-pink"]


def test_each_word_must_fit_somewhere_in_any_case():
    assert names(found(FLEET, "LEDGER 5432", [])) == ["ledger"]
    assert found(FLEET, "ledger 9999", []) == []


def test_equal_hits_come_by_how_recently_they_were_used():
    assert names(found(FLEET, "", ["3", "2"]))[:3] == ["bold-pink", "ledger", "orders-billing"]
    assert names(found(FLEET, "bil", ["2"]))[0] == "billing-primary"


def test_there_are_never_more_than_the_limit():
    assert len(found([Hit(str(n), f"source-{n}") for n in range(5000)], "source", [])) == HITS_AT_MOST


def test_a_source_shows_its_state_address_tags_and_connections_worst_first():
    fake = FakeConsole()
    sources = fake.snapshot.sources
    statuses = {key: reading.value.status for key, reading in fake.snapshot.health.items()}
    metrics = {key: reading.value.metrics for key, reading in fake.snapshot.metrics.items()}
    hits = source_hits(sources.values(), statuses, metrics)
    assert names(hits)[:2] == ["billing-primary", "legacy-crm"]
    pooler = next(hit for hit in hits if hit.name == "orders-pooler")
    assert (pooler.figure, pooler.note.split(" · ")[0]) == ("86 / 100", "Degraded")


def test_a_paused_source_is_said_to_be_paused_and_comes_last():
    one, two = list(FakeConsole().snapshot.sources.values())[:2]
    hits = source_hits([replace(one, enabled=False), two], {one.id: HealthStatus.UNHEALTHY}, {})
    assert [(hit.id, hit.note.split(" · ")[0]) for hit in hits] == [(f"source:{two.id}", "Unknown"), (f"source:{one.id}", "Paused")]


def test_every_hit_has_an_icon_that_is_built_in():
    hits = [*commands(Role.ADMIN, is_demo=True, is_fallback=False), *source_hits(FakeConsole().snapshot.sources.values(), {}, {})]
    assert {hit.icon for hit in hits} <= {*STATE_ICONS, *COMMAND_ICONS}


@pytest.fixture
def fake(monkeypatch):
    made = FakeConsole()
    monkeypatch.setattr(context._bound, "console", made)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return made


@pytest.fixture
async def state(fake):
    root = rx.State(_reflex_internal_init=True)
    root.router = RouterData.from_router_data({"pathname": "/", "asPath": "/", "headers": {"cookie": "session=x"}, "token": "client-1"})
    return await root.get_state(PaletteState)


async def run(state, handler, *arguments):
    await PaletteState.event_handlers[handler].fn(state, *arguments)


async def test_it_opens_with_what_was_used_last_and_finds_as_typed(state):
    await run(state, "show", ["source:1", 7, "x" * 5000])
    assert (state.hits[0].name, state.found_for) == ("billing-primary", "")
    await run(state, "find", "  orders-pool ")
    assert (names(state.hits), state.found_for) == (["orders-pooler"], "orders-pool")
    await run(state, "find", "z" * 5000)
    assert (state.hits, len(state.found_for)) == ([], LONGEST_TEXT)


async def test_it_looks_again_for_the_same_text_and_what_it_shows_stays_in_its_place(state, fake):
    await run(state, "find", "orders")
    before = names(state.hits)
    assert len(before) > 1
    sources = fake.snapshot.sources
    fake.snapshot.sources = {9001: replace(sources[1], id=9001, name="orders"), **sources}
    await run(state, "again")
    assert (names(state.hits), state.found_for) == ([*before, "orders"], "orders")
    fake.snapshot.sources = {key: one for key, one in sources.items() if one.name != before[0]}
    await run(state, "again")
    assert names(state.hits) == before[1:]


def test_hits_stay_where_they_are_shown_and_new_ones_come_below():
    assert names(in_place(FLEET, ["3", "99", "0"])) == ["bold-pink", "orders-billing", "billing-primary", "ledger", "xbilling"]


async def test_it_shows_nothing_to_who_is_signed_out(state, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    await run(state, "show", [])
    assert state.hits == []


async def test_a_round_starts_from_it_for_operators_only(state, fake, monkeypatch):
    shell = await state.get_state(ShellState)
    await run(state, "refresh")
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    await run(state, "refresh")
    assert fake.loader.refreshed == 1
    assert [toast.text for toast in shell.toasts] == ["A round has started", "This needs the operator role; you are a viewer."]


async def test_the_corner_keeps_three_results_and_each_leaves_alone(state):
    shell = await state.get_state(ShellState)
    for text in "abcd":
        shell._say(text)
    assert [toast.text for toast in shell.toasts] == ["b", "c", "d"]
    ShellState.event_handlers["dismiss"].fn(shell, shell.toasts[1].id)
    assert [toast.text for toast in shell.toasts] == ["b", "d"]
