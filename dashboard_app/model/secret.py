"""A secret that cannot be shown, logged or pickled by accident."""

import hmac
from typing import NoReturn

MASK = "••••"


class Secret:
    """A string that prints as dots. Only `reveal()` gives it away; pickling and copying into state raise."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold `value`; an empty secret is a secret, too."""
        self._value = value

    def reveal(self) -> str:
        """The secret itself. Call it where it is used, never where it is passed on."""
        return self._value

    def __repr__(self) -> str:
        """Dots."""
        return MASK

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        """Dots, whatever the format asks."""
        return MASK

    def __eq__(self, other: object) -> bool:
        """Equal when both are secrets of the same value; compared in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """Not useful as a key on purpose: all secrets hash alike."""
        return hash(Secret)

    def __bool__(self) -> bool:
        """False for the empty secret."""
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        """Raise: a secret never enters a pickle."""
        msg = "a Secret cannot be pickled"
        raise TypeError(msg)
