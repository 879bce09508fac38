"""What the handlers of `/pool` do, with a fake console: who may, when a dry run is too old, what is shown after."""

import pytest
import reflex as rx

from dashboard_app.console import context
from dashboard_app.console.pages.pool_state import PoolState, addresses
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from tests.console.fake_console import ANA, VIC, FakeIdentity
from tests.console.fake_details import FakeAudit, detailed


class _Proxy:
    """Stands where Reflex puts its proxy: `async with self` is the state's lock."""

    def __init__(self, state: PoolState) -> None:
        object.__setattr__(self, "_own", state)

    def __getattr__(self, name: str):
        return getattr(self._own, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._own, name, value)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def _look(self) -> None:
        await PoolState._look(self)

    async def _cleaned_up(self, principal) -> None:
        await PoolState._cleaned_up(self, principal)


@pytest.fixture
def pool_page():
    clock = ManualClock()
    console = detailed(clock=clock)
    identity = FakeIdentity()
    before = (context._bound.console, context._bound.identity, context._bound.audit)
    context.bind(console, identity, FakeAudit(console))
    root = rx.State(_reflex_internal_init=True)
    state = root.get_substate(PoolState.get_full_name().split("."))
    yield _Proxy(state), console, identity, clock
    context._bound.console, context._bound.identity, context._bound.audit = before


async def _run(handler: str, page: _Proxy) -> None:
    await PoolState.event_handlers[handler].fn(page)


def _calls(console) -> list[str]:
    return [name for name, _ in console.backend.calls if name in ("dry run", "cleanup")]


async def test_a_dry_run_comes_first_and_the_cleanup_repeats_its_count(pool_page):
    page, console, _, _ = pool_page
    await _run("look", page)
    assert (page.is_dialog_open, page.plan.wins, page.busy) == (True, 3, "")
    await _run("confirm", page)
    assert _calls(console) == ["dry run", "cleanup"]
    assert (page.is_dialog_open, page.has_result, page.busy) == (False, True, "")
    assert "3 of 3" in page.result.sentence


async def test_a_dry_run_older_than_thirty_seconds_is_done_again_instead(pool_page):
    page, console, _, clock = pool_page
    await _run("look", page)
    clock.tick(30.5)
    await _run("confirm", page)
    assert _calls(console) == ["dry run", "dry run"]
    assert (page.is_dialog_open, page.has_result) == (True, False)


async def test_a_viewer_gets_the_reason_and_nothing_is_asked_of_the_guard(pool_page):
    page, console, identity, _ = pool_page
    identity.principal = VIC
    await _run("look", page)
    assert _calls(console) == []
    assert "needs the admin role" in page.page_failure
    page.is_dialog_open = True
    await _run("confirm", page)
    assert _calls(console) == []
    assert not page.has_result


async def test_a_second_click_while_one_is_under_way_does_nothing(pool_page):
    page, console, _, _ = pool_page
    page.busy, page.is_dialog_open = "cleaning", True
    for handler in ("look", "confirm", "test_connection"):
        await _run(handler, page)
    assert console.backend.calls == []


async def test_a_connection_test_is_answered_in_place(pool_page):
    page, _, identity, _ = pool_page
    identity.principal = ANA
    await _run("test_connection", page)
    assert page.test_result.endswith("through the pool (PostgreSQL 18.6)")
    assert (page.test_tone, page.busy) == ("ok", "")


async def _read(page: _Proxy, with_history: bool = True) -> None:
    await PoolState.event_handlers["read_details"].fn(page, with_history)


async def test_an_operator_sees_what_the_guard_has_measured(pool_page):
    page, console, identity, clock = pool_page
    identity.principal = ANA
    await _read(page)
    assert (page.has_sizing, page.has_performance, page.has_clients, page.measured_note) == (True, True, True, "")
    assert [row.route for row in page.route_rows] == ["GET /x"]
    assert [row.name for row in page.client_rows] == ["spillway-console"]
    assert page.sizing.path
    clock.tick(5)
    await _read(page, with_history=False)
    assert [name for name, _ in console.backend.calls].count("sizing") == 1  # the dear one waits for its turn
    clock.tick(30)
    await _read(page, with_history=False)
    assert [name for name, _ in console.backend.calls].count("sizing") == 2


async def test_what_did_not_change_is_not_sent_again(pool_page):
    page, _, identity, _ = pool_page
    identity.principal = ANA
    await _read(page)
    page._own._clean()
    await _read(page)
    sent = {name for delta in page._own.get_delta().values() for name in delta}
    assert not {
        name for name in sent if name.startswith(("route_rows", "client_rows", "sizing", "efficiency", "holder_rows", "call_sites"))
    }


async def test_a_viewer_is_told_which_role_is_needed_and_the_guard_is_not_asked(pool_page):
    page, console, identity, _ = pool_page
    identity.principal = VIC
    await _read(page)
    assert page.measured_note == "Sizing, response times and clients need the operator role."
    assert page.holders_note == "Holders need the operator role."
    assert (page.has_sizing, page.has_performance, page.has_clients) == (False, False, False)
    assert not {name for name, _ in console.backend.calls} & {"performance", "clients", "sizing", "holders"}


async def test_a_failed_reading_leaves_the_last_values_and_says_so(pool_page):
    page, console, identity, _ = pool_page
    identity.principal = ANA
    await _read(page)
    console.backend.guard_failure = BackendFailed("The server took longer than 2 s.", cause="timeout")
    await _read(page)
    assert page.measured_note == "What the guard has measured could not be read: The server took longer than 2 s."
    assert page.route_rows


@pytest.mark.parametrize(
    ("range_key", "sort", "told"),
    [
        ("", "held", {"15m": "/pool", "1h": "/pool?range=1h", "held": "/pool", "state": "/pool?sort=state", "site": "/pool?sort=site"}),
        (
            "1h",
            "site",
            {
                "15m": "/pool?sort=site",
                "1h": "/pool?range=1h&sort=site",
                "held": "/pool?range=1h",
                "state": "/pool?range=1h&sort=state",
                "site": "/pool?range=1h&sort=site",
            },
        ),
    ],
)
def test_range_and_order_keep_each_other_in_the_address(range_key, sort, told):
    assert addresses(range_key, sort) == told
