"""The alert tables on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.model.alert import Alert, Operator, RuleSettings, Severity
from dashboard_app.model.errors import Conflict, DatabaseUnavailable
from dashboard_app.store.alert_rules import AlertRuleStore
from dashboard_app.store.alerts import AlertStore
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate

AT = datetime(2026, 1, 1, 14, 13, 10, 123456, tzinfo=UTC)
FULL = Alert(1, 3, "Pool usage from 90 %", Severity.CRITICAL, 0, "pool", "Pool usage 93.3 %", 93.3, AT)


@pytest.fixture
async def database(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture
def store(database):
    return AlertStore(database)


async def test_ids_are_reserved_once_and_rise(store):
    first, second = await store.reserve(1000), await store.reserve(5)
    assert (len(first), len(second)) == (1000, 5)
    assert sorted({*first, *second}) == [*first, *second]


async def test_an_alert_is_written_changed_and_read_as_it_was(store):
    await store.write([FULL, replace(FULL, id=2, source_id=7, source="orders")])
    changed = replace(
        FULL, acknowledged_by="ana", acknowledged_at=AT, silenced_until=AT + timedelta(hours=1), silenced_by="bob", silence_reason="x"
    )
    await store.write([changed])
    assert await store.page(10) == [replace(FULL, id=2, source_id=7, source="orders"), changed]
    assert await store.still_open() == [changed, replace(FULL, id=2, source_id=7, source="orders")]
    assert await store.silenced(AT) == [changed]
    assert await store.silenced(AT + timedelta(hours=1)) == []
    assert (await store.exists(2), await store.exists(3)) == (True, False)


async def test_a_second_open_alert_of_a_rule_and_source_is_refused_with_its_whole_batch(store):
    await store.write([FULL])
    with pytest.raises(Conflict):
        await store.write([replace(FULL, id=2), replace(FULL, id=3, rule_id=4)])
    assert [alert.id for alert in await store.page(10)] == [1]


async def test_one_statement_ends_an_alert_and_opens_the_next_of_its_rule_whatever_their_order(store):
    await store.write([FULL])
    await store.write([replace(FULL, id=2), replace(FULL, resolved_at=AT)])
    assert [(alert.id, alert.resolved_at) for alert in await store.page(10)] == [(2, None), (1, AT)]


async def test_pages_follow_each_other_and_old_ones_are_forgotten(store):
    await store.write([replace(FULL, id=number, resolved_at=AT + timedelta(days=number)) for number in range(1, 8)] + [replace(FULL, id=8)])
    assert [alert.id for alert in await store.page(3)] == [8, 7, 6]
    assert [alert.id for alert in await store.page(3, 6, only_resolved=True)] == [5, 4, 3]
    assert await store.forget(AT + timedelta(days=3)) == 2
    assert [alert.id for alert in await store.page(10)] == [8, 7, 6, 5, 4, 3]


async def test_rules_are_kept_with_a_name_of_their_own(database):
    rules = AlertRuleStore(database)
    built_in = await rules.everything()
    assert [rule.settings.name for rule in built_in if rule.settings.metric == "pool.usage_percent"] == [
        f"Pool usage from {limit} %" for limit in (70, 80, 90)
    ]
    settings = RuleSettings("lag", "source.replication_lag_s", Operator.BELOW, 1.5, 2.5, Severity.INFO, "tag:x", for_s=60.0, enabled=False)
    made = await rules.add(settings)
    assert (made.settings, made.is_builtin) == (settings, False)
    with pytest.raises(Conflict):
        await rules.add(settings)
    with pytest.raises(Conflict):
        await rules.change(made.id, replace(settings, name="Suspected leaks"))
    assert (await rules.change(made.id, replace(settings, limit=1.0))).settings.limit == 1.0
    assert await rules.change(999, settings) is None
    assert [await rules.remove(number) for number in (built_in[0].id, made.id, made.id)] == [False, True, False]


async def test_a_stopped_server_is_said_plainly(store, postgres):
    postgres.stop()
    with pytest.raises(DatabaseUnavailable):
        await store.write([FULL])
    with pytest.raises(DatabaseUnavailable):
        await store.samples("status", [1], AT, 10)
