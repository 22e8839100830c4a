"""Who is in a call of a module, among all processes of a home, and when nobody is any more.

A call holds one of the module's places for as long as it runs. Whoever swaps the module takes all places, each when its
call has ended, and keeps them until the new version is the one that answers. New calls wait meanwhile; calls that a
running call makes still get a place while there is one, so that two modules that ask each other do not wait for ever.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bailiwick.errors import Unavailable
from bailiwick.ports import CursorStore
from bailiwick.supervisor.ledgerstate import LedgerState
from bailiwick.supervisor.state import FleetState

PLACES = 32
"""Calls of one module at one time, in number, among all processes of a home."""
WAITING_MAX = 256
"""Calls of one process that wait for the end of a swap, in number; one more is turned away."""
WAIT_MS_MAX = 30_000
"""Longest that a call waits for the end of a swap, in milliseconds."""
_LOOK_SECONDS = 0.002
"""How often a call that waits looks whether the swap has ended."""


class Swapping(Unavailable):
    """A call could not begin because its module is being swapped."""


class Places(Protocol):
    """Where a call is while it runs, for as long as it runs."""

    def entered(self, name: str, wait_ms: int = WAIT_MS_MAX) -> AbstractContextManager[FleetState]:
        """Be in a call from outside."""
        ...

    def entered_inside(self, name: str, wait_ms: int) -> AbstractContextManager[FleetState]:
        """Be in a call for one that runs already."""
        ...


@dataclass(slots=True, kw_only=True)
class InFlight:
    """The places of one tenant's modules. Thread-safe; a place belongs to the thread that took it."""

    tenant: str
    state: LedgerState
    locks: CursorStore
    heal: Callable[[str], object]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _free: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list), repr=False)
    _waiting: int = 0

    @contextmanager
    def entered(self, name: str, wait_ms: int = WAIT_MS_MAX) -> Iterator[FleetState]:
        """Be in a call of a module while the block runs, from outside; wait first where it is being swapped.

        Args:
            name: The module.
            wait_ms: How long to wait for the end of a swap, in milliseconds; with 0, not at all.

        Raises:
            Swapping: too many wait already, or it takes too long (code ``module-swapping``).
            Unavailable: there is no place (code ``module-busy``).
        """
        until = time.monotonic() + wait_ms / 1000
        while True:
            with ExitStack() as held:
                if self._take(held, name) or self._take_again(held, name):
                    now = self.state.now()
                    if not now.swaps.is_draining(name):
                        yield now
                        return
            self._wait(name, until)

    def wait_for_swap(self, name: str) -> None:
        """Wait while a module is being swapped, before a call takes anything that others need.

        Raises:
            Swapping: as ``entered``.
        """
        until = time.monotonic() + WAIT_MS_MAX / 1000
        while self.state.now().swaps.is_draining(name):
            self._wait(name, until)

    @contextmanager
    def entered_inside(self, name: str, wait_ms: int) -> Iterator[FleetState]:
        """Be in a call of a module while the block runs, for a call that runs already.

        Raises:
            Unavailable: as ``entered``; ``wait_ms`` is what is left of the caller's time.
        """
        until = time.monotonic() + wait_ms / 1000
        while True:
            with ExitStack() as held:
                if self._take(held, name):
                    yield self.state.seen()
                    return
            try:
                self._wait(name, until)
            except Swapping as error:  # the call that asks has begun
                raise Unavailable(error.message, hint=error.hint, code=error.code) from error
            self.state.now()

    @contextmanager
    def emptied(self, name: str, until: float) -> Iterator[bool]:
        """Take every place of a module, each when its call has ended, and say whether that was done by ``until``.

        Args:
            name: The module; a record says that new calls of it wait.
            until: A moment of the monotonic clock, in seconds.
        """
        with ExitStack() as held:
            for place in range(PLACES):
                left_ms = max(0, round((until - time.monotonic()) * 1000))
                try:
                    held.enter_context(self.locks.exclusive(self.tenant, _place(name, place), left_ms))
                except Unavailable as error:
                    if error.code != "cursor-busy":
                        raise
                    yield False
                    return
            yield True

    def _take(self, held: ExitStack, name: str) -> bool:
        """Take a place, and say whether there was one; the one that was free last is tried first."""
        with self._lock:
            known = self._free[name]
            tried = known.pop() if known else None
        order = [*([] if tried is None else [tried]), *(place for place in range(PLACES) if place != tried)]
        for place in order:
            try:
                held.enter_context(self.locks.exclusive(self.tenant, _place(name, place), 0))
            except Unavailable as error:
                if error.code != "cursor-busy":
                    raise
                continue
            held.callback(self._give_back, name, place)
            return True
        return False

    def _take_again(self, held: ExitStack, name: str) -> bool:
        """Say that there is no place because a swap has them all; else try once more, for it may have ended just now.

        Raises:
            Unavailable: calls have them all (code ``module-busy``).
        """
        with alone(self.locks, self.tenant, name) as nobody_swaps:
            if not nobody_swaps:
                return False
        if not self._take(held, name):
            raise _full(name)
        return True

    def _give_back(self, name: str, place: int) -> None:
        with self._lock:
            if len(self._free[name]) < PLACES:
                self._free[name].append(place)

    def _wait(self, name: str, until: float) -> None:
        """Wait a moment for a swap to end; one whose swapper died is given up here."""
        with self._lock:
            if self._waiting >= WAITING_MAX:
                raise _swapping(name, f"{WAITING_MAX} calls wait already")
            self._waiting += 1
        try:
            if time.monotonic() >= until:
                raise _swapping(name, "it takes longer than a call waits")
            self.heal(name)
            threading.Event().wait(_LOOK_SECONDS)
        finally:
            with self._lock:
                self._waiting -= 1


def _place(name: str, place: int) -> str:
    """Name the lock of one place."""
    return f"calls-{name}-{place}"


def _full(name: str) -> Unavailable:
    return Unavailable(
        f"{PLACES} calls of module {name} are running already", hint="try again when one has ended", code="module-busy"
    )


def _swapping(name: str, why: str) -> Swapping:
    return Swapping(f"module {name} is being swapped, and {why}", hint="try again in a moment", code="module-swapping")


def swap_lock(name: str) -> str:
    """Name the lock that whoever swaps a module holds from beginning to end."""
    return f"swap-{name}"


DRAIN = "swaps"
"""Name of the lock that a swap holds while it drains: one module of a tenant at a time, for two that call each other
would each wait for places that the other's swap has taken."""


@contextmanager
def alone(locks: CursorStore, tenant: str, name: str, wait_ms: int = 0) -> Iterator[bool]:
    """Be the only one that swaps a module while the block runs; false where another does for longer than that."""
    with _held(locks, tenant, swap_lock(name), wait_ms) as is_alone:
        yield is_alone


@contextmanager
def one_drain(locks: CursorStore, tenant: str, wait_ms: int) -> Iterator[bool]:
    """Be the only one of a tenant that drains a module; false where another does for longer than that."""
    with _held(locks, tenant, DRAIN, wait_ms) as is_alone:
        yield is_alone


@contextmanager
def _held(locks: CursorStore, tenant: str, reader: str, wait_ms: int) -> Iterator[bool]:
    """Hold a lock while the block runs, and say whether it could be had in time."""
    with ExitStack() as held:
        try:
            held.enter_context(locks.exclusive(tenant, reader, wait_ms))
            is_held = True
        except Unavailable as error:
            if error.code != "cursor-busy":
                raise
            is_held = False
        yield is_held
