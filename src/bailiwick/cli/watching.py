"""Look at something again and again, and show what came of it each time it differs, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from bailiwick.cli import screen

PAUSE_SECONDS = 0.3
"""Between two looks at the files."""


def watch(look: Callable[[], Any], show: Callable[[], object], pause: Callable[[], None] | None = None) -> int:
    """Show when what is looked at differs from last time, at first too, until Ctrl-C; then give exit code 0.

    Args:
        look: Gives what is compared; it raises nothing of ours.
        show: Shows what came of it.
        pause: Waits between two looks.
    """
    wait = pause or (lambda: time.sleep(PAUSE_SECONDS))
    seen: Any = None
    try:
        while True:
            now = look()
            if now != seen:
                seen = now
                show()
            wait()
    except KeyboardInterrupt:
        screen.say("watching ended")
        return 0


def changed_lines(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Give the lines that are new, and those that are no more; the first line (the count) always.

    >>> changed_lines(["2 cases, 1 failed", "  a: wrong"], ["2 cases, 0 failed"])
    ['2 cases, 0 failed', 'no more:   a: wrong']
    """
    new = [line for line in now[1:] if line not in before]
    gone = [f"no more: {line}" for line in before[1:] if line not in now]
    return [*now[:1], *new, *gone]
