"""Every event handler of the real app, sent by everybody who may knock, over real sockets: the app's own table says who may run what."""

import json
import re
import subprocess
import sys
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
import socketio

from dashboard_app.access.event_gate import REFLEX_HANDLERS, short_name
from dashboard_app.model.user import Role
from dashboard_app.policy.permission import allowed
from tests.browser.raw_session import open_session
from tests.contract.conftest import until
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, ROOT, Instance, running

ROOT_STATE = "reflex___state____state"
CANARY = "canary-password-0d1e2f"
PASSWORD = "correct-horse-battery-8"
WHO = {Role.VIEWER: "vera@example.org", Role.OPERATOR: "otto@example.org", Role.ADMIN: ADMIN_EMAIL}
_TELL_HANDLERS = """
import inspect, json
from dashboard_app.dashboard_app import POLICY, app
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext
known = RegistrationContext.get().event_handlers
found = {name: {p.name: str(p.annotation) for p in inspect.signature(entry.handler.fn).parameters.values() if p.name != "self"}
         for name, entry in known.items()}
said = [one.name for one in Event.from_event_type(app.backend_exception_handler(RuntimeError("nobody foresaw this")))]
print("TOLD" + json.dumps([dict(POLICY), found, said]))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A whole Spillway with one person of each role and a source whose password must never be seen again."""
    with running(tmp_path_factory.mktemp("matrix") / "data", console_auto_cleanup="false", auto_cleanup="false") as instance:
        for role in (Role.VIEWER, Role.OPERATOR):
            instance.cli("user", "add", WHO[role], "--role", role.value, stdin=PASSWORD)
        secret = {"kind": "postgresql", "host": "127.0.0.1", "port": 1, "database": "x", "username": "x", "password": CANARY}
        with instance.client() as api:
            made = api.post("/scan/data-sources", json={"name": "canary"} | secret)
        assert made.status_code == 201, made.text
        yield instance


@pytest.fixture(scope="module")
def canary_id(app):
    """The id of that source."""
    with app.client() as api:
        return api.get("/scan/data-sources", params={"search": "canary"}).json()["items"][0]["id"]


@pytest.fixture(scope="module")
def told(app):
    """The app's policy, every handler it registers with its parameters, and what a failure leads to, as the app itself tells them."""
    done = subprocess.run(
        [sys.executable, "-c", _TELL_HANDLERS], cwd=ROOT, env=app.environment, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout.rpartition("TOLD")[2])


@pytest.fixture(scope="module")
def table(told):
    """The app's policy, and every handler with its parameters."""
    return told[:2]


def sign_in(app, email):
    """The Cookie header of somebody who just signed in."""
    password = ADMIN_PASSWORD if email == ADMIN_EMAIL else PASSWORD
    with httpx.Client(base_url=app.url, timeout=15, verify=PLAIN) as browser:
        answer = browser.post("/login", data={"email": email, "password": password}, headers={"Origin": app.url})
        assert answer.status_code == 303, answer.text
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def sign_out(app, cookie):
    """End the session of that Cookie header."""
    answer = httpx.post(f"{app.url}/logout", headers={"Origin": app.url, "Cookie": cookie}, timeout=15, verify=PLAIN)
    assert answer.status_code == 303, answer.text


@pytest.fixture(scope="module")
def cookies(app):
    """A session of each role."""
    return {role: sign_in(app, email) for role, email in WHO.items()}


def payload(parameters, source_id):
    """Arguments that fit: whoever gets through does something that shows."""
    fitting = (("int", source_id), ("bool", True), ("dict", {}), ("list", []), ("str", "x"))
    return {name: next((value for word, value in fitting if word in kind), "x") for name, kind in parameters.items()}


def stays_closed(name, policy, role):
    """True when the app's table does not let the role run the handler."""
    if name in REFLEX_HANDLERS:
        return False
    short = short_name(name)
    return short not in policy or not allowed(role, policy[short])


@dataclass(frozen=True)
class Person:
    """Somebody with an open socket, and what the log says was refused to them."""

    app: Instance
    handlers: dict[str, dict[str, str]]
    email: str
    source_id: int

    def refused(self):
        """The full names, once for each refusal."""
        return re.findall(rf"event (\S+) refused to {re.escape(self.email)}", self.app.log.read_text())

    async def send(self, session, names):
        """The names refused so far, after one event for each of `names`."""
        for name in names:
            await session.send(name, payload(self.handlers[name], self.source_id))
        last = f"{ROOT_STATE}.setvar"
        before = self.refused().count(last)
        await session.send(last, {"var_name": "is_hydrated", "value": True})
        await until(lambda: self.refused().count(last) > before, 20)
        return set(self.refused())


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
async def test_each_role_runs_what_the_table_gives_it_and_nothing_else(app, table, cookies, canary_id, role):
    policy, handlers = table
    names = [name for name in handlers if name != f"{ROOT_STATE}.setvar"]
    closed = {name for name in names if stays_closed(name, policy, role)}
    person = Person(app, handlers, WHO[role], canary_id)
    async with open_session(app.url, cookies[role]) as session:
        await session.shows("canary")
        await person.send(session, names)
        await until(lambda: closed <= set(person.refused()), 20)
        assert await person.send(session, []) == closed | {f"{ROOT_STATE}.setvar"}


