"""What `/pool` reads beside the snapshot: holders, the last minutes, a connection test. Failures come back as notes."""

import asyncio
from dataclasses import dataclass
from typing import Any

from dashboard_app.console import words
from dashboard_app.console.client import measured
from dashboard_app.console.context import console
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed


async def read_holders(principal: Principal) -> dict[str, Any]:
    """The guard's holders, or {"note": why not}."""
    if not allowed(principal.role, "pool.holders"):
        return {"note": "Holders need the operator role."}
    try:
        return await console().backend.guard.holders(principal=principal)
    except SpillwayError as failure:
        return {"note": f"Holders could not be read: {failure.detail}"}


async def read_history(principal: Principal, minutes: int, *, wanted: bool) -> dict[str, Any] | None:
    """The guard's last `minutes`, {"note": why not}, or None when it is not `wanted`; the note "hidden": the server keeps none."""
    if not wanted:
        return None
    if not allowed(principal.role, "pool.history"):
        return {"note": "The usage of the last minutes needs the operator role."}
    try:
        past = await console().backend.guard.history(principal=principal, minutes=minutes)
    except SpillwayError as failure:
        return {"note": f"The usage of the last minutes could not be read: {failure.detail}"}
    return {"note": "hidden"} if past is None else past


@dataclass(frozen=True, slots=True)
class Measured:
    """What the guard has measured; a part is None when the server does not offer it or it was not read. `note`: why nothing is."""

    performance: measured.Performance | None = None
    clients: measured.Clients | None = None
    sizing: measured.Sizing | None = None
    note: str = ""


async def read_measured(principal: Principal, *, with_sizing: bool) -> Measured:
    """The guard's measurements; `with_sizing`: the dear one, too."""
    if not all(allowed(principal.role, action) for action in ("pool.performance", "pool.clients", "pool.sizing")):
        return Measured(note="Sizing, response times and clients need the operator role.")
    guard = console().backend.guard
    try:
        performance, clients = await asyncio.gather(guard.performance(principal), guard.clients(principal))
        return Measured(performance, clients, await guard.sizing(principal) if with_sizing else None)
    except SpillwayError as failure:
        return Measured(note=f"What the guard has measured could not be read: {failure.detail}")


def tested(answer: dict[str, Any]) -> tuple[str, str]:
    """A connection test's result in words, and its tone."""
    if answer.get("ok"):
        took = words.duration(float(answer.get("latency_ms") or 0.0) / 1000)
        version = f" (PostgreSQL {answer['server_version']})" if answer.get("server_version") else ""
        return f"Answered in {took} through the {answer.get('via') or 'pool'}{version}", "ok"
    reason = str(answer.get("error") or "the server did not say why").rstrip(".")
    return f"No connection: {reason[:1].lower()}{reason[1:]}", "bad"
