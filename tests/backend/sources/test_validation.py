from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.backend.sources.validation import check_root_certificate, check_settings
from dashboard_app.model.errors import InvalidInput, KindNotSupported
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import SourceKind, SourceSettings

GOOD = SourceSettings("billing", SourceKind.POSTGRESQL, "db.example.org", 5432, "billing", "spillway", Secret("x"))


@pytest.mark.parametrize(
    "over",
    [
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "db_1.internal."},
        {"host": "localhost"},
        {"host": "xn--bcher-kva.example"},
        {"name": "ü" * 200},
        {"database": ""},
        {"password": None},
        {"port": 65535},
        {"options": {"sslmode": "verify-full", "sslrootcert": ""}},
        {"tags": tuple(f"tag {n}" for n in range(20))},
        {"password": Secret("mit\ttab")},
    ],
)
def test_what_is_usual_is_accepted(over):
    check_settings(replace(GOOD, **over))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " billing"),
        ("name", "x" * 201),
        ("name", "a\nb"),
        ("name", "a\0b"),
        ("name", "a\u202eb"),
        ("name", "\ud800"),
        ("name", 7),
        ("host", ""),
        ("host", "a,b"),
        ("host", "/run/postgresql"),
        ("host", "http://db"),
        ("host", "db:5432"),
        ("host", "256.1.1.1"),
        ("host", "1"),
        ("host", "fe80::1%eth0"),
        ("host", "user@db"),
        ("host", "-db"),
        ("host", "a..b"),
        ("host", "x" * 254),
        ("host", None),
        ("port", 0),
        ("port", 65536),
        ("port", "5432"),
        ("port", True),
        ("port", 5432.0),
        ("database", "ü" * 32),
        ("database", "a\0"),
        ("username", ""),
        ("username", "x" * 64),
        ("password", Secret("a\0b")),
        ("password", Secret("\ud800")),
        ("password", Secret("x" * 1001)),
        ("options", {"sslmode": "allow"}),
        ("options", {"host": "x"}),
        ("options", {"sslmode": 1}),
        ("options", {"sslrootcert": "a\nb"}),
        ("options", "sslmode=disable"),
        ("environment", "x" * 51),
        ("tags", ("x",) * 2),
        ("tags", tuple(str(n) for n in range(21))),
        ("tags", ("",)),
        ("tags", ("x" * 51,)),
        ("tags", "text"),
        ("enabled", 1),
    ],
)
def test_what_is_not_acceptable_is_named_by_its_field(field, value):
    with pytest.raises(InvalidInput) as caught:
        check_settings(replace(GOOD, **{field: value}))
    assert [error["field"] for error in caught.value.errors] == [field]


SERVICE = SourceSettings("orders-api", SourceKind.SERVICE, "orders.example.org", 443, password=Secret("spw_a-token"))


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"password": None},
        {"password": Secret("")},
        {"password": Secret("a+b/c==")},
        {"options": {"base_path": ""}},
        {"options": {"base_path": "/orders"}},
        {"options": {"base_path": "/a-b/c_d/e.f~g"}},
        {"options": {"sslmode": "disable"}},
        {"options": {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/ca.pem", "base_path": "/x"}},
    ],
)
def test_a_service_is_a_host_a_port_a_token_and_how_to_get_there(over):
    check_settings(replace(SERVICE, **over))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("database", "orders", "must be empty: a service is named by host, port and base_path"),
        ("username", "me", "must be empty: a service is asked with a token, which is its password"),
        ("password", Secret("two words"), "a token of printable ASCII characters without blanks"),
        ("password", Secret("a\nX-Other: b"), "a token of printable ASCII characters without blanks"),
        ("password", Secret("tökén"), "a token of printable ASCII characters without blanks"),
        ("password", Secret("x" * 1001), "at most 1000"),
        ("options", {"sslmode": "prefer"}, "sslmode must be one of disable, require, verify-ca, verify-full"),
        ("options", {"tls": "true"}, "tls is not an option; base_path, sslmode and sslrootcert are"),
        ("options", {"base_path": "orders"}, "must begin with a slash"),
        ("options", {"base_path": "/orders/"}, "end without one"),
        ("options", {"base_path": "//evil.example.org"}, "must begin with a slash"),
        ("options", {"base_path": "/a?b"}, "letters, digits"),
        ("options", {"base_path": "/a#b"}, "letters, digits"),
        ("options", {"base_path": "/a%2f"}, "letters, digits"),
        ("options", {"base_path": "/a\r\nX: y"}, "letters, digits"),
        ("options", {"base_path": "/a\n"}, "letters, digits"),
        ("options", {"base_path": "/../admin"}, "must not hold . or .."),
        ("options", {"base_path": "/a/./b"}, "must not hold . or .."),
        ("options", {"base_path": "/" + "x" * 1000}, "base_path"),
        ("options", {"base_path": 7}, "must be names with texts"),
        ("host", "http://orders", "must be a host name"),
    ],
)
def test_what_a_service_cannot_have_is_named_with_its_reason(field, value, says):
    with pytest.raises(InvalidInput) as caught:
        check_settings(replace(SERVICE, **{field: value}))
    (error,) = caught.value.errors
    assert error["field"] == field
    assert says in error["message"]


def test_all_mistakes_are_named_at_once():
    with pytest.raises(InvalidInput) as caught:
        check_settings(replace(GOOD, name="", port=0, tags=("",)))
    assert [error["field"] for error in caught.value.errors] == ["name", "port", "tags"]


def test_a_password_is_never_in_the_message():
    with pytest.raises(InvalidInput) as caught:
        check_settings(replace(GOOD, password=Secret("geheim\0")))
    assert "geheim" not in f"{caught.value} {caught.value.errors}"


@given(st.text(max_size=300))
def test_a_host_that_passes_can_be_nothing_but_one_host(host):
    try:
        check_settings(replace(GOOD, host=host))
    except InvalidInput:
        return
    assert not set(host) & set("/,@?#\\ '\"=;")


@pytest.mark.parametrize("kind", [SourceKind.REDIS, SourceKind.HTTP])
def test_a_kind_without_a_probe_is_not_supported(kind):
    with pytest.raises(KindNotSupported):
        check_settings(replace(GOOD, kind=kind))


def test_a_root_certificate_must_be_a_file_of_certificates(tmp_path):
    check_root_certificate({})
    for content in (None, "", "not PEM"):
        path = tmp_path / "root.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(InvalidInput):
            check_root_certificate({"sslrootcert": str(path)})
    with pytest.raises(InvalidInput):
        check_root_certificate({"sslrootcert": str(tmp_path)})
