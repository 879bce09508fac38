"""The form of a source: what it refuses, what it sends, where errors land."""

import pytest

from dashboard_app.console.rows import source_form
from dashboard_app.console.rows.source_form import FieldErrors
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import BUILT_KINDS, SourceKind
from tests.console.fake_console import source

GOOD = {"name": " orders ", "kind": "postgresql", "host": "db", "port": "5432", "tags": "a, b,,a", "sslmode": "require", "password": "pw"}


def test_a_good_form_has_no_errors_and_becomes_settings():
    assert not source_form.check(GOOD)
    settings = source_form.settings_of(GOOD)
    assert (settings.name, settings.port, settings.tags, settings.options) == ("orders", 5432, ("a", "b"), {"sslmode": "require"})
    assert settings.password == Secret("pw")


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("name", "x" * 201), ("host", ""), ("port", "0"), ("port", "65536"), ("port", "5,4"), ("port", "²"), ("kind", "redis")],
)
def test_what_is_wrong_is_said_under_its_field(field, value):
    errors = source_form.check(GOOD | {field: value})
    assert getattr(errors, field)
    assert errors


def test_an_edit_keeps_what_the_form_does_not_show_and_sends_a_password_only_when_one_was_entered():
    before = source(7, "orders", SourceKind.POSTGRESQL, "db", 5432, "app", options={"sslrootcert": "/ca.pem", "sslmode": "prefer"})
    settings = source_form.settings_of(GOOD | {"password": "", "sslmode": ""}, before)
    assert settings.options == {"sslrootcert": "/ca.pem"}
    assert "password" not in source_form.changes_of(settings)
    assert source_form.changes_of(source_form.settings_of(GOOD))["password"] == "pw"


def test_the_form_of_a_registered_source_never_holds_a_password():
    fields = source_form.fields_of(source(7, "orders", SourceKind.POSTGRESQL, "db", 5432, "app", options={"sslmode": "require"}))
    assert (fields.port, fields.sslmode, fields.tags, fields.has_password) == ("5432", "require", "shop", True)
    assert not hasattr(fields, "password")


def test_the_servers_reasons_go_under_the_fields_they_name():
    errors, note = source_form.errors_of(
        ({"field": "host", "message": "is no host"}, {"field": "options.sslmode", "message": "unknown"}), "x"
    )
    assert (errors, note) == (FieldErrors(host="is no host", sslmode="unknown"), "")
    errors, note = source_form.errors_of(({"field": "created_at", "message": "is not yours"},), "x")
    assert (errors, note) == (FieldErrors(), "is not yours")
    assert source_form.errors_of((), "the whole thing")[1] == "the whole thing"


def test_steps_show_how_long_each_took_and_why_the_last_failed():
    rows = source_form.steps_of(
        {"steps": [{"name": "TCP", "ok": True, "ms": 1.2}, {"name": "sign in", "ok": False, "ms": 8.1, "message": "no"}]}
    )
    assert [(row.name, row.tone, row.message) for row in rows] == [("TCP", "ok", ""), ("sign in", "bad", "no")]


def test_a_service_has_a_token_and_a_path_and_keeps_what_the_form_does_not_show():
    form = GOOD | {"kind": "service", "port": "443", "sslmode": "", "base_path": " /orders ", "password": "spw_x"}
    assert not source_form.check(form)
    made = source_form.settings_of(form)
    assert (made.kind, made.database, made.username, made.options) == (SourceKind.SERVICE, "", "", {"base_path": "/orders"})
    before = source(7, "orders", SourceKind.SERVICE, "db", 443, "", options={"sslrootcert": "/ca.pem", "base_path": "/orders"})
    assert source_form.fields_of(before).base_path == "/orders"
    assert source_form.settings_of(form | {"base_path": ""}, before).options == {"sslrootcert": "/ca.pem"}


def test_each_kind_that_can_be_added_has_a_port_to_begin_with():
    assert set(BUILT_KINDS) <= set(source_form.DEFAULT_PORTS)
    assert source_form.SourceFields().port == source_form.DEFAULT_PORTS[source_form.SourceFields().kind]
