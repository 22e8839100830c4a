"""What is printed, and where: results on stdout, talk and progress on stderr, JSON only where it was asked for.

Text from outside may hold control characters that would drive the terminal; for people they are printed as escapes.
JSON is printed as ASCII, one document a line, whatever the locale.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bailiwick.errors import BailiwickError

VIOLATIONS_SHOWN = 20
"""Violations printed for people, in number; ``--json`` gives every one."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 control characters but tab and newline, and the marks that turn the direction of text."""


class Branch(Protocol):
    """A line, and the lines that it rests on."""

    @property
    def text(self) -> str:
        """The line."""
        ...

    @property
    def branches(self) -> Sequence[Branch]:
        """What it rests on."""
        ...


Progress = Callable[[int], None]
"""Called with the number of items just done."""


def give(answer: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one result: the JSON of it, or the text for people."""
    print(json.dumps(answer) if as_json else plain(text))


def give_error(error: BailiwickError, *, as_json: bool) -> None:
    """Print an error to stderr: what happened, why (its code), what to try."""
    if as_json:
        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
        return
    say(error_text(error))


def error_text(error: BailiwickError) -> str:
    """Say for people what happened, why (its code, and every violation up to a limit), and what to try."""
    violations = [violation.to_json() for violation in getattr(error, "violations", ())]
    lines = [f"what: {error.message}", f"why:  {error.code}"]
    lines += [
        f"      {each['path'] or '/'}: {each['message']} ({each['rule']})" for each in violations[:VIOLATIONS_SHOWN]
    ]
    if len(violations) > VIOLATIONS_SHOWN:
        lines.append(f"      and {len(violations) - VIOLATIONS_SHOWN} more; --json gives all")
    return "\n".join([*lines, f"try:  {error.hint}"])


def say(text: str) -> None:
    """Talk to the person at the terminal, on stderr."""
    print(plain(text), file=sys.stderr)


def can_ask() -> bool:
    """Say whether a person is at the terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask the person at the terminal, on stderr; only ``yes`` is one."""
    say(f"{question} [yes/no]")
    return sys.stdin.readline().strip().lower() == "yes"


def plain(text: str) -> str:
    r"""Give text that cannot drive a terminal.

    >>> plain("row\x1b[2J")
    'row\\x1b[2J'
    """
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def painted(lines: Sequence[tuple[str, str]]) -> None:
    """Print lines on stdout, each with a style such as ``green``: in colour on a terminal, else as they are.

    ``NO_COLOR`` is heeded. Nothing in a line drives the terminal or is taken for markup.
    """
    if not sys.stdout.isatty():
        print("\n".join(plain(line) for _, line in lines), flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    for style, line in lines:
        console.print(Text(plain(line), style=style), soft_wrap=True)


def short(path: Path) -> str:
    """Write a path as a person here would: from this folder on where it lies below it, else whole."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def columns(rows: Sequence[Sequence[object]], *, indent: int = 0) -> str:
    """Set rows in columns: whole numbers to the right, the rest to the left, two blanks between.

    >>> print(columns([("deaths", 7), ("burns", 120)]))
    deaths    7
    burns   120
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row, texts in zip(rows, cells, strict=True):
        set_cells = [
            text.rjust(width) if isinstance(cell, int) else text.ljust(width)
            for cell, text, width in zip(row, texts, widths, strict=True)
        ]
        lines.append(" " * indent + "  ".join(set_cells).rstrip())
    return "\n".join(lines)


def _nowhere(_count: int) -> None:
    """Show progress to nobody."""


@contextmanager
def progress(label: str, total: int | None = None, *, beside_output: bool = False) -> Iterator[Progress]:
    """Show how far long work has come, with rate and remaining time, where stderr is a terminal; else nothing.

    Args:
        label: What is being done, one or two words.
        total: Items in all, where that is known.
        beside_output: Lines of results are printed meanwhile; the bar hides when they go to the terminal too.
    """
    if not sys.stderr.isatty() or (beside_output and sys.stdout.isatty()):
        yield _nowhere
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    rate = TextColumn("{task.fields[rate]}")
    remaining = TimeRemainingColumn() if total is not None else TimeElapsedColumn()
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        rate,
        remaining,
        console=Console(file=sys.stderr),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=total, rate="")

        def advance(count: int) -> None:
            """Count on, and show how many come each second."""
            speed = bar.tasks[0].speed
            bar.update(task, advance=count, rate=f"{speed:,.0f}/s" if speed else "")

        yield advance


def tree(branch: Branch) -> str:
    """Draw a branch and all that it rests on, one line each."""
    lines = [branch.text]
    for number, each in enumerate(branch.branches, start=1):
        is_last = number == len(branch.branches)
        below = tree(each).split("\n")
        lines.append(("└─ " if is_last else "├─ ") + below[0])
        lines += [("   " if is_last else "│  ") + line for line in below[1:]]
    return "\n".join(lines)
