"""A PgBouncer's pools as rows for `/sources/[id]`, and what an act on it would do and did, in sentences. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard_app.console import words
from dashboard_app.model.pooler import PoolerAct

ALL = "all"
"""The value of the choice "all databases"; a database cannot be told apart from it by its name, so names carry a mark in front."""
NAME_MARK = "="
_MAXWAIT_WARN_S, _MAXWAIT_BAD_S = 1.0, 15.0
_FULL_WARN, _FULL_BAD = 0.8, 0.9


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool. `tone` is that of what is wrong with it: clients that wait, or servers that are all busy; `fill` a width in percent."""

    key: str
    database: str
    user: str
    clients: str
    waiting: str
    servers: str
    detail: str
    fill: int
    fill_tone: str
    maxwait: str
    tone: str
    mode: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One database to act on."""

    value: str
    word: str


@dataclass(frozen=True, slots=True)
class PoolerPanel:
    """All of it. `paused`: what is paused, in words; "" when nothing is."""

    summary: str = ""
    paused: str = ""
    rows: list[PoolRow] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ActWords:
    """What a dialog says: title, what would happen, and the button."""

    title: str = ""
    effect: str = ""
    button: str = ""
    needs_name: bool = True


ACTS = {
    PoolerAct.PAUSE: ActWords(
        "Pause PgBouncer",
        "Transactions under way end first, then clients wait until you resume. It is taken back when one holds it up for 10 s.",
        "Pause",
    ),
    PoolerAct.RESUME: ActWords("Resume PgBouncer", "Clients that wait go on.", "Resume", needs_name=False),
    PoolerAct.RECONNECT: ActWords(
        "Reconnect PgBouncer",
        "Every server connection is closed as soon as its transaction ends, and made anew: after a failover, or a change of address.",
        "Reconnect",
    ),
}
"""The acts that the page offers."""


def panel(answer: Mapping[str, Any]) -> PoolerPanel:
    """The panel for one answer of `…/pgbouncer/pools`; who waits longest comes first."""
    pools = sorted(answer.get("pools") or (), key=lambda pool: (-float(pool["maxwait_s"]), pool["database"], pool["user"]))
    databases = answer.get("databases") or ()
    names = [str(database["name"]) for database in databases]
    choices = [Choice(ALL, "All databases"), *(Choice(f"{NAME_MARK}{name}", name) for name in names)]
    return PoolerPanel(_summary(answer), _paused(answer), [_row(pool) for pool in pools], choices)


def database_of(choice: str) -> str | None:
    """The database behind a choice; None: all of them."""
    return choice.removeprefix(NAME_MARK) if choice.startswith(NAME_MARK) else None


def done(act: PoolerAct, answer: Mapping[str, Any]) -> str:
    """What an act did, in one sentence."""
    command = str(answer.get("command") or act.value.upper())
    took = words.duration(float(answer.get("took_ms") or 0.0) / 1000)
    after = {PoolerAct.PAUSE: "Clients wait until it is resumed.", PoolerAct.RESUME: "Clients go on."}.get(act, "")
    return f"{command} done in {took}. {after}".strip()


def _row(pool: Mapping[str, Any]) -> PoolRow:
    """One pool."""
    waiting, oldest, size = int(pool["clients_waiting"]), float(pool["maxwait_s"]), pool.get("size")
    busy = int(pool["servers_busy"])
    share = busy / size if size else 0.0
    tone = "bad" if oldest > _MAXWAIT_BAD_S else "warn" if oldest >= _MAXWAIT_WARN_S else "off"
    idle = int(pool["servers_idle"]) + int(pool["servers_used"])
    return PoolRow(
        key=f"{pool['database']} / {pool['user']}",
        database=str(pool["database"]),
        user=str(pool["user"]),
        clients=words.count(int(pool["clients_active"])),
        waiting=words.count(waiting) if waiting else "",
        servers=f"{words.count(busy)} / {words.count(size)}" if size else words.count(busy),
        detail=f"{words.count(idle)} idle",
        fill=min(round(100 * share), 100),
        fill_tone="bad" if share >= _FULL_BAD else "warn" if share >= _FULL_WARN else "n",
        maxwait=words.duration(oldest) if waiting else words.UNKNOWN,
        tone=tone,
        mode=str(pool["mode"]),
    )


def _summary(answer: Mapping[str, Any]) -> str:
    """The pooler as a whole: version, clients of how many."""
    most = answer.get("clients_max")
    of = f" of {words.count(most)}" if most else ""
    return f"PgBouncer {answer.get('version')} · {words.count(answer.get('clients'))}{of} clients"


def _paused(answer: Mapping[str, Any]) -> str:
    """What is paused."""
    if answer.get("paused"):
        return "All of it is paused: clients wait until it is resumed."
    names = [str(database["name"]) for database in answer.get("databases") or () if database.get("paused")]
    return f"{words.listed(names)} {'is' if len(names) == 1 else 'are'} paused: clients wait until it is resumed." if names else ""
