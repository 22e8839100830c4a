"""The beat that a deadline is counted in: a thread that advances the engine's epoch until it is stopped.

It reads no clock. A tick that comes late only makes a deadline late; fuel is what bounds a guest in any case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

TICK_MS = 20
"""Length of one tick, in milliseconds: how exact a deadline is."""


def ticks_until(deadline_ms: int) -> int:
    """Give the number of ticks that a deadline lasts, at least; the tick under way counts as none.

    >>> ticks_until(50)
    4
    """
    return -(-deadline_ms // TICK_MS) + 1


class Ticker:
    """A background thread that calls ``advance`` every tick, until ``stop``; ``count`` is how often it has."""

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self.count = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bailiwick-engine-ticker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_MS / 1000):
            self.count += 1
            self._advance()

    def stop(self) -> None:
        """Stop the thread and wait for its end. Stopping twice is harmless."""
        self._stopped.set()
        self._thread.join()
