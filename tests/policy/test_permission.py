from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard_app.model.errors import Forbidden, NotSignedIn, ProofNeeded
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.permission import ACTIONS, PUBLIC_HEALTH_ACTIONS, allowed, least_role, refusal, require, require_proof

NOW = datetime(2026, 11, 27, tzinfo=UTC)
ROLES = (None, Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def principal(role):
    return Principal(PrincipalKind.USER, "ana@example.org", role)


@pytest.mark.parametrize(
    ("action", "least"),
    [
        ("open", None),
        ("health.ping", None),
        ("sources.read", Role.VIEWER),
        ("pool.status", Role.VIEWER),
        ("pool.test", Role.VIEWER),
        ("sources.check", Role.OPERATOR),
        ("pool.holders", Role.OPERATOR),
        ("pool.history", Role.OPERATOR),
        ("loader.refresh", Role.OPERATOR),
        ("sources.write", Role.ADMIN),
        ("pool.cleanup", Role.ADMIN),
        ("settings.read", Role.ADMIN),
        ("audit.read", Role.ADMIN),
        ("users.write", Role.ADMIN),
        ("tokens.write", Role.ADMIN),
        ("drill.run", Role.ADMIN),
    ],
)
def test_each_action_is_allowed_from_its_least_role_upwards(action, least):
    first = ROLES.index(least)
    assert [allowed(role, action) for role in ROLES] == [number >= first for number in range(4)]


@pytest.mark.parametrize("role", ROLES)
def test_an_unknown_action_is_denied_to_everyone(role):
    assert not allowed(role, "pool.drain")
    with pytest.raises((Forbidden, NotSignedIn)):
        require(principal(role) if role else None, "pool.drain")


def test_nobody_is_told_to_sign_in_before_the_role_is_judged():
    with pytest.raises(NotSignedIn):
        require(None, "pool.cleanup")


def test_a_refusal_names_the_role_that_is_needed_and_the_one_there_is():
    with pytest.raises(Forbidden) as refused:
        require(principal(Role.VIEWER), "pool.cleanup")
    assert refused.value.detail == "This needs the admin role; you are a viewer."
    assert refusal(Role.OPERATOR, "audit.read") == "This needs the admin role; you are an operator."
    assert refusal(Role.ADMIN, "nothing") == "Nobody may do this."


def test_an_allowed_action_returns():
    require(principal(Role.ADMIN), "pool.cleanup")
    require(None, "health.live")


def test_public_health_opens_exactly_the_calls_of_the_contract():
    assert {a for a in ACTIONS if least_role(a) is None and (ACTIONS[a] is not None)} == {"pool.status"}
    assert {least_role(a, public_health=False) for a in PUBLIC_HEALTH_ACTIONS} == {Role.VIEWER}
    assert least_role("pool.cleanup", public_health=True) is Role.ADMIN


def test_the_role_of_an_unknown_action_is_an_error_of_the_program():
    with pytest.raises(KeyError):
        least_role("pool.drain")


def test_the_documentation_names_every_action_with_its_role():
    page = (Path(__file__).resolve().parents[2] / "docs" / "permissions.md").read_text()
    documented = {}
    for line in page.splitlines():
        if line.startswith("| `"):
            names, role, _ = (cell.strip() for cell in line.strip("| ").split("|"))
            documented |= {name.strip(" `"): role for name in names.split(",")}
    assert {name: words.partition(" ")[0] for name, words in documented.items()} == {
        name: "everyone" if role is None or name in PUBLIC_HEALTH_ACTIONS else role.value for name, role in ACTIONS.items()
    }


def test_a_session_shows_again_who_it_is_after_15_minutes_and_nobody_else_has_to():
    person = Principal(PrincipalKind.USER, "ana@example.org", Role.ADMIN, 1, "s", NOW)
    require_proof(person, NOW + timedelta(minutes=15))
    ahead = replace(person, proved_at=NOW + timedelta(hours=1))  # by a clock that was set back since
    for stale, now in ((person, NOW + timedelta(minutes=15, seconds=1)), (replace(person, proved_at=None), NOW), (ahead, NOW)):
        with pytest.raises(ProofNeeded):
            require_proof(stale, now)
    later = NOW + timedelta(days=1)
    require_proof(replace(person, kind=PrincipalKind.TOKEN), later)
    require_proof(replace(person, kind=PrincipalKind.CONSOLE), later)
    require_proof(replace(person, session_id=""), later)
