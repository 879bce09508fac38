"""Audit, settings and drill as rows."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr

from dashboard_app.console import words
from dashboard_app.console.rows import audit, drill, settings
from dashboard_app.model.errors import InvalidInput
from dashboard_app.settings import LoadedSettings, Settings
from dashboard_app.store.audit import AuditRow

AT = datetime(1970, 1, 1, 12, tzinfo=UTC)


def _entry(number: int | None = 7, result: str = "ok", **details: object) -> AuditRow:
    return AuditRow(uuid4(), AT, "ana", "user", "pool.cleanup", "pool", result, "01J", details, number)


def test_an_act_that_worked_is_quiet_and_one_that_did_not_says_why():
    done, failed = audit.lines([_entry(), _entry(None, "database_unavailable")])
    assert (done.key, done.result, done.tone, done.is_waiting) == ("7", "Done", "off", False)
    assert (failed.key, failed.result, failed.tone, failed.is_waiting) == ("journal-1", "database unavailable", "warn", True)
    assert words.plain(done.at) == "12:00:00"


def test_details_are_told_flat_and_bounded():
    (line,) = audit.lines([_entry(change={"port": [5432, 6432], "note": None}, long="x" * 900, empty="")])
    assert [(detail.name, detail.value) for detail in line.details][:1] == [("change", "port 5432, 6432, note " + words.UNKNOWN)]
    assert len(line.details[1].value) == 500
    assert line.details[2].value == words.UNKNOWN


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, audit.Query()),
        ({"actor": " ana ", "action": "pool.cleanup", "range": "24h", "before": "99"}, audit.Query("ana", "pool.cleanup", "24h", 99)),
        ({"range": "nonsense", "before": "-1"}, audit.Query()),
        ({"before": "9" * 40}, audit.Query()),
    ],
)
def test_the_url_is_the_memory_of_the_filters(params, query):
    assert audit.Query.parse(params) == query


def test_a_change_of_filter_goes_back_to_the_newest_rows():
    query = audit.Query("ana", "", "24h", 99)
    assert query.href() == "/audit?actor=ana&range=24h"
    assert query.href(before=5) == "/audit?actor=ana&range=24h&before=5"
    assert audit.Query().href() == "/audit"
    assert query.since(AT) == AT - timedelta(days=1)
    assert audit.Query().since(AT) is None
    assert [choice.word for choice in audit.ranges(query) if choice.is_on] == ["24 h"]


def test_older_rows_are_asked_for_by_the_smallest_id():
    full = [_entry(number) for number in range(100, 49, -1)]
    assert audit.older_href(audit.Query(), full) == "/audit?before=51"
    assert audit.older_href(audit.Query(), full[:50]) == ""


@pytest.mark.parametrize(
    ("query", "start"),
    [
        (audit.Query(before=3), "Nothing older"),
        (audit.Query("ana"), "Nothing recorded in this range"),
        (audit.Query(), "Nothing is recorded yet"),
    ],
)
def test_an_empty_log_says_why(query, start):
    assert audit.empty_words(query).startswith(start)


def _rows(values: Settings, origins: dict[str, str] | None = None) -> dict[str, settings.SettingRow]:
    shown = settings.groups(LoadedSettings(values, origins or {}))
    return {row.name: row for group in shown for row in group.rows}


def test_every_setting_stands_in_one_group_with_its_meaning():
    rows = _rows(Settings())
    assert set(rows) == {f"SPILLWAY_{field.upper()}" for field in Settings.model_fields}
    assert all(row.meaning for row in rows.values())
    assert "More" not in [group.title for group in settings.groups(LoadedSettings(Settings(), {}))]


def test_a_value_has_its_unit_its_default_its_bounds_and_its_origin():
    row = _rows(Settings(pool_size=1000, pool_timeout_s=2.5), {"pool_timeout_s": ".env"})["SPILLWAY_POOL_TIMEOUT_S"]
    assert (row.value, row.unit, row.default, row.origin, row.changed) == ("2.5", "s", "30", "set in .env", True)
    rows = _rows(Settings(pool_size=1000), {"pool_size": "environment"})
    assert (rows["SPILLWAY_POOL_SIZE"].value, rows["SPILLWAY_POOL_SIZE"].origin) == (f"1{words.THIN}000", "set in the environment")
    assert rows["SPILLWAY_PORT"].allowed == f"1 to 65{words.THIN}535"
    assert rows["SPILLWAY_POOL_SIZE"].allowed == "1 and more"
    assert (rows["SPILLWAY_PORT"].value, rows["SPILLWAY_AUTO_CLEANUP"].value, rows["SPILLWAY_PG_BIN"].value) == ("8000", "on", "not set")


def test_secrets_are_dots_and_what_is_not_built_is_marked():
    rows = _rows(Settings(secret_key=SecretStr("hush"), redis_url=None))
    assert "hush" not in repr(rows)
    assert rows["SPILLWAY_SECRET_KEY"].value not in ("hush", "not set")
    assert not rows["SPILLWAY_REDIS_URL"].built


def test_the_title_counts_what_was_set():
    assert settings.title(settings.groups(LoadedSettings(Settings(), {}))).startswith("None of")
    assert settings.title(settings.groups(LoadedSettings(Settings(), {"port": ".env"}))).startswith("1 of")


def test_a_drills_form_becomes_its_body():
    assert drill.body("hold", {"connections": " 28 ", "seconds": "30", "kind": "query"}) == {
        "connections": 28,
        "seconds": 30,
        "kind": "query",
    }
    assert drill.body("burst", {"requests": "40"}) == {"requests": 40}
    assert drill.body("fail", {"seconds": "60"}) == {"seconds": 60}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("burst", {"requests": "many"}, "Requests must be a whole number from 1 to 1000."),
        ("fail", {}, "Seconds must be a whole number from 1 to 600."),
        ("hold", {"connections": "1", "seconds": "1", "kind": "x"}, "Choose how the connections are held."),
    ],
)
def test_a_bad_number_is_named(kind, fields, message):
    with pytest.raises(InvalidInput) as caught:
        drill.body(kind, fields)
    assert caught.value.detail == message


def test_the_diary_tells_what_changed_against_the_promise():
    calm, full = drill.Picture(2, 30), drill.Picture(28, 30, "EMERGENCY")
    lines = drill.seen(calm, full, 0.14, "hold")
    assert [(line.at, line.text, line.verdict) for line in lines] == [
        (f"0.1{words.NB}s", "28 of 30 connections in use", ""), (f"0.1{words.NB}s", "level NORMAL → EMERGENCY", "ok"),
    ]  # fmt: skip
    assert drill.seen(calm, full, 2.1, "hold")[1].verdict == "late"
    assert drill.seen(full, calm, 9.0, "hold")[1].verdict == ""
    assert drill.seen(calm, calm, 1.0, "hold") == []


def test_the_diary_tells_of_breaker_and_banner():
    live, away = drill.Picture(), drill.Picture(breaker="half_open", fallback=True)
    assert [(line.text, line.verdict) for line in drill.seen(live, away, 9.0, "fail")] == [
        ("breaker api: closed → half open", ""), ("banner stands, last known values are shown", "ok"),
    ]  # fmt: skip
    assert [line.text for line in drill.seen(away, live, 70.0, "fail")][-1] == "live again, the banner is gone"


def test_a_drill_begins_and_ends_with_a_line():
    assert drill.started("hold", {"connections": 28, "seconds": 30, "kind": "idle_in_transaction"}).endswith("(idle in transaction)")
    assert drill.started("burst", {"requests": 40}) == "burst started: 40 requests at once"
    assert "503" in drill.started("fail", {"seconds": 60})
    assert drill.answered("hold", {"held": 28}) == "28 connections are held"
    assert drill.answered("burst", {"ok": 25, "refused_total": 15, "by": {}}) == "burst answered: ok 25, refused total 15"
    assert drill.answered("fail", {}) == "fail answered"
