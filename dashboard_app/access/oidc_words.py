"""What is said when a sign-in with the identity provider ends without one. The address carries the reason, the words stand here."""

from collections.abc import Mapping
from types import MappingProxyType

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "away": "{name} does not answer just now. Sign in with your password, or try again in a moment.",
        "denied": "{name} did not let you in.",
        "code_refused": "{name} took back what it had given. Try again.",
        "not_ours": "The answer of {name} is not good. Try again; when it stays so, an admin finds the reason in the audit.",
        "lost": "That sign-in was begun too long ago, in another browser, or is done already. Try again.",
        "limited": "Too many tries from this address. Try again in a minute.",
        "database": "The database does not answer. Sign in with your password, or try again in a moment.",
        "no_role": "{name} knows you, but you have no role here. Ask an admin.",
        "disabled": "Your account here is disabled. Ask an admin.",
        "email_taken": "There is an account with your email already, and it is not tied to {name}. Sign in with its password, or ask an admin.",
        "no_email": "{name} tells no verified email of you. Ask an admin.",
        "somebody_else": "{name} let somebody else in than who is signed in here.",
        "not_fresh": "{name} did not ask who you are. Sign out there first, then try again.",
    }
)
"""Reason → sentence."""


def sentence_of(reason: str, name: str) -> str:
    """The sentence for `reason`; "" for one that is none. `name`: what the provider is called."""
    told = SENTENCES.get(reason, "").replace("{name}", name)
    return told[:1].upper() + told[1:]
