"""Hold docs/state.md to its word: each row of the contract is named there with a test that exists, or as 'not built'.

The page is one or more tables `| row | proof |`. A proof is 'not built' (and, if wanted, why), or test ids such as
`tests/store/test_embedded.py::test_second_user_shares_it`, separated by commas or spaces.
"""

import ast
import functools
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "state.md"
ROWS = (
    # commands
    "make run", "make test", "make demo", "make bench", "make check", "make cli",
    # settings
    "HOST, PORT", "DATABASE_URL", "PG_BIN", "DATA_DIR", "BACKEND_URL, BACKEND_TOKEN", "PUBLIC_URL, TRUSTED_PROXY_HOPS", "REDIS_URL", "SECRET_KEY",
    "ADMIN_EMAIL, ADMIN_PASSWORD", "PUBLIC_HEALTH", "POOL_SIZE, POOL_MAX_OVERFLOW, POOL_TIMEOUT_S, POOL_RECYCLE_S, POOL_PRE_PING",
    "MAX_CONCURRENT_REQUESTS, ADMISSION_TIMEOUT_S", "POOL_MONITOR_INTERVAL_S, LEAK_THRESHOLD_S, AUTO_CLEANUP, THROTTLE_POLL_S",
    "HEALTH_BATCH_SIZE, HEALTH_STAGGER_MS, HEALTH_BATCH_DELAY_MS", "HEALTH_STALE_S, HEALTH_REFETCH_S, HEALTH_RETRIES, HEALTH_RETRY_DELAY_S",
    "METRICS_BATCH_SIZE, METRICS_STAGGER_MS, METRICS_BATCH_DELAY_MS", "METRICS_STALE_S, METRICS_REFETCH_S, METRICS_RETRIES, METRICS_RETRY_DELAY_S",
    "PACE", "QUEUE_CONCURRENCY, QUEUE_INTERVAL_MS, QUEUE_TIMEOUT_S, QUEUE_MAX, REQUEST_TIMEOUT_S",
    "BREAKER_FAILURE_THRESHOLD, BREAKER_RECOVERY_S, BREAKER_HALF_OPEN_CALLS",
    "JOB_BATCHING, JOB_BATCH_SIZE, JOB_FLUSH_S, JOB_BATCH_MAX, JOB_QUEUE_MAX, JOB_JOURNAL",
    "EVENT_BATCHING, EVENT_BATCH_SIZE, EVENT_BATCH_TIMEOUT_S, EVENT_MAX_RETRIES, EVENT_RETRY_DELAY_S", "RATE_LIMIT_DASHBOARD, RATE_LIMIT_LOGIN",
    "LIMIT_CONCURRENCY, KEEP_ALIVE_S, WS_MAX_BYTES, WS_PING_S, WS_PING_TIMEOUT_S", "CONSOLE_AUTO_CLEANUP", "LOG_FORMAT, LOG_LEVEL",
    # health and the pool guard
    "GET /api/v1/health/ping", "GET /api/health", "GET /api/v1/health/database/status", "GET /api/v1/health/database/throttling-config",
    "GET /api/v1/health/database/connection-test", "GET /api/v1/health/database/{history,sizing,performance,clients}",
    "POST /api/v1/health/database/force-cleanup", "GET /api/v1/health/database/holders",
    "< 70 %", "≥ 70 %", "≥ 80 %", "≥ 90 %, or database unreachable",
    # data sources
    "GET /scan/data-sources", "POST /scan/data-sources, GET/PATCH/DELETE /scan/data-sources/{id}", "POST /scan/data-sources/test",
    "GET /scan/data-sources/{id}/health", "GET /scan/data-sources/{id}/stats", "GET /scan/data-sources/health?ids=, GET /scan/data-sources/stats?ids=",
    "GET /scan/data-sources/{id}/history",
    # jobs
    "POST /api/v1/jobs", "GET /api/v1/jobs", "PATCH /api/v1/jobs/{id}/status", "POST /api/v1/jobs/status", "POST /api/v1/jobs/status/flush",
    "GET /api/v1/jobs/status/stats", "GET /api/v1/jobs/dead-letters, POST …/{id}/retry, DELETE …/{id}",
    # events
    "POST /api/v1/events", "GET /api/v1/events/stream", "GET /api/v1/events/ws", "GET /api/v1/events/stats",
    # breakers and operations of the console
    "GET /api/v1/breakers", "GET /api/v1/breakers/{name}", "POST /api/v1/breakers/{name}/state", "GET /api/v1/loader, POST /api/v1/loader/refresh",
    "GET/PATCH /api/v1/settings", "GET /api/v1/queue",
    "GET /api/v1/alerts, POST /api/v1/alerts/{id}/acknowledge, POST …/silence, GET/POST/PATCH/DELETE /api/v1/alert-rules",
    "GET /api/admin/dashboard", "GET /api/v1/audit", "GET /metrics", "GET /livez, GET /readyz", "POST /api/v1/drill/{hold,burst,fail}",
    # pages
    "/login", "/", "/sources/[id]", "/pool", "/breakers", "/jobs", "/events", "/alerts", "/audit", "/settings", "/wall", "/drill",
    # browser hooks
    "source-card", "health-progress, metrics-progress", "fallback-banner", "breaker-indicator", "throttling-level", "pool-usage",
    "force-cleanup, confirm-cleanup, cleanup-result", "sign-in-email, sign-in-password, sign-in-submit", "add-source",
)  # fmt: skip
_TEST = re.compile(r"tests/[\w/.-]+\.py(?:::\w+)*")


def main() -> int:
    """Print each fault of the page; 1 when there is any."""
    if not PAGE.is_file():
        print("docs/state.md is missing")
        return 1
    told = dict(_table(PAGE.read_text(encoding="utf-8")))
    faults = [f"no row: {row}" for row in ROWS if row not in told]
    faults += [f"not a row of the contract: {row}" for row in told if row not in ROWS]
    for row, proof in told.items():
        tests = _TEST.findall(proof)
        if not tests and not proof.startswith("not built"):
            faults.append(f"{row}: names no test and does not say 'not built'")
        faults += [f"{row}: there is no {test}" for test in tests if not exists(test)]
    print("\n".join(faults) or f"docs/state.md: {len(told)} rows, {sum(p.startswith('not built') for p in told.values())} not built")
    return 1 if faults else 0


def _table(text: str) -> list[tuple[str, str]]:
    """The (row, proof) pairs of every table, heads and rules left out, backticks removed."""
    pairs = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.replace("\\|", "¦").strip().strip("|").replace("`", "").split("|")]
        if line.startswith("|") and len(cells) >= 2 and cells[0] != "row" and not set(cells[0]) <= {"-", ":"}:  # noqa: PLR2004 - row and proof
            pairs.append((cells[0], cells[1]))
    return pairs


def exists(test: str) -> bool:
    """Whether the file, and the class or function after `::`, are there."""
    name, *inner = test.split("::")
    return (ROOT / name).is_file() and (not inner or "::".join(inner) in _names(name))


@functools.cache
def _names(name: str) -> frozenset[str]:
    """Every test function and class of a file, methods as Class::method."""
    found: set[str] = set()
    for node in ast.parse((ROOT / name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)}
    return frozenset(found)


if __name__ == "__main__":
    sys.exit(main())
