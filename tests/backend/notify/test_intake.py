"""What of the stream of events is worth telling, and what is not believed."""

from dataclasses import replace

import orjson
import pytest

from dashboard_app.backend.events.combine import drafts_of
from dashboard_app.backend.notify.intake import Intake
from dashboard_app.model.alert import Alert, Severity
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.event import Event, message_of
from dashboard_app.policy.coalesce import SHAPES
from tests.backend.notify.parts import AT

OPEN = Alert(7, 3, "Pool usage from 90 %", Severity.CRITICAL, 0, "pool", "Pool usage 93 %", 93.0, AT)
OVER = replace(OPEN, id=8, resolved_at=AT)
MOVED = {"name": "api", "from": "closed", "to": "open", "cause": "threshold"}


def read(event_type, *data):
    intake = Intake(ManualClock(), {7: OPEN, 8: OVER}.get, {3: "orders", 4: "billing"}.get)
    events = [Event(event_type, orjson.dumps(one)) for one in data]
    return [notice for draft in drafts_of(events, SHAPES) for notice in intake.notices_of(message_of(1, 0, draft))]


def changed(source_id, status="unhealthy", previous="healthy", name="told"):
    return {"source_id": source_id, "name": name, "status": status, "previous": previous}


def test_a_batch_of_changes_is_taken_apart_and_each_source_has_the_name_it_is_known_by():
    found = read("SOURCE_CHANGED", changed(3), changed(4, "degraded"), changed(99), changed(3, "healthy", "unknown"))
    assert [(one.key, one.subject, one.became, one.severity.value) for one in found] == [
        ("source 3", "orders", "unhealthy", "warning"),
        ("source 4", "billing", "degraded", "info"),
    ]


def test_an_alert_is_told_as_it_is_known_here_whatever_the_event_says():
    (found,) = read("ALERT_OPENED", {"alert_id": 7, "severity": "info", "message": "forged"})
    assert (found.key, found.became, found.severity, found.says, found.ref) == (
        "alert 7",
        "opened",
        Severity.CRITICAL,
        "Pool usage 93 %",
        7,
    )
    (over,) = read("ALERT_RESOLVED", {"alert_id": 8})
    assert (over.key, over.became) == ("alert 8", "resolved")


def test_the_move_of_a_breaker_is_told():
    (found,) = read("BREAKER_CHANGED", MOVED)
    assert (found.key, found.was, found.became, found.says) == ("breaker api", "closed", "open", "threshold")
    assert read("BREAKER_CHANGED", {**MOVED, "to": "half_open"}) == []


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("ALERT_OPENED", {"alert_id": 99}),
        ("ALERT_OPENED", {"alert_id": True}),
        ("ALERT_OPENED", {"alert_id": "7"}),
        ("ALERT_OPENED", {}),
        ("ALERT_RESOLVED", {"alert_id": 7}),  # it is not over
        ("SOURCE_CHANGED", changed(3, "on fire")),
        ("SOURCE_CHANGED", changed(3, None)),
        ("SOURCE_CHANGED", changed([3])),
        ("SOURCE_CHANGED", {"source_id": 3}),
        ("BREAKER_CHANGED", {**MOVED, "name": 5}),
        ("BREAKER_CHANGED", {**MOVED, "to": "molten"}),
        ("BREAKER_CHANGED", {**MOVED, "from": ["closed"]}),
        ("LEVEL_CHANGED", {"level": "EMERGENCY"}),
        ("JOB_STARTED", {"job_id": 1}),
    ],
)
def test_what_is_forged_broken_or_of_another_kind_is_not_told(event_type, data):
    assert read(event_type, data) == []
