"""Secrets planted in a whole instance, which is then used, misused and broken at its most talkative; afterwards they are looked for everywhere."""

import asyncio
import base64
import contextlib
import io
import json
import pickle
import re
import secrets
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from tests.browser.raw_session import open_session
from tests.instance import PLAIN, ROOT, Instance, running

ODD = "'\"%&é/+\\ü="
"""What each way of writing changes in a way of its own."""


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret may have been written down."""
    raw = secret.encode()
    whole = {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), raw.hex(" ").encode(), raw.hex("\\", 1).encode()}
    whole |= {quote(secret, safe=safe).encode() for safe in ("", "/", "'/=+&\"")} | {quote(secret, safe="").lower().encode()}
    whole |= {"".join(f"%{byte:02X}" for byte in raw).encode(), "".join(f"\\x{byte:02x}" for byte in raw).encode()}
    whole |= {json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode(), repr(secret)[1:-1].encode()}
    whole |= {
        repr(raw)[2:-1].encode(),
        "".join(f"\\u{ord(one):04x}" for one in secret).encode(),
        json.dumps(json.dumps(secret))[3:-3].encode(),
    }
    for shift in range(3):  # where it may begin within three bytes; the letters at either end depend on what stands beside it
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole.add(encode(b"\0" * shift + raw)[4 if shift else 0 : -4])
    return whole


def needles(planted: dict[str, str]) -> list[tuple[str, bytes]]:
    """Every form of every secret, with its name."""
    return [(name, form) for name, secret in planted.items() for form in forms(secret)]


def found(text: bytes, wanted: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Which of them stand in `text`."""
    dense = _ZEROS.sub(b"\0", text)  # pages of a database are mostly empty
    return [(name, form) for name, form in wanted if form in dense]


@pytest.mark.parametrize("secret", [f"canary{ODD}12345678", "spw_0123456789abcdefABCDEF"])
def test_the_search_finds_a_secret_however_it_is_written(secret):
    raw = secret.encode()
    ways = [
        raw,
        raw[::-1],
        raw.hex().encode(),
        quote(secret, safe="").encode(),
        json.dumps({"a": secret}).encode(),
        repr({"a": secret}).encode(),
    ]
    ways += [
        base64.b64encode(b"user:" + raw),
        base64.b64encode(b"a" * 4 + raw + b"z"),
        base64.urlsafe_b64encode(raw + b"abc"),
        pickle.dumps({"a": secret}),
    ]
    for way in ways:
        assert found(b"before " + way + b" after", needles({"it": secret})), way
    assert not found(b"nothing of the sort", needles({"it": secret}))


class Witness:
    """Talks to an instance and keeps every answer; cookies that are set are for the browser alone, and left out."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.heard: dict[str, bytes] = {}

    def client(self, **headers: str) -> httpx.Client:
        """A client whose answers are kept."""
        return httpx.Client(base_url=self.instance.url, headers=headers, timeout=20, verify=PLAIN, event_hooks={"response": [self._keep]})

    def _keep(self, answer: httpx.Response) -> None:
        answer.read()
        head = b"".join(name + b": " + value + b"\n" for name, value in answer.headers.raw if name.lower() != b"set-cookie")
        place = f"{answer.request.method} {answer.request.url.path} {answer.status_code} {len(self.heard)}"
        self.heard[place] = head + answer.content


def plant(log: Path) -> dict[str, str]:
    """The secrets that are chosen; those that the instance makes are added when they are known."""
    chosen = {name: f"canary-{name}-{secrets.token_hex(8)}{ODD}" for name in ("source", "wrong password", "typed wrong", "new password")}
    chosen |= {name: f"canary{secrets.token_hex(16)}" for name in ("secret key", "service token", "webhook", "query")}
    match = re.search(r"/setup\?token=([\w.-]+)", log.read_text())
    assert match, "the first start shows its link"
    return chosen | {"setup link": match[1]}


_ZEROS = re.compile(rb"\0{9,}")
HANDLERS = "reflex___state____state.dashboard_app___console___pages___{}____{}.{}"


async def _rogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Repeats what it hears, as an error of HTTP or of PostgreSQL: a hostile server tries to get a secret into our words."""
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        while heard := await reader.read(1 << 16):
            if heard[4:8] == b"\x04\xd2\x16\x2f":
                writer.write(b"N")
            elif heard.startswith((b"GET", b"POST")):
                writer.write(b"HTTP/1.1 500 x\r\nContent-Length: %d\r\n\r\n" % len(heard) + heard)
            elif heard.startswith(b"p"):
                said = b"SFATAL\0VFATAL\0C28000\0Mno: " + heard[5:].strip(b"\0") + b"\0\0"
                writer.write(b"E" + struct.pack("!i", len(said) + 4) + said)
            else:
                writer.write(b"R\0\0\0\x08\0\0\0\x03")  # the password in clear, please


