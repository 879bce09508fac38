"""Sessions, accounts and tokens as rows."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.console.rows import account, people
from dashboard_app.console.words import UNKNOWN, plain
from dashboard_app.model.user import Role, User
from dashboard_app.store.tokens import TokenRecord

NOW = datetime(2026, 11, 27, 14, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Not known"),
    ],
)
def test_a_browser_is_told_in_two_words(said, shown):
    assert account.browser(said) == shown


def test_the_title_and_the_end_say_how_many():
    assert [account.title(count) for count in (0, 1, 3)] == ["You are signed in here only"] * 2 + ["You are signed in at 3 places"]
    assert [account.ended_words(count) for count in (0, 1, 2)] == [
        "No other session was open.",
        "1 other session ended.",
        "2 other sessions ended.",
    ]


def test_without_a_password_the_provider_is_named():
    assert account.way_words("Example ID").startswith("You sign in with Example ID and have no password here.")
    assert account.way_words("").startswith("You sign in with a link of an admin")
    assert account.factor_words(None, "Example ID").startswith("Off: Example ID alone lets you in.")
    assert account.factor_words(2).endswith("2 recovery codes left.")


def test_a_proof_says_until_when_it_is_enough():
    assert plain(account.proof_words(NOW, NOW)).endswith("again from 14:17:11 on.")
    assert plain(account.proof_words(NOW, NOW + timedelta(minutes=16))).endswith("It was at 14:02:11.")
    assert account.proof_words(None, NOW).endswith("ask for this.")


def test_disabled_accounts_stand_last_and_do_not_count():
    users = [
        User(1, "Zoe@example.org", "", Role.ADMIN, False, NOW, NOW),
        User(2, "ada@example.org", "Ada", Role.VIEWER, True, NOW),
        User(3, "bo@example.org", "", Role.OPERATOR, False, NOW),
    ]
    rows = people.user_rows(users, {1: 2}, 1)
    assert [(row.key, row.is_self, row.sessions, plain(row.last_sign_in)) for row in rows] == [
        ("3", False, 0, "never"),
        ("1", True, 2, "14:02:11"),
        ("2", False, 0, "never"),
    ]
    assert [row.email for row in people.user_rows(users, {}, 1, {3}) if row.is_tied] == ["bo@example.org"]
    assert people.users_title(users) == "2 people can sign in, 1 as admin"
    assert people.users_title(users[:1]) == "1 person can sign in, 1 as admin"


def test_a_form_narrows_a_token_to_the_boxes_that_are_ticked():
    assert people.scopes_of({"name": "x", "scope-read": "on", "scope-metrics": True, "scope-guard": False, "scope-drill": ""}) == [
        "read",
        "metrics",
    ]
    assert people.scopes_of({"name": "x", "role": "viewer"}) is None


def test_a_token_says_until_when_it_is_good_or_since_when_it_is_not():
    def token(number, **over):
        values = {"created_by": "ana", "created_at": NOW, "expires_at": None, "last_used_at": None, "revoked_at": None} | over
        return TokenRecord(number, f"t{number}", "spw_abcde", "h", Role.VIEWER, **values)

    tokens = [
        token(1, revoked_at=NOW),
        token(2, expires_at=NOW - timedelta(seconds=1)),
        token(3, last_used_at=NOW),
        token(4, expires_at=NOW + timedelta(seconds=1), created_by=""),
    ]
    rows = people.token_rows(tokens, NOW)
    assert [(row.name, plain(row.state), plain(row.used), row.by) for row in rows] == [
        ("t4", "until 14:02:12", "never", UNKNOWN),
        ("t3", "until it is revoked", "14:02:11", "ana"),
        ("t2", "expired 14:02:10", "never", "ana"),
        ("t1", "revoked 14:02:11", "never", "ana"),
    ]
    assert people.tokens_title(tokens, NOW) == "2 tokens are good"
    assert people.tokens_title(tokens[:2], NOW) == "No token is good"
    assert (people.lives_s("90"), people.lives_s(""), people.lives_s("x")) == (90 * 86_400.0, None, None)
