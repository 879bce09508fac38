"""What is asked, as plain tables: who of a viewer, an operator or nobody asks it, and how often beside the others. Held to openapi.json by a test."""

from dataclasses import dataclass

CONFIG = "/api/v1/health/database/throttling-config"
STATUS_POSTS = "/api/v1/jobs/status"
MAKE_JOBS = "/api/v1/jobs"
HISTORY = "/api/v1/health/database/history"
POOL = "/api/v1/health/database/status"
EVENTS = "/api/v1/events/ws"


@dataclass(frozen=True, slots=True)
class Call:
    """One GET. `path` is the template of the API; `weight` its share."""

    path: str
    weight: int
    query: str = ""
    fill: str = ""
    """What stands for `{source_id}`."""

    @property
    def url(self) -> str:
        """What is asked."""
        return self.path.replace("{source_id}", self.fill) + (f"?{self.query}" if self.query else "")


OPERATOR = (
    Call("/scan/data-sources", 6, query="limit=50"),
    Call("/scan/data-sources/{source_id}/health", 3, fill="1"),
    Call(POOL, 4),
    Call("/api/v1/breakers", 2),
    Call("/api/v1/queue", 1),
    Call("/api/v1/alerts", 1),
)
"""What an operator's pages and scripts read."""
SERVICE = (Call("/api/health", 2), Call(CONFIG, 5))
"""What a service asks beside its posts."""
