import pytest

from dashboard_app.access.hosts import AllowedHosts

EVERY = "0.0.0.0"  # noqa: S104 - a setting to judge, nothing is bound to it


@pytest.mark.parametrize(
    ("settings", "host", "is_allowed"),
    [
        (("127.0.0.1", 8000, None), "127.0.0.1:8000", True),
        (("127.0.0.1", 8000, None), "LOCALHOST:8000", True),
        (("127.0.0.1", 8000, None), "[::1]:8000", True),
        (("127.0.0.1", 8000, None), "localhost", True),
        (("127.0.0.1", 8000, None), "localhost:9000", True),
        (("10.0.0.5", 8000, None), "[::1]:9000", True),
        (("127.0.0.1", 8000, None), "localhost:9000.evil.example", False),
        (("127.0.0.1", 8000, None), "localhost.evil.example:8000", False),
        (("10.0.0.5", 8000, None), "10.0.0.5:8001", False),
        (("127.0.0.1", 8000, None), "evil.example:8000", False),
        (("127.0.0.1", 8000, None), "", False),
        (("127.0.0.1", 80, None), "localhost", True),
        (("10.0.0.5", 8000, None), "10.0.0.5:8000", True),
        (("10.0.0.5", 8000, None), "10.0.0.6:8000", False),
        ((EVERY, 8000, None), "10.0.0.6:8000", True),
        ((EVERY, 8000, None), "[fd00::5]:8000", True),
        ((EVERY, 8000, None), "10.0.0.6:9000", False),
        ((EVERY, 8000, None), "rebound.example:8000", False),
        (("::", 8000, None), "10.0.0.6:8000", True),
        (("127.0.0.1", 8000, "https://dash.example"), "dash.example", True),
        (("127.0.0.1", 8000, "https://dash.example"), "dash.example:443", True),
        (("127.0.0.1", 8000, "https://dash.example"), "dash.example:8000", False),
        (("127.0.0.1", 8000, "http://dash.example:9000/x"), "dash.example:9000", True),
        (("127.0.0.1", 8000, "http://dash.example:9000/x"), "dash.example", False),
    ],
)
def test_a_host_is_allowed_when_it_is_one_of_ours(settings, host, is_allowed):
    assert AllowedHosts(*settings).allows(host) is is_allowed


@pytest.mark.parametrize(
    ("public_url", "origin", "host", "is_allowed"),
    [
        (None, "http://localhost:8000", "localhost:8000", True),
        (None, "http://127.0.0.1:8000", "localhost:8000", False),
        (None, "http://localhost:9000", "localhost:8000", False),
        (None, "http://evil.example", "localhost:8000", False),
        (None, "http://evil.example", "evil.example", False),
        (None, "null", "localhost:8000", False),
        (None, "chrome-extension://localhost:8000", "localhost:8000", False),
        ("https://dash.example", "https://dash.example", "dash.example", True),
        ("https://dash.example", "https://DASH.example", "dash.example:443", True),
        ("https://dash.example", "https://dash.example", "localhost:8000", True),
        ("https://dash.example", "https://dash.example.evil", "dash.example", False),
    ],
)
def test_an_origin_is_ours_when_it_is_this_host_or_the_public_address(public_url, origin, host, is_allowed):
    assert AllowedHosts("127.0.0.1", 8000, public_url).allows_origin(origin, host) is is_allowed
