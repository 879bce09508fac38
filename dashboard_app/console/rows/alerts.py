"""What fires as rows, what the URL asks for, and the sentences above them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from dashboard_app.console import theme, words
from dashboard_app.console.client.alerts import ListedAlert
from dashboard_app.model.alert import POOL_ID, Alert, AlertState, Severity
from dashboard_app.policy.alert import state_of

PAGE_ROWS = 50
_TOLD_ALONE = 2
TABS = {
    "firing": "Firing",
    "acknowledged": "Acknowledged",
    "silenced": "Silenced",
    "history": "History",
    "rules": "Rules",
    "channels": "Channels",
}
STATE_OF_TAB = {"firing": AlertState.FIRING, "acknowledged": AlertState.ACKNOWLEDGED, "silenced": AlertState.SILENCED}
SILENCES = {"900": "15 min", "3600": "1 h", "14400": "4 h", "86400": "1 day", "604800": "7 days"}
_NOTHING = {
    "firing": "Nothing fires.",
    "acknowledged": "Nobody has acknowledged anything that is still open.",
    "silenced": "Nothing is silenced.",
    "history": "No alert has ended yet.",
}


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One line. `age_s` counts on in the browser while it is open; `lower` names the lower steps this one speaks for."""

    id: int
    word: str
    tone: str
    icon: str
    message: str
    rule: str
    source: str
    href: str
    since: str
    stamp: str
    owner: str = ""
    ended: str = ""
    lower: str = ""
    is_acknowledged: bool = False
    is_silenced: bool = False
    age_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab with its address; `count` empty: none."""

    key: str
    word: str
    href: str
    is_on: bool
    count: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for. `before` 0: the newest page of the history."""

    tab: str = "firing"
    before: int = 0

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Read the query string; what it does not understand, it leaves out."""
        tab, before = params.get("tab", "firing"), params.get("before", "")
        is_id = before.isascii() and before.isdigit() and len(before) < 16  # noqa: PLR2004 - ids fit 15 digits
        return cls(tab if tab in TABS else "firing", int(before) if is_id and tab == "history" else 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The title, which is the verdict, and the line under it."""

    title: str
    lede: str = ""


def lines(listed: Iterable[ListedAlert]) -> list[ListedAlert]:
    """Those that speak for themselves: one problem, one line."""
    known = list(listed)
    ids = {one.alert.id for one in known}
    return [one for one in known if one.covered_by not in ids]


def open_count(listed: Iterable[ListedAlert], now: datetime) -> int:
    """How many problems are open and not silenced."""
    return sum(state_of(one.alert, now) is not AlertState.SILENCED for one in lines(listed))


@dataclass(frozen=True, slots=True)
class News:
    """What a page says of alerts that have just opened."""

    text: str
    tone: str
    href: str = "/alerts"


def newest_id(listed: Iterable[ListedAlert]) -> int:
    """The id of the alert that opened last; 0 when there is none."""
    return max((one.alert.id for one in listed), default=0)


def news(listed: Iterable[ListedAlert], seen_id: int, now: datetime) -> list[News]:
    """What has opened after `seen_id`, worst first: one line each for up to two, one line for more. Infos are no news."""
    known = lines(listed)
    fresh = [one.alert for one in known if one.alert.id > seen_id and state_of(one.alert, now) is AlertState.FIRING]
    loud = sorted((one for one in fresh if one.severity is not Severity.INFO), key=lambda one: (-one.severity.rank, -one.id))
    told = [News(one.message, theme.SEVERITY[one.severity].tone) for one in loud]
    if len(told) <= _TOLD_ALONE:
        return told
    return [News(f"{words.count(len(told))} alerts have opened; the worst: {told[0].text}", told[0].tone)]


def rows(listed: Sequence[ListedAlert], state: AlertState, now: datetime) -> list[AlertRow]:
    """The lines of one tab, worst first, then newest; at most 100."""
    found = [one for one in lines(listed) if state_of(one.alert, now) is state]
    found.sort(key=lambda one: (-one.alert.severity.rank, -one.alert.id))
    return [row(one.alert, now, lower=_lower(one.alert, listed)) for one in found[: 2 * PAGE_ROWS]]


def past(listed: Sequence[ListedAlert], now: datetime) -> list[AlertRow]:
    """The lines of the history, newest first."""
    return [row(one.alert, now) for one in listed[:PAGE_ROWS]]


