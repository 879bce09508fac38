import asyncio
import json
import re
from contextlib import asynccontextmanager

import httpx
import pytest

from dashboard_app.access.gate import Gate
from dashboard_app.access.sign_in import SignIn
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Role
from tests.access.parts import PASSWORD, opened, until

BASE = "http://localhost:8000"
HTML_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Echo:
    """The app behind the gate: says what the scope says."""

    def __init__(self):
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()
        self.socket_messages = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            self.entered.set()
            self.socket_messages.append(await receive())
            return
        if scope["path"] == "/scan/slow":
            self.entered.set()
            await self.leave.wait()
        principal = scope["spillway.principal"]
        words = f"{principal.name if principal else '-'} {scope['spillway.address']} {scope['spillway.request_id']}"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": words.encode()})


def gate_of(parts, app, farewell=""):
    pages = SignIn(parts.identity, parts.audit, "staging <1>", parts.database.ping)
    return Gate(app, identity=parts.identity, pages=pages, settings=parts.settings, hint=lambda: "level=NORMAL", farewell=farewell)


@asynccontextmanager
async def visitor(parts, app=None, base=BASE, peer="192.0.2.1", **headers):
    transport = httpx.ASGITransport(gate_of(parts, app or Echo()), client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
        yield client


async def sign_in(client, role=Role.ADMIN, password=PASSWORD, next_path="/"):
    form = {"email": f"{role}@example.org", "password": password, "next": next_path}
    return await client.post("/login", data=form, headers={"Origin": BASE})


async def test_a_page_without_a_session_leads_to_the_sign_in_and_back(parts):
    async with visitor(parts) as client:
        answer = await client.get("/sources/3?tab=a")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/sources/3%3Ftab%3Da")
        signed_in = await sign_in(client, next_path="/sources/3?tab=a")
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/sources/3?tab=a")
        assert (await client.get("/sources/3")).text.startswith("admin@example.org 192.0.2.1 ")


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(parts):
    async with visitor(parts) as client:
        cookie = (await sign_in(client)).headers["set-cookie"].lower()
        assert cookie.startswith("spillway_session=")
        assert all(mark in cookie for mark in ("httponly", "samesite=lax", "path=/", "max-age=43200"))
        assert "secure" not in cookie


async def test_behind_https_the_cookie_is_bound_to_the_host(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(public_url="https://dash.example")) as parts:
        await parts.add_users()
        async with visitor(parts, base="https://dash.example") as client:
            form = {"email": "admin@example.org", "password": PASSWORD}
            answer = await client.post("/login", data=form, headers={"Origin": "https://dash.example"})
            assert answer.headers["set-cookie"].startswith("__Host-spillway_session=")
            assert "secure" in answer.headers["set-cookie"].lower()
            assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            assert (await client.get("/")).text.startswith("admin@example.org")


async def test_the_sign_in_page_works_without_script_and_says_whether_the_server_answers(parts):
    async with visitor(parts) as client:
        page = await client.get("/login?next=/pool")
        assert page.status_code == 200
        for testid in ("sign-in-email", "sign-in-password", "sign-in-submit"):
            assert page.text.count(f'data-testid="{testid}"') == 1
        assert 'name="next" value="/pool"' in page.text
        assert re.search(r"Server answers \(\d+ ms\)", page.text)
        assert "staging &lt;1&gt;" in page.text
        parts.identity.mark_database(reachable=False)
        assert "Server does not answer; signing in may fail" in (await client.get("/login")).text


async def test_nothing_the_sign_in_page_loads_comes_from_elsewhere(parts):
    async with visitor(parts) as client:
        page = await client.get("/login")
        assert re.findall(r"(?:https?:)?//[a-z]", page.text) == []
        assert "'unsafe" not in page.headers["content-security-policy"]
        for path, kind in (("/gate.css", "text/css"), ("/gate.js", "text/javascript")):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


async def test_a_wrong_password_keeps_the_email_and_says_the_tries_left(parts):
    async with visitor(parts) as client:
        answer = await sign_in(client, password="<wrong>")
        assert answer.status_code == 401
        assert "Email or password is not right. 9 tries left this minute." in answer.text
        assert 'value="admin@example.org"' in answer.text
        assert "wrong" not in answer.text
        assert "set-cookie" not in answer.headers


async def test_too_many_tries_are_429_with_the_seconds(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(rate_limit_login="1/minute")) as parts:
        await parts.add_users()
        async with visitor(parts) as client:
            await sign_in(client, password="wrong-wrong")
            answer = await sign_in(client)
            assert answer.status_code == 429
            seconds = answer.headers["retry-after"]
            assert f"Too many tries from this address. Again in {seconds} s." in answer.text
            assert f'data-wait-s="{seconds}"' in answer.text


async def test_whoever_is_signed_in_needs_no_sign_in_page(parts):
    async with visitor(parts) as client:
        await sign_in(client)
        answer = await client.get("/login?next=//evil.example")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_signing_in_again_gives_another_session_and_ends_the_one_before(parts):
    async with visitor(parts) as client:
        await sign_in(client)
        former = client.cookies["spillway_session"]
        await sign_in(client, Role.VIEWER)
        assert client.cookies["spillway_session"] != former
        assert (await client.get("/pool")).text.startswith("viewer@example.org ")
        client.cookies.clear()
        back = await client.get("/pool", headers={"Cookie": f"spillway_session={former}"})
        assert back.headers["location"] == "/login?expired=1&next=/pool"
    ended = [(row.actor, row.action) for row in await parts.audit.page(limit=3)][::-1]
    assert ended == [("admin@example.org", "session.begin"), ("admin@example.org", "session.end"), ("viewer@example.org", "session.begin")]


async def test_a_session_of_the_browsers_own_choice_is_never_taken_over(parts):
    async with visitor(parts, Cookie="spillway_session=chosen-by-somebody.else") as client:
        answer = await sign_in(client)
        assert "chosen-by-somebody" not in answer.headers["set-cookie"]
        secret, _, signature = answer.headers["set-cookie"].partition(";")[0].removeprefix("spillway_session=").partition(".")
        assert len(secret) >= 43  # 256 bits as base64
        assert signature


async def test_the_password_fields_mask_and_leave_paste_and_managers_alone(parts):
    async with visitor(parts) as client:
        page = (await client.get("/login")).text
        field = re.search(r'<input[^>]*name="password"[^>]*>', page)[0]
        assert 'type="password"' in field
        assert 'autocomplete="current-password"' in field
        assert not re.search(r"\bon[a-z]+=|maxlength|readonly", field)
        assert "paste" not in (await client.get("/gate.js")).text


async def test_what_a_person_reads_is_kept_in_no_cache(parts):
    async with visitor(parts) as client:
        await sign_in(client)
        for path in ("/", "/users", "/login", "/api/v1/users", "/scan/data-sources", "/metrics"):
            assert (await client.get(path)).headers["cache-control"] == "no-store", path
        assert "cache-control" not in (await client.get("/assets/a.js")).headers


async def test_signing_out_ends_the_session_and_takes_the_cookie(parts):
    async with visitor(parts) as client:
        await sign_in(client)
        cookie = client.cookies["spillway_session"]
        answer = await client.post("/logout", headers={"Origin": BASE})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?out=1")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        client.cookies.clear()
        back = await client.get("/pool", headers={"Cookie": f"spillway_session={cookie}"})
        assert back.headers["location"] == "/login?expired=1&next=/pool"


async def test_sign_ins_and_their_refusals_are_in_the_audit(parts):
    async with visitor(parts) as client:
        await client.post("/login", data={"email": "a password?", "password": "x"})
        await client.post("/login", data={"email": "who@example.org", "password": "x"})
        await sign_in(client)
        await client.post("/logout", headers={"Origin": BASE, "X-Request-ID": "my-id"})
    rows = (await parts.audit.page(limit=4))[::-1]
    assert [(row.action, row.actor, row.target, row.result) for row in rows] == [
        ("session.begin", "nobody", "(not an email)", "refused"),
        ("session.begin", "nobody", "who@example.org", "refused"),
        ("session.begin", "admin@example.org", "admin@example.org", "ok"),
        ("session.end", "admin@example.org", "admin@example.org", "ok"),
    ]
    assert rows[3].request_id == "my-id"


async def test_the_one_time_link_makes_the_first_admin_signed_in(fresh_database, settings_for):
    async with opened(fresh_database, settings_for()) as parts:
        link = await parts.identity.first_run_link(BASE)
        async with visitor(parts) as client:
            token = link.partition("token=")[2]
            page = await client.get(link)
            assert f'name="token" value="{token}"' in page.text
            form = {"token": token, "email": "ana@example.org", "password": "short"}
            wrong = await client.post("/setup", data=form)
            assert wrong.status_code == 422
            assert "A password has 8 to 1024 characters." in wrong.text
            done = await client.post("/setup", data={**form, "password": PASSWORD})
            assert (done.status_code, done.headers["location"]) == (303, "/")
            assert (await client.get("/")).text.startswith("ana@example.org")
            again = await client.get(link)
            assert again.status_code == 410
            assert f"This link was used at {parts.clock.now():%H:%M} UTC." in again.text
            late = await client.post("/setup", data={**form, "password": PASSWORD}, headers={"Origin": BASE})
            assert late.status_code == 410
            assert (await client.get("/setup?token=unknown")).status_code == 410


@pytest.mark.parametrize("path", ["/ping", "/_health", "/_upload", "/_upload/x", "/_all_routes", "/auth-codespace"])
async def test_what_reflex_would_serve_beside_its_pages_is_not_there(parts, path):
    async with visitor(parts) as client:
        await sign_in(client)
        assert (await client.get(path)).status_code == 404


async def test_assets_are_open_and_a_token_opens_no_page(parts):
    token = await parts.identity.create_token("ci", Role.ADMIN)
    async with visitor(parts) as client:
        assert (await client.get("/assets/index-1.js")).status_code == 200
        assert (await client.get("/", headers={"Authorization": f"Bearer {token}"})).status_code == 303
        assert (await client.post("/anything", headers={"Authorization": f"Bearer {token}"})).status_code == 401
        assert (await client.get("/_event")).status_code == 401
        assert (await client.get("/scan/x", headers={"Authorization": f"Bearer {token}"})).text.startswith("ci ")


async def test_a_bad_token_is_nobody_even_beside_a_good_cookie(parts):
    async with visitor(parts) as client:
        await sign_in(client)
        assert (await client.get("/scan/x")).text.startswith("admin@example.org")
        assert (await client.get("/scan/x", headers={"Authorization": "Bearer spw_x"})).text.startswith("- ")
        assert (await client.get("/scan/x", headers={"Authorization": "Basic eA=="})).text.startswith("- ")


async def test_every_answer_has_a_request_id_and_the_security_headers(parts):
    async with visitor(parts) as client:
        for path in ("/livez", "/login", "/", "/ping", "/assets/a.js"):
            answer = await client.get(path, headers={"X-Request-ID": "mine-1"})
            assert answer.headers["x-request-id"] == "mine-1"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["referrer-policy"] == "same-origin"
        assert len((await client.get("/livez", headers={"X-Request-ID": "not sane"})).headers["x-request-id"]) == 32


async def test_a_name_that_was_bent_to_us_gets_nothing(parts):
    async with visitor(parts, base="http://evil.example:8000") as client:
        answer = await client.get("/livez")
        assert (answer.status_code, answer.json()["code"], answer.json()["instance"]) == (400, "host_not_allowed", "/livez")
        assert answer.headers["x-throttle"] == "level=NORMAL"
        assert "x-throttle" not in (await client.get("/pool")).headers


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"Origin": BASE}, True),
        ({"Origin": BASE, "Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": BASE, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": BASE, "Sec-Fetch-Site": "same-site"}, False),
    ],
)
async def test_an_unsafe_request_with_a_cookie_must_come_from_our_own_page(parts, headers, is_let_in):
    async with visitor(parts) as client:
        await sign_in(client)
        assert (await client.post("/scan/x", headers=headers)).status_code == (200 if is_let_in else 403)
        assert (await client.get("/scan/x", headers={"Origin": "http://evil.example"})).status_code == 200


