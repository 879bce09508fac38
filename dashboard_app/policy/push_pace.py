"""How much of the event loop the pushes to open pages may take, however many are open: a share. What people ask for goes first. Pure."""

SHARE = 0.4
"""Of the loop's time. With so many pages that this does not do, each is pushed to less often: one in (pages × cost of a push ÷ SHARE)."""
SLICE = 8
"""So many pages are pushed to before the loop turns to whatever else is due: a few milliseconds."""
REST_AT_MOST_S = 1.0
"""A pause of the whole process within a push must not be paid for by all the others."""


def rest_s(spent_s: float, *, hurries: bool = False) -> float:
    """How long pushes rest after `spent_s` seconds at work, so that their share is not exceeded; nothing when they `hurry`."""
    return 0.0 if hurries else min(max(spent_s, 0.0) * (1 - SHARE) / SHARE, REST_AT_MOST_S)
