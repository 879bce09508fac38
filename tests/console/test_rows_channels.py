"""What the channels of `/alerts` say, as tables of values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.console import words
from dashboard_app.console.client.notifications import ListedChannel, Tried, parse_channel, parse_tried
from dashboard_app.console.rows import channels as rows
from dashboard_app.console.words import NB
from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import BackendFailed, InvalidInput
from dashboard_app.model.notification import CourierState

NOW = datetime(2026, 11, 26, 14, 13, 10, tzinfo=UTC)
OPS = ListedChannel(
    id=1,
    name="Ops",
    service="slack",
    topics=("alerts", "breakers"),
    least=Severity.WARNING,
    enabled=True,
    quiet=None,
    state=CourierState.IDLE,
    waiting=0,
    held=0,
    quiet_until=None,
    sent_total=12,
    failed_total=0,
    dropped_total=0,
    last_sent_at=NOW,
    last_error="",
    last_error_at=None,
)
FAILED = replace(OPS, last_error="The receiver answered 500.", last_error_at=NOW + timedelta(seconds=5))
NIGHT = replace(OPS, quiet=("22:00", "07:00", "Europe/Madrid"), state=CourierState.QUIET, held=3, waiting=3, quiet_until=NOW)


@pytest.mark.parametrize(
    ("channel", "word", "tone"),
    [
        (OPS, "Ready", "ok"),
        (replace(OPS, last_sent_at=None), "Untried", "off"),
        (FAILED, "Failing", "bad"),
        (replace(FAILED, last_sent_at=None), "Failing", "bad"),
        (replace(FAILED, last_sent_at=NOW + timedelta(seconds=9)), "Ready", "ok"),
        (replace(FAILED, enabled=False), "Off", "off"),
        (NIGHT, "Quiet", "off"),
    ],
)
def test_a_channel_is_what_its_last_try_was(channel, word, tone):
    row = rows.channel_rows([channel])[0]
    assert (row.word, row.tone) == (word, tone)


@pytest.mark.parametrize(
    ("channel", "told", "fares", "waits", "error"),
    [
        (OPS, "Alerts and breakers, warnings and worse", "12 sent, the last 14:13:10", "", ""),
        (NIGHT, "Alerts and breakers, warnings and worse; quiet 22:00 to 07:00 Europe/Madrid", "12 sent, the last 14:13:10", "3 notices wait until 14:13:10", ""),
        (
            replace(FAILED, last_sent_at=None, failed_total=2, dropped_total=1, waiting=1, least=Severity.CRITICAL),
            "Alerts and breakers, critical only",
            "Nothing sent yet; 2 given up; 1 notice did not fit",
            "1 notice waits",
            "14:13:15: The receiver answered 500.",
        ),
    ],
)  # fmt: skip
def test_a_line_says_what_it_is_told_and_how_it_fares(channel, told, fares, waits, error):
    row = rows.channel_rows([channel])[0]
    assert (row.told, words.plain(row.fares), words.plain(row.waits), words.plain(row.error)) == (told, fares, waits, error)


def test_the_form_holds_no_address_and_an_empty_one_keeps_the_stored():
    shown = rows.fields_of(NIGHT)
    assert (shown.name, shown.service, shown.alerts, shown.sources, shown.quiet_to) == ("Ops", "slack", True, False, "07:00")
    form = {
        "name": " Ops ",
        "url": "",
        "alerts": "on",
        "least_severity": "warning",
        "quiet_from": "22:00",
        "quiet_to": "07:00:00",
        "quiet_zone": "",
    }
    assert rows.body_of(form, is_new=False) == {
        "name": "Ops",
        "alerts": True,
        "breakers": False,
        "sources": False,
        "least_severity": "warning",
        "quiet_from": "22:00",
        "quiet_to": "07:00",
        "quiet_zone": "UTC",
    }
    assert rows.body_of({"name": "x", "url": "slack://y"}, is_new=True)["url"] == "slack://y"


def test_what_is_missing_is_said_at_its_field():
    with pytest.raises(InvalidInput) as refused:
        rows.body_of({"name": " "}, is_new=True)
    errors, note = rows.errors_of(refused.value.errors, refused.value.detail)
    assert (errors.name, errors.url, note) == ("Must not be blank", "A channel needs its address", "")
    assert rows.errors_of(({"field": "body", "message": "x"},), "The body is wrong.") == (rows.ChannelErrors(), "The body is wrong.")


def test_a_test_says_how_long_it_took_or_what_failed():
    assert rows.trial_words(Tried(0.4, "")) == f"Sent. It took 400{NB}ms."
    assert rows.trial_words(Tried(2.0, "The receiver answered 500.")) == "Not sent: The receiver answered 500."


def test_an_answer_is_read_strictly():
    told = {"id": 3, "name": "Ops", "least_severity": "info", "alerts": True, "quiet_from": "22:00", "quiet_to": "07:00"}
    assert parse_channel(told).quiet == ("22:00", "07:00", "UTC")
    assert parse_channel({**told, "quiet_to": None}).quiet is None
    assert parse_tried({"ok": False, "took_s": 1, "error": None}).error == "It was not sent."
    for broken in ({}, {**told, "state": "molten"}, {**told, "least_severity": "loud"}):
        with pytest.raises(BackendFailed):
            parse_channel(broken)
