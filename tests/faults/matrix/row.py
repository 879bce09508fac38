"""One row of the matrix as it was measured: a line of JSON, a line of the table."""

import json
import math
from dataclasses import dataclass, field


@dataclass
class Row:
    """`lost`, `duplicated`: of what was acknowledged. `broken`: promises that did not hold. `is_skipped`: the fault cannot happen, or be made, here."""

    fault: str
    title: str
    n: int = 0
    lost: int = 0
    duplicated: int = 0
    longest_wait_s: float = 0.0
    recover_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    is_skipped: bool = False
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Nothing lost, nothing twice, every promise kept, and it did run."""
        return self.is_skipped or (self.n > 0 and not self.lost and not self.duplicated and not self.broken)

    def expect(self, claim: bool, otherwise: str) -> None:
        """Note `otherwise` as broken unless `claim`."""
        if not claim:
            self.broken.append(otherwise)

    def waited(self, seconds: float) -> None:
        """Somebody waited so long."""
        self.longest_wait_s = max(self.longest_wait_s, seconds)

    def recovered(self, seconds: float) -> None:
        """It took so long from the end of the fault until all was well."""
        self.recover_s = max(self.recover_s, seconds)

    def say(self, note: str) -> None:
        """One more remark."""
        self.notes.append(note)

    def skip(self, why: str) -> None:
        """It was not run."""
        self.is_skipped = True
        self.notes.append(why)

    def json_line(self) -> str:
        """{fault, n, lost, duplicated, longest_wait_s, recover_s, ok, note}."""
        return json.dumps(
            {
                "fault": self.fault,
                "n": self.n,
                "lost": self.lost,
                "duplicated": self.duplicated,
                "longest_wait_s": round(self.longest_wait_s, 3),
                "recover_s": round(self.recover_s, 3),
                "ok": None if self.is_skipped else self.ok,
                "note": self.note,
            }
        )

    @property
    def note(self) -> str:
        """Every remark, what broke first."""
        return "; ".join([*(f"BROKEN: {one}" for one in self.broken), *self.notes])

    @property
    def verdict(self) -> str:
        """One word."""
        return "not run" if self.is_skipped else "holds" if self.ok else "BROKEN"


def merged(rows: list[Row]) -> Row:
    """The rounds of one fault as one row: counts added, times the longest, remarks of the last round."""
    first, last = rows[0], rows[-1]
    return Row(
        first.fault,
        first.title,
        sum(row.n for row in rows),
        sum(row.lost for row in rows),
        sum(row.duplicated for row in rows),
        max(row.longest_wait_s for row in rows),
        max(row.recover_s for row in rows),
        last.notes,
        [one for row in rows for one in row.broken],
        last.is_skipped,
        sum(row.took_s for row in rows),
    )


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0
