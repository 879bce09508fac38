"""Known faults of what we install.

python tools/advisories.py              needs no network: installed and locked packages against security/advisories.toml
python tools/advisories.py --ask [FILE] asks the databases behind pip-audit and `bun audit` about requirements.txt (or FILE) and the console's packages

Both say how many packages nobody could look up. With --ask one such package is a failure: what was not checked is not clean. Without it, the list must
name every locked Python package as looked up or as unchecked, and must not be older than MOST_DAYS.
"""

import datetime as dt
import json
import subprocess
import sys
import tomllib
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

sys.path.insert(0, str(Path(__file__).resolve().parent))
import locked

LIST = locked.ROOT / "security" / "advisories.toml"
WEB = locked.ROOT / ".web"
MOST_DAYS = 180
_LIMIT_S = 600


class Answer(NamedTuple):
    """What a database said: faults as sentences, and what it could not look up."""

    faults: Sequence[str]
    unchecked: Sequence[str]


def main(arguments: Sequence[str] = ()) -> int:
    """0 when nothing is wrong."""
    if "--ask" in arguments:
        lock = next((one for one in arguments if one != "--ask"), str(locked.PYTHON))
        return told({"Python": ask_pip_audit(lock), "JavaScript": ask_bun()})
    return from_list(tomllib.loads(LIST.read_text(encoding="utf-8")), [one.name for one in locked.python()])


def from_list(listed: Mapping[str, Any], names: Collection[str]) -> int:
    """Judge by the committed list; `names` are the locked Python packages."""
    installed = {canonicalize_name(found.name): Version(found.version) for found in distributions()}
    looked_up, unchecked = set(listed["looked_up"]), set(listed["unchecked"])
    problems = [
        f"{entry['package']} {version}: {entry['id']}, {entry['what']}; fixed in {entry['fixed']}"
        for entry in listed["advisory"]
        if (version := installed.get(canonicalize_name(entry["package"]))) is not None and version < Version(entry["fixed"])
    ]
    faults = len(problems)
    age = (dt.datetime.now(dt.UTC).date() - listed["as_of"]).days
    if age > MOST_DAYS:
        problems.append(f"the list is {age} days old, more than {MOST_DAYS}: look the packages up again")
    problems += [f"{name} is locked, and neither looked up nor named as unchecked" for name in sorted(set(names) - looked_up - unchecked)]
    problems += [f"{name} is listed, and not locked any more" for name in sorted((looked_up | unchecked) - set(names))]
    print("\n".join(problems), end="\n" if problems else "")
    print(
        f"advisories as of {listed['as_of']}, {age} days old: {faults} found in {len(looked_up)} packages. {len(unchecked)} of {len(set(names))} Python"
        f" packages and all {len(locked.javascript())} JavaScript packages could NOT be checked; `make advisories` asks the databases, and fails where it cannot"
    )
    return 1 if problems else 0


def told(answers: Mapping[str, Answer]) -> int:
    """Print what the databases said; 1 when there is a fault, or a package that was not checked."""
    for what, answer in answers.items():
        print(f"{what}: {len(answer.faults)} faults, {len(answer.unchecked)} packages could NOT be checked")
        for line in (*answer.faults, *(f"not checked: {name}" for name in answer.unchecked)):
            print(f"  {line}")
    return 1 if any(answer.faults or answer.unchecked for answer in answers.values()) else 0


def ask_pip_audit(lock: str) -> Answer:
    """What pip-audit says about a requirements file."""
    line = [
        sys.executable,
        "-m",
        "pip_audit",
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--no-deps",
        "--disable-pip",
        "--timeout",
        "15",
    ]
    done = _run([*line, "-r", lock], locked.ROOT)
    return read_pip_audit(done, {one.name for one in locked.python(Path(lock))})


def read_pip_audit(said: str, names: Collection[str]) -> Answer:
    """Its answer, held against what was asked: a package that it leaves out was not checked."""
    try:
        found = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Answer([], sorted(names))
    checked = {canonicalize_name(one["name"]) for one in found if "vulns" in one}
    faults = [
        f"{one['name']} {one['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in found
        for fault in one.get("vulns", ())
    ]
    return Answer(faults, sorted({canonicalize_name(name) for name in names} - checked))


def ask_bun() -> Answer:
    """What `bun audit` says about the console's packages, all or none of them."""
    if not (WEB / "package.json").is_file():
        return Answer([], ["all of them: the console is not built"])
    return read_bun(_run([str(Path(sys.executable).parent / "bun"), "audit", "--json"], WEB))


def read_bun(said: str) -> Answer:
    """Its answer: advisories by package; anything else means that it could not ask."""
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(faults, list) for faults in found.values()):
        return Answer([], [f"all {len(locked.javascript())} of them: the registry did not answer the question"])
    return Answer(
        [f"{name}: {fault.get('title', '')} {fault.get('url', '')}".strip() for name, faults in found.items() for fault in faults], []
    )


def _run(line: Sequence[str], folder: Path) -> str:
    """What a command prints on stdout, whatever its exit code; "" when it takes too long."""
    try:
        return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False).stdout
    except subprocess.TimeoutExpired:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
