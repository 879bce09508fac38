"""The console's rows, judged: columns by name, missing ones tolerated, limits at their edges."""

import pytest

from dashboard_app.backend.sources.probes.pgbouncer_checks import checks_of, clients_of, counters_of, metrics_of, picture_of
from dashboard_app.model.health import CheckStatus


def tables(pools=(), databases=(), lists=(), config=(), state=None):
    found = {"SHOW POOLS": list(pools), "SHOW DATABASES": list(databases), "SHOW LISTS": list(lists), "SHOW CONFIG": list(config)}
    return found if state is None else {**found, "SHOW STATE": state}


def pool(database="orders", user="app", **columns):
    return {"database": database, "user": user, **{name: str(value) for name, value in columns.items()}}


def judged(waited_s=0.0, **rows):
    picture = picture_of(tables(**rows), "1.18.0")
    return {check.name: check for check in checks_of(picture, 1.0, waited_s)}


@pytest.mark.parametrize(
    ("waiting", "oldest_s", "waited_s", "verdict"),
    [
        (0, 0, 0, CheckStatus.PASS),
        (1, 14.9, 14.9, CheckStatus.PASS),
        (1, 0.1, 15, CheckStatus.WARN),
        (1, 15, 0, CheckStatus.WARN),
        (0, 0, 99, CheckStatus.PASS),
    ],
)
def test_waiting_warns_after_15_s_of_one_client_or_of_the_queue(waiting, oldest_s, waited_s, verdict):
    row = pool(cl_waiting=waiting, maxwait=int(oldest_s), maxwait_us=int(oldest_s % 1 * 1e6))
    assert judged(waited_s, pools=[row])["waiting_clients"].status is verdict


@pytest.mark.parametrize(
    ("seconds", "micros", "verdict"), [(15, 0, CheckStatus.PASS), (15, 1, CheckStatus.FAIL), (16, 0, CheckStatus.FAIL)]
)
def test_a_wait_fails_above_15_s(seconds, micros, verdict):
    assert judged(pools=[pool(cl_waiting=1, maxwait=seconds, maxwait_us=micros)])["maxwait_s"].status is verdict


@pytest.mark.parametrize(
    ("used", "verdict"), [(79, CheckStatus.PASS), (80, CheckStatus.WARN), (89, CheckStatus.WARN), (90, CheckStatus.FAIL)]
)
@pytest.mark.parametrize("side", ["clients", "pool", "database"])
def test_saturation_is_that_of_the_fullest_limit_at_80_and_90(used, verdict, side):
    busy = {"sv_active": used - 2, "sv_login": 1, "sv_tested": 1}
    rows = {
        "clients": {"lists": [{"list": "used_clients", "items": f"{used}"}], "config": [{"key": "max_client_conn", "value": "100"}]},
        "pool": {"pools": [pool(**busy)], "databases": [{"name": "orders", "pool_size": "100"}]},
        "database": {
            "pools": [pool(sv_active=used - 10), pool(user="job", sv_active=10)],
            "databases": [{"name": "orders", "pool_size": "1000", "max_connections": "100"}],
        },
    }[side]
    check = judged(**rows)["saturation_percent"]
    assert (check.status, check.observed) == (verdict, used)
    assert check.message.startswith(f"{used} of 100 ")


def test_idle_server_connections_saturate_nothing():
    check = judged(pools=[pool(sv_idle=50, sv_used=50)], databases=[{"name": "orders", "pool_size": "100"}])["saturation_percent"]
    assert (check.status, check.observed) == (CheckStatus.PASS, 0)


@pytest.mark.parametrize(
    ("rows", "observed", "verdict"),
    [
        ({}, "nothing", CheckStatus.PASS),
        ({"databases": [{"name": "a", "paused": "1"}, {"name": "b", "paused": "0"}]}, "a", CheckStatus.WARN),
        ({"databases": [{"name": name, "paused": "1"} for name in "abcde"]}, "a, b, c and 2 more", CheckStatus.WARN),
        ({"databases": [{"name": "a", "disabled": "1"}]}, "a", CheckStatus.WARN),
        ({"state": [{"key": "paused", "value": "yes"}]}, "all", CheckStatus.WARN),
        ({"state": [{"key": "paused", "value": "no"}]}, "nothing", CheckStatus.PASS),
        ({"state": []}, "nothing", CheckStatus.PASS),
    ],
)
def test_what_is_paused_or_disabled_warns(rows, observed, verdict):
    check = judged(**rows)["paused"]
    assert (check.observed, check.status) == (observed, verdict)


def test_the_console_s_own_pool_is_left_out_and_missing_columns_are_nothing():
    picture = picture_of(tables(pools=[pool("pgbouncer"), pool()], databases=[{"name": "pgbouncer"}, {"name": "orders"}]), "1.9.0")
    assert [(one.database, one.clients_active, one.maxwait_s, one.size) for one in picture.pools] == [("orders", 0, 0, None)]
    assert (picture.clients, picture.clients_max, picture.is_paused) == (0, None, None)
    assert {check.status for check in checks_of(picture, 1.0, 0.0)} == {CheckStatus.PASS}


def test_a_number_that_is_none_is_not_known_and_a_slow_answer_warns():
    picture = picture_of(tables(pools=[pool(cl_active="many")], databases=[{"name": "orders", "pool_size": None}]), "1.18.0")
    assert (picture.pools[0].clients_active, picture.pools[0].size) == (0, None)
    assert checks_of(picture, 1_000.0, 0.0)[0].status is CheckStatus.WARN


def test_clients_wait_only_while_they_are_waiting_and_the_longest_comes_first():
    rows = [
        {"database": "a", "state": "active", "wait": "9", "addr": "unix"},
        {"database": "a", "state": "waiting", "wait": "2", "wait_us": "500000", "addr": "10.0.0.1", "port": "5", "id": "7f"},
        {"database": "pgbouncer", "state": "active"},
    ]
    assert [(one.id, one.wait_s, one.address) for one in clients_of(rows)] == [("7f", 2.5, "10.0.0.1:5"), ("", 0, "unix")]


def stats(database, transactions, wait_us):
    return {"database": database, "total_xact_count": str(transactions), "total_wait_time": str(wait_us)}


def test_rates_add_up_over_databases_and_one_that_fell_or_is_new_counts_for_nothing():
    picture = picture_of(tables(), "1.18.0")
    before = counters_of([stats("a", 100, 0), stats("b", 50, 0), stats("gone", 9, 0)], 10.0, 1)
    after = counters_of([stats("a", 120, 40_000), stats("b", 5, 0), stats("new", 500, 0), stats("pgbouncer", 9, 9)], 20.0, 1)
    found = metrics_of(picture, before, after)
    assert (found["transactions_per_s"], found["avg_wait_ms"]) == (2, 2)
    assert "transactions_per_s" not in metrics_of(picture, before, counters_of([stats("a", 120, 0)], 20.0, 2))
    assert "avg_wait_ms" not in metrics_of(picture, before, counters_of([stats("a", 100, 5)], 20.0, 1))
