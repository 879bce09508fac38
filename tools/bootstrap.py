"""Make `.venv` and install what Spillway needs, from a bare Python. Does nothing, in a moment, when all of it is there.

python3 tools/bootstrap.py          what runs Spillway
python3 tools/bootstrap.py --dev    what checks it, too, and the programs that tests drive
python3 tools/bootstrap.py --load   the same, and the program that `make load` drives
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "spillway-installed.json"
RUN, DEV, BENCH = "requirements.txt", "requirements-dev.txt", "requirements-bench.txt"
BESIDE = {
    "requirements-sqlalchemy20.txt": ".cache/sqlalchemy20",
    "requirements-load.txt": ".cache/load",
    "requirements-fuzz.txt": ".cache/fuzz",
}
"""What stands beside `.venv`, so that it meets nothing in there: a locked file and the folder it is installed in."""
OLDEST = (3, 11)
PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TEST_PROGRAMS = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "pgbouncer": ("pgbouncer",), "nginx": ("nginx",)}
TEST_PACKAGES = {
    "chromium": ("chromium", "fonts-dejavu-core"),
    "pgbouncer": ("pgbouncer",),
    "nginx": ("nginx-light",),
    "ab": ("apache2-utils",),
}
LOAD_PROGRAMS = {"ab": ("ab",)}


def main(dev: bool, load: bool = False) -> int:
    """Set up; 0 when `.venv` is ready."""
    dev = dev or load
    if sys.version_info < OLDEST:
        return _with_a_newer_python()
    wanted = _wanted()
    if not _is_ready(wanted, dev):
        (ROOT / ".cache").mkdir(exist_ok=True)
        with (ROOT / ".cache" / "bootstrap.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of two at once, the second finds the work done
            if not _is_ready(wanted, dev) and not _install(wanted, dev):
                return 1
    if load:
        _programs(LOAD_PROGRAMS, "The kit's own client is used instead")
    elif dev:
        _programs(TEST_PROGRAMS, "The tests that need it are skipped by name (with CI=true they fail)")
    return 0


def _with_a_newer_python() -> int:
    """Start again under a newer Python of this machine; say so when there is none."""
    for minor in range(20, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])  # noqa: S606 - this very script, under another Python
    found = ".".join(map(str, sys.version_info[:3]))
    print(f"Spillway needs Python 3.11 or later; {sys.executable} is {found}. Try: make run PYTHON=/path/to/python3.12", file=sys.stderr)
    return 1


def _wanted() -> dict[str, str]:
    """The stamp of an up-to-date `.venv`: a hash per requirements file, with the Python it is for."""
    python = f"{sys.implementation.cache_tag}"
    return {name: hashlib.sha256(python.encode() + (ROOT / name).read_bytes()).hexdigest() for name in (RUN, DEV, BENCH, *BESIDE)}


def _is_ready(wanted: dict[str, str], dev: bool) -> bool:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    names = (RUN, DEV, BENCH, *BESIDE) if dev else (RUN,)
    if dev and not all((ROOT / folder).is_dir() for folder in BESIDE.values()):
        return False
    return (VENV / "bin" / "python").exists() and all(stamp.get(name) == wanted[name] for name in names)


def _install(wanted: dict[str, str], dev: bool) -> bool:
    """Make `.venv` and install the locked packages, each checked against its hash."""
    if not _has_this_python():
        shutil.rmtree(VENV, ignore_errors=True)
        print("Making .venv", flush=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if made.returncode != 0:
            print(made.stdout, "On Debian and Ubuntu: apt-get install python3-venv", sep="\n", file=sys.stderr)
            return False
    what = "and what checks it " if dev else ""
    print(f"Installing what Spillway needs {what}into .venv (the first time takes a minute)", flush=True)
    STAMP.unlink(missing_ok=True)
    if not (_pip("-r", DEV) and _pip("-r", BENCH) and _install_beside() if dev else _pip("-r", RUN)):
        print("The packages could not be installed: the lines above say why. Run the same command to try again.", file=sys.stderr)
        return False
    # Packages that are there already are not compiled by pip, and a start that compiles takes seconds longer.
    subprocess.run([str(VENV / "bin" / "python"), "-m", "compileall", "-q", str(VENV / "lib")], check=False, stdout=subprocess.DEVNULL)
    STAMP.write_text(json.dumps(wanted if dev else {RUN: wanted[RUN]}))
    return True


def _install_beside() -> bool:
    """Install what stands beside `.venv`, each in a folder of its own."""
    for name, folder in BESIDE.items():
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        (ROOT / folder).mkdir(parents=True)
        if not _pip("--target", folder, "-r", name):
            shutil.rmtree(ROOT / folder)
            return False
    return True


def _pip(*what: str) -> bool:
    """Whether pip has installed `what`, all of it by hash."""
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", *options, *what]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _has_this_python() -> bool:
    """Whether `.venv` runs, and runs this Python."""
    try:
        said = subprocess.run(
            [VENV / "bin" / "python", "-c", "import pip, sys; print(sys.implementation.cache_tag)"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return said.stdout.strip() == sys.implementation.cache_tag


def _programs(programs: dict[str, tuple[str, ...]], otherwise: str) -> None:
    """Install programs when this is root on a machine with apt; else say which are missing and what happens then."""
    path = f"{os.environ.get('PATH', '')}:{PROGRAM_PATH}"
    missing = [part for part, names in programs.items() if not any(shutil.which(name, path=path) for name in names)]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get", path=path):
        print(f"Installing {', '.join(missing)}", flush=True)
        packages = [package for part in missing for package in TEST_PACKAGES[part]]
        # RUNLEVEL 1: the package starts no service of its own
        environment = {**os.environ, "PATH": path, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]):
            subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        missing = [part for part in missing if not any(shutil.which(name, path=path) for name in programs[part])]
    if missing:
        print(f"Not installed: {', '.join(missing)}. {otherwise}.", flush=True)


if __name__ == "__main__":
    sys.exit(main("--dev" in sys.argv[1:], "--load" in sys.argv[1:]))
