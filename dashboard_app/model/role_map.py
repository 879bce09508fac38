"""Which role somebody has who signs in with an identity provider: the rules, as the settings spell them."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.user import Role


@dataclass(frozen=True, slots=True)
class RoleRules:
    """`claim` names what the provider tells; each of its values may stand for a role. "": roles are given here, not there."""

    claim: str
    roles: Mapping[str, Role]
    default: Role | None


def parse_role_map(text: str) -> dict[str, Role]:
    """`"sre=admin, dev=operator"` as a table. A value may hold `=` itself: the last one divides.

    Raises:
        InvalidInput: a part without a value or without one of the three roles, or a value named twice.

    """
    found: dict[str, Role] = {}
    for part in (one.strip() for one in text.split(",")):
        if not part:
            continue
        value, _, role = (piece.strip() for piece in part.rpartition("="))
        if not value or role not in set(Role):
            raise InvalidInput(f"{part!r} must be VALUE=ROLE, with one of {', '.join(Role)}")
        if value in found:
            raise InvalidInput(f"{value!r} is named twice")
        found[value] = Role(role)
    if text and not found:
        raise InvalidInput("must name at least one VALUE=ROLE")
    return found
