"""Who may go on, and writes that leave a row in the audit."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from dashboard_app.access.asking import principal_of, request_id_of
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.model.errors import NotSignedIn
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require, require_proof


def signed_in(request: Request, action: str) -> Principal:
    """Who asks, when they may do `action`: the last of the gates, where the work is done.

    Raises:
        NotSignedIn: nobody is signed in.
        Forbidden: the role does not reach.

    """
    principal = principal_of(request)
    require(principal, action)
    if principal is None:
        raise NotSignedIn
    return principal


@asynccontextmanager
async def audited(
    deps: ApiDeps,
    request: Request,
    action: str,
    target: str,
    details: Mapping[str, object] | None = None,
    *,
    needs_proof: bool = False,
) -> AsyncIterator[dict[str, Any]]:
    """Record one row: on disk before the block begins, closed when it ends with "ok" or the code of the error that ended it.

    The block may add to the details. `needs_proof`: what it does cannot be undone.

    Raises:
        NotSignedIn, Forbidden, ProofNeeded: before the block begins.
        DatabaseUnavailable: nobody takes the row; the block does not begin.

    """
    principal = signed_in(request, action)
    if needs_proof:
        require_proof(principal, deps.clock.now())
    async with deps.audit.act(principal, action, target, request_id=request_id_of(request), details=details) as noted:
        yield noted


@asynccontextmanager
async def database_work(deps: ApiDeps, request: Request) -> AsyncIterator[None]:
    """A place for work on the guarded pool, labelled with route and request.

    Raises:
        DatabaseUnavailable: the pool is full, or no place came free in time.

    """
    route = f"{request.method} {getattr(request.scope.get('route'), 'path', request.url.path)}"
    async with deps.guard.admission():
        with deps.guard.holding(route=route, task=f"request {request_id_of(request)}".strip()):
            yield
