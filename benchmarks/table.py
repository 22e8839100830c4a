"""Rows of figures, printed for people and kept in ``docs/performance.md``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, its figure, and against what."""

    what: str
    figure: str
    against: str


def markdown(rows: list[Row]) -> str:
    """Give the rows as a Markdown table; two leading spaces indent what is a part of the row above."""
    lines = ["| What | Figure | Against |", "|---|---:|---|"]
    for row in rows:
        what = "&nbsp;&nbsp;" + row.what.strip() if row.what.startswith(" ") else row.what
        lines.append(f"| {what} | {row.figure} | {row.against} |")
    return "\n".join(lines)
