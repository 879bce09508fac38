from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from dashboard_app.model.alert import Severity
from dashboard_app.model.notification import ChannelSettings, Notice, QuietHours, Topic
from dashboard_app.policy.notify import (
    OPENED,
    PASSED,
    RESOLVED,
    breaker_severity,
    collapsed,
    is_wanted,
    quiet_until,
    source_severity,
    waits,
    worst,
    zone_of,
)

NIGHT = QuietHours(time(22), time(7), "Europe/Madrid")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text)


def notice(topic=Topic.SOURCES, key="source 3", was="healthy", became="unhealthy", severity=Severity.WARNING, **more):
    return Notice(topic, key, "orders", was, became, severity, NOON, **more)


@pytest.mark.parametrize(
    ("was", "became", "severity"),
    [
        ("healthy", "unhealthy", Severity.WARNING),
        ("unknown", "unhealthy", Severity.WARNING),
        ("unhealthy", "healthy", Severity.WARNING),  # whoever heard of the fall hears of the recovery
        ("healthy", "degraded", Severity.INFO),
        ("healthy", "unknown", Severity.INFO),
        ("unknown", "healthy", None),  # every start
        ("degraded", "degraded", None),
    ],
)
def test_a_change_of_a_source_matters_as_much_as_the_worse_of_its_ends(was, became, severity):
    assert source_severity(was, became) is severity


@pytest.mark.parametrize(
    ("was", "became", "severity"),
    [
        ("closed", "open", Severity.WARNING),
        ("half_open", "closed", Severity.WARNING),
        ("open", "half_open", None),  # a trial every 30 s
        ("half_open", "open", None),
        ("closed", "forced_open", Severity.WARNING),
        ("closed", "metrics_only", Severity.INFO),
        ("disabled", "closed", Severity.INFO),
        ("open", "open", None),
    ],
)
def test_trials_of_a_breaker_that_stays_open_are_not_told(was, became, severity):
    assert breaker_severity(was, became) is severity


def test_a_channel_is_told_what_it_asks_for_from_its_least_severity_on():
    settings = ChannelSettings("ops", frozenset({Topic.SOURCES}))
    assert is_wanted(settings, notice())
    assert not is_wanted(settings, notice(severity=Severity.INFO))
    assert not is_wanted(settings, notice(Topic.BREAKERS))
    assert not is_wanted(replace(settings, enabled=False), notice())


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-01-01T20:59:59Z", None),  # 21:59:59 in Madrid
        (NIGHT, "2026-01-01T21:00:00Z", "2026-01-02T06:00:00Z"),
        (NIGHT, "2026-01-02T05:59:59Z", "2026-01-02T06:00:00Z"),
        (NIGHT, "2026-01-02T06:00:00Z", None),
        (NIGHT, "2026-07-01T20:00:00Z", "2026-07-02T05:00:00Z"),  # summer time
        (QuietHours(time(12), time(13)), "2026-01-01T12:30:00Z", "2026-01-01T13:00:00Z"),
        (QuietHours(time(12), time(13)), "2026-01-01T13:00:00Z", None),
        # the night on which 02:30 comes twice ends with its second one
        (QuietHours(time(1), time(2, 30), "Europe/Madrid"), "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"),
        # the night on which 02:30 does not come ends an hour into summer time
        (QuietHours(time(1), time(2, 30), "Europe/Madrid"), "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
        (QuietHours(time(0), time(23), "No/Where"), "2026-01-01T12:00:00Z", None),
        (None, "2026-01-01T12:00:00Z", None),
    ],
)
def test_quiet_hours_follow_the_clocks_of_their_zone(quiet, now, until):
    assert quiet_until(quiet, at(now)) == (until and at(until))


def test_only_what_is_critical_passes_in_quiet_hours():
    settings = ChannelSettings("ops", quiet=QuietHours(time(11), time(13)))
    assert waits(settings, notice(), NOON)
    assert not waits(settings, notice(severity=Severity.CRITICAL), NOON)
    assert not waits(replace(settings, quiet=None), notice(), NOON)


@pytest.mark.parametrize("name", ["", "No/Where", "../etc/passwd", "/etc/passwd", "a\0b"])
def test_what_is_no_zone_is_said(name):
    with pytest.raises(ValueError, match=r".*"):
        zone_of(name)


def test_utc_needs_no_table_of_zones():
    assert zone_of("utc") is UTC


def test_one_thing_is_told_once_from_its_first_state_to_its_last():
    alert = {"topic": Topic.ALERTS, "key": "alert 7", "was": ""}
    found = collapsed(
        [
            notice(),
            notice(**alert, became=OPENED, severity=Severity.CRITICAL, is_held=True),
            notice(was="unhealthy", became="healthy"),
            notice(**alert, became=RESOLVED),
            notice(key="source 4"),
        ]
    )
    assert [(one.key, one.was, one.became, one.severity.value, one.is_held) for one in found] == [
        ("source 3", "healthy", "healthy", "warning", False),
        ("alert 7", "", PASSED, "critical", True),
        ("source 4", "healthy", "unhealthy", "warning", False),
    ]
    assert (worst(found), worst([])) == (Severity.CRITICAL, Severity.INFO)
