"""The state of `/events`: the figures, and the tail of the live feed, sent whole once and then only what is new."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import events as rows
from dashboard_app.console.rows.jobs import Fact
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotFound, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed

POLICY = {
    "events_state.load": "events.read",
    "events_state.read": "events.read",
    "events_state.search_for": "events.read",
    "events_state.again": "events.read",
    "events_state.open_row": "events.payload",
    "events_state.close_row": "events.read",
}
"""Event handler → the action it needs."""


class EventsState(rx.State):
    """The URL is the only memory of filters; the browser remembers whether it is paused."""

    verdict: rows.Verdict = rows.Verdict()
    facts: list[Fact] = []  # noqa: RUF012 - Reflex copies a state's defaults
    newest: str = ""
    newest_age_s: float | None = None
    failure: str = ""

    first: list[rows.EventRow] = []  # noqa: RUF012 - as above
    tail: rows.Tail = rows.Tail()
    opened: rows.Detail = rows.Detail()
    may_open: bool = False
    is_loading: bool = True
    nothing: str = ""
    is_filtered: bool = False

    types: list[rows.TypeChoice] = []  # noqa: RUF012 - as above
    search: str = ""
    search_turn: int = 0
    """Grows when the text was changed by a link, not by typing: the field then starts anew with it."""

    _query: rows.Query = rows.Query()
    _typed: str = ""
    _seen: int = 0
    _stats: dict[str, Any] | None = None

    @rx.event
    async def load(self) -> None:
        """Show what the URL asks for."""
        query = rows.Query.parse(dict(self.router.url.query_parameters))
        principal = await enter(self, "events")
        if principal is None:
            return
        self._query = query
        if query.search != self._typed:
            self._typed, self.search, self.search_turn = query.search, query.search, self.search_turn + 1
        _show_whole(self, principal)
        await self._read(principal)

    @rx.event
    async def read(self) -> None:
        """Read the figures again; an open page asks every few seconds."""
        principal = await principal_of(self)
        if principal is not None:
            await self._read(principal)

    @rx.event
    def search_for(self, text: str) -> Any:
        """Put the text of the filter into the URL."""
        self._typed = text.strip()
        return rx.redirect(self._query.href(search=self._typed), replace=True)

    @rx.event
    async def again(self) -> None:
        """Send the rows whole: the browser has missed a part."""
        principal = await principal_of(self)
        if principal is not None:
            _show_whole(self, principal)

    @rx.event
    def open_row(self, seq: int) -> None:
        """Show the data of one message."""
        found = next((one for one in console().feed.entries if one.seq == seq), None)
        self.opened = rows.Detail(seq, note="It is no longer kept here.") if found is None else rows.detail(found)

    @rx.event
    def close_row(self) -> None:
        """Close what is open."""
        self.opened = rows.Detail()

    async def _read(self, principal: Principal) -> None:
        """The figures; a failure keeps what is shown and says so."""
        try:
            self._stats = await console().events.stats(principal)
            failure = ""
        except NotFound:
            failure = "This server has no events."
        except SpillwayError as refused:
            failure = words.told(refused)
        assign(self, failure=failure, is_loading=False)
        _judge(self)


def _judge(page: EventsState) -> None:
    """The verdict and the figures; only what changed is assigned."""
    feed, now, stats = console().feed, console().clock.now(), page._stats  # noqa: SLF001 - this page's own
    newest_at = feed.newest_at
    told = rows.verdict(stats, feed.state, newest_at, now)
    assign(page, verdict=told, facts=rows.facts(stats) if stats else [], nothing=rows.empty_words(page._query, newest_at))  # noqa: SLF001 - as above
    stamp = "" if newest_at is None else f"{newest_at.timestamp():.0f}"
    if stamp != page.newest:
        page.newest = stamp
        page.newest_age_s = None if newest_at is None else max((now - newest_at).total_seconds(), 0.0)


def _show_whole(page: EventsState, principal: Principal) -> None:
    """Send the rows that the page begins with."""
    feed, query, sees = console().feed, page._query, allowed(principal.role, "events.payload")  # noqa: SLF001 - this page's own
    page._seen = feed.seq  # noqa: SLF001 - as above
    page.first = rows.first_rows(feed.entries, query, _names(), sees_payload=sees)
    page.tail = rows.Tail(page.tail.seq + 1)
    assign(
        page, may_open=sees, opened=rows.Detail(), is_filtered=bool(query.type or query.search), types=rows.type_choices(query, feed.types)
    )
    _judge(page)


def _show_new(page: EventsState, principal: Principal) -> None:
    """Send what is new, and nothing else of the list."""
    feed, query = console().feed, page._query  # noqa: SLF001 - this page's own
    if feed.seq == page._seen:  # noqa: SLF001 - as above
        return
    sees = allowed(principal.role, "events.payload")
    found = rows.tail_of(feed.entries, query, page._seen, _names(), sees_payload=sees)  # noqa: SLF001 - as above
    page._seen = feed.seq  # noqa: SLF001 - as above
    if found.rows:
        page.tail = rows.Tail(page.tail.seq + 1, found.rows, found.missed)
    assign(page, types=rows.type_choices(query, feed.types))


def _names() -> dict[int, str]:
    """The names of the sources."""
    return {key: source.name for key, source in console().snapshot.sources.items()}


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/events` and its frame up to date."""
    fill(await root.get_state(ShellState))
    page = await root.get_state(EventsState)
    principal = await principal_of(page)
    if principal is not None:
        _show_new(page, principal)
        _judge(page)
