"""Accounts and API tokens as rows. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from dashboard_app.console import words
from dashboard_app.model.user import Role, User
from dashboard_app.store.tokens import TokenRecord

ROLES = [(role.value, role.value.capitalize()) for role in Role]
SCOPE_PREFIX = "scope-"
"""What the boxes of scopes in a form are called, before the name of their scope."""
LIVES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "Until it is revoked")]
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class UserRow:
    """One account. `key` is its id as text; `is_tied`: the identity provider knows it."""

    key: str
    email: str
    name: str
    role: str
    is_disabled: bool
    is_self: bool
    has_second_factor: bool
    is_tied: bool
    last_sign_in: str
    sessions: int
    since: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token without its secret. `tone` off: it is no longer good."""

    key: str
    name: str
    role: str
    scopes: str
    begins: str
    state: str
    is_good: bool
    used: str
    by: str
    since: str


def user_rows(
    users: Sequence[User], sessions: Mapping[int, int], self_id: int | None, tied: AbstractSet[int] = frozenset()
) -> list[UserRow]:
    """The accounts, disabled ones last, else by email. `tied`: those that the identity provider knows."""
    ordered = sorted(users, key=lambda user: (user.disabled, user.email.lower()))
    return [
        UserRow(
            key=str(user.id),
            email=user.email,
            name=user.name,
            role=user.role.value,
            is_disabled=user.disabled,
            is_self=user.id == self_id,
            has_second_factor=user.has_second_factor,
            is_tied=user.id in tied,
            last_sign_in=words.clock(user.last_sign_in_at) if user.last_sign_in_at else "never",
            sessions=sessions.get(user.id, 0),
            since=words.clock(user.created_at),
        )
        for user in ordered
    ]


def users_title(users: Sequence[User]) -> str:
    """How many can sign in, and how many of them administer."""
    good = [user for user in users if not user.disabled]
    admins = sum(user.role is Role.ADMIN for user in good)
    people = "1 person can" if len(good) == 1 else f"{len(good)} people can"
    return f"{people} sign in, {admins} as admin"


def token_rows(tokens: Sequence[TokenRecord], now: datetime) -> list[TokenRow]:
    """The tokens, good ones first, the newest of them first."""
    ordered = sorted(tokens, key=lambda one: (not one.is_good(now), -one.id))
    return [
        TokenRow(
            key=str(one.id),
            name=one.name,
            role=one.role.value,
            scopes="all it may" if one.scopes is None else ", ".join(sorted(one.scopes)),
            begins=f"{one.prefix}…",
            state=_state(one, now),
            is_good=one.is_good(now),
            used=words.clock(one.last_used_at) if one.last_used_at else "never",
            by=one.created_by or words.UNKNOWN,
            since=words.clock(one.created_at),
        )
        for one in ordered
    ]


def tokens_title(tokens: Sequence[TokenRecord], now: datetime) -> str:
    """How many programs can come in."""
    good = sum(one.is_good(now) for one in tokens)
    return "No token is good" if not good else f"{words.plural(good, 'token')} {'is' if good == 1 else 'are'} good"


def lives_s(days: str) -> float | None:
    """The life that a form asks for, in seconds; None: until it is revoked."""
    return float(days) * DAY_S if days in {key for key, _ in LIVES if key} else None


def scopes_of(form: Mapping[str, object]) -> list[str] | None:
    """The scopes whose boxes are ticked; None when none is: the whole role. A box that was not ticked is missing or false."""
    ticked = [name.removeprefix(SCOPE_PREFIX) for name, value in form.items() if name.startswith(SCOPE_PREFIX) and value]
    return ticked or None


def _state(token: TokenRecord, now: datetime) -> str:
    """Until when it is good, or since when it is not."""
    if token.revoked_at is not None:
        return f"revoked {words.clock(token.revoked_at)}"
    if token.expires_at is None:
        return "until it is revoked"
    return f"until {words.clock(token.expires_at)}" if token.is_good(now) else f"expired {words.clock(token.expires_at)}"
