"""How help is set: usage, what it is about, and two columns, names and what they mean."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

WIDTH_MAX = 100
"""Widest line of help, in characters."""
NAMES_MAX = 30
"""Widest column of names; a longer name stands on a line of its own."""


class Columns:
    """A help formatter of cyclopts: plain text, aligned, the same on a terminal and in a pipe."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:  # noqa: ARG002 - the name is cyclopts's
        """Print one panel: commands, arguments or parameters."""
        rows = [(_names(entry), _meaning(entry)) for entry in panel.entries]
        if not rows:
            return
        _print(console, f"\n{str(panel.title).lower()}:")
        width = min(max(len(names) for names, _ in rows), NAMES_MAX)
        for names, meaning in rows:
            _print(console, _row(names, meaning, width, min(console.width, WIDTH_MAX)))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:  # noqa: ARG002 - the name is cyclopts's
        """Print how the command is called."""
        _print(console, f"usage: {_plain(usage).removeprefix('Usage: ').strip()}\n")

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:  # noqa: ARG002 - the name is cyclopts's
        """Print what the command is for, each paragraph filled."""
        width = min(console.width, WIDTH_MAX)
        paragraphs = _plain(description).strip().split("\n\n")
        _print(console, "\n\n".join(textwrap.fill(paragraph, width) for paragraph in paragraphs))


def _row(names: str, meaning: str, width: int, line_width: int) -> str:
    margin = " " * (width + 4)
    filled = textwrap.fill(meaning, line_width, initial_indent=margin, subsequent_indent=margin)
    if len(names) > width:
        return f"  {names}\n{filled}"
    return f"  {names:<{width}}  {filled[len(margin) :]}"


def _names(entry: HelpEntry) -> str:
    return ", ".join(entry.display_labels_with_metavar or entry.positive_names)


def _meaning(entry: HelpEntry) -> str:
    parts = [" ".join(_plain(entry.description).split())]
    if entry.choices:
        parts.append(f"[{'|'.join(entry.choices)}]")
    if entry.default is not None:
        parts.append(f"[default: {entry.default}]")
    return " ".join(part for part in parts if part)


def _plain(text: Any) -> str:
    """Give the words of whatever cyclopts hands over: nothing, text, styled text, or a holder of one of these."""
    held = getattr(text, "primary_renderable", text)
    return "" if held is None else str(getattr(held, "plain", held))


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
