"""Write docs/settings.md from the settings themselves; with --check, say whether it is up to date."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard_app.settings import PREFIX, Settings, is_built

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = f"""# Settings

Every knob of Spillway, read once at start from the environment, with the prefix `{PREFIX}`, and from a file `.env` in the folder it is started in.
The environment wins. A name that is not listed here, or a value that is not allowed, stops the start with one line per mistake.
`make cli ARGS="doctor"` prints the values in force and where each comes from.

Durations end in `_S` (seconds, fractions allowed) or `_MS` (whole milliseconds). An empty value means unset where *unset* is the default.
`make demo` presets LEAK_THRESHOLD_S=5, AUTO_CLEANUP=false and CONSOLE_AUTO_CLEANUP=false; whatever you set wins.
The one rule across settings: HEALTH_STALE_S is at most HEALTH_REFETCH_S, and METRICS_STALE_S at most METRICS_REFETCH_S.

<!-- This page is written by `python tools/settings_doc.py`; the words stand in dashboard_app/settings/knobs.py. -->

| name | default | allowed | meaning |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    schema = Settings.model_json_schema()["properties"]
    rows = []
    for name, field in Settings.model_fields.items():
        default = (
            "*unset*" if field.default is None else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
        )
        meaning = f"{field.description}{'' if is_built(field) else ' *Checked, but not built yet.*'}"
        rows.append(f"| `{name.upper()}` | {default} | {allowed(schema[name])} | {meaning} |".replace("| |", "|  |"))
    return HEAD + "\n".join(rows) + "\n"


def allowed(about: dict[str, Any]) -> str:
    """The values a setting takes, in words."""
    about = next((one for one in about.get("anyOf", []) if one.get("type") != "null"), about)
    if "enum" in about:
        return ", ".join(f"`{one}`" for one in about["enum"])
    if about.get("pattern", "").startswith("^[1-9]"):
        return "a rate: `10/minute`"
    kind = {"boolean": "`true`, `false`", "integer": "whole number", "number": "number", "string": "text"}[about["type"]]
    if "minimum" in about:
        return f"{about['minimum']:,} to {about['maximum']:,}"
    return kind


if __name__ == "__main__":
    if "--check" in sys.argv:
        fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print("docs/settings.md is up to date" if fresh else "docs/settings.md is out of date: python tools/settings_doc.py")
        sys.exit(0 if fresh else 1)
    PAGE.write_text(page(), encoding="utf-8")
