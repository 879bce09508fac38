"""A Reflex app of one state behind the real gates, for sockets that know no manners. Run with a port and an empty folder as arguments."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

os.environ |= {"REFLEX_ENV_MODE": "prod", "__REFLEX_SKIP_COMPILE": "true", "REFLEX_TELEMETRY_ENABLED": "false"}
os.chdir(sys.argv[2])
sys.path.insert(0, str(Path.cwd()))
Path("rxconfig.py").write_text(
    "import reflex as rx\n"
    "config = rx.Config(app_name='tiny', telemetry_enabled=False, state_manager_mode='memory', cors_allowed_origins=[], plugins=[])\n"
)

import reflex as rx  # noqa: E402 - Reflex reads its configuration while it is imported
import uvicorn  # noqa: E402

from dashboard_app.access.event_gate import EventGate, check_policies, delta_of  # noqa: E402
from dashboard_app.access.gate import Gate  # noqa: E402
from dashboard_app.model.user import Principal, PrincipalKind, Role  # noqa: E402
from dashboard_app.settings import Settings  # noqa: E402

ENDED = set()


class FakeIdentity:
    """Cookies are names of roles; a session ends when its name is in `ENDED`."""

    cookie_name = "who"

    def __init__(self):
        self.events = {}

    async def principal_for_cookie(self, cookie_header, *, guard_call=False, is_use=True):
        name = cookie_header.rpartition("who=")[2]
        role = name.partition("-")[0]
        if role not in {r.value for r in Role} or name in ENDED:
            return None
        return Principal(PrincipalKind.USER, name, Role(role), len(name), name)

    async def principal_for_token(self, token, *, guard_call=False):
        return None

    def watch_session(self, session_id):
        return self.events.setdefault(session_id, asyncio.Event())

    def unwatch_session(self, session_id, ended):
        self.events.pop(session_id, None)


class NoPages:
    def serves(self, path):
        return False


class PagesState(rx.State):
    ran: str = ""
    is_over: bool = False
    _kept: str = ""

    @rx.event
    def read(self):
        self.ran += "read "

    @rx.event
    def clean_up(self):
        self.ran += "clean_up "

    @rx.event(background=True)
    async def clean_up_later(self):
        async with self:
            self.ran += "clean_up_later "

    @rx.event
    def chain(self):
        self.ran += "chain "
        return PagesState.clean_up

    @rx.event
    def end_my_session(self):
        ENDED.add("viewer-ends")

    def set_ran(self, value):
        self.ran += "set_ran "

    def _inner(self):
        self.ran += "_inner "


POLICIES = {
    "pages_state.read": "sources.read",
    "pages_state.clean_up": "pool.cleanup",
    "pages_state.clean_up_later": "pool.cleanup",
    "pages_state.chain": "sources.read",
    "pages_state.end_my_session": "sources.read",
    "pages_state.set_ran": "drill.run",
}
identity = FakeIdentity()
settings = Settings(port=int(sys.argv[1]))
app = rx.App(api_transformer=lambda inner: Gate(inner, identity=identity, pages=NoPages(), settings=settings))
app.add_page(lambda: rx.text(PagesState.ran), route="/")
app.add_middleware(EventGate(identity, POLICIES, over=delta_of(PagesState, is_over=True)), index=0)
check_policies(POLICIES)
sys.stdout.write(f"{PagesState.get_full_name()}\n")
sys.stdout.flush()

with contextlib.suppress(KeyboardInterrupt):
    uvicorn.run(app(), host="127.0.0.1", port=settings.port, ws="wsproto", log_level="warning", lifespan="on")
