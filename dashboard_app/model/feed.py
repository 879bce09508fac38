"""How news of the server comes to the console."""

from enum import StrEnum


class FeedState(StrEnum):
    """Where the live feed stands."""

    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    POLLING = "polling"
    """It does not come: the breaker is open, or the server has no feed."""
