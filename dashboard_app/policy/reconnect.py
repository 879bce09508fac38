"""How long a broken connection rests before it is made again: longer each time, and never for all at once."""

FIRST_S = 0.5
MOST_S = 30.0
_DOUBLINGS = 10


def rest_s(failures: int, chance: float, *, first_s: float = FIRST_S, most_s: float = MOST_S) -> float:
    """Seconds after so many failures in a row (1: the first): half of what has doubled each time, and up to the same by `chance` (0..1)."""
    ceiling = min(first_s * 2.0 ** min(max(failures - 1, 0), _DOUBLINGS), most_s)
    return ceiling / 2.0 * (1.0 + chance)
