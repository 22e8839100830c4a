"""Keeps a tenant's modules in step with its ledger: folds on what is new, and keeps what was folded.

Whoever changes anything holds ``exclusive``, looks, records, and folds its own record like any other. A crash between
record and state loses nothing: the next look folds on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from bailiwick.errors import Unavailable
from bailiwick.ledger import Ledger, ProvenReader
from bailiwick.model import Actor, Cursor, Draft, JsonValue, Receipt, Record
from bailiwick.ports import CursorStore
from bailiwick.supervisor.state import FOLDED_TYPES, STATE_BYTES_MAX, FleetState, read_state

READER = "modules"
RECORDS_PER_KEEPING = 1_000
"""Records that are folded before a state is kept though no module changed, in number."""


class LedgerState:
    """The folded state of one tenant. Thread-safe, and safe among processes on one home."""

    def __init__(self, ledger: Ledger, cursors: CursorStore, secret: bytes) -> None:
        """Join a ledger to the place where its folded state is kept, under a MAC with the tenant's secret."""
        self.ledger = ledger
        self._cursors = cursors
        self._secret = secret
        self._origin = ledger.verifier_key().partition("+")[0]
        self._lock = threading.RLock()
        self._state: FleetState | None = None
        self._kept_count = 0
        self._is_proven = False

    def now(self) -> FleetState:
        """Give the state as the ledger has it now, records of other processes included.

        Raises:
            LedgerBroken: the ledger cannot be read, or a record that is folded is not the one that it stands for.
            Unavailable: a state that was kept cannot be read.

        Cost: a look at the ledger's size, and about 10 µs for each new record; when first asked, about 1.5 µs for each
        record since the state that was kept.
        """
        with self._lock:
            state = self._known()
            size = self.ledger.size()
            if state.cursor.count > size:
                state, self._is_proven = FleetState(origin=self._origin), False
            if state.cursor.count < size:
                for record in self._records(state.cursor.count, size):
                    state = state.fold(record)
                self._is_proven = True
                state = replace(state, cursor=Cursor(count=size, leaf=self.ledger.leaf(size - 1)))
                self._state = state
            return state

    def seen(self) -> FleetState:
        """Give the state as it was last folded: acts of this process are in it, newer ones of others may not be."""
        state = self._state
        return self.now() if state is None else state

    @contextmanager
    def exclusive(self) -> Iterator[FleetState]:
        """Be the only one that changes anything, and keep the state afterwards; not to be nested.

        Raises:
            Unavailable: the lock cannot be had, or the state not be kept; what was recorded stays recorded.
        """
        with self._cursors.exclusive(self.ledger.tenant, READER):
            yield self.now()
            self._keep()

    def keep_up(self) -> None:
        """Keep the state where much was folded since, so that the next process need not fold it again.

        Where that cannot be done nothing is lost, and whoever changes a module next is told so.
        """
        with self._lock:
            is_due = self._known().cursor.count - self._kept_count >= RECORDS_PER_KEEPING
        if is_due:
            with suppress(Unavailable), self._cursors.exclusive(self.ledger.tenant, READER):
                self._keep()

    def record(self, event_type: str, resource: str, detail: dict[str, JsonValue], actor: Actor) -> Receipt:
        """Record one thing that happened to a module; durable on return."""
        draft = Draft(event_type=event_type, resource=resource, detail=detail, actor=actor)
        return self.ledger.record(self.ledger.tenant, draft)

    def _records(self, start: int, size: int) -> Iterator[Record]:
        """Give what is to be folded: what was there before this process proven, and then each record as it comes.

        What comes was chained to what is known when it was appended, or taken in from another process.
        """
        if self._is_proven:
            return self.ledger.records(start, size)
        return ProvenReader(self.ledger).of_types(FOLDED_TYPES, start, size)

    def _known(self) -> FleetState:
        if self._state is None:
            self._state = self._load()
            self._kept_count = self._state.cursor.count
        return self._state

    def _load(self) -> FleetState:
        """Give what was kept, if it is of this very ledger and unchanged; else start over."""
        raw = self._cursors.get(self.ledger.tenant, READER)
        if raw is not None:
            with suppress(ValueError):  # a damaged or foreign state is folded anew, which is always right
                state = read_state(raw, self._secret)
                if state.origin == self._origin and self._is_past(state.cursor):
                    return state
        return FleetState(origin=self._origin)

    def _is_past(self, cursor: Cursor) -> bool:
        if cursor.count == 0:
            return True
        return cursor.count <= self.ledger.size() and self.ledger.leaf(cursor.count - 1) == cursor.leaf

    def _keep(self) -> None:
        with self._lock:
            state = self.now()
            raw = state.to_bytes(self._secret)
            if len(raw) <= STATE_BYTES_MAX:
                self._cursors.put(self.ledger.tenant, READER, raw)
                self._kept_count = state.cursor.count