@contextlib.asynccontextmanager
async def _hostile() -> AsyncIterator[int]:
    """The port of a server that repeats what it hears; at the end nothing of it is left."""
    heard: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.add(asyncio.create_task(_rogue(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in heard:
            one.cancel()
        await asyncio.gather(*heard, return_exceptions=True)


def _set_up(witness: Witness, planted: dict[str, str]) -> str:
    """Make the first admin by the link of the first start; the Cookie header of the session."""
    url = witness.instance.url
    with witness.client(Origin=url) as browser:
        form = {"token": planted["setup link"], "email": "ana@example.org"}
        assert browser.post("/setup", data=form | {"password": "short"}).status_code == 422
        witness.heard.clear()  # the form holds the link's token, for it to be sent again
        made = browser.post("/setup", data=form | {"password": planted["new password"]})
        assert made.status_code == 303, made.text
        browser.get("/setup", params={"token": planted["setup link"]})
        for _ in range(3):
            browser.post("/login", data={"email": "ana@example.org", "password": planted["typed wrong"]})
        browser.post("/login", data={"email": planted["typed wrong"], "password": "x"})
        return "; ".join(f"{name}={value}" for name, value in made.cookies.items())


def _use(api: httpx.Client, planted: dict[str, str], port: int) -> None:
    """Sources and channels whose secrets are right, wrong, and told to somebody who repeats them; all of them read."""
    host = {"host": "127.0.0.1", "port": port}
    database = {"kind": "postgresql", "username": "u", "options": {"sslmode": "prefer"}} | host
    service = {"kind": "service", "password": planted["service token"], "options": {"sslmode": "disable"}} | host
    made = [
        api.post("/scan/data-sources", json=database | {"name": "echo", "password": planted["source"]}),
        api.post("/scan/data-sources", json=database | {"name": "dead", "port": 1, "password": planted["source"]}),
        api.post("/scan/data-sources", json=service | {"name": "service"}),
        api.post("/api/v1/notifications", json={"name": "hook", "url": f"json://127.0.0.1:{port}/{planted['webhook']}"}),
    ]
    assert [one.status_code for one in made] == [201] * 4, [one.text for one in made]
    for one in made[:3]:
        place = one.headers["location"]
        for path in (place, f"{place}/health", f"{place}/stats", f"{place}/history"):
            api.get(path)
        api.patch(place, json={"password": planted["wrong password"] if one is not made[2] else planted["service token"], "tags": ["x"]})
    for body in (database | {"name": "t", "password": planted["source"]}, service | {"name": "t"}):
        api.post("/scan/data-sources/test", json=body)
    api.post(f"/api/v1/notifications/{made[3].json()['id']}/test")
    for path in ("/api/v1/notifications", "/scan/data-sources/health?ids=2,3,4", "/api/v1/account", "/api/v1/tokens"):
        api.get(path)


def _misuse(api: httpx.Client, planted: dict[str, str]) -> None:
    """Secrets where they do not belong, in requests that fail in every way."""
    secret, asked = planted["source"], planted["query"]
    bodies = ({"password": [secret]}, {"name": secret * 50}, {"pasword": secret}, {"options": {"password": secret}}, [secret], secret)
    for body in bodies:
        for path in (
            "/scan/data-sources",
            "/scan/data-sources/test",
            "/api/v1/users",
            "/api/v1/notifications",
            "/api/v1/tokens",
            "/api/v1/jobs",
        ):
            given = {"kind": "postgresql", "name": "n"} | body if isinstance(body, dict) else body
            answer = api.post(path, json=given)
            assert answer.status_code < 500, (path, answer.text)
    api.post("/scan/data-sources", content=f'{{"password": "{secret}'.encode(), headers={"Content-Type": "application/json"})
    api.get("/assets/none.js", params={"token": asked})
    api.get("/api/v1/audit", params={"limit": "x", "token": asked})
    api.get("/scan/data-sources/0/health", headers={"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"})
    api.post("/api/v1/account/password", json={"present": planted["typed wrong"], "new": planted["wrong password"]})
    api.get("/livez", headers={"Host": "evil.example", "X-Request-ID": asked[:20], "Cookie": f"a={asked}"})


async def _frames(instance: Instance, cookie: str, planted: dict[str, str]) -> list[str]:
    """What a page is sent when its handlers are given secrets, in forms that are right and in forms that are not."""
    form = {"name": "by page", "kind": "postgresql", "host": "127.0.0.1", "port": "1", "username": "u", "password": planted["source"]}
    calls = [
        (("source_form", "source_form", "add"), {}),
        (("source_form", "source_form", "submit"), {"form": form}),
        (("source_form", "source_form", "submit"), {"form": planted["source"]}),
        (("shell_state", "shell_state", "dismiss"), {"password": planted["source"]}),
        (("shell_state", "shell_state", "dismiss"), {"toast_id": {"password": planted["source"]}}),
        (("shell_state", "shell_state", "dismiss"), {"toast_id": planted["source"]}),
        (("source_state", "source_state", "load"), {"x": [planted["source"]]}),
        (("account_state", "account_state", "change_password"), {"form": {"present": planted["typed wrong"], "new": "x", "again": "x"}}),
        (("channels_state", "channels", "submit"), {"form": {"name": "", "url": f"json://x/{planted['webhook']}"}}),
    ]
    async with open_session(instance.url, cookie) as session:
        await session.shows("echo")
        for name, payload in calls:
            await session.send(HANDLERS.format(*name), payload)
        await session.send("nosuch.handler", {"password": planted["source"]})
        await session.send(HANDLERS.format("shell_state", "shell_state", "failed"), {})  # answered last: by then all else was
        await session.shows("Something went wrong on our side")
        return session.received


def _pages(witness: Witness, cookie: str) -> None:
    """Every page of the console, as somebody signed in and as nobody sees it."""
    for headers in ({"Cookie": cookie}, {}):
        with witness.client(**headers) as browser:
            for path in (
                "/",
                "/sources/2",
                "/pool",
                "/account",
                "/tokens",
                "/alerts",
                "/audit",
                "/settings",
                "/no-such-page",
                "/login",
                "/wall",
            ):
                browser.get(path)


async def _dump(instance: Instance) -> bytes:
    """Every row of every table and of the server's own catalogues, as COPY writes them: what pg_dump would."""
    to = instance.postgres.address()
    connection = await asyncpg.connect(
        host=to.host, port=to.port, user=to.user, password=to.password.reveal(), database=to.database, ssl=False, timeout=20
    )
    out = io.BytesIO()
    try:
        for row in await connection.fetch("SELECT schemaname, tablename FROM pg_tables WHERE schemaname <> 'information_schema'"):
            await connection.copy_from_table(row["tablename"], schema_name=row["schemaname"], output=out, timeout=60)
    finally:
        await connection.close(timeout=5)
    return out.getvalue()


def _files(instance: Instance) -> list[Path]:
    """What lies in DATA_DIR and in the folder of its server, but for databases that nobody uses and for the server's own password, which only its owner reads."""
    pointer = instance.data_dir / "embedded.place"
    folders = [instance.data_dir, *([Path(pointer.read_text().strip())] if pointer.is_file() else [])]
    skipped, templates = {"serve.log", "embedded.password"}, ("base/1", "base/4", "base/5")
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name not in skipped]
    return [path for path in paths if not path.parent.as_posix().endswith(templates)]


def _visible(instance: Instance) -> bytes:
    """The command lines of all processes, which every account of the machine may read."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((process / "cmdline").read_bytes())
    return b"\n".join(lines)


async def test_no_planted_secret_is_found_anywhere_but_where_it_belongs(tmp_path):
    key = f"canary{secrets.token_hex(16)}"
    with running(tmp_path / "data", secret_key=key, admin_email="", admin_password="", log_level="debug", pool_size=5) as instance:
        at_start = instance.log.read_bytes()
        planted = plant(instance.log) | {"secret key": key}
        witness = Witness(instance)
        cookie = _set_up(witness, planted)
        token = instance.token("admin")
        planted |= {"api token": token, "session": cookie.partition("=")[2], "database": instance.postgres.address().password.reveal()}
        with witness.client(Authorization=f"Bearer {token}") as api:
            async with _hostile() as port:
                await asyncio.to_thread(_use, api, planted, port)
            _misuse(api, planted)
            frames = await _frames(instance, cookie, planted)
            with instance.postgres_stopped():
                for path in ("/scan/data-sources", "/api/v1/notifications", "/api/v1/audit", "/readyz", "/metrics"):
                    api.get(path)
                with witness.client(Origin=instance.url) as away:
                    away.post("/login", data={"email": "ana@example.org", "password": planted["typed wrong"]})
            for path in (
                "/api/v1/audit.csv",
                "/api/v1/audit",
                "/metrics",
                "/api/v1/settings",
                "/openapi.json",
                "/scan/data-sources",
                "/api/v1/users",
            ):
                api.get(path)
        _pages(witness, cookie)
        dump = await _dump(instance)
        places = {
            "log": instance.log.read_bytes().replace(at_start, b"", 1),
            "dump": dump,
            "frames": "\n".join(frames).encode(),
        } | witness.heard
        places |= {str(path): path.read_bytes() for path in _files(instance)}
        places |= {str(path): path.read_bytes() for path in (ROOT / ".states").rglob("*") if path.is_file()}
        places |= {"command line and environment of its processes": _visible(instance)}
        instance.stop()
        places["log at the end"] = instance.log.read_bytes().replace(at_start, b"", 1)
    assert len(places["log"]) > 10_000, "it was at its most talkative"
    assert len(witness.heard) > 40
    wanted = needles(planted)
    hits = {place: found(text, wanted) for place, text in places.items()}
    assert {place: names for place, names in hits.items() if names} == {}
