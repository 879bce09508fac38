from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.model.alert import Alert, AlertRule, AlertState, Operator, RuleSettings, Severity
from dashboard_app.policy.alert import CALM_S, Watch, coverings, fired, follow, is_breached, is_recovered, state_of

AT = datetime(2026, 1, 1, 14, 13, 10, tzinfo=UTC)
USAGE_90 = RuleSettings("90", "pool.usage_percent", Operator.FROM, 90.0, 85.0, Severity.CRITICAL)
USAGE_80 = RuleSettings("80", "pool.usage_percent", Operator.FROM, 80.0, 75.0, Severity.WARNING)
USAGE_70 = RuleSettings("70", "pool.usage_percent", Operator.FROM, 70.0, 65.0, Severity.INFO)
CACHE = RuleSettings("cache", "source.cache_hit_percent", Operator.BELOW, 90.0, 95.0, Severity.INFO, "all", for_s=60.0)
ALERT = Alert(7, 3, "90", Severity.CRITICAL, 0, "pool", "Pool usage 93.3 %", 93.3, AT)


def openings(rule: RuleSettings, *steps: tuple[float | None, float]) -> list[tuple[str, float]]:
    """What happened over `steps` of (value, now)."""
    watch, told = Watch(), []
    for value, now in steps:
        after = follow(rule, watch, value, now)
        if after.is_open != watch.is_open:
            told.append(("open" if after.is_open else "over", now))
        watch = after
    return told


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        (Operator.ABOVE, False, False, True),
        (Operator.FROM, False, True, True),
        (Operator.BELOW, True, False, False),
        (Operator.DOWN_FROM, True, True, False),
    ],
)
def test_each_operator_holds_a_value_against_the_limit(operator: Operator, below: bool, at: bool, above: bool) -> None:
    rule = replace(USAGE_90, operator=operator, limit=50.0, recovers_at=50.0)
    assert [is_breached(rule, value) for value in (49.9, 50.0, 50.1)] == [below, at, above]
    assert [is_recovered(rule, value) for value in (49.9, 50.0, 50.1)] == [not below, not at, not above]


def test_a_rise_to_95_and_a_fall_open_and_end_each_of_70_80_and_90_once() -> None:
    values = [60, 75, 85, 95, 95, 88, 84, 84, 78, 74, 74, 66, 64, 64, 64]
    steps = [(float(value), 100.0 + 5 * number) for number, value in enumerate(values)]
    assert openings(USAGE_90, *steps) == [("open", 115.0), ("over", 135.0)]
    assert openings(USAGE_80, *steps) == [("open", 110.0), ("over", 150.0)]
    assert openings(USAGE_70, *steps) == [("open", 105.0), ("over", 165.0)]


def test_it_ends_only_after_a_calm_of_five_seconds_at_or_below_the_margin() -> None:
    assert CALM_S == 5.0
    assert openings(USAGE_90, (90.0, 0), (85.0, 1), (85.0, 5.9)) == [("open", 0)]
    assert openings(USAGE_90, (90.0, 0), (85.0, 1), (85.0, 6.0)) == [("open", 0), ("over", 6.0)]
    assert openings(USAGE_90, (90.0, 0), (85.0, 1), (85.1, 4), (85.0, 5), (85.0, 9.9)) == [("open", 0)]


def test_wobbling_round_the_limit_never_flaps() -> None:
    assert openings(USAGE_90, *[(90.0 if second % 2 else 86.7, float(second)) for second in range(600)]) == [("open", 1.0)]


def test_a_rule_with_a_duration_waits_for_it_and_a_good_value_starts_it_anew() -> None:
    assert openings(CACHE, (80.0, 0), (80.0, 59.9), (92.0, 59.95), (80.0, 60.0), (80.0, 119.9)) == []
    assert openings(CACHE, (80.0, 0), (80.0, 60.0)) == [("open", 60.0)]


def test_what_is_not_known_neither_opens_nor_ends_an_alert() -> None:
    assert openings(CACHE, (80.0, 0), (None, 30), (80.0, 60), (80.0, 119)) == []
    assert openings(USAGE_90, (95.0, 0), (50.0, 1), (None, 3), (50.0, 7), (50.0, 11.9)) == [("open", 0)]
    assert follow(USAGE_90, Watch(), None, 1.0) == Watch()


def test_a_watch_that_learns_nothing_stays_the_same_object() -> None:
    for watch in (Watch(), Watch(is_open=True)):
        assert follow(USAGE_90, watch, 87.0, 5.0) is watch
    counting = follow(CACHE, Watch(), 80.0, 5.0)
    assert follow(CACHE, counting, 80.0, 6.0) is counting


