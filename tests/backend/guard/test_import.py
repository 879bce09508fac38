import subprocess
import sys


def test_the_guard_needs_sqlalchemy_and_starlette_only() -> None:
    program = (
        "import sys; from dashboard_app.backend.guard import PoolGuard, GuardLimits, CleanupReport; "
        "print([name for name in ('reflex', 'pydantic', 'structlog', 'fastapi', 'asyncpg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