async def test_what_a_viewer_may_not_do_leaves_no_trace_but_the_refusal(app, table):
    policy, handlers = table
    admins = [name for name in handlers if policy.get(short_name(name)) in ("sources.write", "pool.cleanup", "drill.run")]
    assert len(admins) >= 10
    untouched = {"name": "untouched", "kind": "postgresql", "host": "127.0.0.1", "port": 9, "username": "nobody"}
    async with open_session(app.url, sign_in(app, WHO[Role.VIEWER])) as session:
        await session.shows("canary")
        with app.client() as api:
            before = api.post("/scan/data-sources", json=untouched).json()  # its own: what an admin began may still go on at another
            try:
                await Person(app, handlers, WHO[Role.VIEWER], before["id"]).send(session, admins)
                after = api.get(f"/scan/data-sources/{before['id']}").json()
            finally:
                api.delete(f"/scan/data-sources/{before['id']}")
            rows = api.get("/api/v1/audit", params={"actor": WHO[Role.VIEWER], "limit": 500}).json()["items"]
    assert before == after
    assert not [row for row in rows if row["action"] in ("sources.write", "pool.cleanup", "drill.run") and row["result"] == "ok"]


async def knock(app, headers):
    """What a socket hears that opens a page with these headers; raises ConnectionError when it is not let in."""
    heard = []
    socket = socketio.AsyncClient(reconnection=False)
    socket.on("event", heard.append, namespace="/_event")
    try:
        await socket.connect(
            f"{app.url}?token={uuid.uuid4()}",
            headers=headers,
            transports=["websocket"],
            socketio_path="/_event",
            namespaces=["/_event"],
            wait_timeout=20,
        )
    finally:
        await socket.disconnect()
        assert heard == []


@pytest.mark.parametrize(
    "who", ["nobody", "forged", "signed out", "foreign origin", "no origin", "cross-site", "token", "null origin", "host of another"]
)
async def test_a_socket_without_a_session_of_our_own_page_is_never_let_in(app, cookies, who):
    ours, own = {"Origin": app.url}, {"Origin": app.url, "Cookie": cookies[Role.ADMIN]}
    if who == "signed out":
        ours["Cookie"] = sign_in(app, WHO[Role.VIEWER])
        sign_out(app, ours["Cookie"])
    headers = {
        "nobody": ours,
        "forged": own | {"Cookie": f"{cookies[Role.ADMIN][:-4]}AAAA"},
        "signed out": ours,
        "foreign origin": own | {"Origin": "https://evil.example"},
        "no origin": {"Cookie": cookies[Role.ADMIN]},
        "cross-site": own | {"Sec-Fetch-Site": "cross-site"},
        "token": ours | {"Authorization": f"Bearer {app.token('admin')}"},
        "null origin": own | {"Origin": "null"},
        "host of another": own | {"Host": "evil.example"},
    }[who]
    with pytest.raises(socketio.exceptions.ConnectionError):
        await knock(app, headers)
    await _still_serves(app, cookies)


async def _still_serves(app, cookies):
    async with open_session(app.url, cookies[Role.VIEWER]) as session:
        await session.shows("canary")


async def test_signing_out_ends_every_open_socket_of_the_session(app):
    cookie = sign_in(app, WHO[Role.VIEWER])
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(open_session(app.url, cookie)) for _ in range(3)]
        for session in sessions:
            await session.shows("canary")
        sign_out(app, cookie)
        for session in sessions:
            await session.ended(20)
            assert "is_signed_out_rx_state_" in session.received[-1]


async def test_names_that_nobody_registered_run_nothing_and_put_no_secret_into_the_log(app, table, cookies):
    _, handlers = table
    pool = next(name for name in handlers if name.endswith("pool_state.confirm"))
    names = ["", "nosuch", f"{ROOT_STATE}.nosuch", pool.replace("confirm", "_show"), pool.replace("confirm", "__init__"), "x" * 5000]
    async with open_session(app.url, cookies[Role.VIEWER]) as session:
        await session.shows("canary")
        for name in names:
            await session.send(name, {"form": {"password": CANARY}})
        await session.send(
            next(name for name in handlers if name.endswith("handle_frontend_exception")),
            {"info": "first\n2026-01-01T00:00:00Z [info     ] forged line", "component_stack": "\x1b[31mred"},
        )
        await Person(app, handlers, WHO[Role.VIEWER], 1).send(session, [])
    log = app.log.read_text()
    assert "\n2026-01-01T00:00:00Z [info     ] forged line" not in log
    assert "\x1b" not in log
    for secret in (CANARY, *_secrets(app, cookies)):
        assert secret not in log


def _secrets(app, cookies):
    """What no browser and no log may see again."""
    return [*(cookie.partition("=")[2] for cookie in cookies.values()), app.token("admin")]


async def test_no_secret_leaves_over_a_socket(app, table, cookies, canary_id):
    _, handlers = table
    edit = next(name for name in handlers if name.endswith("source_form.edit"))
    for role, cookie in cookies.items():
        for path in ("/", f"/sources/{canary_id}", "/pool", "/audit", "/settings"):
            async with open_session(app.url, cookie, path) as session:
                if role is Role.ADMIN:
                    await session.send(edit, {"source_id": canary_id}, path)
                await session.shows(WHO[role])
            heard = "".join(session.received)
            assert heard
            for secret in (CANARY, *_secrets(app, cookies)):
                assert secret not in heard


def test_a_handler_that_fails_leads_to_a_word_on_its_page_and_to_no_script(told):
    _, _, said = told
    assert [short_name(name) for name in said] == ["shell_state.failed"]
