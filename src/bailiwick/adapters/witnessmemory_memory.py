"""What a witness remembers, in memory: for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryWitnessMemory:
    """See ``ports.WitnessMemory``."""

    def __init__(self) -> None:
        self._notes: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @contextmanager
    def exclusive(self, origin: str) -> Iterator[None]:  # noqa: ARG002 - one lock does for all of them
        """Hold the memory alone, among all threads."""
        with self._lock:
            yield

    def read(self, origin: str) -> bytes:
        """Give the checkpoint that is kept for a ledger; empty where there is none."""
        return self._notes.get(origin, b"")

    def write(self, origin: str, note: bytes) -> None:
        """Keep a checkpoint in place of the one before."""
        self._notes[origin] = note
