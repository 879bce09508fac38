"""What the calls about notifications take and give. The address goes in and never comes out."""

from datetime import datetime, time
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr

from dashboard_app.backend.api.values import Answer, Body, Name, Truth, absent
from dashboard_app.backend.notify.checks import URL_LONGEST
from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.notification import ChannelSettings, CourierState, QuietHours, Topic
from dashboard_app.model.secret import Secret

AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
Url = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=URL_LONGEST,
        description="As apprise takes it: slack://…, mailto://…, json://host:port/path. Write-only.",
        json_schema_extra={"writeOnly": True},
    ),
]
ClockTime = Annotated[
    StrictStr,
    Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="A time of day, HH:MM; null: no quiet hours."),
]


def _zone(value: str) -> str:
    """`value` without blanks at its ends; UTC for nothing."""
    return value.strip() or "UTC"


Zone = Annotated[
    StrictStr, Field(max_length=64, pattern=r"^[A-Za-z0-9_+/ -]*$", description="An IANA name: Europe/Madrid."), AfterValidator(_zone)
]


class ChannelIn(Body):
    """A channel to add."""

    name: Name
    url: Url
    alerts: Truth = True
    breakers: Truth = True
    sources: Truth = False
    least_severity: Annotated[Severity, AnyCase] = Severity.WARNING
    enabled: Truth = True
    quiet_from: ClockTime | None = None
    quiet_to: ClockTime | None = None
    quiet_zone: Zone = "UTC"

    def settings(self) -> ChannelSettings:
        """The same as a value of the model. Raises InvalidInput: half of the quiet hours is missing."""
        topics = frozenset(topic for topic in Topic if getattr(self, topic.value))
        quiet = _quiet(self.quiet_from, self.quiet_to, self.quiet_zone)
        return ChannelSettings(self.name, topics, self.least_severity, self.enabled, quiet)


class ChannelPatch(Body):
    """What to change; what is left out stays. `quiet_from` and `quiet_to` null: no quiet hours any more."""

    name: Name = Field(default_factory=absent)
    url: Url = Field(default_factory=absent)
    alerts: Truth = Field(default_factory=absent)
    breakers: Truth = Field(default_factory=absent)
    sources: Truth = Field(default_factory=absent)
    least_severity: Annotated[Severity, AnyCase] = Field(default_factory=absent)
    enabled: Truth = Field(default_factory=absent)
    quiet_from: ClockTime | None = Field(default_factory=absent)
    quiet_to: ClockTime | None = Field(default_factory=absent)
    quiet_zone: Zone = Field(default_factory=absent)

    def secret(self) -> Secret | None:
        """The new address, None: the stored one stays."""
        return Secret(self.url) if "url" in self.model_fields_set else None

    def changes(self, before: ChannelSettings) -> dict[str, Any]:
        """Only what was given, by field name of `ChannelSettings`. Raises InvalidInput: half of the quiet hours is missing."""
        given = self.model_fields_set
        changes: dict[str, Any] = {name: getattr(self, name) for name in ("name", "enabled") if name in given}
        if "least_severity" in given:
            changes["least"] = self.least_severity
        if given & {topic.value for topic in Topic}:
            told = {topic: getattr(self, topic.value) if topic.value in given else topic in before.topics for topic in Topic}
            changes["topics"] = frozenset(topic for topic, is_told in told.items() if is_told)
        if given & {"quiet_from", "quiet_to", "quiet_zone"}:
            old = before.quiet
            begin = self.quiet_from if "quiet_from" in given else f"{old.begin:%H:%M}" if old else None
            end = self.quiet_to if "quiet_to" in given else f"{old.end:%H:%M}" if old else None
            zone = self.quiet_zone if "quiet_zone" in given else old.zone if old else "UTC"
            changes["quiet"] = _quiet(begin, end, zone)
        return changes


def _quiet(begin: str | None, end: str | None, zone: str) -> QuietHours | None:
    """The quiet hours; both ends or none."""
    if begin is None and end is None:
        return None
    if begin is None or end is None:
        field = "quiet_from" if begin is None else "quiet_to"
        raise InvalidInput(f"{field}: give both ends of the quiet hours or none", ({"field": field, "message": "give both ends or none"},))
    return QuietHours(time.fromisoformat(begin), time.fromisoformat(end), zone)


class ChannelOut(Answer):
    """One channel and how it fares; its address is never told.

    `waiting`: notices not sent yet, `held` of them kept back until `quiet_until`. `sent_total` and `failed_total` count messages,
    `dropped_total` notices that are in none.
    """

    id: int
    name: str
    service: str
    alerts: bool
    breakers: bool
    sources: bool
    least_severity: Severity
    enabled: bool
    quiet_from: str | None
    quiet_to: str | None
    quiet_zone: str
    state: CourierState
    waiting: int
    held: int
    quiet_until: datetime | None
    sent_total: int
    failed_total: int
    dropped_total: int
    last_sent_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ChannelsOut(Answer):
    """Every channel by id."""

    items: list[ChannelOut]


class TrialOut(Answer):
    """How the test went; `error` null: it was sent."""

    ok: bool
    took_s: float
    error: str | None
