"""Which processes belong to a PostgreSQL server."""

import subprocess
from pathlib import Path


def pids_in(cluster: Path, postmaster: int | None) -> list[int]:
    """Every live process that works in the folder `cluster`: all of a server's do. `postmaster` serves where there is no /proc."""
    if not Path("/proc/self/cwd").exists():
        return _listed_pids(postmaster)
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and str((entry / "cwd").readlink()) == str(cluster)
                and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            ):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return found


def _listed_pids(postmaster: int | None) -> list[int]:
    """The postmaster and its children as `ps` lists them, for machines without /proc."""
    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S607 - ps has no fixed place
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines() if line.strip()]
    return [pid for pid, parent in pairs if postmaster is not None and postmaster in (pid, parent)]
