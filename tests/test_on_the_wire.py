"""A real Spillway, looked at from outside as a stranger does: raw bytes, odd methods, files that are none of its own."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, Instance, running

FOREIGN = "https://evil.example"
TAIL = b"GET /livez?smuggled HTTP/1.1\r\nHost: %s\r\n\r\n"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("wire") / "data") as one:
        yield one


@pytest.fixture(scope="module")
def person(instance: Instance) -> Iterator[httpx.Client]:
    """A browser's session of the admin."""
    with httpx.Client(base_url=instance.url, timeout=15, verify=PLAIN) as client:
        client.post("/login", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, headers={"Origin": instance.url})
        assert client.get("/api/v1/account").status_code == 200
        yield client


def answers(instance: Instance, request: bytes) -> bytes:
    """All that comes back on one connection until the server closes it, or has been silent for two seconds."""
    said = b""
    with socket.create_connection(("127.0.0.1", instance.port), timeout=2) as wire:
        wire.sendall(request)
        try:
            while part := wire.recv(65536):
                said += part
        except TimeoutError:
            pass
    return said


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +5\r\n\r\nhello",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_message_whose_end_is_in_doubt_is_refused_and_what_hides_behind_it_is_not_answered(instance: Instance, framing: bytes) -> None:
    host = f"127.0.0.1:{instance.port}".encode()
    said = answers(instance, b"POST /api/v1/jobs/status HTTP/1.1\r\nHost: " + host + b"\r\n" + framing + TAIL % host)
    assert said.startswith(b"HTTP/1.1 4")
    assert said.count(b"HTTP/1.1 ") == 1


def test_of_two_lengths_the_one_of_the_chunks_counts(instance: Instance) -> None:
    host = f"127.0.0.1:{instance.port}".encode()
    for framing in (b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 6"):
        start = b"POST /api/v1/jobs/status HTTP/1.1\r\nHost: " + host + b"\r\n" + framing + b"\r\n\r\n0\r\n\r\n"
        said = answers(instance, start + TAIL % host)  # by Content-Length the G of the next GET would be the body's
        assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"401", b"200"]


def test_trace_says_nothing_back(instance: Instance, person: httpx.Client) -> None:
    for path in ("/", "/login", "/livez", "/assets/x.js", "/api/v1/users"):
        answer = person.request("TRACE", path, headers={"X-Mine": "say it again", "Origin": instance.url})
        assert answer.status_code >= 400, path
        assert "say it again" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        *("/.git/config", "/.git/HEAD", "/.env", "/pyproject.toml", "/requirements.txt", "/Makefile", "/data/secret-key"),
        *("/assets/..%2f..%2f..%2frequirements.txt", "/assets/%2e%2e/%2e%2e/%2e%2e/requirements.txt", "/..%5crequirements.txt"),
        *("/assets", "/assets/", "/assets/js/", "/docs/", "/login/", "/index.html.map"),
    ],
)
def test_no_file_of_ours_and_no_list_of_a_folder_is_given_out(instance: Instance, person: httpx.Client, path: str) -> None:
    with instance.client(None) as stranger:
        for client in (stranger, person):
            answer = client.get(httpx.URL(instance.url, raw_path=path.encode()))
            assert answer.status_code in {303, 307, 400, 401, 404}, path
            for mark in ("[core]", "refs/heads", "[project]", "--hash=sha256", ".PHONY", "Index of", "Directory listing"):
                assert mark not in answer.text, (path, mark)


def test_every_text_names_its_charset(instance: Instance, person: httpx.Client) -> None:
    page = person.get("/")
    script = page.text.partition('src="/assets/')[2].partition('"')[0] or page.text.partition('href="/assets/')[2].partition('"')[0]
    for path in ("/", "/login", "/gate.css", "/gate.js", "/metrics", "/docs", f"/assets/{script}"):
        kind = person.get(path, follow_redirects=True).headers["content-type"]
        assert kind.startswith("text/"), (path, kind)
        assert "charset=utf-8" in kind.lower(), (path, kind)
    for path in ("/livez", "/openapi.json", "/api/v1/account", "/api/v1/nothing"):
        assert "json" in person.get(path).headers["content-type"], path  # JSON is UTF-8 by its own standard


def test_no_other_site_is_allowed_to_read(instance: Instance, person: httpx.Client) -> None:
    for path in ("/livez", "/api/v1/account", "/scan/data-sources", "/", "/login", "/_event", "/assets/x.js"):
        asked = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        for answer in (person.get(path, headers={"Origin": FOREIGN}), person.options(path, headers=asked)):
            allowed = answer.headers.get("access-control-allow-origin")
            assert allowed not in {"*", FOREIGN, "null"}, (path, allowed)


def test_a_parameter_given_twice_is_one_value_and_that_one_is_checked(instance: Instance) -> None:
    with instance.client() as client:
        assert client.get("/scan/data-sources?limit=1000000&limit=1").status_code == 200
        assert client.get("/scan/data-sources?limit=1&limit=1000000").status_code == 422


def test_no_secret_in_an_address_opens_anything(instance: Instance) -> None:
    token = instance.token("admin")
    with instance.client(None) as client:
        for query in (f"token={token}", f"access_token={token}", f"api_key={token}", f"spillway_session={token}"):
            assert client.get(f"/api/v1/users?{query}").status_code == 401
