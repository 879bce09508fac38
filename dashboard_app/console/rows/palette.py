"""What the command palette finds: sources, pages and actions, as typed or in the order they were last used. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboard_app.console import theme, words
from dashboard_app.console.rows.sources import address
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.source import Source
from dashboard_app.model.user import Role
from dashboard_app.policy.permission import allowed

HITS_AT_MOST = 60
RECENT_AT_MOST = 12
LONGEST_TEXT = 100
_NO_MATCH = 9
_STATE_ORDER = {status: place for place, status in enumerate(theme.WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the palette. `id` is what the browser remembers it by; `href` a page to go to, empty: stay here.

    `press` is a selector of what is pressed then. A dangerous action is never run from here: its own button is pressed,
    and that button asks first.
    """

    id: str
    name: str
    note: str = ""
    figure: str = ""
    icon: str = ""
    tone: str = "n"
    href: str = ""
    press: str = ""


@dataclass(frozen=True, slots=True)
class _Command:
    """A page or an action, and the action of the permission table that it needs."""

    hit: Hit
    needs: str = "console.watch"
    only_demo: bool = False
    only_live: bool = False


_COMMANDS = (
    _Command(Hit("page:sources", "Sources", "Page", "g s", "database", href="/")),
    _Command(Hit("page:pool", "Pool", "Page", "g p", "gauge", href="/pool")),
    _Command(Hit("page:breakers", "Breakers", "Page", "g b", "shield-check", href="/breakers")),
    _Command(Hit("page:jobs", "Jobs", "Page", "g j", "list-checks", href="/jobs")),
    _Command(Hit("page:events", "Events", "Page", "g e", "radio", href="/events")),
    _Command(Hit("page:alerts", "Alerts", "Page", "g a", "bell", href="/alerts"), "alerts.read"),
    _Command(Hit("page:audit", "Audit", "Page", "g u", "scroll-text", href="/audit"), "audit.read"),
    _Command(Hit("page:users", "Users", "Page", "", "users", href="/users"), "users.read"),
    _Command(Hit("page:tokens", "API tokens", "Page", "", "key-round", href="/tokens"), "tokens.read"),
    _Command(Hit("page:account", "Your account", "Page", "", "user-round", href="/account")),
    _Command(Hit("page:settings", "Settings", "Page", "g t", "settings", href="/settings"), "settings.read"),
    _Command(Hit("page:drill", "Drill", "Page", "g d", "flask-conical", href="/drill"), "drill.run", only_demo=True),
    _Command(Hit("page:wall", "Wall", "Page", "g w", "monitor", href="/wall")),
    _Command(
        Hit("do:refresh", "Refresh now", "Start a round of the sources", "r", "refresh-cw", press="#palette-refresh"),
        "loader.refresh",
        only_live=True,
    ),
    _Command(
        Hit("do:cleanup", "Clean up…", "Dry run first", "", "brush-cleaning", href="/pool", press="[data-testid='force-cleanup']"),
        "pool.cleanup",
    ),
    _Command(
        Hit("do:add", "Add source…", "", "", "plus", href="/", press="[data-testid='add-source']"),
        "sources.write",
        only_live=True,
    ),
    *(
        _Command(
            Hit(f"do:{verb}:{name}", words_, note, "", symbol, href="/breakers", press=f"[data-act='{state}'][data-breaker='{name}']"),
            "breakers.write",
        )
        for name in ("api", "websocket")
        for verb, words_, note, symbol, state in (
            ("hold", f"Hold breaker {name} open…", "Asks for a reason", "lock", "forced_open"),
            ("close", f"Close breaker {name}…", "Asks for a reason", "shield-check", "closed"),
        )
    ),
    _Command(Hit("do:theme", "Switch theme", "Light or dark", "", "sun-moon", press="[data-press='theme']")),
    _Command(Hit("do:keys", "Keyboard shortcuts", "", "?", "keyboard", press="[data-opens='keys']")),
)
COMMAND_ICONS = tuple(sorted({command.hit.icon for command in _COMMANDS}))


def commands(role: Role, *, is_demo: bool, is_fallback: bool) -> list[Hit]:
    """The pages and actions that `role` may use now, in their fixed order."""
    return [
        command.hit
        for command in _COMMANDS
        if allowed(role, command.needs) and (is_demo or not command.only_demo) and not (is_fallback and command.only_live)
    ]


def source_hits(sources: Iterable[Source], statuses: Mapping[int, HealthStatus], metrics: Mapping[int, Mapping[str, Any]]) -> list[Hit]:
    """One line per source, worst first, then by name; its connections when they are known."""

    def key(source: Source) -> tuple[int, str]:
        return _STATE_ORDER[statuses.get(source.id, HealthStatus.UNKNOWN)] if source.enabled else len(_STATE_ORDER), source.name.casefold()

    return [_source_hit(one, statuses.get(one.id, HealthStatus.UNKNOWN), metrics.get(one.id, {})) for one in sorted(sources, key=key)]


def found(hits: Iterable[Hit], text: str, recent: list[str], limit: int = HITS_AT_MOST) -> list[Hit]:
    """The hits that fit `text`, best first; equal ones by how recently they were used, then as given. At most `limit`."""
    last_used = {hit_id: place for place, hit_id in enumerate(recent)}
    asked = text.casefold().split()
    ranked = [
        (score, last_used.get(hit.id, len(last_used)), place, hit)
        for place, hit in enumerate(hits)
        if (score := _score(hit, asked)) < _NO_MATCH
    ]
    return [hit for *_, hit in sorted(ranked, key=lambda one: one[:3])[:limit]]


def in_place(hits: Iterable[Hit], shown: Iterable[str]) -> list[Hit]:
    """The hits in the order of the ids that are `shown`; those that are not come after them, as given."""
    places = {hit_id: place for place, hit_id in enumerate(shown)}
    return sorted(hits, key=lambda hit: places.get(hit.id, len(places)))


def _source_hit(source: Source, status: HealthStatus, metrics: Mapping[str, Any]) -> Hit:
    """A source with its state and what its connections are."""
    look = theme.STATUS[status] if source.enabled else theme.PAUSED
    used, limit = metrics.get("connections_used"), metrics.get("connections_max")
    return Hit(
        id=f"source:{source.id}",
        name=source.name,
        note=" · ".join((look.word, address(source), *source.tags)),
        figure=f"{words.count(used)} / {words.count(limit)}" if used is not None and limit else "",
        icon=look.icon,
        tone=look.tone,
        href=f"/sources/{source.id}",
    )


def _score(hit: Hit, asked: list[str]) -> int:
    """0 is best; _NO_MATCH when a word fits nowhere. The worst word decides."""
    name, rest = hit.name.casefold(), hit.note.casefold()
    return max((_word_score(word, name, rest) for word in asked), default=0)


def _word_score(word: str, name: str, rest: str) -> int:
    """How well one word fits: start of the name, start of one of its words, inside, in the rest, letters in order."""
    if name.startswith(word):
        return 0
    place = name.find(word)
    if place > 0:
        return 2 if name[place - 1].isalnum() else 1
    if word in rest:
        return 3
    return 4 if _in_order(word, name) else _NO_MATCH


def _in_order(word: str, name: str) -> bool:
    """True when the letters of `word` occur in `name` in this order: blpr in billing-primary."""
    letters = iter(name)
    return len(word) > 1 and all(letter in letters for letter in word)