RULES = st.builds(
    lambda operator, limit, margin, for_s: RuleSettings(
        "r", "m", operator, limit, limit - margin if operator.is_upward else limit + margin, Severity.INFO, for_s=for_s
    ),
    st.sampled_from(Operator),
    st.floats(-100, 100),
    st.floats(0, 50),
    st.floats(0, 120),
)
VALUES = st.lists(st.tuples(st.none() | st.floats(-200, 200), st.floats(0.1, 60)), max_size=60)


@given(RULES, VALUES)
def test_openings_and_ends_alternate_whatever_the_values_are(rule: RuleSettings, values: list[tuple[float | None, float]]) -> None:
    now, steps = 0.0, []
    for value, passed in values:
        now += passed
        steps.append((value, now))
    told = openings(rule, *steps)
    assert [what for what, _ in told] == ["open", "over"] * (len(told) // 2) + ["open"] * (len(told) % 2)


@given(RULES, st.floats(-200, 200))
def test_no_value_is_both_past_the_limit_and_good(rule: RuleSettings, value: float) -> None:
    assert not (is_breached(rule, value) and is_recovered(rule, value))


@given(RULES, VALUES)
def test_an_alert_that_opens_was_past_its_limit_for_its_whole_duration(
    rule: RuleSettings, values: list[tuple[float | None, float]]
) -> None:
    now, watch, since = 0.0, Watch(), None
    for value, passed in values:
        now += passed
        is_bad = value is not None and is_breached(rule, value)
        since = (now if since is None else since) if is_bad else None
        after = follow(rule, watch, value, now)
        if after.is_open and not watch.is_open:
            assert since is not None
            assert now - since >= rule.for_s
        watch = after


def test_a_replay_counts_what_would_have_fired() -> None:
    assert fired(USAGE_90, [], 100.0) == 0
    assert fired(USAGE_90, [(0.0, 95.0)], 10.0) == 1
    assert fired(USAGE_90, [(0.0, 95.0), (10.0, 50.0), (20.0, 95.0), (30.0, 50.0), (33.0, 95.0)], 40.0) == 2
    assert fired(CACHE, [(0.0, 80.0)], 59.0) == 0
    assert fired(CACHE, [(0.0, 80.0)], 60.0) == 1
    assert fired(CACHE, [(0.0, 80.0), (60.0, 99.0), (100.0, None)], 200.0) == 1


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, AlertState.FIRING),
        ({"acknowledged_by": "ana"}, AlertState.ACKNOWLEDGED),
        ({"acknowledged_by": "ana", "silenced_until": AT + timedelta(hours=1)}, AlertState.SILENCED),
        ({"silenced_until": AT}, AlertState.FIRING),
        ({"silenced_until": AT + timedelta(hours=1), "resolved_at": AT}, AlertState.RESOLVED),
    ],
)
def test_the_state_of_an_alert(fields: dict[str, object], state: AlertState) -> None:
    assert state_of(replace(ALERT, **fields), AT) is state


def _rule(number: int, settings: RuleSettings) -> AlertRule:
    return AlertRule(number, settings, is_builtin=True, created_at=AT, updated_at=AT)


def test_the_strictest_alert_of_a_family_speaks_for_the_others_of_its_source() -> None:
    rules = {1: _rule(1, USAGE_70), 2: _rule(2, USAGE_80), 3: _rule(3, USAGE_90), 4: _rule(4, CACHE)}
    low = replace(ALERT, id=5, rule_id=1, severity=Severity.INFO)
    middle = replace(ALERT, id=6, rule_id=2, severity=Severity.WARNING)
    assert coverings([low, middle, ALERT], rules) == {5: 7, 6: 7}
    assert coverings([low, middle], rules) == {5: 6}
    assert coverings([low, replace(ALERT, resolved_at=AT)], rules) == {}
    assert coverings([low, replace(middle, source_id=9), replace(ALERT, rule_id=4)], rules) == {}
    assert coverings([replace(ALERT, rule_id=99), low], rules) == {}


def test_between_equal_severities_the_further_limit_speaks() -> None:
    rules = {1: _rule(1, CACHE), 2: _rule(2, replace(CACHE, limit=50.0, recovers_at=60.0))}
    near, far = (replace(ALERT, id=number, rule_id=number, severity=Severity.INFO) for number in (1, 2))
    assert coverings([near, far], rules) == {1: 2}
