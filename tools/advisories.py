"""Check the installed packages against security/advisories.toml, and say how many it does not know.

It needs no network. Where the network has a database of advisories, `pip-audit -r requirements.txt` knows more.
"""

import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

LIST = Path(__file__).resolve().parent.parent / "security" / "advisories.toml"


def main() -> int:
    """Print what was found and what could not be checked; 1 when an installed version has a known fault."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    installed = {canonicalize_name(found.name): Version(found.version) for found in distributions()}
    checked = {canonicalize_name(entry["package"]) for entry in listed["advisory"]} & installed.keys()
    faults = 0
    for entry in listed["advisory"]:
        version = installed.get(canonicalize_name(entry["package"]))
        if version is not None and version < Version(entry["fixed"]):
            print(f"{entry['package']} {version}: {entry['id']}, {entry['what']}; fixed in {entry['fixed']}")
            faults += 1
    unchecked = len(installed) - len(checked)
    print(
        f"advisories as of {listed['as_of']}: {faults} found in {len(checked)} packages; {unchecked} of {len(installed)} packages could NOT be checked"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