def row(alert: Alert, now: datetime, lower: str = "") -> AlertRow:
    """One alert as a line."""
    look = theme.SEVERITY[alert.severity]
    state = state_of(alert, now)
    return AlertRow(
        id=alert.id,
        word=look.word,
        tone="off" if state is AlertState.RESOLVED else look.tone,
        icon=look.icon,
        message=alert.message,
        rule=alert.rule,
        source=alert.source,
        href="/pool" if alert.source_id == POOL_ID else f"/sources/{alert.source_id}",
        since=words.clock(alert.opened_at),
        stamp=f"{alert.id}",
        owner=_owner(alert, state),
        ended="" if alert.resolved_at is None else f"after {words.duration(_lasted_s(alert))}",
        lower=lower,
        is_acknowledged=alert.acknowledged_by is not None,
        is_silenced=state is AlertState.SILENCED,
        age_s=max((now - alert.opened_at).total_seconds(), 0.0),
    )


def tabs(query: Query, listed: Sequence[ListedAlert], now: datetime) -> list[Tab]:
    """Every tab with its count."""
    states = [state_of(one.alert, now) for one in lines(listed)]
    counts = {key: states.count(state) for key, state in STATE_OF_TAB.items()}
    return [
        Tab(
            key,
            word,
            "/alerts" if key == "firing" else f"/alerts?tab={key}",
            query.tab == key,
            words.chip(counts[key]) if counts.get(key) else "",
        )
        for key, word in TABS.items()
    ]


def verdict(listed: Sequence[ListedAlert] | None, now: datetime, *, is_old: bool) -> Verdict:
    """What an operator would read out; in the past tense while the values are old."""
    if listed is None:
        return Verdict("Reading what fires…")
    found = lines(listed)
    firing = [one.alert for one in found if state_of(one.alert, now) is AlertState.FIRING]
    rest = [
        f"{words.count(count)} {state.value}"
        for state in (AlertState.ACKNOWLEDGED, AlertState.SILENCED)
        if (count := sum(state_of(one.alert, now) is state for one in found))
    ]
    if not firing:
        return Verdict("Nothing fired at the last answer" if is_old else "Nothing fires", f"{words.listed(rest)}." if rest else "")
    worst = min(firing, key=lambda alert: (-alert.severity.rank, alert.id))
    critical = sum(alert.severity is Severity.CRITICAL for alert in firing)
    verb = ("fired" if is_old else "fires") if len(firing) == 1 else ("fired" if is_old else "fire")
    title = f"{words.plural(len(firing), 'alert')} {verb}" + (f", {words.count(critical)} critical" if critical and len(firing) > 1 else "")
    tail = f"; {words.listed(rest)}" if rest else ""
    return Verdict(
        f"{title} at the last answer" if is_old else title, f"{words.bold(worst.message)} since {words.clock(worst.opened_at)}{tail}."
    )


def nothing(tab: str, last: Alert | None) -> str:
    """Why a tab is empty."""
    told = _NOTHING.get(tab, "")
    if tab != "firing" or last is None or last.resolved_at is None:
        return told
    return f"{told} Last alert: {words.clock(last.opened_at)}, {last.message}, {words.duration(_lasted_s(last))}."


def older_href(listed: Sequence[ListedAlert]) -> str:
    """The address of the next older page of the history; "" when this is the last."""
    return f"/alerts?tab=history&before={listed[PAGE_ROWS - 1].alert.id}" if len(listed) > PAGE_ROWS else ""


def until_of(choice: str, now: datetime) -> datetime:
    """When a silence of this choice ends; an hour for one that is none."""
    return now + timedelta(seconds=int(choice if choice in SILENCES else "3600"))


def _owner(alert: Alert, state: AlertState) -> str:
    """Who has it, or why nobody hears it."""
    if state is AlertState.SILENCED and alert.silenced_until is not None:
        by = f" by {alert.silenced_by}" if alert.silenced_by else ""
        return f"Silenced{by} until {words.clock(alert.silenced_until)}" + (f": {alert.silence_reason}" if alert.silence_reason else "")
    if alert.acknowledged_by is None:
        return ""
    when = f", {words.clock(alert.acknowledged_at)}" if alert.acknowledged_at else ""
    return f"Acknowledged by {words.bold(alert.acknowledged_by)}{when}" + ("" if state is AlertState.RESOLVED else ": on it")


def _lower(alert: Alert, listed: Sequence[ListedAlert]) -> str:
    """The lower steps that this alert speaks for."""
    covered = [one.alert.rule for one in listed if one.covered_by == alert.id]
    return f"speaks for {words.listed(covered)}, too" if covered else ""


def _lasted_s(alert: Alert) -> float:
    """How long it was open, in seconds."""
    return (alert.resolved_at - alert.opened_at).total_seconds() if alert.resolved_at is not None else 0.0
