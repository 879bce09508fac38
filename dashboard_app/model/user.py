"""Who may ask: roles, users, and the principal of a request."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PASSWORD_LENGTHS = (8, 1024)
"""Least and most characters of a password; a longer one only costs time to hash."""
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
EMAIL_PATTERN = rf"^\s*{_EMAIL.pattern}\s*$"
"""The same for the description of the API, where blanks around it are allowed and taken off."""
_LONGEST_EMAIL = 254


def is_email(text: str) -> bool:
    """True when `text` looks like name@example.org."""
    return len(text) <= _LONGEST_EMAIL and _EMAIL.fullmatch(text) is not None


class Role(StrEnum):
    """viewer < operator < admin."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0, 1, 2: a role may do what a lower rank may."""
        return ("viewer", "operator", "admin").index(self.value)

    def covers(self, needed: "Role") -> bool:
        """True when this role may do what `needed` may."""
        return self.rank >= needed.rank


class PrincipalKind(StrEnum):
    """What stands behind a request."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 - a kind, not a token
    CONSOLE = "console"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class User:
    """A local account."""

    id: int
    email: str
    name: str
    role: Role
    disabled: bool
    created_at: datetime
    last_sign_in_at: datetime | None = None
    has_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as rights and the audit are concerned.

    `session_id` is the hex of a hash, of the session or of the token, never itself. `proved_at`: when a person last entered the password.
    `scopes` narrow a token; None: it may do all that its role may.
    """

    kind: PrincipalKind
    name: str
    role: Role
    user_id: int | None = None
    session_id: str = ""
    proved_at: datetime | None = None
    scopes: frozenset[str] | None = None
