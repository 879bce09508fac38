"""Who asks, and under which request id: read from the scope where the gate, or the console's in-process door, has put it."""

from starlette.requests import Request

from dashboard_app.access import visit
from dashboard_app.model.user import Principal


def principal_of(request: Request) -> Principal | None:
    """Who asks; None when nobody is signed in."""
    found = request.scope.get(visit.PRINCIPAL)
    return found if isinstance(found, Principal) else None


def request_id_of(request: Request) -> str:
    """The id of this request, "" when no gate stands in front."""
    return str(request.scope.get(visit.REQUEST_ID, ""))


def address_of(request: Request) -> str:
    """The client's address as the gate saw it, "" when no gate stands in front."""
    return str(request.scope.get(visit.ADDRESS, ""))
