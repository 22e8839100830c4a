"""A clock that stands still until it is told otherwise: for tests, simulations and replay."""

from __future__ import annotations

import threading

START_NS = 1_600_000_000_000_000_000
"""2020-09-13T12:26:40Z, where a clock starts that nobody sets."""


class MemoryClock:
    """See ``ports.Clock``. Safe to use from several threads.

    >>> clock = MemoryClock(step_ns=1)
    >>> clock.now_ns() - clock.now_ns()
    -1
    """

    def __init__(self, now_ns: int = START_NS, *, step_ns: int = 0) -> None:
        """Start at a moment; each question moves the clock on by ``step_ns`` nanoseconds, which may be negative."""
        self._now_ns = now_ns
        self._step_ns = step_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Give nanoseconds since 1970 UTC, and move on by the step."""
        with self._lock:
            now_ns = self._now_ns
            self._now_ns += self._step_ns
            return now_ns

    def set(self, now_ns: int) -> None:
        """Set the clock, also back."""
        with self._lock:
            self._now_ns = now_ns

    def advance(self, by_ns: int) -> None:
        """Move the clock on, or back by a negative number of nanoseconds."""
        with self._lock:
            self._now_ns += by_ns
