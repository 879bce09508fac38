"""Write what Spillway is made of as CycloneDX 1.6: build/sbom.cdx.json, Python and JavaScript, with hashes and licences; checked against the schema."""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import licences
import locked
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

OUT = locked.ROOT / "build" / "sbom.cdx.json"


def main() -> int:
    """0 when the file is written and valid."""
    known = shown_licences()
    document = python_part()
    for component in document["components"]:
        component["licenses"] = licence_of(known[component["name"], component["version"]])
    document["components"] += [javascript_component(one, known[one.name, one.version]) for one in locked.javascript()]
    text = json.dumps(document, indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        print(f"sbom: not valid: {wrong}", file=sys.stderr)
        return 1
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text, encoding="utf-8")
    print(f"sbom: {len(document['components'])} components in {OUT.relative_to(locked.ROOT)}")
    return 0


def shown_licences() -> Mapping[tuple[str, str], str]:
    """The licences as docs/licences.md has them, which `make check` keeps current."""
    page = licences.PAGE.read_text(encoding="utf-8")
    return {(name, version): licence.strip() for name, version, licence in licences.rows(page)}


def python_part() -> dict[str, Any]:
    """The document of cyclonedx-py about the locked Python packages."""
    line = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(locked.PYTHON)]
    line += ["--pyproject", str(locked.ROOT / "pyproject.toml"), "--spec-version", "1.6", "--output-reproducible"]
    made = subprocess.run(line, capture_output=True, text=True, check=True, timeout=300)
    document: dict[str, Any] = json.loads(made.stdout)
    return document


def javascript_component(one: locked.Package, licence: str) -> dict[str, Any]:
    """One package of the console."""
    algorithm, _, value = one.hash.partition("-")
    hashed = {"alg": {"sha512": "SHA-512", "sha1": "SHA-1"}[algorithm], "content": base64.b64decode(value).hex()}
    address = f"pkg:npm/{quote(one.name, safe='/')}@{one.version}"
    return {
        "type": "library",
        "bom-ref": f"{address}#{one.place}",
        "name": one.name,
        "version": one.version,
        "purl": address,
        "hashes": [hashed],
        "licenses": licence_of(licence),
    }


def licence_of(said: str) -> list[dict[str, Any]]:
    """A licence as CycloneDX spells it; "BSD" alone is a name, not an expression."""
    return [{"license": {"name": said}}] if said == "BSD" else [{"expression": said}]


if __name__ == "__main__":
    sys.exit(main())
