"""The guard wraps SQLAlchemy's pool from inside: here its own tests run once more on 2.0, in a process of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import ROOT

FOLDER = ROOT / ".cache" / "sqlalchemy20"
HERE = Path(__file__).parent
CORE = ("guard_by_clock", "leaks", "fence", "cleanup_on_postgres", "sync_on_postgres", "readings_on_postgres")
SLOW = "frozen or froze or stopped or random or words"


@pytest.fixture
def environment() -> dict[str, str]:
    if not FOLDER.is_dir():
        reason = "needs SQLAlchemy 2.0 beside .venv: python3 tools/bootstrap.py --dev"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return {**os.environ, "PYTHONPATH": f"{FOLDER}{os.pathsep}{ROOT}"}


def test_the_guard_holds_on_sqlalchemy_20_as_well(environment: dict[str, str]) -> None:
    version = "import sqlalchemy; print(sqlalchemy.__version__)"
    said = subprocess.run([sys.executable, "-c", version], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.startswith("2.0.")
    plugins = [word for name in ("cacheprovider", "randomly", "cov", "hypothesispytest") for word in ("-p", f"no:{name}")]
    chosen = [*(str(HERE / f"test_{name}.py") for name in CORE), "-k", f"not ({SLOW})"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *chosen]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 60
    assert "skipped" not in done.stdout.splitlines()[-1]
