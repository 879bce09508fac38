"""One result: a table of figures, printed as text and written as Markdown and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under `columns`; `note` says how it was measured, `claims` which bounds held (sentence → did it hold)."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    note: str = ""
    claims: dict[str, bool] = field(default_factory=dict)

    def text(self) -> str:
        """For a terminal: columns aligned, numbers to the right."""
        cells = [list(self.columns), *([cell_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[number]) for row in cells) for number in range(len(self.columns))]
        lines = [
            "  ".join(_padded(cell, width, number) for number, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in cells
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        claims = [f"{'holds' if held else 'DOES NOT HOLD'}: {claim}" for claim, held in self.claims.items()]
        return "\n".join([self.title, *([self.note] if self.note else []), "", *lines, *claims, ""])

    def markdown(self) -> str:
        """For docs/benchmarks.md."""
        lines = [f"## {self.title}", "", *([self.note, ""] if self.note else [])]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("| --- |" + " ---: |" * (len(self.columns) - 1))
        lines += ["| " + " | ".join(cell_text(cell) for cell in row) + " |" for row in self.rows]
        if self.claims:
            lines += ["", *(f"* {claim}: **{'holds' if held else 'does not hold'}**" for claim, held in self.claims.items())]
        return "\n".join([*lines, ""])

    def to_json(self) -> dict[str, object]:
        """For results/latest.json; `of_json` reads it back."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "note": self.note,
            "claims": self.claims,
        }

    @classmethod
    def of_json(cls, said: dict[str, object]) -> "Table":
        """What `to_json` gave."""
        return cls(**said)  # type: ignore[arg-type]


def cell_text(cell: str | float) -> str:
    """Numbers with three significant digits and no exponent; whole ones whole."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or cell == round(cell):
        return f"{cell:.0f}"
    size = abs(cell)
    return f"{cell:.0f}" if size >= 100 else f"{cell:.1f}" if size >= 10 else f"{cell:.2f}" if size >= 0.1 else f"{cell:.3f}"  # noqa: PLR2004


def _padded(cell: str, width: int, number: int) -> str:
    """The first column to the left, the rest to the right."""
    return cell.ljust(width) if number == 0 else cell.rjust(width)
