"""Where the database of these settings is: DATABASE_URL's place, or the embedded server's."""

from collections.abc import Callable

from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.embedded import of_settings


def address_provider(settings: Settings) -> Callable[[], DatabaseAddress]:
    """What says at each connect where the database is: DATABASE_URL's, or the embedded server's as DATA_DIR tells it."""
    if settings.database_url is None:
        return of_settings(settings).address
    address = DatabaseAddress.from_url(settings.database_url.get_secret_value())
    return lambda: address


def direct_address_provider(settings: Settings) -> Callable[[], DatabaseAddress]:
    """As `address_provider`, but past the connection pooler that DATABASE_URL may name."""
    if settings.database_direct_url is None:
        return address_provider(settings)
    address = DatabaseAddress.from_url(settings.database_direct_url.get_secret_value(), "SPILLWAY_DATABASE_DIRECT_URL")
    return lambda: address
