"""Sandboxes that are made before they are wanted, for guests that start slowly, such as those that carry Python.

One thread refills every shelf; a sandbox is taken once, used for one call, and thrown away like any other, by that
thread too. It starts when the call is over: making a sandbox beside a call was measured to slow the call down by as
much as the stock saves, since both change the memory of one process. What making it cost in fuel is kept with it, so
that a call costs the same whether it was served from stock or not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from bailiwick.engine.component import ComponentCode, Sandbox
from bailiwick.errors import UsageRefused
from bailiwick.model import Budget

SHELF_SANDBOXES_MAX = 16
"""Most sandboxes that are kept ready for one guest."""
STOCK_SANDBOXES_MAX = 64
"""Most sandboxes that are kept ready for all guests together; one with Python in it holds some 6 MB."""
USED_SANDBOXES_MAX = 8
"""Most used sandboxes that wait for the thread to remove them; with more, calls remove their own."""


@dataclass(slots=True)
class _Shelf:
    """The sandboxes of one guest that fit one size of memory."""

    code: ComponentCode
    budget: Budget
    count: int
    ready: list[Sandbox] = field(default_factory=list)
    filled: Future[int] = field(default_factory=Future)
    is_broken: bool = False


class Stock:
    """Keeps shelves full from a thread of its own, until ``close``. Threads may share it.

    Args:
        open_sandbox: Makes a sandbox; called on the stock's own thread, one at a time.
        close_sandbox: Removes one.
    """

    def __init__(
        self, open_sandbox: Callable[[ComponentCode, Budget], Sandbox], close_sandbox: Callable[[Sandbox], None]
    ) -> None:
        self._open = open_sandbox
        self._close = close_sandbox
        self._shelves: dict[tuple[int, int], _Shelf] = {}
        self._used: list[Sandbox] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def keep(self, code: ComponentCode, budget: Budget, count: int) -> Future[int]:
        """Keep sandboxes of a guest ready, for calls with this budget's memory.

        Returns:
            A future that has their number when the shelf is full for the first time; 0 for a guest whose sandboxes
            cannot be made before a call, since its start traps or asks the host.

        Raises:
            UsageRefused: more than ``SHELF_SANDBOXES_MAX``, or ``STOCK_SANDBOXES_MAX`` in all.
        """
        with self._changed:
            others = sum(shelf.count for key, shelf in self._shelves.items() if key != _key(code, budget))
            if not 0 < count <= SHELF_SANDBOXES_MAX or others + count > STOCK_SANDBOXES_MAX:
                raise UsageRefused(
                    f"{count} sandboxes cannot be kept ready beside {others} others",
                    hint=f"1 to {SHELF_SANDBOXES_MAX} for a module, {STOCK_SANDBOXES_MAX} in all",
                    code="engine-stock",
                )
            shelf = self._shelves.setdefault(_key(code, budget), _Shelf(code, budget, count))
            shelf.count = count
            if self._thread is None:
                self._thread = threading.Thread(target=self._refill, name="bailiwick-engine-stock", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return shelf.filled

    def take(self, code: ComponentCode, budget: Budget) -> Sandbox | None:
        """Give a sandbox that is ready for a call with this budget, or None."""
        if not self._shelves:
            return None
        with self._changed:
            shelf = self._shelves.get(_key(code, budget))
            if shelf is None or not shelf.ready:
                return None
            return shelf.ready.pop()

    def give_back(self, sandbox: Sandbox) -> None:
        """Remove a sandbox that was taken, once the call is over, and make another in its place."""
        with self._changed:
            is_waiting = not self._is_closed and len(self._used) < USED_SANDBOXES_MAX
            if is_waiting:
                self._used.append(sandbox)
            self._changed.notify_all()
        if not is_waiting:
            self._close(sandbox)

    def drop(self, code: ComponentCode) -> None:
        """Remove every sandbox that is kept ready of a guest."""
        with self._changed:
            gone = [self._shelves.pop(key) for key, shelf in list(self._shelves.items()) if shelf.code is code]
        for shelf in gone:
            self._empty(shelf)

    def close(self) -> None:
        """Stop the thread and remove every sandbox; closing twice is harmless."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()
        while self._used:
            self._close(self._used.pop())
        for shelf in self._shelves.values():
            self._empty(shelf)
        self._shelves.clear()

    def _refill(self) -> None:
        while shelf := self._wait_for_work():
            if isinstance(shelf, Sandbox):
                self._close(shelf)
                continue
            try:
                sandbox = self._open(shelf.code, shelf.budget)
            except Exception:
                self._break(shelf)
                continue
            self._put(shelf, sandbox)

    def _wait_for_work(self) -> _Shelf | Sandbox | None:
        """Wait for a used sandbox or a shelf that is not full; None when the stock is closed."""
        with self._changed:
            while not self._is_closed:
                if self._used:
                    return self._used.pop()
                for shelf in self._shelves.values():
                    if len(shelf.ready) < shelf.count and not shelf.is_broken:
                        return shelf
                self._changed.wait()
            return None

    def _put(self, shelf: _Shelf, sandbox: Sandbox) -> None:
        with self._changed:
            # Dropped or closed while its sandbox was made: nobody would ever take or remove it.
            if self._is_closed or self._shelves.get(_key(shelf.code, shelf.budget)) is not shelf:
                self._close(sandbox)
                return
            shelf.ready.append(sandbox)
            is_first = len(shelf.ready) >= shelf.count and not shelf.filled.done()
        if is_first:
            _tell(shelf, shelf.count)

    def _break(self, shelf: _Shelf) -> None:
        with self._changed:
            shelf.is_broken = True
        _tell(shelf, 0)

    def _empty(self, shelf: _Shelf) -> None:
        while shelf.ready:
            self._close(shelf.ready.pop())
        shelf.filled.cancel()


def _tell(shelf: _Shelf, count: int) -> None:
    # Who drops a shelf cancels its future at any moment: that must not end the thread that fills all the others.
    with suppress(InvalidStateError):
        shelf.filled.set_result(count)


def _key(code: ComponentCode, budget: Budget) -> tuple[int, int]:
    return id(code), budget.memory_bytes
