"""How far each reader of a ledger has come, in memory: for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bailiwick.adapters.cursorstore_files import busy, check_reader
from bailiwick.model import check_tenant


class MemoryCursorStore:
    """See ``ports.CursorStore``."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], bytes] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._mutex = threading.Lock()

    @contextmanager
    def exclusive(self, tenant: str, reader: str, wait_ms: int | None = None) -> Iterator[None]:
        """Hold the reader's lock while the block runs."""
        with self._mutex:
            lock = self._locks.setdefault((check_tenant(tenant), check_reader(reader)), threading.Lock())
        if not lock.acquire(timeout=-1 if wait_ms is None else wait_ms / 1000):
            raise busy(reader)
        try:
            yield
        finally:
            lock.release()

    def get(self, tenant: str, reader: str) -> bytes | None:
        """Give what was kept last, or None."""
        return self._states.get((check_tenant(tenant), check_reader(reader)))

    def put(self, tenant: str, reader: str, state: bytes) -> None:
        """Keep a state in place of the one before."""
        self._states[check_tenant(tenant), check_reader(reader)] = state
