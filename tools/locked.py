"""What the lock files name: Python packages that ship, JavaScript packages of the console and of its build."""

import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / "requirements.txt"
JAVASCRIPT = ROOT / "reflex.lock" / "bun.lock"
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


class Package(NamedTuple):
    """One locked package. `place` is where it stands below node_modules; `hash` as the lock spells it."""

    name: str
    version: str
    place: str = ""
    hash: str = ""


def python(lock: Path = PYTHON) -> list[Package]:
    """The packages of a requirements file, sorted."""
    return sorted(Package(name.lower().replace("_", "-"), version) for name, version in _PINNED.findall(lock.read_text(encoding="utf-8")))


def javascript(lock: Path = JAVASCRIPT) -> list[Package]:
    """The packages of bun's lock, sorted; without programs for one platform, which only the build runs."""
    text = re.sub(r",(\s*[}\]])", r"\1", lock.read_text(encoding="utf-8"))
    found = []
    for key, entry in json.loads(text)["packages"].items():
        about = entry[2] if len(entry) > 2 else {}  # noqa: PLR2004 - name, registry, what it is, hash
        if "os" in about or "cpu" in about:
            continue
        name, _, version = entry[0].rpartition("@")
        found.append(Package(name, version, "/node_modules/".join(_parts(key)), entry[-1]))
    return sorted(found)


def _parts(key: str) -> list[str]:
    """The packages of a key such as `a/@b/c`: one inside the other."""
    return re.findall(r"@[^/]+/[^/]+|[^/]+", key)
