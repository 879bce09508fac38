"""The API on fakes, and a client of it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.backend.api.fakes import World


@pytest.fixture
def world() -> World:
    """An API on fakes, not in demo mode."""
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """An admin's client."""
    async with world.client() as opened:
        yield opened
