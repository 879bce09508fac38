"""`/audit`: who did what, and did it work. For admins."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.fields import submit
from dashboard_app.console.components.icons import icon, icon_of
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.context import audit, console
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import audit as rows
from dashboard_app.console.session import assign
from dashboard_app.model.errors import SpillwayError
from dashboard_app.policy.permission import allowed

POLICY = {"audit_state.load": "console.watch", "audit_state.filter_by": "audit.read", "audit_state.verify": "audit.read"}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""

_MOST_VERIFIED = 100_000


class AuditState(rx.State):
    """One page of the log; the URL is the only memory of filters."""

    is_refused: bool = False
    is_loading: bool = True
    entries: list[rows.AuditLine] = []  # noqa: RUF012 - Reflex copies a state's defaults
    ranges: list[rows.RangeChoice] = []  # noqa: RUF012 - as above
    actor: str = ""
    action: str = ""
    stamp: str = "|"
    """The filters that are in force: other ones start the fields anew."""
    older: str = ""
    export: str = ""
    newest: str = ""
    nothing: str = ""
    failure: str = ""
    is_verifying: bool = False
    chain: rows.Chain = rows.Chain()

    _query: rows.Query = rows.Query()

    @rx.event
    async def load(self) -> None:
        """Show the rows that the URL asks for."""
        query = rows.Query.parse(dict(self.router.url.query_parameters))
        principal = await enter(self, "audit")
        if principal is None:
            return
        self._query = query
        self.is_refused = not allowed(principal.role, "audit.read")
        if self.is_refused:
            assign(self, entries=[], chain=rows.Chain())
        else:
            await self._read(query)

    async def _read(self, query: rows.Query) -> None:
        """One page from the log; a failure keeps the frame and says so."""
        found: list[Any] = []
        failure = ""
        try:
            found = await audit().page(
                actor=query.actor or None,
                action=query.action or None,
                since=query.since(console().clock.now()),
                limit=rows.PAGE_ROWS + 1,
                before=query.before or None,
            )
        except SpillwayError as problem:
            failure = f"The audit log could not be read: {problem.detail}"
        assign(
            self,
            is_loading=False,
            entries=rows.lines(found),
            ranges=rows.ranges(query),
            actor=query.actor,
            action=query.action,
            stamp=f"{query.actor}|{query.action}",
            older=rows.older_href(query, found),
            export=query.export_href(console().clock.now()),
            newest=query.href() if query.before else "",
            nothing="" if found or failure else rows.empty_words(query),
            failure=failure,
        )

    @rx.event(background=True)
    async def verify(self) -> None:
        """Walk the newest part of the log's chain."""
        async with self:
            if self.is_verifying:
                return
            self.is_verifying = True
        try:
            await permitted(self, "audit.read")
            found = rows.chain(await audit().chain.verify(newest=_MOST_VERIFIED))
        except SpillwayError as problem:
            found = rows.Chain(f"The log could not be verified. {problem.detail}", "warn", "triangle-alert")
        async with self:
            assign(self, is_verifying=False, chain=found)

    @rx.event
    def filter_by(self, form: dict[str, Any]) -> Any:
        """Put the filters into the URL."""
        return rx.redirect(self._query.href(actor=str(form.get("actor", "")).strip(), action=str(form.get("action", "")).strip()))


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring the frame of an open `/audit` up to date; the log itself is read when asked for."""
    fill(await root.get_state(ShellState))


def page() -> rx.Component:
    """The log, or why it is not shown."""
    return shell("audit", rx.cond(AuditState.is_refused, refused("The audit log needs the admin role."), _log()))


def _log() -> rx.Component:
    """Filters, rows, paging."""
    state = AuditState
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h1("Who did what, and did it work"),
                rx.el.p("Newest first. A row is on disk before its act begins; secrets are never in it.", class_name="lede"),
            ),
            rx.el.div(
                rx.el.button(
                    icon("shield-check", 15),
                    rx.cond(state.is_verifying, "Verifying…", "Verify"),
                    type="button",
                    class_name="btn",
                    disabled=state.is_verifying | ~rx.State.is_hydrated,
                    title="Was a row changed, put in or taken out? Looks at the newest 100,000",
                    on_click=AuditState.verify,
                    custom_attrs={"data-testid": "verify-audit"},
                ),
                rx.el.a(
                    icon("download", 15),
                    "Export CSV",
                    rx.el.span(" of these filters, the newest 10,000 rows", class_name="unseen"),
                    href=state.export,
                    download=True,
                    custom_attrs={"reloadDocument": True},
                    class_name="btn",
                    title="The rows of these filters, the newest 10,000; the export is recorded, too",
                ),
                class_name="pa",
            ),
            class_name="ph",
        ),
        _filters(),
        _chain(),
        failed(state.failure),
        rx.el.div(
            rx.el.div(*(rx.el.span(word) for word in ("At", "Actor", "Action", "Object", "Result", "Request")), class_name="arow ahead"),
            rx.el.ul(rx.foreach(state.entries, _row), class_name="alist"),
            rx.cond(state.nothing != "", rx.el.p(state.nothing, class_name="empty-line"), rx.fragment()),
            rx.cond(state.is_loading, rx.el.p("Reading the log…", class_name="empty-line"), rx.fragment()),
            rx.el.div(
                rx.cond(state.newest != "", link("Newest", to=state.newest, class_name="btn sm"), rx.fragment()),
                rx.cond(state.older != "", link("Older", to=state.older, class_name="btn sm"), rx.fragment()),
                class_name="foot end",
            ),
            class_name="panel audit",
        ),
        class_name="page",
    )


def _chain() -> rx.Component:
    """What the last walk found; the room is there only once somebody asked."""
    chain = AuditState.chain
    said = rx.el.div(
        rx.el.p(
            rx.el.span(icon_of(chain.icon, ("octagon-x", "shield-check", "triangle-alert"), 16), class_name=f"tic t-{chain.tone}"),
            rx.el.b(chain.text),
        ),
        rx.cond(
            chain.head != "",
            rx.el.p(
                "Kept elsewhere, this shows later that nothing was cut off: ",
                rx.el.code(chain.head),
                class_name="quiet",
            ),
            rx.fragment(),
        ),
        class_name="panel achain",
        custom_attrs={"data-testid": "audit-chain", "data-tone": chain.tone},
    )
    return rx.el.div(rx.cond(chain.text != "", said, rx.fragment()), role="status")


def _filters() -> rx.Component:
    """Actor, action and range; Enter or the button applies them."""
    state = AuditState
    return rx.el.form(
        _field("actor", "Actor", "name or token", state.actor),
        _field("action", "Action", "pool.cleanup", state.action),
        submit("Filter", "btn"),
        rx.el.nav(rx.foreach(state.ranges, _range), class_name="seg sm2", custom_attrs={"aria-label": "Range"}),
        rx.cond((state.actor != "") | (state.action != ""), link("Clear filters", to="/audit", class_name="lnk"), rx.fragment()),
        on_submit=AuditState.filter_by,
        class_name="filters",
        key=state.stamp,
        role="search",
    )


def _field(name: str, label: str, hint: str, value: rx.Var[str]) -> rx.Component:
    """One text filter with its label."""
    return rx.el.label(rx.el.span(label), rx.el.input(name=name, placeholder=hint, default_value=value, max_length=200), class_name="fld")


def _range(choice: rx.Var) -> rx.Component:
    """One range."""
    return link(
        choice.word,
        to=choice.href,
        class_name=rx.cond(choice.is_on, "on", ""),
        custom_attrs={"aria-current": rx.cond(choice.is_on, "true", "false")},
    )


def _row(line: rx.Var) -> rx.Component:
    """One act; it opens to its details."""
    result = rx.cond(
        line.tone == "off",
        rx.el.span(line.result, class_name="quiet"),
        rx.el.span(icon_of(line.icon, ("circle-check", "triangle-alert"), 14), line.result, class_name=f"badge t-{line.tone}"),
    )
    return rx.el.li(
        rx.el.details(
            rx.el.summary(
                sentence(line.at, class_name="num a-at"),
                rx.el.b(line.actor, class_name="cut a-actor"),
                rx.el.span(line.action, class_name="mono cut a-action"),
                rx.el.span(line.target, class_name="cut a-target", title=line.target),
                rx.el.span(result, class_name="a-result"),
                rx.el.span(line.request_id, class_name="mono cut quiet a-request", title=line.request_id),
                class_name="arow",
            ),
            _details(line),
            _differences(line),
        ),
        key=line.key,
    )


def _details(line: rx.Var) -> rx.Component:
    """What belongs to one act."""
    return rx.el.dl(
        rx.cond(
            line.is_waiting,
            rx.el.div(rx.el.dt("kept in"), rx.el.dd("the journal on disk; it goes to the database as soon as that answers")),
            rx.fragment(),
        ),
        rx.el.div(rx.el.dt("object"), rx.el.dd(line.target)),
        rx.el.div(rx.el.dt("request"), rx.el.dd(rx.cond(line.request_id != "", line.request_id, "not known"), class_name="mono")),
        rx.foreach(line.details, lambda detail: rx.el.div(rx.el.dt(detail.name), rx.el.dd(detail.value))),
        class_name="adetails",
    )


def _differences(line: rx.Var) -> rx.Component:
    """Before and after as two columns, one row a field."""
    head = rx.el.tr(*(rx.el.th(word, scope="col") for word in ("Field", "Before", "After")))
    table = rx.el.table(rx.el.thead(head), rx.el.tbody(rx.foreach(line.differences, _difference)), class_name="adiff")
    return rx.cond(line.differences.length() > 0, table, rx.fragment())


def _difference(one: rx.Var) -> rx.Component:
    """One field."""
    return rx.el.tr(rx.el.th(one.name, scope="row"), rx.el.td(one.before), rx.el.td(one.after, class_name="new"))
