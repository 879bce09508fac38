"""The quickest rows of the fault matrix at small counts, and the proxy that spoils the connections."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.matrix.report import BEGIN, END, write
from tests.faults.matrix.row import Row, merged
from tests.faults.matrix.rows import ROWS, run
from tests.faults.matrix.stand import Stand, stand
from tests.faults.matrix.toxics import Kind, Toxic, ToxicProxy, Way, proxied


@pytest.fixture(scope="module")
def place() -> Iterator[Stand]:
    with stand(0.01) as here:
        yield here


@pytest.mark.parametrize("name", ["f15", "f20", "f22", "pid-reuse"])
def test_a_row_of_the_matrix_holds(place: Stand, name: str) -> None:
    row = run(place, name, 60)
    assert row.ok, row.note
    assert row.n > 0


def test_every_fault_of_the_reference_has_its_row() -> None:
    assert list(ROWS) == [f"f{number:02}" for number in range(1, 27)]


@contextlib.asynccontextmanager
async def _echo() -> AsyncIterator[ToxicProxy]:
    """A proxy before a server that says back what it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, proxied("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def _said(proxy: ToxicProxy, said: bytes, limit_s: float = 5) -> tuple[bytes, float]:
    """What comes back of it, and how long that took; raises what a client sees."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        async with asyncio.timeout(limit_s):
            writer.write(said)
            return await reader.readexactly(len(said)), time.monotonic() - began
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("way", list(Way))
async def test_the_proxy_is_late_narrow_or_in_slices_in_the_direction_it_is_told(way: Way) -> None:
    ways = frozenset({way})
    async with _echo() as proxy:
        for toxic, at_least_s in (
            (Toxic(Kind.LATENCY, 0.1, ways), 0.1),
            (Toxic(Kind.BANDWIDTH, 5000, ways), 0.1),
            (Toxic(Kind.SLICER, 50, ways), 0.02),
        ):
            await proxy.become(toxic)
            back, took_s = await _said(proxy, b"x" * 1000)
            assert (back, took_s >= at_least_s) == (b"x" * 1000, True), toxic
        await proxy.become()
        assert (await _said(proxy, b"y" * 1000))[0] == b"y" * 1000


@pytest.mark.parametrize("way", list(Way))
async def test_the_proxy_refuses_resets_and_cuts_short(way: Way) -> None:
    ways = frozenset({way})
    async with _echo() as proxy:
        await proxy.become(Toxic(Kind.DOWN))
        with pytest.raises(ConnectionRefusedError):
            await _said(proxy, b"x")
        await proxy.become(Toxic(Kind.RESET, 0.0, ways))
        with pytest.raises(ConnectionResetError):
            await _said(proxy, b"x")
        await proxy.become(Toxic(Kind.LIMIT, 10, ways))
        with pytest.raises(asyncio.IncompleteReadError) as cut:
            await _said(proxy, b"x" * 1000)
        assert len(cut.value.partial) == (10 if way is Way.DOWN else 0)
        await proxy.become(Toxic(Kind.TIMEOUT, 0.1, ways))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await _said(proxy, b"x")


async def test_a_silent_proxy_goes_on_when_the_silence_ends_and_a_slow_close_is_slow() -> None:
    async with _echo() as proxy:
        await proxy.become(Toxic(Kind.TIMEOUT))
        asking = asyncio.create_task(_said(proxy, b"x"))
        done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
        await proxy.become()
        assert (await asking)[0] == b"x"
        await proxy.become(Toxic(Kind.SLOW_CLOSE, 0.2))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write_eof()
        began = time.monotonic()
        assert await reader.read() == b""
        assert time.monotonic() - began >= 0.2
        writer.close()


def test_rounds_are_one_row_and_a_row_is_put_in_its_place_on_the_page(tmp_path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    first, second = Row("F02", "second", 1, recover_s=2.0, took_s=1), Row("F02", "second", 2, lost=1, recover_s=1.0, took_s=1)
    both = merged([first, second])
    assert (both.n, both.lost, both.recover_s, both.ok) == (3, 1, 2.0, False)
    write([Row("pid-reuse", "claim", 5)], 1, page)
    write([both], 2, page)
    write([Row("F01", "first | or not", 1)], 1, page)
    lines = page.read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == ["| fault", "| ---", "| F01", "| F02", "| pid-reuse"]
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "BROKEN" in next(line for line in lines if line.startswith("| F02"))
