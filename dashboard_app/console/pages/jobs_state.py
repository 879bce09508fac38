"""The state of `/jobs`: the ledger, one page of jobs, the dead letters."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import jobs as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotFound, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed

POLICY = {
    "jobs_state.load": "jobs.read",
    "jobs_state.read": "jobs.read",
    "jobs_state.filter_by": "jobs.read",
    "jobs_state.flush": "jobs.write",
    "jobs_state.retry": "jobs.dead_letters",
    "jobs_state.ask_discard": "jobs.dead_letters",
    "jobs_state.set_asking": "jobs.dead_letters",
    "jobs_state.discard": "jobs.dead_letters",
}
"""Event handler → the action it needs."""
_LETTERS = 20


class JobsState(rx.State):
    """The URL is the only memory of filters."""

    is_loading: bool = True
    is_offered: bool = True
    ledger: rows.Ledger = rows.Ledger()
    facts: list[rows.Fact] = rows.NO_FACTS
    charts: list[rows.JobChart] = rows.NO_CHARTS
    statuses: list[rows.StatusChoice] = []  # noqa: RUF012 - as above
    is_estimate: bool = False
    jobs: list[rows.JobRow] = []  # noqa: RUF012 - as above
    letters: list[rows.LetterRow] = []  # noqa: RUF012 - as above
    sees_letters: bool = False
    kind: str = ""
    nothing: str = ""
    older: str = ""
    newest: str = ""
    failure: str = ""
    result: str = ""
    is_busy: bool = False
    news: int = 0
    """Changes when jobs have changed: the page reads again then."""
    asking: rows.LetterRow = rows.LetterRow(0, "", "", "", "", "")
    is_asking: bool = False

    _query: rows.Query = rows.Query()

    @rx.event
    async def load(self) -> AsyncIterator[None]:
        """Show what the URL asks for: the jobs themselves as soon as they are read, the rest when it comes."""
        self._query = rows.Query.parse(dict(self.router.url.query_parameters))
        principal = await enter(self, "jobs")
        if principal is None:
            return
        self.kind = self._query.kind
        async for _ in self._read(principal):
            yield

    @rx.event
    async def read(self) -> None:
        """Read again; an open page asks every few seconds."""
        principal = await principal_of(self)
        if principal is not None and not self.is_busy:
            await self._read_all(principal)

    @rx.event
    def filter_by(self, form: dict[str, Any]) -> Any:
        """Put the kind into the URL."""
        return rx.redirect(self._query.href(kind=str(form.get("kind", "")).strip()))

    @rx.event
    async def flush(self) -> None:
        """Write what waits, at once."""
        await self._act(console().jobs.flush, lambda done: f"{words.count(done)} flushed")

    @rx.event
    async def retry(self, letter_id: int) -> None:
        """Queue a dead letter once more."""
        await self._act(lambda principal: console().jobs.retry(principal, letter_id), lambda _: f"Letter {letter_id} is queued again")

    @rx.event
    def ask_discard(self, letter_id: int) -> None:
        """Ask before a dead letter is deleted."""
        found = next((letter for letter in self.letters if letter.id == letter_id), None)
        if found is not None:
            self.asking, self.is_asking = found, True

    @rx.event
    def set_asking(self, is_open: bool) -> None:
        """Open or close the question."""
        self.is_asking = is_open

    @rx.event
    async def discard(self) -> None:
        """Delete the dead letter that was asked about."""
        letter = self.asking
        self.is_asking = False
        await self._act(
            lambda principal: console().jobs.discard(principal, letter.id), lambda _: f"The update for job {letter.job} is deleted"
        )

    async def _act(self, act: Any, told: Any) -> None:
        """Do what a person asked, say what came of it, and read anew."""
        principal = await principal_of(self)
        if principal is None or self.is_busy:
            return
        self.is_busy = True
        try:
            self.result = told(await act(principal))
        except SpillwayError as failure:
            self.result = words.told(failure)
        finally:
            self.is_busy = False
        await self._read_all(principal)

    async def _read_all(self, principal: Principal) -> None:
        """`_read`, to its end."""
        async for _ in self._read(principal):
            pass

    async def _read(self, principal: Principal) -> AsyncIterator[None]:
        """The page of jobs, then the ledger, the counts, the past and the dead letters; a failure keeps what is shown and says so.

        All are asked at once, the page first: calls leave one by one, and its rows are what people came for. Yields when they are there.
        """
        calls = console().jobs
        self.sees_letters = allowed(principal.role, "jobs.dead_letters")
        wanted = [calls.page(principal, self._query.params()), calls.stats(principal), calls.counts(principal), _past(principal)]
        if self.sees_letters:
            wanted.append(calls.dead_letters(principal, _LETTERS))
        asked = [asyncio.ensure_future(one) for one in wanted]
        every = asyncio.gather(*asked, return_exceptions=True)
        await asyncio.wait(asked[:1])
        if asked[0].exception() is None:
            self._show_page(asked[0].result())
            yield
        found = await every
        failures = [one for one in found if isinstance(one, BaseException)]
        for failure in failures:
            if not isinstance(failure, SpillwayError):
                raise failure
        self.is_offered = not any(isinstance(failure, NotFound) for failure in failures)
        self.failure = words.told(failures[0]) if failures and self.is_offered and isinstance(failures[0], SpillwayError) else ""
        _page, stats, counts, past, *letters = (None if isinstance(one, BaseException) else one for one in found)
        self._show(stats, counts)
        if not isinstance(found[3], BaseException):
            assign(self, charts=rows.charts(past))
        if letters and letters[0] is not None:
            assign(self, letters=rows.letter_rows(letters[0]))

    def _show_page(self, page: Any) -> None:
        """Assign one page of jobs."""
        self.is_loading = False
        assign(
            self,
            jobs=rows.job_rows(page),
            older=rows.older_href(self._query, page),
            newest=self._query.href() if self._query.before else "",
            nothing="" if page else rows.empty_words(self._query),
        )

    def _show(self, stats: Any, counts: Any) -> None:
        """Assign the figures that were read; None: keep what is shown."""
        self.is_loading = False
        if stats is not None:
            assign(self, ledger=rows.ledger(stats), facts=rows.facts(stats))
        if counts is not None or not self.statuses:
            assign(self, statuses=rows.statuses(self._query, counts), is_estimate=bool(counts and counts["is_estimate"]))


async def _past(principal: Principal) -> dict[str, Any] | None:
    """What the updater wrote in the last minutes; None where the server does not say."""
    try:
        return await console().jobs.past(principal)
    except NotFound:
        return None


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring the frame of an open `/jobs` up to date; the page itself asks for its rows."""
    fill(await root.get_state(ShellState))
    assign(await root.get_state(JobsState), news=console().jobs_news)
