"""Seams to the world: the time of day, and randomness."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The time of day. It may stand still or go back; the ledger clamps it."""

    def now_ns(self) -> int:
        """Give nanoseconds since 1970 UTC."""
        ...


class Entropy(Protocol):
    """Randomness fit for salts and identifiers."""

    def take(self, count: int) -> bytes:
        """Give ``count`` random bytes."""
        ...
