from pathlib import Path

import pytest

from dashboard_app.model.errors import Forbidden, InsufficientScope, InvalidInput
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.permission import ACTIONS, denial, require
from dashboard_app.policy.scopes import EVERY_TOKEN, SCOPES, checked_scopes, covers, scope_of


def token(role, *scopes):
    return Principal(PrincipalKind.TOKEN, "ci", role, scopes=frozenset(scopes) if scopes else None)


def test_every_action_is_in_exactly_one_scope_or_open_to_every_token():
    grouped = [action for scope in SCOPES.values() for action in scope.actions]
    assert sorted([*grouped, *EVERY_TOKEN]) == sorted(ACTIONS)


@pytest.mark.parametrize("name", SCOPES)
def test_a_narrowed_admin_may_do_what_its_scope_covers_and_nothing_else(name):
    may = {action for action in ACTIONS if denial(token(Role.ADMIN, name), action) is None}
    assert may == SCOPES[name].actions | EVERY_TOKEN


def test_a_scope_never_gives_what_the_role_does_not():
    for action in ("users.write", "pool.cleanup"):
        with pytest.raises(Forbidden) as refused:
            require(token(Role.VIEWER, *SCOPES), action)
        assert refused.value.code == "forbidden"


def test_a_token_without_scopes_may_do_all_that_its_role_may():
    assert all(denial(token(Role.ADMIN), action) is None for action in ACTIONS)
    assert covers(None, "pool.cleanup")


def test_a_refusal_names_the_scope_that_is_needed_and_those_there_are():
    with pytest.raises(InsufficientScope) as refused:
        require(token(Role.ADMIN, "read", "jobs.write"), "events.write")
    assert refused.value.detail == "This needs the scope events.publish; this token is narrowed to jobs.write, read."


def test_an_unknown_action_has_no_scope_and_an_unknown_scope_covers_nothing():
    assert scope_of("pool.drain") is None
    assert isinstance(denial(token(Role.ADMIN), "pool.drain"), Forbidden)
    assert {action for action in ACTIONS if covers({"of an older version"}, action)} == set(EVERY_TOKEN)


def test_scopes_are_known_and_at_least_one():
    assert checked_scopes(None) is None
    assert checked_scopes(["read", "metrics", "read"]) == {"read", "metrics"}
    for wrong in ([], ["read", "reed"]):
        with pytest.raises(InvalidInput) as refused:
            checked_scopes(wrong)
        assert refused.value.errors[0]["field"] == "scopes"


def test_the_documentation_names_every_scope_with_its_actions():
    page = (Path(__file__).resolve().parents[2] / "docs" / "permissions.md").read_text()
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in page.splitlines() if line.startswith("| **")]
    documented = {name.strip("*"): ({action.strip(" `") for action in actions.split(",")}, words) for name, actions, words in rows}
    assert documented == {name: (set(scope.actions), scope.words) for name, scope in SCOPES.items()}
