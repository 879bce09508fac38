"""The state of `/sources/[id]`: one source's display rows, its charts, and Check now."""

import asyncio
from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.pooler_state import PoolerState
from dashboard_app.console.pages.service_state import ServiceState
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.pages.source_reads import read_band, read_charts
from dashboard_app.console.rows import series, tail, timeline
from dashboard_app.console.rows import source as rows
from dashboard_app.console.rows.pool import Fact
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotSignedIn, SpillwayError
from dashboard_app.model.source import OWN_SOURCE_ID, SourceKind
from dashboard_app.policy.permission import allowed, refusal

POLICY = {
    "source_state.load": "console.watch",
    "source_state.read_charts": "sources.read",
    "source_state.check_now": "sources.check",
}
"""Event handler → the action it needs."""
_LONGEST_ID = 12


class SourceState(rx.State):
    """What the page of one source shows."""

    source_number: int = 0
    is_loading: bool = True
    missing: str = ""
    is_enabled: bool = True
    is_own: bool = False
    is_service: bool = False
    is_pooler: bool = False
    verdict: rows.SourceVerdict = rows.SourceVerdict()
    facts: rows.SourceFacts = rows.SourceFacts()
    checks: list[rows.CheckRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    figures: list[Fact] = []  # noqa: RUF012 - as above
    recent: str = ""
    checked_s: float | None = None
    next_s: float | None = None
    checked_stamp: str = ""
    late_s: float = 120.0

    range_key: str = "1h"
    ranges: list[series.RangeChoice] = []  # noqa: RUF012 - as above
    shown_to: float = 0.0
    window_s: float = 3600.0
    charts: list[series.ChartRow] = []  # noqa: RUF012 - as above
    patches: dict[str, dict[str, list[list[float | None]]]] = {}  # noqa: RUF012 - as above
    is_reading: bool = True
    band: timeline.Band = timeline.Band()

    refused_check: str = ""
    refused_write: str = ""
    is_checking: bool = False
    check_result: str = ""
    check_tone: str = ""

    _health_mono: float = 0.0
    _metrics_mono: float = 0.0
    _tails: dict[str, tail.Tail] = {}  # noqa: RUF012 - as above

    @rx.event
    async def load(self) -> Any:
        """Start the page of the source in the URL: what is known at once, its charts right behind."""
        text = self.router.url.path.rstrip("/").rsplit("/", 1)[-1]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID else 0
        chosen = series.range_of(str(self.router.url.query_parameters.get("range", "")))
        principal = await enter(self, "source", {"source_id": number})
        if principal is None:
            return None
        if number != self.source_number:
            assign(self, charts=[], band=timeline.Band(), check_result="", patches={})
            self._tails = {}
        self._health_mono = self._metrics_mono = 0.0
        assign(
            self,
            source_number=number,
            missing="" if number else rows.missing(text[:40]),
            range_key=chosen.key,
            window_s=float(chosen.seconds),
            ranges=series.range_choices(number, chosen.key),
            is_reading=True,
            refused_check="" if allowed(principal.role, "sources.check") else refusal(principal.role, "sources.check"),
            refused_write="" if allowed(principal.role, "sources.write") else refusal(principal.role, "sources.write"),
        )
        self._show()
        if not number or self.missing:
            return None
        beside = [PoolerState.read(number)] if self.is_pooler else [ServiceState.read(number)]
        return [SourceState.read_charts, *beside]

    @rx.event(background=True)
    async def read_charts(self) -> None:
        """Read the last day and the four charts of the chosen range."""
        principal = await principal_of(self)
        if principal is None:
            return
        number, chosen = self.source_number, series.range_of(self.range_key)
        charts, band = await asyncio.gather(read_charts(number, chosen, principal), read_band(number, principal))
        async with self:
            if (number, chosen.key) == (self.source_number, self.range_key):
                self._tails = {row.key: end for row in charts if (end := tail.Tail.of(row)) is not None}
                assign(
                    self, charts=charts, band=band or self.band, is_reading=False, patches={}, shown_to=console().clock.now().timestamp()
                )

    @rx.event(background=True)
    async def check_now(self) -> None:
        """Probe this source at once and say in place what came of it."""
        async with self:
            if self.is_checking:
                return
            assign(self, is_checking=True, check_result="")
        told, tone = await self._checked()
        async with self:
            assign(self, is_checking=False, check_result=told, check_tone=tone)
            self._show()

    async def _checked(self) -> tuple[str, str]:
        """One probe's result in words, and its tone."""
        try:
            principal = await principal_of(self)
            if principal is None:
                raise NotSignedIn
            health = await console().backend.health(self.source_number, principal=principal)
        except SpillwayError as failure:
            return failure.detail, "bad"
        console().snapshot.set_health(health)
        return rows.check_result(health), "ok" if health.status.letter == "o" else "warn" if health.status.letter == "w" else "bad"

    def _show(self) -> None:
        """Bring the page up to date with the console's snapshot; only what changed is assigned."""
        snapshot = console().snapshot
        source = snapshot.sources.get(self.source_number)
        if source is None:
            known = snapshot.sources_at is not None
            text = self.missing or (rows.missing(str(self.source_number)) if known else "")
            assign(self, missing=text, is_loading=not text)
            return
        reading, fallback = snapshot.health.get(source.id), console().fallback()
        health = reading.value if reading else None
        is_live = fallback is None
        at = words.clock(health.checked_at) if health is not None and health.checked_at is not None else ""
        assign(
            self,
            missing="",
            is_loading=False,
            is_enabled=source.enabled,
            is_own=source.id == OWN_SOURCE_ID,
            is_service=source.kind is SourceKind.SERVICE and source.enabled,
            is_pooler=source.kind is SourceKind.PGBOUNCER,
            verdict=rows.verdict(source, health, is_live=is_live, at=at),
            facts=rows.facts(source),
            checks=rows.checks(health),
            recent=snapshot.recent.get(source.id, ""),
        )
        self._show_age(reading, is_live=is_live)
        self._show_metrics(snapshot.metrics.get(source.id))
        self._draw_silence()

    def _show_age(self, reading: Any, *, is_live: bool) -> None:
        """When it was looked at and when it will be, and the latency's next point."""
        now = console().clock.monotonic()
        next_s = console().loader.next_check_s(self.source_number) if is_live and self.is_enabled else None
        late_s = console().settings.health_refetch_s if is_live else 0.01
        planned = "" if next_s is None else f"{now + next_s:.0f}"
        stamp = f"{reading.received_mono:.2f}|{planned}|{is_live}" if reading is not None else f"|{planned}"
        if stamp != self.checked_stamp:
            age = round(reading.age_s(now), 1) if reading is not None else None
            assign(self, checked_stamp=stamp, checked_s=age, next_s=next_s, late_s=late_s)
        if reading is not None and reading.received_mono > self._health_mono:
            self._health_mono = reading.received_mono
            self._append({series.LATENCY: reading.value.latency_ms}, reading.value.checked_at)

    def _show_metrics(self, reading: Any) -> None:
        """The key figures, and the next point of each chart."""
        assign(self, figures=rows.key_figures(reading.value if reading is not None else None))
        if reading is not None and reading.received_mono > self._metrics_mono:
            self._metrics_mono = reading.received_mono
            self._append(reading.value.metrics, reading.value.collected_at)

    def _append(self, values: Mapping[str, float | None], at: Any) -> None:
        """Give the charts that draw one of `values` its next point."""
        if at is not None:
            self._draw({key: end.grown(at.timestamp(), values[key]) for key, end in self._tails.items() if key in values})

    def _draw_silence(self) -> None:
        """Draw the gap on in charts whose samples have stopped coming."""
        now_s = console().clock.now().timestamp()
        self._draw({key: end.silent(now_s) for key, end in self._tails.items()})

    def _draw(self, grown: Mapping[str, tuple[tail.NewPoints, tail.Tail]]) -> None:
        """Send what was added to the charts, and remember where they end now."""
        fresh = {key: {"points": points} for key, (points, _) in grown.items() if points}
        if fresh:
            self._tails = {**self._tails, **{key: end for key, (_, end) in grown.items()}}
            self.patches = {**self.patches, **fresh}
            self.shown_to = max(self.shown_to, *(end.drawn_s for end in self._tails.values()))


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open page of a source and its frame up to date."""
    fill(await root.get_state(ShellState))
    (await root.get_state(SourceState))._show()  # noqa: SLF001 - a public method would be an event handler
