"""What `/alerts` says: verdicts, lines, tabs, rules and previews, as tables of values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.console import words
from dashboard_app.console.client.alerts import ListedAlert
from dashboard_app.console.rows import alert_rules as rules
from dashboard_app.console.rows import alerts as rows
from dashboard_app.console.words import NB
from dashboard_app.model.alert import Alert, AlertRule, AlertState, MetricInfo, Operator, RuleSettings, Severity
from dashboard_app.model.errors import InvalidInput

NOW = datetime(2026, 11, 22, 14, 13, 10, tzinfo=UTC)
FULL = Alert(
    3, 3, "Pool usage from 90 %", Severity.CRITICAL, 0, "pool", "Pool usage 93.3 %, at or above 90 %", 93.3, NOW - timedelta(seconds=40)
)
HIGH = replace(FULL, id=2, rule="Pool usage from 80 %", severity=Severity.WARNING)
DOWN = replace(FULL, id=9, rule="Source unhealthy", severity=Severity.WARNING, source_id=7, source="orders", message="orders is unhealthy")
LISTED = (ListedAlert(DOWN), ListedAlert(FULL), ListedAlert(HIGH, 3))
USAGE = RuleSettings("90", "pool.usage_percent", Operator.FROM, 90.0, 85.0, Severity.CRITICAL)
INFO = MetricInfo("pool.usage_percent", "%", "Pool usage")


def acked(alert):
    return replace(alert, acknowledged_by="Ana", acknowledged_at=NOW)


def silenced(alert):
    return replace(alert, silenced_until=NOW + timedelta(hours=1), silenced_by="Ana", silence_reason="deploy")


@pytest.mark.parametrize(
    ("listed", "is_old", "title", "lede"),
    [
        (None, False, "Reading what fires…", ""),
        ((), False, "Nothing fires", ""),
        ((), True, "Nothing fired at the last answer", ""),
        (LISTED[1:], False, "1 alert fires", "Pool usage 93.3 %, at or above 90 % since 14:12:30."),
        (LISTED, False, "2 alerts fire, 1 critical", "Pool usage 93.3 %, at or above 90 % since 14:12:30."),
        (LISTED, True, "2 alerts fired, 1 critical at the last answer", "Pool usage 93.3 %, at or above 90 % since 14:12:30."),
        ((ListedAlert(acked(FULL)), ListedAlert(silenced(DOWN))), False, "Nothing fires", "1 acknowledged and 1 silenced."),
        ((ListedAlert(DOWN), ListedAlert(acked(FULL))), False, "1 alert fires", "orders is unhealthy since 14:12:30; 1 acknowledged."),
    ],
)
def test_the_title_is_the_verdict(listed, is_old, title, lede):
    told = rows.verdict(listed, NOW, is_old=is_old)
    assert (told.title, words.plain(told.lede)) == (title, lede)


def test_one_problem_is_one_line_and_the_worst_comes_first():
    shown = rows.rows(LISTED, AlertState.FIRING, NOW)
    assert [(row.word, row.source, row.href, row.lower) for row in shown] == [
        ("Critical", "pool", "/pool", "speaks for Pool usage from 80 %, too"),
        ("Warning", "orders", "/sources/7", ""),
    ]
    assert shown[0].age_s == 40.0


def test_a_lower_step_speaks_for_itself_once_the_stricter_is_gone():
    assert [row.id for row in rows.rows((ListedAlert(HIGH, 3),), AlertState.FIRING, NOW)] == [2]


@pytest.mark.parametrize(
    ("alert", "owner"),
    [
        (FULL, ""),
        (acked(FULL), "Acknowledged by Ana, 14:13:10: on it"),
        (replace(acked(FULL), acknowledged_at=None, resolved_at=NOW), "Acknowledged by Ana"),
        (silenced(acked(FULL)), "Silenced by Ana until 15:13:10: deploy"),
        (replace(silenced(FULL), silenced_by=None, silence_reason=None), "Silenced until 15:13:10"),
    ],
)
def test_a_line_says_who_has_it(alert, owner):
    assert words.plain(rows.row(alert, NOW).owner) == owner


def test_what_is_over_says_how_long_it_lasted_and_has_no_tone():
    row = rows.row(replace(FULL, resolved_at=NOW), NOW)
    assert (row.ended, row.tone) == (f"after 40{NB}s", "off")


def test_the_count_leaves_out_what_is_covered_or_silenced():
    assert rows.open_count(LISTED, NOW) == 2
    assert rows.open_count((ListedAlert(acked(FULL)), ListedAlert(silenced(DOWN))), NOW) == 1


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, rows.Query()),
        ({"tab": "rules", "before": "5"}, rows.Query("rules")),
        ({"tab": "history", "before": "5"}, rows.Query("history", 5)),
        ({"tab": "history", "before": "x"}, rows.Query("history")),
        ({"tab": "channels"}, rows.Query("channels")),
        ({"tab": "doors"}, rows.Query()),
    ],
)
def test_the_tab_is_in_the_url(params, query):
    assert rows.Query.parse(params) == query


def test_tabs_carry_counts_and_addresses():
    shown = rows.tabs(rows.Query("silenced"), LISTED, NOW)
    assert [(tab.word, tab.count, tab.href) for tab in shown] == [
        ("Firing", "2", "/alerts"),
        ("Acknowledged", "", "/alerts?tab=acknowledged"),
        ("Silenced", "", "/alerts?tab=silenced"),
        ("History", "", "/alerts?tab=history"),
        ("Rules", "", "/alerts?tab=rules"),
        ("Channels", "", "/alerts?tab=channels"),
    ]
    assert [tab.key for tab in shown if tab.is_on] == ["silenced"]


def test_an_empty_tab_says_what_was_last():
    last = replace(FULL, resolved_at=FULL.opened_at + timedelta(minutes=4))
    assert words.plain(rows.nothing("firing", last)) == f"Nothing fires. Last alert: 14:12:30, {FULL.message}, 4{NB}min."
    assert rows.nothing("firing", None) == "Nothing fires."
    assert rows.nothing("silenced", last) == "Nothing is silenced."


def test_older_pages_begin_behind_the_last_line():
    listed = [ListedAlert(replace(FULL, id=200 - number, resolved_at=NOW)) for number in range(51)]
    assert rows.older_href(listed) == "/alerts?tab=history&before=151"
    assert rows.older_href(listed[:50]) == ""
    assert len(rows.past(listed, NOW)) == 50


def test_a_silence_lasts_as_chosen():
    assert rows.until_of("900", NOW) == NOW + timedelta(minutes=15)
    assert rows.until_of("99999999", NOW) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("settings", "metric", "says"),
    [
        (USAGE, INFO, f"Pool usage at or above 90{NB}%, recovers at 85{NB}%"),
        (replace(USAGE, recovers_at=90.0, for_s=60.0), INFO, f"Pool usage at or above 90{NB}% for 1{NB}min"),
        (replace(USAGE, metric="source.colour"), None, "source.colour at or above 90, recovers at 85"),
        (replace(USAGE, metric="source.status", limit=2.0), None, "Status unhealthy"),
        (replace(USAGE, metric="source.status", limit=1.0), None, "Status degraded or worse"),
        (replace(USAGE, metric="pool.unreachable"), None, "The database does not answer"),
    ],
)
def test_a_rule_in_words(settings, metric, says):
    assert rules.says(settings, metric) == says


@pytest.mark.parametrize(("scope", "said"), [("pool", "The pool"), ("all", "All sources"), ("id:3", "Source 3"), ("tag:eu", "Tag eu")])
def test_a_scope_in_words(scope, said):
    assert rules.scope_words(scope) == said


def test_a_rule_goes_through_the_form_and_back():
    rule = AlertRule(4, USAGE, is_builtin=True, created_at=NOW, updated_at=NOW)
    shown = rules.fields_of(rule)
    form = {name: getattr(shown, name) for name in rules.FIELDS}
    assert rules.body_of(form) == {
        "name": "90", "metric": "pool.usage_percent", "operator": ">=", "limit": 90.0, "recovers_at": 85.0, "for_s": 0.0,
        "severity": "critical", "scope": "pool",
    }  # fmt: skip
    row = rules.rule_rows([rule], [INFO])[0]
    assert (row.name, row.severity, row.scope, row.is_builtin) == ("90", "Critical", "The pool", True)


def test_the_form_takes_a_comma_a_status_word_and_an_empty_recovery():
    assert rules.body_of({"name": "x", "metric": "source.status", "limit": "Unhealthy"})["limit"] == 2.0
    body = rules.body_of({"name": "x", "metric": "source.latency_ms", "limit": "1,5"})
    assert (body["limit"], body["recovers_at"], "scope" in body) == (1.5, 1.5, False)


def test_what_is_no_number_is_told_at_its_field():
    with pytest.raises(InvalidInput) as refused:
        rules.body_of({"name": " ", "metric": "pool.waiting", "limit": "many", "for_s": "inf"})
    errors, note = rules.errors_of(refused.value.errors, refused.value.detail)
    assert (errors.limit, errors.for_s, errors.name, note) == ("Must be a number", "Must be a number", "Must not be blank", "")
    assert rules.errors_of(({"field": "body", "message": "x"},), "The body is wrong.") == (rules.RuleErrors(), "The body is wrong.")


@pytest.mark.parametrize(
    ("answer", "metric", "said"),
    [
        ({"fired": None}, "pool.suspected_leaks", "The past of this metric is not kept, so nobody can say how often it would have fired."),
        ({"fired": 0, "sources": 1}, "pool.waiting", "In the last hour it would not have fired."),
        ({"fired": 1, "sources": 1, "by_source": [{"source": "pool", "fired": 1}]}, "pool.waiting", "In the last hour it would have fired once."),
        (
            {"fired": 3, "sources": 2, "by_source": [{"source": "a", "fired": 2}, {"source": "b", "fired": 1}]},
            "source.latency_ms",
            f"In the last 24{NB}h it would have fired 3 times, over 2 sources: 2 by a, 1 by b.",
        ),
    ],
)  # fmt: skip
def test_a_preview_in_words(answer, metric, said):
    assert rules.preview_words(answer, metric) == said


def test_the_pools_metrics_are_offered_first():
    offered = rules.choices([MetricInfo("source.status", "", "Status"), INFO])
    assert [(one.value, one.word) for one in offered] == [("pool.usage_percent", "Pool usage (%)"), ("source.status", "Status")]


def test_news_are_the_loud_alerts_that_opened_since_two_by_name_and_more_by_number():
    quiet = replace(FULL, id=4, severity=Severity.INFO)
    assert (rows.newest_id(LISTED), rows.newest_id([])) == (9, 0)
    assert [(one.text, one.tone) for one in rows.news(LISTED, 2, NOW)] == [(FULL.message, "bad"), (DOWN.message, "warn")]
    assert rows.news(LISTED, 9, NOW) == []
    assert rows.news([ListedAlert(quiet), ListedAlert(acked(FULL)), ListedAlert(silenced(DOWN))], 0, NOW) == []
    (told,) = rows.news([*LISTED, ListedAlert(replace(DOWN, id=11))], 0, NOW)
    assert (told.text, told.tone) == (f"3 alerts have opened; the worst: {FULL.message}", "bad")