async def test_programs_need_no_origin_but_a_foreign_one_is_refused(parts):
    token = await parts.identity.create_token("ci", Role.ADMIN)
    async with visitor(parts, Authorization=f"Bearer {token}") as client:
        assert (await client.post("/scan/x")).status_code == 200
        assert (await client.post("/scan/x", headers={"Origin": "http://evil.example"})).status_code == 403


async def test_beyond_the_limit_others_wait_outside_but_guard_and_liveness_calls_do_not(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(limit_concurrency=1)) as parts:
        app = Echo()
        async with visitor(parts, app) as client:
            slow = asyncio.create_task(client.get("/scan/slow"))
            await app.entered.wait()
            busy = await client.get("/scan/x")
            assert (busy.status_code, busy.headers["retry-after"], busy.headers["content-type"]) == (503, "1", "application/problem+json")
            assert busy.headers["x-throttle"] == "level=NORMAL"
            for path in ("/livez", "/readyz", "/api/v1/health/ping", "/api/v1/health/database/status"):
                assert (await client.get(path)).status_code == 200
            app.leave.set()
            assert (await slow).status_code == 200
            assert (await client.get("/scan/x")).status_code == 200


async def test_the_address_behind_a_proxy_is_the_one_the_proxy_saw(fresh_database, settings_for):
    async with opened(fresh_database, settings_for(trusted_proxy_hops=1)) as parts, visitor(parts) as client:
        answer = await client.get("/scan/x", headers={"X-Forwarded-For": "1.2.3.4, 203.0.113.9"})
        assert answer.text.split()[1] == "203.0.113.9"


