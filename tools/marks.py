"""Refuse marks of unfinished work in what is committed: they are done, or written down as an issue."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKS = re.compile(
    r"\b(?:"
    + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
    + r")\b|raise NotImplemented"
    + r"Error|<<<<<"
    + r"<< |>>>>>"
    + r">> "
)
TEXTS = {".py", ".md", ".toml", ".css", ".js", ".jsx", ".yml", ".yaml", ".in", ".ini", ".mako", ".html", ""}


def main() -> int:
    """Print each mark with its place; 1 when there is any."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = 0
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix not in TEXTS or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MARKS.search(line):
                print(f"{name}:{number}: {line.strip()[:120]}")
                found += 1
    print(f"marks: {found or 'none'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
