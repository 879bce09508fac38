import pytest

from dashboard_app.access.visit import bearer_token, client_address, is_api, is_asset, is_closed, local_path, login_location, request_id


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/sources/3?tab=charts", "/sources/3?tab=charts"),
        ("/", "/"),
        ("", "/"),
        ("sources", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nb", "/"),
        ("/login?next=/", "/"),
        ("/logout", "/"),
        ("/" + "a" * 3000, "/"),
    ],
)
def test_a_redirect_stays_on_this_site(wanted, path):
    assert local_path(wanted) == path


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (3, "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        (1, "", "192.0.2.1"),
        (1, "unknown", "192.0.2.1"),
        (1, "[2001:db8::1]:443", "2001:db8::1"),
        (1, "203.0.113.9:1234", "203.0.113.9"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_as_many_proxies_are_believed_as_stand_in_front(hops, forwarded, address):
    assert client_address("192.0.2.1", forwarded, hops) == address


def test_a_sane_request_id_is_kept_and_any_other_replaced():
    assert request_id("req-1.a:b/c") == "req-1.a:b/c"
    for given in ("", "a b", "x" * 129, "é", "a\r\nb"):
        assert request_id(given) != given


def test_a_bearer_token_is_told_from_other_credentials():
    assert [bearer_token(given) for given in ("", "Bearer abc ", "bearer abc", "Basic abc", "Bearer")] == [None, "abc", "abc", "", ""]


def test_paths_are_told_apart():
    assert [is_api(p) for p in ("/api/health", "/scan/data-sources", "/livez", "/docs", "/docs/x.js", "/apis", "/")] == [True] * 5 + [
        False
    ] * 2
    assert [is_closed(p) for p in ("/ping", "/_upload/x", "/_health", "/pings", "/")] == [True, True, True, False, False]
    assert [is_asset(p) for p in ("/assets/a.js", "/favicon.svg", "/index.html", "/sources/3", "/x.JS")] == [True, True, False, False, True]


def test_somebody_without_a_session_comes_back_to_the_page_asked_for():
    assert login_location("/", "") == "/login"
    assert login_location("/sources/3", "tab=a&q=b c", expired=True) == "/login?expired=1&next=/sources/3%3Ftab%3Da%26q%3Db%20c"
    assert login_location("//evil.example", "") == "/login"
