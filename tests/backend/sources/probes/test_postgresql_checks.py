import pytest

from dashboard_app.backend.sources.probes.postgresql_checks import checks_of, counters_of, metrics_of, span
from dashboard_app.model.health import CheckStatus
from dashboard_app.policy.health import fold, sentence

PASS, WARN, FAIL = CheckStatus.PASS, CheckStatus.WARN, CheckStatus.FAIL
HEALTH = {
    "is_standby": False,
    "is_read_only": False,
    "sees_all": True,
    "connections_max": 100.0,
    "connections_used": 12.0,
    "longest_transaction_s": None,
    "idle_in_transaction": 0.0,
    "longest_idle_in_transaction_s": None,
    "blocked": 0.0,
    "longest_wait_s": None,
    "replication_lag_s": None,
    "wraparound_percent": 4.0,
}
METRICS = {
    "sees_all": True,
    "connections_max": 100.0,
    "connections_used": 12.0,
    "connections_active": 1.0,
    "connections_idle": 10.0,
    "connections_idle_in_transaction": 1.0,
    "longest_query_s": 0.5,
    "locks_waiting": 0.0,
    "size_bytes": None,
    "replication_lag_s": None,
    "is_standby": False,
    "stats_reset": None,
    "transactions": 1000.0,
    "blocks_hit": 900.0,
    "blocks_read": 100.0,
    "deadlocks": 0.0,
    "temp_bytes": 0.0,
    "wal_bytes": None,
}


@pytest.mark.parametrize(
    ("name", "row", "status"),
    [
        ("connections", {"connections_used": 69.9}, PASS),
        ("connections", {"connections_used": 70.0}, WARN),
        ("connections", {"connections_used": 80.0}, WARN),
        ("connections", {"connections_used": 90.0}, FAIL),
        ("longest_transaction", {"longest_transaction_s": 299.0}, PASS),
        ("longest_transaction", {"longest_transaction_s": 300.0}, WARN),
        ("longest_transaction", {"longest_transaction_s": 3600.0}, FAIL),
        ("idle_in_transaction", {"idle_in_transaction": 1.0, "longest_idle_in_transaction_s": 59.0}, PASS),
        ("idle_in_transaction", {"idle_in_transaction": 1.0, "longest_idle_in_transaction_s": 60.0}, WARN),
        ("idle_in_transaction", {"idle_in_transaction": 2.0, "longest_idle_in_transaction_s": 900.0}, FAIL),
        ("blocked_sessions", {"blocked": 3.0, "longest_wait_s": 0.9}, PASS),
        ("blocked_sessions", {"blocked": 3.0, "longest_wait_s": 1.0}, WARN),
        ("blocked_sessions", {"blocked": 1.0, "longest_wait_s": 60.0}, FAIL),
        ("blocked_sessions", {"blocked": 1.0, "longest_wait_s": None}, PASS),
        ("replication_lag", {"replication_lag_s": 29.0}, PASS),
        ("replication_lag", {"replication_lag_s": 30.0}, WARN),
        ("replication_lag", {"replication_lag_s": 300.0}, FAIL),
        ("replication_lag", {"replication_lag_s": -0.2}, PASS),
        ("wraparound", {"wraparound_percent": 40.0}, WARN),
        ("wraparound", {"wraparound_percent": 80.0}, FAIL),
        ("read_only", {"is_standby": True, "is_read_only": True}, PASS),
        ("read_only", {"is_read_only": True}, WARN),
    ],
)
def test_each_check_has_its_limits_and_says_in_words_what_was_found(name, row, status):
    check = next(check for check in checks_of({**HEALTH, **row}, 3.0) if check.name == name)
    assert check.status is status
    assert check.limit
    assert status is PASS or check.message


def test_a_slow_answer_degrades():
    checks = checks_of(HEALTH, 1_500.0)
    assert fold(checks).value == "degraded"
    assert sentence(checks) == "The answer took 1500 ms"


def test_the_words_count_and_measure():
    row = {**HEALTH, "blocked": 3.0, "longest_wait_s": 12.0}
    assert sentence(checks_of(row, 1.0)) == "3 sessions wait for a lock, the longest for 12 s"


def test_what_was_not_measured_is_absent():
    names = {check.name for check in checks_of({**HEALTH, "sees_all": False}, 1.0)}
    assert "replication_lag" not in names
    assert {"longest_transaction", "idle_in_transaction"}.isdisjoint(names)
    assert "visibility" in names
    found = metrics_of({**METRICS, "sees_all": False}, None, counters_of(METRICS, 1.0))
    assert found == {"connections_used": 12.0, "connections_max": 100.0, "locks_waiting": 0.0}


def test_rates_and_the_cache_hit_are_those_of_the_time_between():
    later = {**METRICS, "transactions": 1100.0, "blocks_hit": 990.0, "blocks_read": 110.0, "temp_bytes": 4096.0}
    found = metrics_of(later, counters_of(METRICS, 10.0), counters_of(later, 20.0))
    assert found["transactions_per_s"] == 10.0
    assert found["temp_bytes_per_s"] == 409.6
    assert found["deadlocks_per_s"] == 0.0
    assert found["cache_hit_percent"] == 90.0
    assert "wal_bytes_per_s" not in found


def test_a_cache_that_nobody_used_has_no_hit_rate():
    assert "cache_hit_percent" not in metrics_of(METRICS, counters_of(METRICS, 1.0), counters_of(METRICS, 2.0))


def test_a_number_that_json_cannot_carry_is_absent():
    assert "longest_query_s" not in metrics_of({**METRICS, "longest_query_s": float("nan")}, None, counters_of(METRICS, 1.0))


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h")])
def test_a_span_reads_like_people_say_it(seconds, words):
    assert span(seconds) == words