@pytest.mark.parametrize(
    ("call", "body", "headers", "status"),
    [
        ("POST /login", b"{}", {"Content-Type": "application/json"}, 415),
        ("POST /login", b"a" * 20_000, HTML_FORM, 413),
        ("POST /login", b"email=%ff", HTML_FORM, 422),
        ("POST /login", b"&".join([b"a=1"] * 50), HTML_FORM, 422),
        ("POST /login", b"", HTML_FORM, 401),
        ("POST /login", b"email=a%00b@c&password=%00", HTML_FORM, 401),
        ("PUT /login", b"", {}, 405),
        ("GET /logout", b"", {}, 405),
        ("POST /logout", b"", {}, 303),
    ],
)
async def test_a_bad_form_is_refused_plainly(parts, call, body, headers, status):
    method, path = call.split()
    async with visitor(parts) as client:
        answer = await client.request(method, path, content=body, headers=headers)
        assert answer.status_code == status
        if answer.headers.get("content-type") == "application/problem+json":
            assert answer.json()["instance"] == path


@pytest.mark.parametrize(("call", "status"), [("GET /_health", 404), ("POST /pool", 401), ("GET /_event/", 401)])
async def test_a_refusal_of_a_page_names_its_path(parts, call, status):
    method, path = call.split()
    async with visitor(parts) as client:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["instance"]) == (status, path)


