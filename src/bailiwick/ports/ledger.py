"""Seams of the ledger: who takes records, where their bytes lie, and an index that nobody believes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from bailiwick.model import Cursor, Draft, Quarantined, Receipt


class Recorder(Protocol):
    """Where a room reports what happened: the ledger is one, a list in memory is another."""

    def record(self, tenant: str, draft: Draft) -> Receipt:
        """Keep one record durably and give its receipt; it is durable when this returns."""
        ...

    def record_many(self, tenant: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """Keep several records with one flush and give their receipts in the same order."""
        ...


class LedgerStore(Protocol):
    """Keeps the records of one ledger in order, as bytes that it never reads into, and small side files beside them.

    Indexes count from 0. Who counts, appends or cuts holds ``exclusive`` (but for a first look at a store that nobody
    else uses yet); whoever knows that a record is there may read it at any time. A side file holds only
    what can be rebuilt from the records: it need not be durable, and may come back short or damaged.
    """

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the store alone, among all threads and processes; not to be nested.

        Raises:
            Unavailable: the lock cannot be had, or the store is retired (code ``ledger-moved``).
        """
        ...

    def exists(self) -> bool:
        """Say whether anything was ever stored here. Needs no lock, and makes nothing."""
        ...

    def count(self) -> int:
        """Count the whole records that are stored now, by whomever. Cheap where nothing moved.

        Raises:
            Unavailable: the store cannot be read.
        """
        ...

    def tail(self) -> bytes:
        """Give the bytes after the last whole record, as ``count`` last saw them; empty where all is well."""
        ...

    def size(self) -> int:
        """Give the size of everything that ``count`` last saw, in bytes."""
        ...

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        ...

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included; both within ``count``.

        Raises:
            LedgerBroken: the store does not hold what its own framing says (verdict corrupt or truncated).
            Unavailable: the store cannot be read.
        """
        ...

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``, which is ``count``; durable on return, in one flush.

        Raises:
            LedgerPoisoned: a write or flush failed; which records are stored is unknown.
            LedgerRaced: somebody who did not wait for ``exclusive`` stored a record of that index first.
            Unavailable: the store cannot be written now. As after ``LedgerRaced``, nothing was written.
        """
        ...

    def sync(self, start: int = 0) -> None:
        """Make durable what others appended, from record ``start`` on, whether or not a flush of it failed before.

        Raises:
            LedgerPoisoned: the flush failed.
        """
        ...

    def cut(self, start: int) -> Quarantined:
        """Move everything from record ``start`` on out of the way, durably, keeping its bytes aside.

        Raises:
            LedgerPoisoned: that failed; nothing is lost, and it can be tried again after reopening.
        """
        ...

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` moved aside from record ``start`` on, by name: a crash may keep a cut from a record."""
        ...

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        ...

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written.

        Raises:
            Unavailable: that failed; no record is touched by it.
        """
        ...

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more, durably: the ledger is elsewhere. An empty note takes that back.

        Raises:
            Unavailable: that failed; nothing has changed.
        """
        ...

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class LedgerIndex(Protocol):
    """Which records hold which terms: a fold over the ledger that can be rebuilt, and that nobody believes.

    A term is a number that stands for a kind and a value (``ledger.search``); two values may share one. Whoever asks
    reads each record that is named, and checks it; what is not named may be missing.
    """

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded.

        Raises:
            Unavailable: the index cannot be read (code ``ledger-index-busy``), or was damaged and has been emptied
                (code ``ledger-index-damaged``): fold again. So for every method.
        """
        ...

    def fold(self, tenant: str, cursor: Cursor, terms: Sequence[tuple[int, int]]) -> None:
        """Take in the records up to ``cursor``, all or nothing; an older cursor changes nothing.

        ``terms`` are pairs of a term (64 bits, signed) and the index of a record that holds it, sorted.
        """
        ...

    def find(self, tenant: str, terms: Sequence[int], start: int, stop: int, limit: int) -> list[int]:
        """Give up to ``limit`` records that hold every term, in order, from ``start`` and before ``stop``.

        At least one term; the rarest first, where that is known.
        """
        ...

    def clear(self, tenant: str) -> None:
        """Forget everything, to fold again from the first record."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
