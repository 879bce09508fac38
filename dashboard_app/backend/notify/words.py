"""What happened within one message, as a person reads it: one line for each kind of thing, the worst first. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard_app.model.alert import Severity
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.notification import Letter, Notice, Topic
from dashboard_app.policy.notify import OPENED, PASSED, RESOLVED, collapsed, worst

_NAMED = 20
_LONGEST = 300
_CAUSES = {
    "threshold": "failures in a row",
    "failure_rate": "too many failures",
    "slow_rate": "too many slow calls",
    "trials_too_long": "its trials took too long",
    "recovered": "its trials succeeded",
    "person": "by a person",
    "expired": "its time was over",
}
_BECAME = {
    BreakerState.CLOSED: "is closed again",
    BreakerState.OPEN: "opened",
    BreakerState.FORCED_OPEN: "is held open",
    BreakerState.DISABLED: "is off and never opens",
    BreakerState.METRICS_ONLY: "only watches",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """A headline, and what stands under it."""

    severity: Severity
    headline: str
    details: tuple[str, ...] = ()


def letter_of(notices: Sequence[Notice], *, place: str, link: str = "", dropped: int = 0) -> Letter:
    """The message for these notices, at least one. `place`: the name of this installation; `dropped`: notices that are not among them."""
    lines = _lines(collapsed(notices))
    lines.sort(key=lambda line: -line.severity.rank)
    more = len(lines) - 1
    title = f"[{place}] {lines[0].headline}" + (f", and {more} more" if more else "")
    body = ["While it was quiet:"] if any(notice.is_held for notice in notices) else []
    for line in lines:
        body += [line.headline, *(f"- {detail}" for detail in line.details)]
    if dropped:
        body.append(f"{_counted(dropped, 'older notice')} did not fit and {'is' if dropped == 1 else 'are'} left out.")
    if link:
        body.append(link)
    return Letter(one_line(title), "\n".join(body), worst(notices))


def trial_letter(place: str, by: str, link: str = "") -> Letter:
    """What the test button sends."""
    body = f"{one_line(by)} asked for it. Notifications of this channel arrive here."
    return Letter(f"[{place}] This is a test", f"{body}\n{link}".strip(), Severity.INFO)


def one_line(text: str) -> str:
    """A text from outside as part of a line: printable, short."""
    return "".join(character if character.isprintable() else " " for character in text)[:_LONGEST].strip()


def listed(names: Sequence[str]) -> str:
    """Names as a person says them: a, b and c; the first twenty, and how many more."""
    shown, more = list(names[:_NAMED]), len(names) - _NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _lines(notices: Sequence[Notice]) -> list[_Line]:
    """One line for each kind of thing."""
    return [*_of_alerts(notices), *_of_sources(notices), *(_of_breaker(one) for one in notices if one.topic is Topic.BREAKERS)]


def _of_alerts(notices: Iterable[Notice]) -> list[_Line]:
    """What opened, what is over, what was both."""
    alerts = [notice for notice in notices if notice.topic is Topic.ALERTS]
    alerts.sort(key=lambda notice: -notice.severity.rank)
    lines = []
    for became, one, many in (
        (OPENED, "", "{count} alerts"),
        (RESOLVED, "Over: ", "{count} alerts are over"),
        (PASSED, "Over again: ", "{count} alerts opened and are over again"),
    ):
        found = [notice for notice in alerts if notice.became == became]
        told = tuple(_alert(notice) for notice in found)
        if len(found) == 1:
            lines.append(_Line(found[0].severity, f"{one}{told[0]}"))
        elif found:
            left = len(told) - _NAMED
            details = (*told[:_NAMED], f"and {left} more") if left > 0 else told
            lines.append(_Line(found[0].severity, many.format(count=len(found)), details))
    return lines


def _alert(notice: Notice) -> str:
    """One alert: its severity and its sentence."""
    return f"{notice.severity.value.capitalize()}: {one_line(notice.says)}"


def _of_sources(notices: Sequence[Notice]) -> list[_Line]:
    """Which sources are how; one that an alert of the same message speaks for is left out."""
    by_end: dict[str, list[Notice]] = {}
    alerted = {notice.subject for notice in notices if notice.topic is Topic.ALERTS and notice.became == OPENED}
    for notice in notices:
        if notice.topic is Topic.SOURCES and not (notice.became == "unhealthy" and notice.subject in alerted):
            end = f"back:{notice.became}" if notice.was == notice.became else notice.became
            by_end.setdefault(end, []).append(notice)
    lines = []
    for end, found in by_end.items():
        names = [one_line(notice.subject) for notice in found]
        is_one = len(found) == 1
        back, _, status = end.rpartition(":")
        state = f"{status} again" if back or status == "healthy" else status
        changed = "changed and " if back else ""
        headline = f"{names[0]} {changed}is {state}" if is_one else f"{len(names)} sources {changed}are {state}: {listed(names)}"
        lines.append(_Line(worst(found), headline))
    return lines


def _of_breaker(notice: Notice) -> _Line:
    """One breaker."""
    became = next((words for state, words in _BECAME.items() if state == notice.became), notice.became)
    why = _CAUSES.get(notice.says, "")
    return _Line(notice.severity, f"Breaker {one_line(notice.subject)} {became}{f': {why}' if why else ''}")


def _counted(number: int, noun: str) -> str:
    """1 notice, 3 notices."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
