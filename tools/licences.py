"""Hold docs/licences.md to what is locked, and every licence to the list of those allowed.

python tools/licences.py          exit code 1 when the page is not current, a licence is unknown or not allowed
python tools/licences.py --write  write the page; needs a built console, for the packages in .web/node_modules

What is installed is read from the package itself. A JavaScript package that is not (before the first build) counts as on the page.
"""

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import locked

PAGE = locked.ROOT / "docs" / "licences.md"
RULES = locked.ROOT / "security" / "licences.toml"
MODULES = locked.ROOT / ".web" / "node_modules"
_ROW = re.compile(r"^\| (\S+) \| (\S+) \| ([^|]+) \|$", re.MULTILINE)
_HEAD = """# Licences

Spillway's own licence is in `LICENSE`. This page names everything that ships with it or builds its console; `make check` fails when it is not current
(`make licences` writes it), or when a licence is not among those allowed in `security/licences.toml`. The fonts in `assets/fonts` (Inter, JetBrains Mono)
are under the SIL Open Font License 1.1; their texts lie beside them. Programs for one platform that only the build of the console runs are left out.
"""
Licences = dict[tuple[str, str], str]


def main(arguments: list[str]) -> int:
    """0 when all is well."""
    rules = tomllib.loads(RULES.read_text(encoding="utf-8"))
    shown = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    known = {(name, version): licence.strip() for name, version, licence in rows(shown)}
    python = {(one.name, one.version): of_python(one.name, rules) for one in locked.python()}
    javascript = {
        (one.name, one.version): of_javascript(one, rules) or known.get((one.name, one.version), "") for one in locked.javascript()
    }
    problems = [
        f"{name} {version}: {wrong}" for (name, version), said in {**python, **javascript}.items() if (wrong := judged(said, rules))
    ]
    page = told(python, javascript)
    if "--write" in arguments and not problems:
        PAGE.write_text(page, encoding="utf-8")
    elif page != shown:
        problems.append("docs/licences.md is not current: make licences")
    print("\n".join(problems) if problems else f"licences: {len(python)} Python and {len(javascript)} JavaScript packages, all allowed")
    return 1 if problems else 0


def rows(page: str) -> list[tuple[str, str, str]]:
    """Package, version and licence of each row of the page."""
    return _ROW.findall(page)


def of_python(name: str, rules: Mapping[str, Mapping[str, str]]) -> str:
    """The licence of an installed package in the words of SPDX; "" when it does not say."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return rules["stated"].get(name, "")
    if expression := about.get("License-Expression"):
        return str(expression)
    classes = [one.rpartition("::")[2].strip() for one in about.get_all("Classifier", []) if one.startswith("License")]
    words = classes or [str(about.get("License") or "")]
    return " OR ".join(rules["words"].get(word, word) for word in words)


def of_javascript(one: locked.Package, rules: Mapping[str, Mapping[str, str]]) -> str:
    """The licence of an installed package; "" when it is not installed, or another version is."""
    about = MODULES / one.place / "package.json"
    if not about.is_file():
        return rules["stated"].get(one.name, "")
    said = json.loads(about.read_text(encoding="utf-8"))
    if said["version"] != one.version:
        return ""
    licence = said.get("license") or said.get("licenses") or ""
    return licence if isinstance(licence, str) else " OR ".join(each["type"] for each in licence)


def judged(licence: str, rules: Mapping[str, list[str]]) -> str:
    """What is wrong with a licence; "" when it is allowed: of alternatives one, of licences that hold together all."""
    if not licence:
        return "its licence is not known: name it in security/licences.toml, [stated]"
    together = re.split(r"\s+AND\s+", licence) if "(" not in licence else re.findall(r"\([^)]*\)|[^\s()]+(?=\s|$)", licence)
    for one in (part for part in together if part != "AND"):
        if not any(each in rules["allowed"] for each in re.split(r"\s+OR\s+", one.strip("() "))):
            return f"{licence} is not allowed"
    return ""


def told(python: Licences, javascript: Licences) -> str:
    """The page."""
    parts = [_HEAD]
    for title, found in (("Python", python), ("JavaScript", javascript)):
        rows = "\n".join(f"| {name} | {version} | {licence} |" for (name, version), licence in found.items())
        parts.append(f"\n## {title}\n\n| package | version | licence |\n| --- | --- | --- |\n{rows}\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
