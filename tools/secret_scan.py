"""Refuse keys and tokens in the files of the repository: by their shape, and by names of secrets that get a literal value.

A value that is a secret of nobody carries a mark on its line: `not a secret`. Tests and examples may name passwords of throw-away servers;
keys and tokens of known services are refused there, too.
"""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = "not a secret"
SHAPES = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\\?n?[A-Za-z0-9+/=]{16}"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20}\b"),
    "a Slack token or webhook": re.compile(
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}"
    ),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "a Google key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a PyPI or npm token": re.compile(r"\bpypi-AgEI[A-Za-z0-9_-]{40,}|\bnpm_[A-Za-z0-9]{36}\b"),
    "an OpenAI or Anthropic key": re.compile(r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{12,}\.eyJ[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{16,}"),
    "a token of Spillway": re.compile(r"\bspw_[A-Za-z0-9_-]{30,}"),
}
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"{}$<…]+:[^\s:/@'\"{}$<…]{12,}@(?!127\.|localhost|\[::1)")
NAMED = re.compile(
    r"""(?i)\b[\w-]*(?:secret|token|passw(?:or)?d|api_?key|private_?key|credential)[\w-]*["']?\s*[:=]\s*["']([A-Za-z0-9+/=_.~-]{20,})["']"""
)
LEAST_BITS = 3.7
"""Bits per character of a value under such a name: words lie below, keys above."""
_PLAYGROUNDS = ("tests/", "examples/", "benchmarks/", "load/")
_LOCKS = ("reflex.lock/", "requirements")


def main() -> int:
    """0 when nothing was found."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = [line for name in listed.stdout.split("\0") if name for line in look_into(name)]
    print("\n".join(found) if found else "secrets: none found")
    return 1 if found else 0


def look_into(name: str) -> Iterator[str]:
    """What is found in one file, a line each; never the value itself."""
    path = ROOT / name
    if name.startswith(_LOCKS) or not path.is_file() or path.is_symlink():
        return
    data = path.read_bytes()
    if b"\0" in data[:8000]:
        return
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if MARK not in line:
            yield from (f"{name}:{number}: looks like {what}" for what in found_in(line, is_playground=name.startswith(_PLAYGROUNDS)))


def found_in(line: str, *, is_playground: bool = False) -> Iterator[str]:
    """What a line seems to hold."""
    yield from (what for what, shape in SHAPES.items() if shape.search(line))
    if not is_playground:
        yield from (["a URL with a password"] if URL.search(line) else [])
        yield from ("a literal secret" for value in NAMED.findall(line) if bits(value) >= LEAST_BITS)


def bits(value: str) -> float:
    """Bits per character: how far from a word it is."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


if __name__ == "__main__":
    sys.exit(main())
