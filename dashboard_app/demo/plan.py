"""The demo's fleet: 24 sources, most of them well, some of them not, each in its own way."""

from dataclasses import dataclass
from enum import StrEnum

from dashboard_app.demo.proxy import CLEAR, Mode, Weather

TAG = "demo"
"""Every source of the fleet carries it."""
REALMS = ("orders", "billing", "catalog", "identity", "warehouse", "geo", "archive", "crm")
"""One database and one role each, `demo_<realm>`."""


class Flaw(StrEnum):
    """What is wrong with how a source is registered."""

    NONE = ""
    WRONG_PASSWORD = "wrong password"  # noqa: S105 - says what is wrong
    MISSING_DATABASE = "missing database"


@dataclass(frozen=True, slots=True)
class Planned:
    """One source of the fleet. `flaps_s`: how long it is up and then down, over and over; (0, 0): never."""

    name: str
    realm: str
    environment: str = "production"
    weather: Weather = CLEAR
    flaw: Flaw = Flaw.NONE
    is_read_only: bool = False
    flaps_s: tuple[float, float] = (0.0, 0.0)

    @property
    def database(self) -> str:
        """The database it names."""
        return f"demo_{self.realm}_gone" if self.flaw is Flaw.MISSING_DATABASE else f"demo_{self.realm}"

    @property
    def role(self) -> str:
        """The role it signs in as. A read-only one stands in for a replica that lost its primary."""
        return f"demo_{self.realm}_reader" if self.is_read_only else f"demo_{self.realm}"


def _slow(latency_ms: float) -> Weather:
    """A slow line."""
    return Weather(latency_s=latency_ms / 1000)


FLEET = (
    Planned("orders-primary", "orders"),
    Planned("orders-replica-1", "orders", weather=_slow(4)),
    Planned("orders-replica-2", "orders", flaps_s=(45.0, 20.0)),
    Planned("orders-staging", "orders", "staging"),
    Planned("billing-primary", "billing", weather=Weather(Mode.REFUSING)),
    Planned("billing-replica", "billing", weather=_slow(12)),
    Planned("billing-staging", "billing", "staging"),
    Planned("catalog-primary", "catalog"),
    Planned("catalog-replica", "catalog", weather=_slow(25)),
    Planned("identity", "identity"),
    Planned("identity-staging", "identity", "staging", flaw=Flaw.WRONG_PASSWORD),
    Planned("sessions", "identity", weather=_slow(2)),
    Planned("warehouse", "warehouse", weather=_slow(650)),
    Planned("warehouse-loader", "warehouse", weather=_slow(120)),
    Planned("metrics-ingest", "warehouse"),
    Planned("geo-primary", "geo"),
    Planned("geo-replica", "geo", is_read_only=True),
    Planned("search-index", "geo", weather=_slow(40)),
    Planned("audit-archive", "archive", weather=_slow(80)),
    Planned("mail-queue", "archive"),
    Planned("legacy-crm", "crm", weather=Weather(Mode.FROZEN)),
    Planned("crm-primary", "crm", weather=_slow(6)),
    Planned("crm-staging", "crm", "staging", flaw=Flaw.MISSING_DATABASE),
    Planned("shop-staging", "crm", "staging", weather=_slow(15)),
)
