"""A PgBouncer's panel: rows, sentences, and what its handlers do."""

import pytest

from dashboard_app.console import context, words
from dashboard_app.console.pages.pooler_state import PoolerState
from dashboard_app.console.rows import pooler, source, sources
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, Conflict, NotFound
from dashboard_app.model.pooler import PoolerAct
from tests.console.fake_console import ANA, VIC, FakeIdentity
from tests.console.fake_details import detailed
from tests.console.state_pages import opened_at, run


def pool(database="orders", user="app", **over):
    numbers = {"clients_active": 3, "clients_waiting": 0, "servers_active": 2, "servers_idle": 1, "servers_used": 1, "servers_busy": 2}
    return {"database": database, "user": user, "mode": "transaction", "maxwait_s": 0.0, "size": 20, **numbers, **over}


def answer(*pools, **over):
    databases = [{"name": "orders", "paused": False, "disabled": False, "pool_size": 20, "max_connections": None}]
    return {"version": "1.18.0", "paused": None, "clients": 1204, "clients_max": 2000, "pools": list(pools), "databases": databases, **over}


def test_the_pool_whose_client_waits_longest_comes_first():
    found = pooler.panel(answer(pool("a"), pool("b", maxwait_s=4.2, clients_waiting=3), pool("c", maxwait_s=0.2, clients_waiting=1)))
    assert [row.database for row in found.rows] == ["b", "c", "a"]
    assert [row.waiting for row in found.rows] == ["3", "1", ""]
    assert words.plain(found.rows[0].maxwait).replace(words.NB, " ") == "4.2 s"
    assert found.rows[2].maxwait == words.UNKNOWN


@pytest.mark.parametrize(("oldest", "tone"), [(0.0, "off"), (0.9, "off"), (1.0, "warn"), (15.0, "warn"), (15.1, "bad")])
def test_a_wait_is_marked_from_1_s_and_above_15_s(oldest, tone):
    assert pooler.panel(answer(pool(maxwait_s=oldest, clients_waiting=1))).rows[0].tone == tone


@pytest.mark.parametrize(
    ("busy", "size", "fill", "tone"),
    [(15, 20, 75, "n"), (16, 20, 80, "warn"), (18, 20, 90, "bad"), (25, 20, 100, "bad"), (5, None, 0, "n")],
)
def test_the_bar_is_the_share_of_busy_servers(busy, size, fill, tone):
    row = pooler.panel(answer(pool(servers_busy=busy, size=size))).rows[0]
    assert (row.fill, row.fill_tone, row.servers) == (fill, tone, f"{busy} / {size}" if size else f"{busy}")


def test_what_is_paused_is_said_for_one_for_two_and_for_all():
    def databases(*names):
        return [{"name": name, "paused": True} for name in names]

    assert pooler.panel(answer()).paused == ""
    assert pooler.panel(answer(databases=databases("orders"))).paused == "orders is paused: clients wait until it is resumed."
    assert pooler.panel(answer(databases=databases("a", "b"))).paused == "a and b are paused: clients wait until it is resumed."
    assert pooler.panel(answer(paused=True)).paused.startswith("All of it is paused")


def test_a_database_called_like_the_word_for_all_can_be_chosen():
    found = pooler.panel(answer(databases=[{"name": "all", "paused": False}]))
    assert [pooler.database_of(choice.value) for choice in found.choices] == [None, "all"]


def test_the_list_says_who_waits_and_that_nobody_does(fake):
    reading = fake.snapshot.metrics[3].value

    def told(**measured):
        return words.plain(sources.key_figures(type(reading)(3, reading.collected_at, measured, {}))).replace(words.NB, " ")

    assert told(clients_waiting=3.0, maxwait_s=4.2, transactions_per_s=640.0) == "3 waiting, oldest 4.2 s · 640 tx/s"
    assert told(clients_waiting=0.0, maxwait_s=0.0) == "nobody waits"
    assert told(transactions_per_s=640.0) == "640 tx/s"


def test_a_check_is_named_without_its_unit():
    assert [source.check_name(name) for name in ("maxwait_s", "saturation_percent", "waiting_clients", "connections")] == [
        "Oldest wait",
        "Saturation",
        "Waiting clients",
        "Connections",
    ]


class FakePooler:
    """Answers as the backend does."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.acts: list[tuple[PoolerAct, str | None, str]] = []

    async def pooler(self, source_id, principal):
        if self.failure:
            raise self.failure
        return answer(pool())

    async def pooler_act(self, principal, source_id, act, *, database, confirm):
        if self.failure:
            raise self.failure
        self.acts.append((act, database, confirm))
        return {"command": act.value.upper(), "took_ms": 2.0, "after": answer(pool(), paused=True)}


@pytest.fixture
def fake(monkeypatch):
    console = detailed(clock=ManualClock())
    console.pooler = FakePooler()
    monkeypatch.setattr(console.backend, "pooler", console.pooler.pooler, raising=False)
    monkeypatch.setattr(console.backend, "pooler_act", console.pooler.pooler_act, raising=False)
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def opened(number=3):
    state = await opened_at(f"/sources/{number}").get_state(PoolerState)
    await run(state, "read", number)
    return state


async def test_a_failed_reading_keeps_the_last_rows_and_says_why(fake):
    state = await opened()
    assert (len(state.panel.rows), state.failure, state.refused) == (1, "", "")
    fake.pooler.failure = BackendFailed("Connection refused: nothing listens at 127.0.0.1:6432", status=502)
    await run(state, "read", 3)
    assert (len(state.panel.rows), state.failure) == (1, "Connection refused: nothing listens at 127.0.0.1:6432")
    fake.pooler.failure = NotFound("There is nothing at this path.")
    await run(state, "read", 3)
    assert state.failure == "This server does not tell about pools."


async def test_another_source_begins_with_an_empty_panel(fake):
    state = await opened()
    fake.pooler.failure = BackendFailed("No answer")
    await run(state, "read", 4)
    assert (state.number, state.panel.rows, state.failure) == (4, [], "No answer")


async def test_an_act_takes_database_and_typed_name_and_shows_what_is_now(fake):
    state = await opened()
    await run(state, "ask", "pause")
    assert (state.is_open, state.words.title, state.source_name) == (True, "Pause PgBouncer", fake.snapshot.sources[3].name)
    await run(state, "choose", "=orders")
    await run(state, "type_name", "typed")
    await run(state, "act")
    assert fake.pooler.acts == [(PoolerAct.PAUSE, "orders", "typed")]
    assert state.told.replace(words.NB, " ") == "PAUSE done in 2.0 ms. Clients wait until it is resumed."
    assert (state.is_open, state.panel.paused[:16]) == (False, "All of it is pau")


async def test_a_refused_act_stays_in_its_dialog(fake):
    state = await opened()
    await run(state, "ask", "resume")
    fake.pooler.failure = Conflict("It is not paused")
    await run(state, "act")
    assert (state.is_open, state.note, state.told, state.is_busy) == (True, "Not done: It is not paused", "", False)
    await run(state, "show", False)
    assert not state.is_open


async def test_an_act_that_does_not_exist_opens_nothing_and_does_nothing(fake):
    state = await opened()
    await run(state, "ask", "shutdown")
    await run(state, "act")
    assert (state.is_open, fake.pooler.acts) == (False, [])


async def test_a_viewer_is_told_why_it_may_not(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    assert (await opened()).refused == "This needs the admin role; you are a viewer."
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    assert (await opened()).failure != ""
