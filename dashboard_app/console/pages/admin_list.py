"""What the states of `/users` and `/tokens` share: who may see the list, what the last act came to, the question before a hard one."""

import reflex as rx

from dashboard_app.console.pages.shell_state import enter
from dashboard_app.console.session import assign
from dashboard_app.policy.permission import allowed


class AdminList(rx.State, mixin=True):
    """A list for admins. What is shown once leaves with the next act."""

    is_refused: bool = False
    title: str = ""
    result: str = ""
    failure: str = ""
    errors: dict[str, str] = {}  # noqa: RUF012 - Reflex copies a state's defaults
    is_asking: bool = False
    turn: int = 0
    """Grows when the fields must be empty again."""

    _asked: str = ""

    @rx.event
    def set_asking(self, is_open: bool) -> None:
        """Close the question; only a row opens it."""
        if not is_open:
            self.is_asking = False

    async def _enters(self, page: str, action: str, **empty: object) -> bool:
        """True when who opens the page may `action`; everything is empty then, `empty` by name, too."""
        principal = await enter(self, page)
        if principal is None:
            return False
        assign(self, is_refused=not allowed(principal.role, action), is_asking=False)
        self._begin(**empty)
        return not self.is_refused

    def _begin(self, **empty: object) -> None:
        """Take what the last act came to off the screen, and what it showed once."""
        assign(self, result="", failure="", errors={}, **empty)
