"""Which role the claims of an identity provider give: pure."""

from collections.abc import Mapping

from dashboard_app.model.role_map import RoleRules
from dashboard_app.model.user import Role


def role_of(claims: Mapping[str, object], rules: RoleRules, present: Role | None = None) -> Role | None:
    """The highest role that a value of the claim stands for, else the default; None: whoever this is, stays out.

    Without a claim in the rules roles are given here: an account keeps the one it has, `present`.
    """
    if not rules.claim:
        return present or rules.default
    named = [rules.roles[value] for value in claim_values(claims, rules.claim) if value in rules.roles]
    return max(named, key=lambda role: role.rank, default=rules.default)


def claim_values(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The texts under `name`, which is a claim itself (`https://example.org/roles`) or a path into one (`realm_access.roles`)."""
    found: object = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list | tuple) else [found]
    return tuple(value for value in values if isinstance(value, str))
