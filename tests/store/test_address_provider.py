"""Where the database is, by the settings."""

import pytest

from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.address_provider import address_provider


def test_the_address_comes_from_database_url_when_it_is_set(settings_for: object) -> None:
    assert callable(settings_for)
    given = address_provider(settings_for(database_url="postgresql+asyncpg://app:s%40fe@db.example:6543/shop?sslmode=require"))()
    assert (given.host, given.port, given.database, given.user, given.password.reveal(), given.sslmode) == (
        "db.example", 6543, "shop", "app", "s@fe", "require",
    )  # fmt: skip
    with pytest.raises(DatabaseUnavailable):
        address_provider(settings_for())()
