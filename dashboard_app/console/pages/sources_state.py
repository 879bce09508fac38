"""The state of the source list. The URL is the only memory of filters: each change of it comes back through `load`."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import listing, words
from dashboard_app.console.context import console
from dashboard_app.console.glance import glance
from dashboard_app.console.listing import Overview, RowPatch
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows.lanes import LaneRow, RoundRow, lane_row, round_row
from dashboard_app.console.rows.listing import (
    PAGE_ROWS,
    Choice,
    Query,
    kept_order,
    no_match,
    segments,
)
from dashboard_app.console.rows.sources import SourceRow
from dashboard_app.console.session import assign, principal_of, take
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.health import HealthStatus
from dashboard_app.policy.permission import require

POLICY = {
    "sources_state.load": "sources.read",
    "sources_state.search_for": "sources.read",
    "sources_state.again": "sources.read",
    "sources_state.refresh": "loader.refresh",
}
"""Event handler → the action it needs."""


class SourcesState(rx.State):
    """What the list shows: at most 50 rows, sent whole once and then by `patch`."""

    verdict: str = ""
    lede: str = ""
    health_lane: LaneRow = LaneRow()
    metrics_lane: LaneRow = LaneRow()
    last_round: RoundRow = RoundRow()
    pool_note: str = ""

    rows: list[SourceRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    patch: RowPatch = RowPatch(0, [])
    is_loading: bool = True
    is_first_run: bool = False
    empty_words: str = ""

    search: str = ""
    search_turn: int = 0
    """Grows when the text was changed by a link, not by typing: the field then starts anew with it."""
    states: list[Choice] = []  # noqa: RUF012 - as above
    state_counts: list[str] = []  # noqa: RUF012 - as above
    kinds: list[Choice] = []  # noqa: RUF012 - as above
    environments: list[Choice] = []  # noqa: RUF012 - as above
    tags: list[Choice] = []  # noqa: RUF012 - as above
    sort: Choice = Choice("Worst first", "/", is_on=True)
    range_words: str = ""
    changed_words: str = ""
    previous_href: str = ""
    next_href: str = ""

    _query: Query = Query()
    _typed: str = ""
    _order: tuple[int, ...] = ()
    _sorted_as: tuple[Mapping[int, HealthStatus], ...] = ()
    _shown: tuple[SourceRow, ...] = ()
    _given: tuple[Mapping[str, Any], ...] = ()
    """What the words were given last. All these are tuples, for Reflex watches over whatever is in anything else."""

    @rx.event
    async def load(self) -> None:
        """Show the list that the URL asks for, at once from what is known."""
        query = Query.parse(dict(self.router.url.query_parameters))
        if await enter(self, "sources", visible=_first_ids(query)) is None:
            return
        self._query = query
        if query.search != self._typed:
            self._typed, self.search, self.search_turn = query.search, query.search, self.search_turn + 1
        self._sort()
        _show(self, whole=True)

    @rx.event
    def search_for(self, text: str) -> Any:
        """Put the text of the filter into the URL."""
        self._typed = text.strip()
        return rx.redirect(self._query.href(search=self._typed), replace=True)

    @rx.event
    async def again(self) -> None:
        """Sort again and send every row."""
        if await principal_of(self) is not None:
            self._sort()
            _show(self, whole=True)

    @rx.event
    async def refresh(self) -> None:
        """Start a round, or join the one that runs."""
        shell = await self.get_state(ShellState)
        principal = await principal_of(self)
        try:
            require(principal, "loader.refresh")
            joined = console().loader.refresh()
            shell._say("A round is under way; this joins it" if joined else "A round has started")  # noqa: SLF001 - the frame's own way
        except SpillwayError as failure:
            shell._say(words.told(failure), "warn")  # noqa: SLF001 - as above
        _show(self, fresh=True)

    def _sort(self) -> None:
        """Bring the order up to date and remember which states it was made by."""
        now = listing.overview(console(), self._query)
        self._order, self._sorted_as = now.order, (now.statuses,)


async def render(root: Any, _params: dict[str, Any]) -> None:
    """Bring the page of one connected client up to date; only what changed is sent."""
    fill(await root.get_state(ShellState))
    _show(await root.get_state(SourcesState))


def _first_ids(query: Query) -> list[int]:
    """The ids on the page that `query` asks for: the loader reads them first."""
    order = listing.overview(console(), query).order
    first = _first_place(query, len(order))
    return list(order[first : first + PAGE_ROWS])


def _first_place(query: Query, total: int) -> int:
    """Where the page that `query` asks for begins; past the end it is the last page."""
    return min((query.page - 1) * PAGE_ROWS, max(total - 1, 0) // PAGE_ROWS * PAGE_ROWS)


def look() -> object:
    """Differs when an open list would change, whatever its query is."""
    services = console()
    now = glance(services)
    return (*now.frame_look, services.snapshot.list_version, now.kept("lanes", lambda: _lanes(services)))


def _show(page: SourcesState, *, whole: bool = False, fresh: bool = False) -> None:
    """Assign what changed: the words, the lanes, and the rows as a patch unless `whole` or other rows are on the page."""
    services, query = console(), page._query  # noqa: SLF001 - this page's own
    now = glance(services, fresh=fresh)
    overview = now.kept(("overview", query), lambda: listing.overview(services, query))
    words_now = now.kept(("words", query), lambda: _words(services, query, overview) | now.kept("lanes", lambda: _lanes(services)))
    take(page, page._given[0] if page._given else {}, words_now)  # noqa: SLF001 - as above
    page._given = (words_now,)  # noqa: SLF001 - as above
    _show_rows(page, services, overview, whole=whole)


def _lanes(services: Any) -> dict[str, Any]:
    """What stands above the list, whatever the query: how far the lanes are, and the limits."""
    progress = services.loader.progress()
    return {
        "health_lane": lane_row(progress.lanes["health"]),
        "metrics_lane": lane_row(progress.lanes["metrics"]),
        "last_round": round_row(progress.last_round),
        "pool_note": _pool_note(services),
    }


def _words(services: Any, query: Query, now: Overview) -> dict[str, Any]:
    """What is said about the list, and the filters."""
    is_known = services.snapshot.sources_at is not None or bool(services.snapshot.sources)
    return {
        "is_loading": not is_known,
        "is_first_run": is_known and not services.snapshot.sources,
        "verdict": now.verdict,
        "lede": now.lede,
        "states": segments(query),
        "state_counts": now.counts,
        "kinds": now.kinds,
        "environments": now.environments,
        "tags": now.tags,
        "sort": _sort_choice(query),
    }


def _show_rows(page: SourcesState, services: Any, now: Overview, *, whole: bool) -> None:
    """The rows of this page of the list, and the words at its foot."""
    query = page._query  # noqa: SLF001 - this page's own
    if page._order != now.order:  # noqa: SLF001 - as above
        page._order = kept_order(page._order, now.order)  # noqa: SLF001 - as above
    order = page._order  # noqa: SLF001 - as above
    first = _first_place(query, len(order))
    rows = glance(services).rows(order[first : first + PAGE_ROWS])
    shown = {row.id: row for row in page._shown}  # noqa: SLF001 - as above
    if whole or [row.id for row in rows] != list(shown):
        page.rows, page.patch = rows, RowPatch(page.patch.seq + 1, [])
    elif patch := listing.changed(shown, rows):
        page.patch = RowPatch(page.patch.seq + 1, patch)
    page._shown = tuple(rows)  # noqa: SLF001 - as above
    sorted_as = page._sorted_as[0] if page._sorted_as else {}  # noqa: SLF001 - as above
    is_moved = sorted_as is not now.statuses
    moved = sum(1 for source_id, was in sorted_as.items() if now.statuses.get(source_id, was) is not was) if is_moved else 0
    assign(
        page,
        empty_words=no_match(query) if not order and services.snapshot.sources else "",
        range_words=f"{first + 1}–{first + len(rows)} of {words.count(len(order))}" if rows else "",  # noqa: RUF001 - a range's own dash
        changed_words=f"{words.plural(moved, 'row')} changed state since:" if moved and query.sort == "worst" else "",
        previous_href=query.href(page=first // PAGE_ROWS) if first else "",
        next_href=query.href(page=first // PAGE_ROWS + 2) if first + PAGE_ROWS < len(order) else "",
    )


def _sort_choice(query: Query) -> Choice:
    """How the list is sorted, and the link to the other way."""
    if query.sort == "name":
        return Choice("By name", query.href(sort="worst"), is_on=False)
    return Choice("Worst first", query.href(sort="name"), is_on=True)


def _pool_note(services: Any) -> str:
    """What clients are told, in short."""
    reading = services.snapshot.throttling
    if reading is None:
        return "The server has not said its level yet"
    config = reading.value
    apart = words.duration(config.request_delay_ms / 1000)
    return f"{config.max_concurrent_requests} at once, {config.max_requests_per_minute} a minute, {apart} apart"
