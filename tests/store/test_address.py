"""DATABASE_URL becomes fields; a wrong one is refused without showing its password."""

import pytest

from dashboard_app.model.errors import StartRefused
from dashboard_app.model.secret import Secret
from dashboard_app.store.address import DatabaseAddress


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://app:pw@db:6543/shop", DatabaseAddress("db", 6543, "shop", "app", Secret("pw"))),
        ("postgres://app:pw@db/shop?sslmode=verify-full", DatabaseAddress("db", 5432, "shop", "app", Secret("pw"), "verify-full")),
        ("postgresql+psycopg2://app@[::1]:5432", DatabaseAddress("::1", 5432, "app", "app", Secret(""))),
        (" postgresql://a%40b:p%2Fw%3A%25@db/s%20p ", DatabaseAddress("db", 5432, "s p", "a@b", Secret("p/w:%"))),
    ],
)
def test_a_url_becomes_fields(url: str, address: DatabaseAddress) -> None:
    assert DatabaseAddress.from_url(url) == address


@pytest.mark.parametrize(
    "url",
    ["mysql://app:geheim@db/x", "postgresql://db/x", "postgresql://app:geheim@/x", "postgresql://app:geheim@db:0x1/x", "postgresql://app:geheim@db:99999/x",
     "postgresql://app:geheim@db/x?sslmode=maybe", "postgresql://app:geheim@[::1/x", ""],
)  # fmt: skip
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StartRefused, match="SPILLWAY_DATABASE_URL") as refused:
        DatabaseAddress.from_url(url)
    assert "geheim" not in refused.value.detail
