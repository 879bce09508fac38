import asyncio
import socket
import threading

import pytest

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.model.errors import ProbeFailed


class SlowNames:
    """Stands in for the system's resolver: answers when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()

    def getaddrinfo(self, host, port, **_):
        self.asked.append(host)
        self.answer.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))] * 2


@pytest.fixture
def names(monkeypatch):
    slow = SlowNames()
    monkeypatch.setattr("dashboard_app.backend.sources.probes.names.socket.getaddrinfo", slow.getaddrinfo)
    yield slow
    slow.answer.set()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%eth0"])
async def test_an_address_stands_for_itself(address):
    assert await Resolver().resolve(address) == (address,)


async def test_many_who_ask_for_one_name_share_one_lookup(names):
    resolver = Resolver()
    asking = [asyncio.create_task(resolver.resolve("db")) for _ in range(5)]
    await asyncio.sleep(0)
    names.answer.set()
    assert await asyncio.gather(*asking) == [("192.0.2.1",)] * 5
    assert names.asked == ["db"]


async def test_a_dead_name_server_is_waited_for_by_as_many_as_the_limit_and_no_more(names):
    resolver = Resolver(limit=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolver.resolve("first"), 0.01)
    with pytest.raises(ProbeFailed, match="Too many"):
        await resolver.resolve("second")
    again = asyncio.create_task(resolver.resolve("first"))
    await asyncio.sleep(0)
    names.answer.set()
    assert await again == ("192.0.2.1",)
    assert names.asked == ["first"]


async def test_an_unknown_name_is_a_failed_probe_at_its_step():
    with pytest.raises(ProbeFailed, match=r"no-such-host\.invalid is not known") as caught:
        await Resolver().resolve("no-such-host.invalid")
    assert caught.value.step == "name"
