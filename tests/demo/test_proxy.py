"""The proxy does to a connection what its weather says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dashboard_app.demo.proxy import FaultProxy, Mode, Weather


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1000):
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[:2]
    server.close()


@pytest.fixture
async def proxy(echo) -> AsyncIterator[FaultProxy]:
    made = FaultProxy(lambda: echo)
    await made.start()
    yield made
    await made.close()


async def say(stream, words: bytes, limit_s: float = 5.0) -> bytes:
    reader, writer = stream
    writer.write(words)
    return await asyncio.wait_for(reader.read(1000), limit_s)


async def ends(stream) -> bool:
    """The other side hangs up."""
    reader, writer = stream
    try:
        return await asyncio.wait_for(reader.read(1000), 5) == b""
    except ConnectionError:
        return True
    finally:
        writer.transport.abort()


async def connected(proxy: FaultProxy):
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_it_passes_data_both_ways(proxy):
    stream = await connected(proxy)
    assert await say(stream, b"hello") == b"hello"
    stream[1].close()


async def test_latency_counts_in_each_direction(proxy):
    await proxy.become(Weather(latency_s=0.05))
    stream = await connected(proxy)
    began = asyncio.get_running_loop().time()
    assert await say(stream, b"hello") == b"hello"
    assert asyncio.get_running_loop().time() - began >= 0.1
    stream[1].close()


async def test_a_frozen_one_accepts_and_never_answers_and_thaws(proxy):
    before = await connected(proxy)
    assert await say(before, b"a") == b"a"
    await proxy.become(Weather(Mode.FROZEN))
    during = await connected(proxy)
    for stream in (before, during):
        with pytest.raises(TimeoutError):
            await say(stream, b"b", 0.05)
    await proxy.become(Weather())
    for reader, writer in (before, during):
        assert await asyncio.wait_for(reader.read(1000), 5) == b"b"
        writer.close()


async def test_a_refusing_one_cuts_and_refuses_and_comes_back_on_its_port(proxy):
    port, stream = proxy.port, await connected(proxy)
    assert await say(stream, b"a") == b"a"
    await proxy.become(Weather(Mode.REFUSING))
    assert proxy.port == port
    with pytest.raises(ConnectionRefusedError):
        await connected(proxy)
    assert await ends(stream)
    await proxy.become(Weather())
    again = await connected(proxy)
    assert await say(again, b"c") == b"c"
    again[1].close()


async def test_a_target_that_is_away_ends_the_connection():
    held = FaultProxy(lambda: ("127.0.0.1", 1))
    await held.start()
    stream = await connected(held)
    assert await ends(stream)
    await held.close()


async def test_closing_leaves_nobody_listening(echo):
    made = FaultProxy(lambda: echo)
    port = await made.start()
    stream = await connected(made)
    assert await say(stream, b"a") == b"a"
    await made.close()
    assert await ends(stream)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
