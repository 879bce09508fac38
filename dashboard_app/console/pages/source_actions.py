"""What people do to one source from its row or its page: check now, pause, enable. Each runs beside the page, which goes on living."""

from collections.abc import Awaitable, Callable
from typing import Any

import reflex as rx

from dashboard_app.console import theme, words
from dashboard_app.console.components.failed import PROOF_AT
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.sources import cause
from dashboard_app.console.saved import keep
from dashboard_app.console.session import principal_of
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.health import Health, HealthStatus
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import PROOF_ASKED

POLICY = {
    "source_actions.check_now": "sources.check",
    "source_actions.pause": "sources.write",
    "source_actions.enable": "sources.write",
}
"""Event handler → the action it needs."""


class SourceActions(rx.State):
    """No vars: results go to the snapshot, which every page shows, and to the corner."""

    @rx.event(background=True)
    async def check_now(self, source_id: int) -> None:
        """Probe one source at once and say what came of it."""

        async def act(principal: Principal) -> str:
            health = await console().backend.health(source_id, principal=principal)
            console().snapshot.set_health(health)
            return checked_words(_name(source_id), health)

        await _run(self, act)

    @rx.event(background=True)
    async def pause(self, source_id: int) -> None:
        """Stop asking one source; the corner offers Undo."""

        async def act(principal: Principal) -> str:
            keep(await console().backend.update_source(principal, source_id, {"enabled": False}))
            return f"{_name(source_id)} paused."

        await _run(self, act, paused_id=source_id)

    @rx.event(background=True)
    async def enable(self, source_id: int) -> None:
        """Ask one source again."""

        async def act(principal: Principal) -> str:
            keep(await console().backend.update_source(principal, source_id, {"enabled": True}))
            return f"{_name(source_id)} enabled."

        await _run(self, act)


def checked_words(name: str, health: Health) -> str:
    """The result of a check in one sentence: orders-primary is healthy: answered in 3.1 ms."""
    if health.status is HealthStatus.HEALTHY and health.latency_ms is not None:
        return f"{name} is healthy: answered in {words.duration(health.latency_ms / 1000)}."
    return f"{name} is {theme.STATUS[health.status].word.lower()}: {cause(health)}."


def _name(source_id: int) -> str:
    """What the source is called."""
    source = console().snapshot.sources.get(source_id)
    return source.name if source else f"source {source_id}"


async def _run(state: Any, act: Callable[[Principal], Awaitable[str]], *, paused_id: int = 0) -> None:
    """Ask who it is, act outside the state's lock, and put the outcome into the corner."""
    principal, href = await principal_of(state), ""
    if principal is None:
        text, tone = "Your session has ended: sign in again.", "warn"
    else:
        try:
            text, tone = await act(principal), "ok"
        except SpillwayError as failure:
            text, tone, paused_id = words.told(failure), "warn", 0
            href = PROOF_AT if PROOF_ASKED in text else ""
    async with state:
        shell = await state.get_state(ShellState)
        shell.is_signed_out = principal is None
        shell._say(text, tone, paused_id=paused_id if tone == "ok" else 0, href=href)  # noqa: SLF001 - the frame's own way
