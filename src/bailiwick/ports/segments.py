"""What a ledger store of many files offers besides: files that never change, read by another process too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable


@runtime_checkable
class Segmented(Protocol):
    """A ``LedgerStore`` that keeps its records in files of many records, of which all but the newest never change."""

    def segments(self) -> Segments:
        """Give a way to read those files that can be sent to another process."""
        ...


class Segments(Protocol):
    """Reads the files of a segmented store. Needs no lock, writes nothing, and can be pickled where its disk can.

    Every method raises ``Unavailable`` where the store cannot be read.
    """

    def spans(self) -> list[tuple[int, int]]:
        """Give first and stop (not included) of each full segment, in order, as their names say."""
        ...

    def scan(self, start: int, stop: int) -> Iterator[list[bytes]]:
        """Give records ``start`` to ``stop`` (not included) in order, some hundreds at a time.

        Raises:
            LedgerBroken: a segment does not hold as many lines as belong there (verdict corrupt or truncated).
        """
        ...

    def digest(self, first: int) -> str:
        """Give ``sha256:`` and the SHA-256 of the full segment that starts at a record: lines and newlines."""
        ...

    def slice(self, first: int, start: int, stop: int) -> bytes:
        """Give bytes ``start`` to ``stop`` of the full segment that starts at a record; fewer where it ends before."""
        ...
