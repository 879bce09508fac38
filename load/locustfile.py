"""Users for Locust: an operator, a service that follows the throttling-config, a page and a reader of events over WebSockets.

`make load` starts it; alone: `locust -f load/locustfile.py --host http://127.0.0.1:8000` with LOAD_TOKEN (role operator) and, for pages,
LOAD_EMAIL and LOAD_PASSWORD in the environment. What it measured goes to the file named by LOAD_OUT as JSON.
"""

import json
import os
import random
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import websocket
from locust import HttpUser, User, between, events, task
from locust.exception import StopUser

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from load.calls import CONFIG, EVENTS, MAKE_JOBS, OPERATOR, SERVICE, STATUS_POSTS

TOKEN = os.environ.get("LOAD_TOKEN", "")
EMAIL, PASSWORD = os.environ.get("LOAD_EMAIL", ""), os.environ.get("LOAD_PASSWORD", "")
SIGNED = {"Authorization": f"Bearer {TOKEN}"}
JOBS = 20
_POLITE = {429, 503}
_LIMIT_S = 10
_statuses: Counter[str] = Counter()
_messages: Counter[str] = Counter()
_told: set[str] = set()
_cookie: list[str] = []


def _say_once(sentence: str) -> None:
    """Tell the person at the terminal, once."""
    if sentence not in _told:
        _told.add(sentence)
        print(f"load: {sentence}", file=sys.stderr, flush=True)


def _code(answer: Any) -> str:
    """The code of a problem document."""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return "without a code"


class _Asks(HttpUser):
    """Asks over HTTP. A refusal with Retry-After (429, 503) is an answer, counted by its code; anything else that is not expected fails."""

    abstract = True
    network_timeout = connection_timeout = float(_LIMIT_S)

    def ask(self, method: str, url: str, name: str, expected: tuple[int, ...] = (200,), **more: Any) -> Any:
        """One request; its answer."""
        headers = {**SIGNED, **more.pop("headers", {})}
        with self.client.request(method, url, name=name, headers=headers, catch_response=True, timeout=_LIMIT_S, **more) as answer:
            status = answer.status_code
            _statuses[f"{status} {_code(answer)}" if status in _POLITE else str(status)] += 1
            if status in expected or (status in _POLITE and "Retry-After" in answer.headers):
                answer.success()
            else:
                answer.failure(f"HTTP {status}")
            return answer


class Operator(_Asks):
    """Somebody with dashboards open and a script running."""

    weight = 3
    wait_time = between(0.5, 1.5)

    @task
    def look(self) -> None:
        """Read one of the things a page shows."""
        call = random.choices(OPERATOR, [each.weight for each in OPERATOR])[0]  # noqa: S311 - no secret
        self.ask("GET", call.url, f"GET {call.path}")


class Service(_Asks):
    """A program that does its work, and asks how much of it it may do."""

    weight = 5
    wait_time = between(0.2, 0.6)
    etag = ""
    ids: tuple[int, ...] = ()

    def on_start(self) -> None:
        """Make the jobs whose progress it will tell."""
        made = self.ask("POST", MAKE_JOBS, f"POST {MAKE_JOBS}", (201,), json={"jobs": [{"kind": "load", "payload": {}}] * JOBS})
        if made.status_code == 201:  # noqa: PLR2004 - HTTP's own number
            self.ids = tuple(made.json()["ids"])

    @task(2)
    def read(self) -> None:
        """Is it well, and how much may be sent? The config is asked for with the last ETag."""
        call = random.choices(SERVICE, [each.weight for each in SERVICE])[0]  # noqa: S311 - no secret
        if call.path != CONFIG:
            self.ask("GET", call.url, f"GET {call.path}")
            return
        answer = self.ask("GET", CONFIG, f"GET {CONFIG}", (200, 304), headers={"If-None-Match": self.etag} if self.etag else {})
        self.etag = answer.headers.get("ETag", self.etag) if answer.status_code else self.etag

    @task(1)
    def tell(self) -> None:
        """Post the status of its jobs, all in one call."""
        updates = [{"job_id": each, "status": random.choice(("processing", "completed"))} for each in self.ids]  # noqa: S311 - no secret
        if updates:
            self.ask("POST", STATUS_POSTS, f"POST {STATUS_POSTS}", (202,), json={"updates": updates})


