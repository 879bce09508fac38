"""Audit, settings and drill as rows."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr

from dashboard_app.console import words
from dashboard_app.console.rows import audit, drill, settings
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.secret import MASK
from dashboard_app.runtime.live_settings import LiveSettings
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


def test_before_and_after_stand_side_by_side_and_a_secret_only_says_that_it_changed():
    change = {"before": {"port": 5432, "tags": ["a"]}, "after": {"port": 6432, "password": MASK}, "event": "change", "password": MASK}
    (line,) = audit.lines([_entry(**change)])
    assert [(one.name, one.before, one.after) for one in line.differences] == [
        ("port", "5432", "6432"), ("tags", "a", words.UNKNOWN), ("password", words.UNKNOWN, "changed"),
    ]  # fmt: skip
    assert [(detail.name, detail.value) for detail in line.details] == [("event", "change"), ("password", "changed")]
    assert audit.lines([_entry(before=7)])[0].differences == []


def test_the_export_takes_the_filters_along():
    assert audit.Query().export_href(AT) == "/api/v1/audit.csv"
    assert audit.Query("ana", "pool.cleanup", "24h", 99).export_href(AT) == (
        "/api/v1/audit.csv?actor=ana&action=pool.cleanup&from=1969-12-31T12%3A00%3A00Z"
    )


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
    shown = settings.groups(LiveSettings(LoadedSettings(values, origins or {})))
    return {row.name: row for group in shown for row in group.rows}


def test_every_setting_stands_in_one_group_with_its_meaning():
    rows = _rows(Settings())
    assert set(rows) == {f"SPILLWAY_{field.upper()}" for field in Settings.model_fields}
    assert all(row.meaning for row in rows.values())
    assert "More" not in [group.title for group in settings.groups(LiveSettings(LoadedSettings(Settings(), {})))]


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
    assert settings.title(settings.groups(LiveSettings(LoadedSettings(Settings(), {})))).startswith("None of")
    assert settings.title(settings.groups(LiveSettings(LoadedSettings(Settings(), {"port": ".env"})))).startswith("1 of")


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


HOLD, FAIL = drill.Run("hold", 28), drill.Run("fail")


def _lines(*found: drill.DrillLine) -> list[tuple[str, str, str]]:
    return [(line.text, line.verdict, line.promised.replace(words.NB, " ")) for line in found]


def test_the_diary_tells_what_changed_against_the_promise():
    calm, full = drill.Picture(2, 30), drill.Picture(28, 30, "EMERGENCY")
    lines = drill.seen(calm, full, 0.14, HOLD)
    assert [line.at for line in lines] == [f"0.1{words.NB}s"] * 2
    assert _lines(*lines) == [
        ("28 of 30 connections in use", "ok", "promised 2 s"), ("level NORMAL → EMERGENCY", "ok", "promised 2 s"),
    ]  # fmt: skip
    assert [line.verdict for line in drill.seen(calm, full, 2.1, HOLD)] == ["late", "late"]
    assert [line.verdict for line in drill.seen(full, calm, 9.0, HOLD)] == ["", ""]
    assert drill.seen(calm, calm, 1.0, HOLD) == []


@pytest.mark.parametrize("run", [drill.Run("hold", 28, is_on=False), drill.Run("burst"), drill.Run("hold", 29)])
def test_only_what_a_running_drill_promised_is_judged(run):
    on_the_way = drill.seen(drill.Picture(2, 30), drill.Picture(28, 30), 0.1, run)
    assert [line.verdict for line in on_the_way] == [""]


def test_the_diary_tells_of_breaker_and_banner():
    live, away = drill.Picture(), drill.Picture(breaker="half_open", fallback=True)
    assert _lines(*drill.seen(live, away, 9.0, FAIL)) == [
        ("breaker api: closed → half open", "", ""), ("banner stands, last known values are shown", "ok", "promised 15 s"),
    ]  # fmt: skip
    assert drill.seen(live, away, 9.0, HOLD)[-1].verdict == ""
    assert drill.seen(live, away, 15.1, FAIL)[-1].verdict == "late"
    assert [line.text for line in drill.seen(away, live, 70.0, FAIL)][-1] == "live again, the banner is gone"


def test_a_drill_begins_and_ends_with_a_line():
    assert drill.started("hold", {"connections": 28, "seconds": 30, "kind": "idle_in_transaction"}).endswith("(idle in transaction)")
    assert drill.started("burst", {"requests": 40}) == "burst started: 40 requests at once"
    assert "503" in drill.started("fail", {"seconds": 60})
    assert drill.ended("hold") == "hold is over: its time has passed"
    assert drill.stopped("hold").startswith("stopped: every held connection")
    assert drill.stopped("fail") == "stopped: this API answers again"


@pytest.mark.parametrize(
    ("kind", "asked", "answer", "told"),
    [
        ("hold", {"connections": 28}, {"held": 28}, ("28 connections are held", "", "")),
        ("hold", {"connections": 30}, {"held": 28}, ("28 of 30 connections were to be had; they are held", "", "")),
        ("burst", {"requests": 40}, {"answers": {"503": 15, "200": 25}, "duration_ms": 420.0},
         ("40 answers in 420 ms: 25 served and 15 refused at once", "ok", "promised 40")),
        ("burst", {"requests": 3}, {"answers": {"500": 1}}, ("1 answers: 1 with 500", "late", "promised 3")),
        ("fail", {"seconds": 60}, {}, ("this API answers 503 from now on", "", "")),
    ],
)  # fmt: skip
def test_the_answer_of_a_drill_is_a_line(kind, asked, answer, told):
    text, verdict, promised = _lines(drill.answered(kind, asked, answer, "0.1 s"))[0]
    assert (text.replace(words.NB, " "), verdict, promised) == told


def test_what_stops_a_drill():
    assert drill.stop_body("hold") == {"connections": 0}
    assert drill.stop_body("fail") == {"seconds": 0}
    with pytest.raises(InvalidInput):
        drill.stop_body("burst")
