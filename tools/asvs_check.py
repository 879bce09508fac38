"""Hold docs/asvs.md to its word: every requirement of ASVS 5.0 at levels 1 and 2 has a row, each named test and page is there, the counts are true.

A row is `| id | level | in short | state | by what |`. The state is one of `shown` (by tests that it names), `page` (the standard asks for a
document; the cell names its heading as `docs/x.md#heading`), `weaker` and `elsewhere` (the cell says why). `--write` puts the counts in.
"""

import functools
import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "asvs.md"
LAST = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2, "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1, "3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2,
    "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4, "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3, "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3,
    "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2, "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1, "9.1": 3, "9.2": 4, "10.1": 2,
    "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3, "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4, "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5, "14.1": 2, "14.2": 4, "14.3": 3, "15.1": 3, "15.2": 3, "15.3": 7,
    "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3, "17.1": 1, "17.2": 4, "17.3": 2,
}  # fmt: skip
"""By section the last requirement of levels 1 and 2; in each they are numbered from 1 without a gap, and level 3 comes after them."""
IDS = tuple(f"{section}.{number}" for section, last in LAST.items() for number in range(1, last + 1))
STATES = ("shown", "page", "weaker", "elsewhere")
_ROW = re.compile(r"^\|\s*(\d+\.\d+\.\d+)\s*\|\s*(L[12])\s*\|([^|]*)\|\s*(\w+)\s*\|(.*)\|\s*$", re.MULTILINE)
_TEST = re.compile(r"tests/[\w/.-]+\.py(?:::\w+)*")
_HEADING = re.compile(r"\b((?:docs/)?[\w-]+\.md)#([\w-]+)")
_COUNTS = re.compile(r"(?<=<!-- counts -->\n).*?(?=<!-- end of counts -->)", re.DOTALL)
_REASON_AT_LEAST = 15


class Row(NamedTuple):
    """One requirement."""

    id: str
    level: str
    short: str
    state: str
    by: str


def main(arguments: list[str]) -> int:
    """Print each fault of the page; 1 when there is any. `--write`: first write the counts anew."""
    if not PAGE.is_file():
        print("docs/asvs.md is missing")
        return 1
    text = PAGE.read_text(encoding="utf-8")
    rows = [Row(*(cell.strip() for cell in found)) for found in _ROW.findall(text)]
    if arguments == ["--write"]:
        text = _COUNTS.sub(lambda _: counts(rows) + "\n", text)
        PAGE.write_text(text, encoding="utf-8")
    told = [row.id for row in rows]
    faults = [f"no row: {one}" for one in IDS if one not in told]
    faults += [f"not a requirement of level 1 or 2: {one}" for one in told if one not in IDS]
    faults += [f"two rows: {one}" for one, times in Counter(told).items() if times > 1]
    faults += [f"{row.id}: {fault}" for row in rows for fault in faults_of(row)]
    written = _COUNTS.search(text)
    if not faults and (written is None or written[0].rstrip() != counts(rows)):
        faults.append("the counts at the top are not those of the table: python tools/asvs_check.py --write")
    print("\n".join(faults) or f"docs/asvs.md: {counts(rows).splitlines()[0]}")
    return 1 if faults else 0


def faults_of(row: Row) -> list[str]:
    """What is wrong with a row, in words."""
    tests, headings = _TEST.findall(row.by), _HEADING.findall(row.by)
    said = [f"there is no {test}" for test in tests if not _state_check().exists(test)]
    said += [f"there is no {page}#{heading}" for page, heading in headings if heading not in _headings(page)]
    if row.state not in STATES:
        said.append(f"'{row.state}' is none of {', '.join(STATES)}")
    elif row.state == "shown" and not any("::" in test for test in tests):
        said.append("says 'shown' and names no test")
    elif row.state == "page" and not headings:
        said.append("says 'page' and names no heading of one")
    elif row.state in {"weaker", "elsewhere"} and len(_TEST.sub("", row.by).strip(" ,;.`")) < _REASON_AT_LEAST:
        said.append(f"says '{row.state}' and not why")
    return said


def counts(rows: list[Row]) -> str:
    """The lines at the top: how many apply, and how each stands."""
    by = Counter(row.state for row in rows)
    apply = len(rows) - by["elsewhere"]
    first = {level: Counter(row.state for row in rows if row.level == level) for level in ("L1", "L2")}
    share = 100 * by["shown"] / apply if apply else 0
    head = (
        f"{len(rows)} requirements, {apply} apply: {by['shown']} shown by tests ({share:.1f} %), {by['page']} met by a page, {by['weaker']} weaker; "
        f"{by['elsewhere']} do not apply."
    )
    table = ["", "| level | shown by tests | met by a page | weaker | do not apply |", "| --- | --- | --- | --- | --- |"]
    table += [f"| {level} | " + " | ".join(str(of[state]) for state in STATES) + " |" for level, of in first.items()]
    return "\n".join([head, *table])


@functools.cache
def _headings(page: str) -> frozenset[str]:
    """The headings of a page as the part after `#` names them; none when there is no such page."""
    path = ROOT / page
    if not path.is_file():
        return frozenset()
    lines = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-") for line in lines)


@functools.cache
def _state_check():  # noqa: ANN202 - a module
    """`tools/state_check.py`, which knows whether a test is there."""
    found = importlib.util.spec_from_file_location("state_check", ROOT / "tools" / "state_check.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
