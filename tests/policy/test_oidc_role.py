import pytest

from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.role_map import RoleRules, parse_role_map
from dashboard_app.model.user import Role
from dashboard_app.policy.oidc_role import claim_values, role_of


def test_a_map_names_a_role_for_each_value():
    assert parse_role_map("sre=admin, dev = operator,") == {"sre": Role.ADMIN, "dev": Role.OPERATOR}
    assert parse_role_map("cn=all=viewer") == {"cn=all": Role.VIEWER}
    assert parse_role_map("") == {}


@pytest.mark.parametrize("text", [" , ", "sre", "sre=king", "=admin", "sre=admin,sre=viewer", "sre=Admin"])
def test_a_map_that_says_nothing_clear_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_role_map(text)


@pytest.mark.parametrize(
    ("claims", "claim", "values"),
    [
        ({"groups": ["dev", "sre"]}, "groups", ("dev", "sre")),
        ({"groups": "dev"}, "groups", ("dev",)),
        ({"realm_access": {"roles": ["dev"]}}, "realm_access.roles", ("dev",)),
        ({"https://example.org/roles": ["dev"]}, "https://example.org/roles", ("dev",)),
        ({"groups": ["dev", 7, None, {"x": 1}]}, "groups", ("dev",)),
        ({"realm_access": ["roles"]}, "realm_access.roles", ()),
        ({"groups": None}, "groups", ()),
        ({}, "groups", ()),
    ],
)
def test_a_claim_is_a_text_a_list_or_lies_under_a_path(claims, claim, values):
    assert claim_values(claims, claim) == values


@pytest.mark.parametrize(
    ("groups", "default", "role"),
    [
        (["dev"], None, Role.OPERATOR),
        (["dev", "sre", "nobody"], None, Role.ADMIN),
        (["nobody"], None, None),
        (["nobody"], Role.VIEWER, Role.VIEWER),
        (["dev"], Role.ADMIN, Role.OPERATOR),
        ([], None, None),
    ],
)
def test_the_highest_named_role_counts_and_else_the_default(groups, default, role):
    rules = RoleRules("groups", {"sre": Role.ADMIN, "dev": Role.OPERATOR}, default)
    assert role_of({"groups": groups}, rules, Role.ADMIN) is role


def test_without_a_claim_an_account_keeps_its_role_and_a_new_one_gets_the_default():
    rules = RoleRules("", {}, Role.VIEWER)
    assert role_of({"groups": ["sre"]}, rules, Role.ADMIN) is Role.ADMIN
    assert role_of({}, rules) is Role.VIEWER
