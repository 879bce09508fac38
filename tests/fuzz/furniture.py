"""What stands in the instance before it is fuzzed, so that calls find something: one of everything that has an id."""

import contextlib
from collections.abc import Iterator

import httpx

from tests.bouncer import ADMIN, PASSWORD, BouncerForTests
from tests.conftest import program
from tests.instance import Instance

NAMES = {"service": "fuzz-service", "pgbouncer": "fuzz-pooler"}
_CHANNEL = {"name": "fuzz", "url": "json://127.0.0.1:9/fuzz"}
_RULE = {"name": "fuzz", "metric": "pool.usage_percent", "operator": ">=", "limit": 5.0}


@contextlib.contextmanager
def furnished(instance: Instance) -> Iterator[None]:
    """A service and, where there is one, a PgBouncer among the sources; a rule, a channel, jobs, a dead letter, an account, a second token."""
    bouncer = _bouncer(instance)
    try:
        with instance.client("admin") as client:
            itself = {"host": "127.0.0.1", "port": instance.port, "password": instance.token("viewer"), "options": {"sslmode": "disable"}}
            _made(client, "/scan/data-sources", {"name": NAMES["service"], "kind": "service", **itself})
            if bouncer is not None:
                pooler = {"host": "127.0.0.1", "port": bouncer.port, "username": ADMIN, "password": PASSWORD}
                _made(client, "/scan/data-sources", {"name": NAMES["pgbouncer"], "kind": "pgbouncer", **pooler})
            _made(client, "/api/v1/notifications", _CHANNEL)
            _made(client, "/api/v1/alert-rules", _RULE)
            _made(client, "/api/v1/jobs", {"jobs": [{"kind": "fuzz"}] * 3})
            _made(client, "/api/v1/jobs/status", {"updates": [{"job_id": 999_999, "status": "completed"}]})
            _made(client, "/api/v1/users", {"email": "second@example.org", "role": "viewer"})
        yield
    finally:
        if bouncer is not None:
            bouncer.remove()


def _bouncer(instance: Instance) -> BouncerForTests | None:
    """A PgBouncer in front of the instance's own server; None, and a sentence, where the program is missing."""
    found = program("pgbouncer")
    if found is None:
        print("fuzz: no pgbouncer on this machine: the calls about one meet other kinds only")
        return None
    bouncer = BouncerForTests(found, instance.postgres.address())
    bouncer.start()
    return bouncer


def _made(client: httpx.Client, path: str, body: object) -> None:
    """Make one thing. Raises AssertionError when it was not made."""
    answer = client.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.text}"
