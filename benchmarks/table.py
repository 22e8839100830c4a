"""Rows of figures, printed for people and kept in ``docs/performance.md``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, its figure, against what, and what is asked for ("" where nothing is)."""

    what: str
    figure: str
    against: str
    goal: str = ""


def markdown(rows: list[Row]) -> str:
    """Give the rows as a Markdown table; two leading spaces indent what is a part of the row above."""
    lines = ["| What | Figure | Against | Goal |", "|---|---:|---|---|"]
    for row in rows:
        what = "&nbsp;&nbsp;" + row.what.strip() if row.what.startswith(" ") else row.what
        lines.append(f"| {what} | {row.figure} | {row.against} | {row.goal} |")
    return "\n".join(lines)


def judged(value: float, goal: float) -> str:
    """Say what was asked for, and whether it was reached."""
    return f"{goal:g}: {'met' if value >= goal else 'not met'}"
