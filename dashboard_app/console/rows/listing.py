"""Which sources the list shows, in which order: filters from the URL, worst first, 50 a page. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from dashboard_app.console import theme, words
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.source import Source, SourceKind

PAGE_ROWS = 50
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for. Empty words do not filter; `page` counts from 1."""

    search: str = ""
    status: str = ""
    kind: str = ""
    environment: str = ""
    tag: str = ""
    sort: str = "worst"
    page: int = 1

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Read the query string; what it does not understand, it leaves out."""
        page = params.get("page", "1")
        status, kind = params.get("status", ""), params.get("kind", "")
        return cls(
            search=params.get("q", "").strip()[:_LONGEST_TEXT],
            status=status if status in set(HealthStatus) else "",
            kind=kind if kind in set(SourceKind) else "",
            environment=params.get("env", "")[:_LONGEST_TEXT],
            tag=params.get("tag", "")[:_LONGEST_TEXT],
            sort="name" if params.get("sort") == "name" else "worst",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 and int(page) > 0 else 1,  # noqa: PLR2004 - pages fit six digits
        )

    @property
    def is_filtered(self) -> bool:
        """True when anything is left out."""
        return bool(self.search or self.status or self.kind or self.environment or self.tag)

    def href(self, **changes: str | int) -> str:
        """The address of the list with `changes` made; any change but `page` goes back to the first page."""
        asked = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]  # the names are this class's own
        parts = {
            "q": asked.search,
            "status": asked.status,
            "kind": asked.kind,
            "env": asked.environment,
            "tag": asked.tag,
            "sort": "" if asked.sort == "worst" else asked.sort,
            "page": "" if asked.page == 1 else str(asked.page),
        }
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/?{query}" if query else "/"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to filter by: a link that is on or off. `icon` and `tone` only for states."""

    word: str
    href: str
    is_on: bool
    icon: str = ""
    tone: str = "off"


def matches(source: Source, status: HealthStatus, query: Query) -> bool:
    """True when `source` is in the list that `query` asks for. Text is looked for in name, host, database and tags."""
    if query.search:
        text = " ".join((source.name, source.host, source.database, *source.tags)).casefold()
        if query.search.casefold() not in text:
            return False
    return (
        query.status in ("", status.value)
        and query.kind in ("", source.kind.value)
        and query.environment in ("", source.environment)
        and (not query.tag or query.tag in source.tags)
    )


def ordered(sources: Iterable[Source], statuses: Mapping[int, HealthStatus], query: Query) -> list[int]:
    """The ids that `query` asks for, worst first (paused ones last), then by name; or by name alone."""
    rank = {status: place for place, status in enumerate(theme.WORST_FIRST)}

    def key(source: Source) -> tuple[int, str, int]:
        place = 0 if query.sort == "name" else rank[_status(source, statuses)] if source.enabled else len(rank)
        return place, source.name.casefold(), source.id

    return [source.id for source in sorted((one for one in sources if matches(one, _status(one, statuses), query)), key=key)]


def segments(query: Query) -> list[Choice]:
    """All, then each state, worst first."""
    choices = [Choice("All", query.href(status=""), not query.status)]
    for status in theme.WORST_FIRST:
        look = theme.STATUS[status]
        choices.append(Choice(look.word, query.href(status=status.value), query.status == status.value, look.icon, look.tone))
    return choices


def segment_counts(sources: Iterable[Source], statuses: Mapping[int, HealthStatus], query: Query) -> list[str]:
    """How many sources the other filters leave in each of `segments`, in its order."""
    others = replace(query, status="")
    found = [_status(source, statuses) for source in sources if matches(source, _status(source, statuses), others)]
    return [words.count(len(found)), *(words.count(found.count(status)) for status in theme.WORST_FIRST)]


def kinds(sources: Iterable[Source], query: Query) -> list[Choice]:
    """Any kind, then each kind that is there."""
    there = sorted({source.kind.value for source in sources})
    return _choices(there, query.kind, lambda word: query.href(kind=word))


def environments(sources: Iterable[Source], query: Query) -> list[Choice]:
    """Any environment, then each that is there."""
    there = sorted({source.environment for source in sources if source.environment})
    return _choices(there, query.environment, lambda word: query.href(environment=word))


def tags(sources: Iterable[Source], query: Query) -> list[Choice]:
    """Any tag, then each that is there."""
    there = sorted({tag for source in sources for tag in source.tags})
    return _choices(there, query.tag, lambda word: query.href(tag=word))


def kept_order(order: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """`order` as it is being read: what is gone drops out, what is new comes last. Nothing moves under a finger."""
    there, known = set(wanted), set(order)
    return (*(source_id for source_id in order if source_id in there), *(source_id for source_id in wanted if source_id not in known))


def no_match(query: Query) -> str:
    """Why the list is empty: No source matches 'bil' in Unhealthy."""
    where = [theme.STATUS[HealthStatus(query.status)].word] if query.status else []
    where += [word for word in (query.kind, query.environment, query.tag) if word]
    text = "No source matches" + (f" '{query.search}'" if query.search else "")
    return f"{text} in {', '.join(where)}." if where else f"{text}."


def _choices(there: list[str], chosen: str, href: Callable[[str], str]) -> list[Choice]:
    """Any, then one link per word."""
    return [Choice("any", href(""), not chosen), *(Choice(word, href(word), word == chosen) for word in there)]


def _status(source: Source, statuses: Mapping[int, HealthStatus]) -> HealthStatus:
    """A source that was never checked is unknown."""
    return statuses.get(source.id, HealthStatus.UNKNOWN)
