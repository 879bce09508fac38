"""The guard in a bare service: it loads nothing it does not need, and works where there is nothing else."""

import json
import subprocess
import sys

_MOUNTED = """
import asyncio, importlib.abc, json, sys

class Fence(importlib.abc.MetaPathFinder):
    '''Only these may be imported beside the standard library: SQLAlchemy, Starlette and what they themselves need.'''
    allowed = {"dashboard_app", "sqlalchemy", "greenlet", "typing_extensions", "starlette", "anyio", "idna"}

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in self.allowed and top not in sys.stdlib_module_names and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Fence())
from sqlalchemy import QueuePool, create_engine
from starlette.applications import Starlette
from dashboard_app.backend.guard import CleanupReport, ControlView, GuardLimits, PoolGuard, ServerView, Skipped

engine = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})
control = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})
guard = PoolGuard(engine, GuardLimits(), server=ControlView(control, "bare"))

async def authorize(request, action):
    return None

app = Starlette(routes=guard.routes(authorize))

async def call(method, path):
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
             "query_string": b"", "headers": [], "scheme": "http", "server": ("bare", 80), "client": ("bare", 1)}
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])

async def main():
    monitor = asyncio.create_task(guard.run())
    calls = [("GET", "status"), ("GET", "throttling-config"), ("GET", "connection-test"), ("GET", "holders"), ("GET", "history"),
             ("POST", "force-cleanup")]
    with engine.connect():
        answers = {path: await call(method, "/api/v1/health/database/" + path) for method, path in calls}
    monitor.cancel()
    await asyncio.wait({monitor})
    return answers

answers = asyncio.run(main())
ours = sorted(name for name in sys.modules if name.startswith("dashboard_app."))
loaded = [name for name in ("reflex", "pydantic", "structlog", "fastapi", "asyncpg", "httpx", "orjson") if name in sys.modules]
print(json.dumps({"answers": answers, "ours": ours, "loaded": loaded}))
"""


def test_the_guard_is_mounted_and_works_with_sqlalchemy_and_starlette_alone() -> None:
    done = subprocess.run([sys.executable, "-c", _MOUNTED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["loaded"] == []
    assert {path: status for path, (status, _) in told["answers"].items()} == dict.fromkeys(told["answers"], 200)
    assert len(told["answers"]) == 6
    assert told["answers"]["status"][1]["pool"]["checked_out"] == 1
    rooms = ("dashboard_app.backend", "dashboard_app.model", "dashboard_app.policy")
    assert all(name == "dashboard_app.backend" or name.startswith(rooms) for name in told["ours"])
    assert not any(name.startswith(("dashboard_app.backend.api", "dashboard_app.backend.sources")) for name in told["ours"])


def test_importing_the_guard_loads_no_framework() -> None:
    program = (
        "import sys; from dashboard_app.backend.guard import PoolGuard, GuardLimits, CleanupReport; "
        "print([name for name in ('reflex', 'pydantic', 'structlog', 'fastapi', 'asyncpg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
