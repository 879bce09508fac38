"""Channels of notifications as rows and as a form, and what a test says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard_app.console import theme, words
from dashboard_app.console.client.notifications import ListedChannel, Tried
from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.notification import CourierState

TOPICS = (("alerts", "Alerts"), ("breakers", "Breakers"), ("sources", "Sources"))
LEAST = (("info", "Everything"), ("warning", "Warnings and worse"), ("critical", "Critical only"))
FIELDS = ("name", "url", "least_severity", "quiet_from", "quiet_to", "quiet_zone")
_LONGEST = 2000
_FINE = theme.Look("Ready", "ok", "circle-check")
_FAILS = theme.Look("Failing", "bad", "octagon-x")
_OFF = theme.Look("Off", "off", "circle-dashed")
_QUIET = theme.Look("Quiet", "off", "circle-dashed")
_FRESH = theme.Look("Untried", "off", "circle-dashed")
_TOLD = {Severity.INFO: "everything", Severity.WARNING: "warnings and worse", Severity.CRITICAL: "critical only"}


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel. `told`: about what and when; `fares`: how its last message went; `error`: why it did not arrive."""

    id: int
    name: str
    service: str
    word: str
    tone: str
    icon: str
    told: str
    fares: str
    error: str
    waits: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ChannelFields:
    """The values of the form. `id` 0: a new channel. The address is never among them: empty keeps the stored one."""

    id: int = 0
    name: str = ""
    service: str = ""
    alerts: bool = True
    breakers: bool = True
    sources: bool = False
    least_severity: str = Severity.WARNING.value
    quiet_from: str = ""
    quiet_to: str = ""
    quiet_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class ChannelErrors:
    """What is wrong, by field; empty: nothing."""

    name: str = ""
    url: str = ""
    alerts: str = ""
    least_severity: str = ""
    quiet_from: str = ""
    quiet_to: str = ""
    quiet_zone: str = ""


def channel_rows(channels: Sequence[ListedChannel]) -> list[ChannelRow]:
    """Every channel, in the order they were made."""
    return [_row(channel) for channel in channels]


def fields_of(channel: ListedChannel) -> ChannelFields:
    """A channel in the form."""
    begin, end, zone = channel.quiet or ("", "", "UTC")
    told = {topic: topic in channel.topics for topic, _ in TOPICS}
    return ChannelFields(
        channel.id,
        channel.name,
        channel.service,
        **told,
        least_severity=channel.least.value,
        quiet_from=begin,
        quiet_to=end,
        quiet_zone=zone,
    )


def body_of(form: Mapping[str, Any], *, is_new: bool) -> dict[str, object]:
    """What the form says, as the API takes it. An empty address is left out: the stored one stays.

    Raises:
        InvalidInput: a new channel has no address, or one has no name; with the fields.

    """
    texts = {name: str(form.get(name, "")).strip()[: _LONGEST + 1] for name in FIELDS}
    body: dict[str, object] = {topic: bool(form.get(topic)) for topic, _ in TOPICS}
    body |= {"name": texts["name"], "least_severity": texts["least_severity"], "quiet_zone": texts["quiet_zone"] or "UTC"}
    body |= {name: texts[name][:5] or None for name in ("quiet_from", "quiet_to")}
    if texts["url"]:
        body["url"] = texts["url"]
    errors = [{"field": "name", "message": "must not be blank"}] if not texts["name"] else []
    if is_new and not texts["url"]:
        errors.append({"field": "url", "message": "a channel needs its address"})
    if errors:
        raise InvalidInput("Some values are not acceptable.", tuple(errors))
    return body


def errors_of(errors: Sequence[Mapping[str, str]], detail: str) -> tuple[ChannelErrors, str]:
    """Each reason at its field, and what has no field as a note."""
    names = {*FIELDS, "alerts"}
    placed = {one["field"]: f"{one['message'][:1].upper()}{one['message'][1:]}" for one in errors if one["field"] in names}
    return ChannelErrors(**placed), "" if placed else detail


def trial_words(tried: Tried) -> str:
    """What the test came to: Sent. It took 0.4 s."""
    return f"Not sent: {tried.error}" if tried.error else f"Sent. It took {words.duration(tried.took_s)}."


def _row(channel: ListedChannel) -> ChannelRow:
    """One channel."""
    look = _look(channel)
    is_failing = _is_failing(channel)
    return ChannelRow(
        channel.id,
        channel.name,
        channel.service,
        look.word,
        look.tone,
        look.icon,
        _told(channel),
        _fares(channel),
        f"{words.clock(channel.last_error_at)}: {channel.last_error}" if is_failing and channel.last_error_at else "",
        _waits(channel),
        channel.enabled,
    )


def _is_failing(channel: ListedChannel) -> bool:
    """True when its last try did not arrive."""
    sent, failed = channel.last_sent_at, channel.last_error_at
    return failed is not None and (sent is None or failed > sent)


def _look(channel: ListedChannel) -> theme.Look:
    """Its state."""
    if not channel.enabled:
        return _OFF
    if _is_failing(channel):
        return _FAILS
    if channel.state is CourierState.QUIET:
        return _QUIET
    return _FRESH if channel.last_sent_at is None else _FINE


def _told(channel: ListedChannel) -> str:
    """About what it is told, and when not: Alerts and breakers, warnings and worse; quiet 22:00 to 07:00 Europe/Madrid."""
    topics = words.listed([word.lower() for topic, word in TOPICS if topic in channel.topics])
    told = f"{topics[:1].upper()}{topics[1:]}, {_TOLD[channel.least]}"
    if channel.quiet is None:
        return told
    begin, end, zone = channel.quiet
    return f"{told}; quiet {begin} to {end} {zone}"


def _fares(channel: ListedChannel) -> str:
    """How it has fared: 12 sent, the last 14:02:11; 1 given up."""
    sent = (
        f"{words.count(channel.sent_total)} sent, the last {words.clock(channel.last_sent_at)}"
        if channel.last_sent_at
        else "Nothing sent yet"
    )
    given_up = f"; {words.count(channel.failed_total)} given up" if channel.failed_total else ""
    dropped = f"; {words.plural(channel.dropped_total, 'notice')} did not fit" if channel.dropped_total else ""
    return f"{sent}{given_up}{dropped}"


def _waits(channel: ListedChannel) -> str:
    """What waits: 3 wait until 07:00:00."""
    if channel.held and channel.quiet_until is not None:
        return f"{words.plural(channel.held, 'notice waits', 'notices wait')} until {words.clock(channel.quiet_until)}"
    if channel.waiting:
        return f"{words.plural(channel.waiting, 'notice waits', 'notices wait')}"
    return ""
