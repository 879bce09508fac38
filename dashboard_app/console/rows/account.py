"""The own account as rows: where one is signed in. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard_app.console import words
from dashboard_app.policy.permission import PROOF_GOOD_FOR
from dashboard_app.store.sessions import SessionRecord

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"))
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One sign-in. `handle` names it to the server."""

    handle: str
    where: str
    agent: str
    address: str
    since: str
    seen: str
    is_this: bool


def session_rows(found: Sequence[SessionRecord], this: str) -> list[SessionRow]:
    """The sign-ins, the one that asks first, then the one last seen."""
    ordered = sorted(found, key=lambda one: one.id_hash != this)
    return [
        SessionRow(
            handle=one.handle,
            where=browser(one.user_agent),
            agent=one.user_agent,
            address=one.address or words.UNKNOWN,
            since=words.clock(one.created_at),
            seen=words.clock(one.last_seen_at),
            is_this=one.id_hash == this,
        )
        for one in ordered
    ]


def browser(user_agent: str) -> str:
    """What a browser says of itself, in two words: Firefox on Linux."""
    name = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if name and system:
        return f"{name} on {system}"
    return name or re.split(r"[\s(]", user_agent.strip(), maxsplit=1)[0][:_LONGEST] or "Not known"


def title(count: int) -> str:
    """How many sign-ins there are."""
    return "You are signed in here only" if count <= 1 else f"You are signed in at {count} places"


def ended_words(count: int) -> str:
    """How many sessions came to their end."""
    return "No other session was open." if not count else f"{words.plural(count, 'other session')} ended."


def proof_words(proved_at: datetime | None, now: datetime) -> str:
    """When this person last showed who they are, and what that is worth."""
    what = "Cleaning up, deleting a source or a dead letter, holding a breaker, accounts and tokens ask for this"
    if proved_at is None:
        return f"{what}."
    if now - proved_at > PROOF_GOOD_FOR:
        return f"{what} when it is more than 15 minutes ago. It was at {words.clock(proved_at)}."
    return f"{what} again from {words.clock(proved_at + PROOF_GOOD_FOR)} on."


def way_words(provider: str) -> str:
    """What somebody without a password is told where others change theirs."""
    return f"You sign in with {provider or 'a link of an admin'} and have no password here. An admin can send you a link to set one."


def factor_words(codes_left: int | None, way: str = "the password") -> str:
    """Whether a code is asked for at sign-in, after `way`. `codes_left` None: it is not."""
    if codes_left is None:
        return f"Off: {way} alone lets you in. With an authenticator app, a code is asked for, too."
    return f"On: a code of your app is asked for when you sign in. {words.plural(codes_left, 'recovery code')} left."