class _Listens(User):
    """Holds a WebSocket open and reads what comes."""

    abstract = True
    wait_time = between(0.1, 0.2)
    name = ""
    socket: Any = None

    def connect(self, path: str, **how: Any) -> None:
        """Open the socket; a failure is counted and ends this user when there is no such socket."""
        began = time.perf_counter()
        url = f"ws{self.host.removeprefix('http')}{path}"
        try:
            self.socket = websocket.create_connection(url, timeout=_LIMIT_S, **how)
        except websocket.WebSocketBadStatusException as refused:
            _statuses[f"ws {refused.status_code}"] += 1
            self.note(began, refused)
            _say_once(
                f"{self.name} is refused with HTTP {refused.status_code}: this server has no such socket, or not for this token; its users stop"
            )
            raise StopUser from refused
        except (OSError, websocket.WebSocketException) as failure:
            self.note(began, failure)
            raise StopUser from failure
        self.note(began)

    def note(self, began: float, failure: Exception | None = None) -> None:
        """Count one opening."""
        took_ms = (time.perf_counter() - began) * 1000
        events.request.fire(request_type="WS", name=self.name, response_time=took_ms, response_length=0, exception=failure, context={})

    @task
    def listen(self) -> None:
        """Read for a second."""
        self.socket.settimeout(1)
        try:
            self.hear(self.socket.recv())
        except websocket.WebSocketTimeoutException:
            return
        except (OSError, websocket.WebSocketException) as failure:
            events.request.fire(
                request_type="WS", name=f"{self.name} cut", response_time=0, response_length=0, exception=failure, context={}
            )
            raise StopUser from failure

    def hear(self, message: Any) -> None:
        """One message."""
        if message:
            _messages[self.name] += 1

    def on_stop(self) -> None:
        """Leave."""
        if self.socket is not None:
            self.socket.close()


class EventReader(_Listens):
    """A program that reads the live feed."""

    weight = 1
    name = EVENTS

    def on_start(self) -> None:
        """Open the feed."""
        self.connect(EVENTS, header=[f"Authorization: Bearer {TOKEN}"])


class Page(_Listens):
    """A browser with the page of sources open: Reflex's socket, spoken as its client does."""

    weight = 2
    name = "page /_event"

    def on_start(self) -> None:
        """Sign in (once for all pages), open the socket, load the page."""
        if not (EMAIL and PASSWORD):
            _say_once("no LOAD_EMAIL and LOAD_PASSWORD: no pages are opened")
            raise StopUser
        if not _cookie:
            _cookie.append(self._signed_in())
        self.connect(f"/_event/?EIO=4&transport=websocket&token={uuid.uuid4()}", header=[f"Cookie: {_cookie[0]}"], origin=self.host)
        self.socket.recv()
        self.socket.send("40/_event,")
        self.socket.recv()
        loads = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
        event = {"name": loads, "payload": {}, "router_data": {"pathname": "/", "asPath": "/", "query": {}}}
        self.socket.send(f"42/_event,{json.dumps(['event', event])}")

    def hear(self, message: Any) -> None:
        """One message; a ping is answered."""
        if message == "2":
            self.socket.send("3")
            return
        super().hear(message)

    def _signed_in(self) -> str:
        """A session cookie."""
        import requests  # noqa: PLC0415 - patched by Locust before anything uses it

        answer = requests.post(
            f"{self.host}/login",
            data={"email": EMAIL, "password": PASSWORD},
            headers={"Origin": self.host},
            allow_redirects=False,
            timeout=_LIMIT_S,
        )
        if not answer.cookies:
            _say_once(f"the sign-in of {EMAIL} failed with HTTP {answer.status_code}: no pages are opened")
            raise StopUser
        return "; ".join(f"{each.name}={each.value}" for each in answer.cookies)


@events.quitting.add_listener
def _keep(environment: Any, **_more: Any) -> None:
    """Write what was measured."""
    out = os.environ.get("LOAD_OUT")
    if not out:
        return
    rows = [
        {
            "name": f"{each.method} {each.name}" if each.method == "WS" else each.name,
            "requests": each.num_requests,
            "failed": each.num_failures,
            "per_s": each.total_rps,
            **{f"p{percent}_ms": each.get_response_time_percentile(percent / 100) or 0 for percent in (50, 95, 99)},
            "max_ms": each.max_response_time,
        }
        for each in sorted(environment.stats.entries.values(), key=lambda each: -each.num_requests)
    ]
    errors = [{"name": each.name, "error": str(each.error), "times": each.occurrences} for each in environment.stats.errors.values()]
    said = {"rows": rows, "errors": errors, "statuses": dict(_statuses), "messages": dict(_messages), "told": sorted(_told)}
    Path(out).write_text(json.dumps(said), encoding="utf-8")
