import asyncio
import socket
import threading

import pytest

from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.network import networks_of


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


@pytest.fixture
def answers(monkeypatch):
    def start(addresses):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
        monkeypatch.setattr("dashboard_app.backend.sources.probes.names.socket.getaddrinfo", lambda *_, **__: found)

    return start


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "2001:db8::7"])
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


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "100.100.100.200"])
async def test_an_address_where_nothing_is_sent_is_a_failed_probe_at_its_step(host):
    with pytest.raises(ProbeFailed, match="Not connected: ") as caught:
        await Resolver(networks_of("0.0.0.0/0 ::/0")).resolve(host)
    assert caught.value.step == "name"


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_every_address_of_a_name_is_judged_and_one_that_is_refused_refuses_the_name(answers, place):
    found = ["192.0.2.1", "192.0.2.2"]
    found.insert(place, "169.254.169.254")
    answers(found)
    with pytest.raises(ProbeFailed, match=r"Not connected: db\.example\.org leads to 169\.254\.169\.254, which is link-local"):
        await Resolver().resolve("db.example.org")


async def test_a_name_that_leads_inside_needs_the_operators_list(answers):
    answers(["10.20.3.4"])
    assert await Resolver(networks_of("10.20.0.0/16")).resolve("db.example.org") == ("10.20.3.4",)
    with pytest.raises(ProbeFailed, match="a private address, and SPILLWAY_OUTBOUND_NETWORKS does not list it"):
        await Resolver(()).resolve("db.example.org")
    assert await Resolver(()).resolve("db.example.org", is_own=True) == ("10.20.3.4",)


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"])
async def test_a_number_that_the_system_takes_for_an_address_is_judged_as_that_address(host):
    with pytest.raises(ProbeFailed, match="Not connected"):
        await Resolver().resolve(host)
