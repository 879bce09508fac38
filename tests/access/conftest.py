import pytest

from tests.access.parts import opened


@pytest.fixture
async def parts(fresh_database, settings_for):
    async with opened(fresh_database, settings_for()) as parts:
        await parts.add_users()
        yield parts
