"""The stream as its readers really are: a browser's EventSource and WebSocket, curl, and a proxy that buffers by default."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.browser.conftest import holds
from tests.conftest import program
from tests.instance import PLAIN, free_port

LIMIT_S = 20
OPEN_BOTH = """
() => {
  window.heard = {sse: [], ws: []};
  window.source = new EventSource('/api/v1/events/stream?types=TEST_SEEN');
  const note = (event) => window.heard.sse.push([event.lastEventId, event.type, JSON.parse(event.data)]);
  for (const type of ['TEST_SEEN', 'TESTS_BATCH_SEEN', 'RESET', 'message']) window.source.addEventListener(type, note);
  window.socket = new WebSocket(location.origin.replace('http', 'ws') + '/api/v1/events/ws?types=TEST_SEEN');
  window.socket.onmessage = (event) => { const m = JSON.parse(event.data); window.heard.ws.push([String(m.id), m.event, m.data]); };
  window.socket.onclose = () => { window.heard.closed = true; };
  window.source.onerror = () => { window.heard.error = true; };
}
"""
BOTH_ARE_OPEN = "window.source.readyState === 1 && window.socket.readyState === 1"


def publish(backend, *numbers):
    with backend.client("operator") as api:
        answer = api.post("/api/v1/events", json=[{"type": "TEST_SEEN", "data": {"test_id": number}} for number in numbers])
    assert answer.status_code == 202, answer.text


async def test_a_browser_reads_over_both_ways_and_both_end_with_its_session(backend, visit):
    async with visit(backend) as v:
        await v.sign_in()
        await v.open("/drill")
        await v.page.evaluate(OPEN_BOTH)
        await holds(v.page, BOTH_ARE_OPEN)
        publish(backend, 1, 2, 3)
        await holds(v.page, "window.heard.sse.length > 0 && window.heard.ws.length > 0")
        heard = await v.page.evaluate("window.heard")
        assert [(kind, data) for _, kind, data in heard["sse"]] == [("TESTS_BATCH_SEEN", {"test_ids": [1, 2, 3], "batch_count": 3})]
        assert heard["sse"] == heard["ws"]
        await v.page.route("**/login?expired=1**", lambda route: route.fulfill(status=204))  # what is asked below is asked of this page
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in await v.page.context.cookies())
        async with httpx.AsyncClient(
            base_url=backend.url, timeout=15, verify=PLAIN
        ) as elsewhere:  # the same session, signed out beside the page
            left = await elsewhere.post("/logout", headers={"Cookie": cookie, "Origin": backend.url})
        assert left.status_code in {200, 303}
        await holds(v.page, "window.heard.closed === true && window.heard.error === true")


class Curl:
    """`curl -N` on the stream: what a person types first."""

    def __init__(self, url: str, token: str) -> None:
        command = [program("curl") or "curl", "-sN", "-H", f"Authorization: Bearer {token}", f"{url}/api/v1/events/stream?types=TEST_SEEN"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def lines(self, until: str) -> list[str]:
        """What it prints, up to a line that begins with `until`."""
        assert self.process.stdout is not None
        found: list[str] = []
        while not found or not found[-1].startswith(until):
            found.append(self.process.stdout.readline().rstrip("\n"))
            assert self.process.poll() is None, found
        return found


@contextlib.contextmanager
def curl(url: str, token: str) -> Iterator[Curl]:
    """A curl that reads, ended with the block."""
    reader = Curl(url, token)
    try:
        assert reader.lines("retry")[0] == "retry: 2000"
        yield reader
    finally:
        reader.process.kill()
        reader.process.communicate()


@pytest.mark.needs("curl")
def test_curl_prints_each_message_as_it_comes_until_its_token_is_revoked(backend):
    token = backend.cli("token", "create", "--name", "curl", "--role", "viewer").strip()
    with curl(backend.url, token) as reader:
        publish(backend, 7)
        number, kind, data = reader.lines("data")[-3:]
        assert number.startswith("id: ")
        assert (kind, json.loads(data.removeprefix("data: "))) == ("event: TEST_SEEN", {"test_id": 7})
        backend.cli("token", "revoke", "curl")
        assert reader.process.wait(LIMIT_S) == 0


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {url}; }} }}
}}
"""


@pytest.fixture
def proxied(backend, tmp_path):
    """The address of an nginx with its defaults (buffering among them) in front of the backend."""
    port = free_port()
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port, url=backend.url))
    nginx = subprocess.Popen([program("nginx") or "nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/livez", timeout=15, verify=PLAIN)
                break
            assert time.monotonic() < end, (tmp_path / "error.log").read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                nginx.wait(0.05)
        yield url
    finally:
        nginx.terminate()
        nginx.wait(10)


@pytest.mark.needs("curl", "nginx")
def test_a_proxy_that_buffers_by_default_lets_each_message_through(backend, proxied):
    with curl(proxied, backend.token("viewer")) as reader:
        for number in (1, 2):
            publish(backend, number)
            assert json.loads(reader.lines("data")[-1].removeprefix("data: ")) == {"test_id": number}