@pytest.mark.parametrize("way", ["frozen", "stopped"])
async def test_the_form_signs_in_while_the_database_is_away(parts, postgres, way):
    (postgres.freeze if way == "frozen" else postgres.stop)()
    async with visitor(parts) as client:
        page = await client.get("/login")
        assert "Server does not answer; signing in may fail" in page.text
        assert (await sign_in(client, Role.OPERATOR)).status_code == 303
        assert (await client.get("/pool")).text.startswith("operator@example.org")
        unknown = await client.get("/scan/x", headers={"Authorization": "Bearer spw_unknown"})
        assert unknown.text.startswith("- ")
    await until(lambda: not parts.identity.is_database_reachable)


# -- sockets ----------------------------------------------------------------------------------------------------------------------


async def socket(gate, headers, path="/_event/", incoming=()):
    """What the gate sends to a WebSocket; the client then stays silent."""
    sent, messages = [], iter([{"type": "websocket.connect"}, *incoming])

    async def receive():
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message):
        sent.append(message)

    raw = [(b"host", b"localhost:8000"), *((k.lower().encode(), v.encode()) for k, v in headers.items())]
    scope = {"type": "websocket", "path": path, "headers": raw, "client": ("192.0.2.1", 1), "query_string": b""}
    await gate(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("origin", "with_cookie", "status", "code"),
    [
        (BASE, False, 401, "not_signed_in"),
        ("http://evil.example", True, 403, "origin_not_allowed"),
        (None, True, 403, "origin_not_allowed"),
    ],
)
async def test_a_socket_is_refused_before_the_app_hears_of_it(parts, origin, with_cookie, status, code):
    app = Echo()
    headers = {"Cookie": await parts.cookie()} if with_cookie else {}
    headers |= {"Origin": origin, "X-Request-ID": "mine"} if origin else {"X-Request-ID": "mine"}
    start, body = await socket(gate_of(parts, app), headers)
    answered = dict(start["headers"])
    assert (start["type"], start["status"], answered[b"x-request-id"]) == ("websocket.http.response.start", status, b"mine")
    assert answered[b"content-type"] == b"application/problem+json"
    said = json.loads(body["body"])
    assert (said["status"], said["code"], said["instance"]) == (status, code, "/_event/")
    assert not app.entered.is_set()


async def test_a_socket_ends_with_its_session(parts):
    app = Echo()
    cookie = await parts.cookie()
    serving = asyncio.create_task(socket(gate_of(parts, app, "bye"), {"Origin": BASE, "Cookie": cookie}))
    await app.entered.wait()
    principal = await parts.identity.principal_for_cookie(cookie)
    await parts.identity.sign_out(principal.session_id)
    sent = await serving
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[1]["text"] == "bye"
    assert sent[-1]["code"] == 4401
    assert app.socket_messages == [{"type": "websocket.disconnect", "code": 4401}]


async def test_a_socket_of_the_api_takes_a_token_and_nobody_else(parts):
    app = Echo()
    token = await parts.identity.create_token("ci", Role.VIEWER)
    gate = gate_of(parts, app)
    assert (await socket(gate, {}, "/api/v1/events/ws"))[0]["status"] == 401
    bye = {"type": "websocket.disconnect", "code": 1000}
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "mine"}
    sent = await socket(gate, headers, "/api/v1/events/ws", [bye])
    assert sent == [{"type": "websocket.accept", "headers": [(b"x-request-id", b"mine")]}]


async def test_an_account_made_by_its_own_password_cannot_smuggle_markup(parts):
    await parts.identity.create_user('"><script>@x', Secret(PASSWORD), Role.VIEWER)
    async with visitor(parts) as client:
        answer = await client.post("/login", data={"email": '"><script>@x', "password": "wrong-wrong"})
        assert "<script>@x" not in answer.text
