from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard_app.model.alert import MetricInfo, Operator, RuleSettings, Severity
from dashboard_app.model.source import Source, SourceKind
from dashboard_app.policy.alert_rule import check_rule, message_of, metrics_of, named, watches

AT = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = metrics_of({"replication_lag_s": "s", "cache_hit_percent": "%"})
USAGE = RuleSettings("90", "pool.usage_percent", Operator.FROM, 90.0, 85.0, Severity.CRITICAL)
STATUS = RuleSettings("down", "source.status", Operator.FROM, 2.0, 1.0, Severity.WARNING, "all")
LAG = RuleSettings("lag", "source.replication_lag_s", Operator.FROM, 30.0, 10.0, Severity.WARNING, "all")
ORDERS = Source(3, "orders", SourceKind.POSTGRESQL, "h", 1, "", "", {}, "prod", ("shop", "eu"), enabled=True, created_at=AT, updated_at=AT)


def test_a_rule_may_name_the_pools_metrics_and_the_numbers_of_probes() -> None:
    assert {"pool.usage_percent", "pool.waiting", "pool.oldest_wait_s", "pool.suspected_leaks", "pool.unreachable"} < set(KNOWN)
    assert {"source.status", "source.latency_ms", "source.replication_lag_s"} < set(KNOWN)
    assert KNOWN["source.replication_lag_s"] == MetricInfo("source.replication_lag_s", "s", "Replication lag")


@pytest.mark.parametrize("rule", [USAGE, STATUS, LAG, replace(LAG, scope="id:3"), replace(LAG, scope="tag:shop")])
def test_a_good_rule_has_no_errors(rule: RuleSettings) -> None:
    assert check_rule(rule, KNOWN) == []


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        (replace(USAGE, metric="pool.colour"), ["metric"]),
        (replace(LAG, metric="source.colour"), ["metric"]),
        (replace(USAGE, limit=101.0), ["limit"]),
        (replace(USAGE, recovers_at=-1.0), ["recovers_at"]),
        (replace(USAGE, recovers_at=90.1), ["recovers_at"]),
        (replace(LAG, operator=Operator.BELOW), ["recovers_at"]),
        (replace(LAG, limit=float("nan")), ["limit"]),
        (replace(LAG, limit=float("inf")), ["limit"]),
        (replace(LAG, limit=2e12), ["limit"]),
        (replace(LAG, for_s=-1.0), ["for_s"]),
        (replace(LAG, for_s=86_401.0), ["for_s"]),
        (replace(LAG, for_s=float("nan")), ["for_s"]),
        (replace(STATUS, operator=Operator.ABOVE), ["operator"]),
        (replace(STATUS, limit=1.5), ["limit"]),
        (replace(USAGE, scope="all"), ["scope"]),
        (replace(LAG, scope="pool"), ["scope"]),
        (replace(LAG, scope="id:x"), ["scope"]),
        (replace(LAG, scope="tag: "), ["scope"]),
    ],
)
def test_each_mistake_is_told_at_its_field(rule: RuleSettings, fields: list[str]) -> None:
    errors = check_rule(rule, KNOWN)
    assert [error["field"] for error in errors] == fields
    assert named(errors) == f"Some values are not acceptable: {', '.join(fields)}."


@pytest.mark.parametrize(
    ("scope", "does"),
    [("all", True), ("pool", False), ("id:3", True), ("id:4", False), ("tag:shop", True), ("tag:us", False), ("id:33", False)],
)
def test_a_scope_says_which_sources_are_watched(scope: str, does: bool) -> None:
    assert watches(scope, ORDERS) is does


@pytest.mark.parametrize(
    ("rule", "value", "found", "sentence"),
    [
        (USAGE, 93.3, "", "Pool usage 93.3 %, at or above 90 %"),
        (replace(USAGE, metric="pool.suspected_leaks", operator=Operator.ABOVE, limit=0.0), 2.0, "", "2 suspected leaks: checkouts that run nothing for too long"),
        (replace(USAGE, metric="pool.unreachable"), 1.0, "", "The database does not answer"),
        (STATUS, 2.0, "Connection refused", "orders is unhealthy: Connection refused"),
        (STATUS, 1.0, "", "orders is degraded"),
        (LAG, 48.0, "", "orders: replication lag 48 s, at or above 30 s"),
        (replace(LAG, metric="source.cache_hit_percent", operator=Operator.BELOW, limit=90.0), 71.25, "", "orders: cache hit percent 71.25 %, below 90 %"),
    ],
)  # fmt: skip
def test_the_sentence_of_an_alert(rule: RuleSettings, value: float, found: str, sentence: str) -> None:
    assert message_of(rule, KNOWN[rule.metric], value, "orders", found) == sentence
