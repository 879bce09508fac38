"""The words of notifications: a channel says where to and about what, a notice is one thing worth telling."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from dashboard_app.model.alert import Severity


class Topic(StrEnum):
    """What notices are about."""

    ALERTS = "alerts"
    BREAKERS = "breakers"
    SOURCES = "sources"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` to `end` on the clocks of `zone` (an IANA name), every day; an `end` before `begin` is on the next day."""

    begin: time
    end: time
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What an admin enters beside the address. `least`: what matters less is not told. `quiet` None: no quiet hours."""

    name: str
    topics: frozenset[Topic] = frozenset({Topic.ALERTS, Topic.BREAKERS})
    least: Severity = Severity.WARNING
    enabled: bool = True
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a channel has fared. The counts are of messages, `dropped_total` is of notices that were never part of one."""

    sent_total: int = 0
    failed_total: int = 0
    dropped_total: int = 0
    last_sent_at: datetime | None = None
    last_error_at: datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is kept; its address stays in the vault. `service`: the scheme of the address, such as slack."""

    id: int
    settings: ChannelSettings
    service: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `key` is the same for all notices about one thing, `ref` the id of its alert or source (0: none).

    `was` and `became` are the word of the topic: opened and resolved, a health, a state of a breaker. `says`: why, in a sentence.
    """

    topic: Topic
    key: str
    subject: str
    was: str
    became: str
    severity: Severity
    at: datetime
    says: str = ""
    ref: int = 0
    is_held: bool = False
    """True when quiet hours have kept it back."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it is sent: plain text, and how much it matters."""

    title: str
    body: str
    severity: Severity


class CourierState(StrEnum):
    """What a channel is doing."""

    OFF = "off"
    IDLE = "idle"
    GATHERING = "gathering"
    SENDING = "sending"
    RETRYING = "retrying"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel with how it fares. `waiting`: notices not sent yet, `held` of them kept back until `quiet_until`."""

    channel: Channel
    outcome: Outcome
    state: CourierState
    waiting: int = 0
    held: int = 0
    quiet_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How a test message went; `error` empty: it was sent."""

    took_s: float
    error: str = ""
