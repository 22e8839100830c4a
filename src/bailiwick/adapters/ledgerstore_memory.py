"""A ledger's records in memory: for tests and simulations."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bailiwick.adapters.ledgerstore_checks import moved
from bailiwick.model import Quarantined


class MemoryLedgerStore:
    """See ``ports.LedgerStore``. Several ledgers may hold the same object, as processes hold the same folder."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._side: dict[str, bytearray] = {}
        self._lock = threading.Lock()
        self._note = ""
        self.quarantine: dict[str, bytes] = {}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store alone, among all threads."""
        with self._lock:
            if self._note:
                raise moved(self._note)
            yield

    def exists(self) -> bool:
        """Say whether there are records."""
        return bool(self._records)

    def count(self) -> int:
        """Count the records."""
        return len(self._records)

    def tail(self) -> bytes:
        """Give nothing: a list holds whole records only."""
        return b""

    def size(self) -> int:
        """Give the size of all records in bytes."""
        return sum(map(len, self._records))

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        return sum(map(len, self._records[start:]))

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included."""
        assert 0 <= start <= stop <= len(self._records), (start, stop)
        return self._records[start:stop]

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``."""
        assert start == len(self._records), (start, len(self._records))
        self._records.extend(records)

    def sync(self) -> None:
        """Do nothing: memory has no flush."""

    def cut(self, start: int) -> Quarantined:
        """Move everything from record ``start`` on out of the way, keeping its bytes aside."""
        cut = b"".join(self._records[start:])
        digest = hashlib.sha256(cut).hexdigest()
        name = f"{start:012d}-{digest[:16]}"
        self.quarantine[name] = cut
        del self._records[start:]
        return Quarantined(name=name, index=start, size=len(cut), digest=f"sha256:{digest}")

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` moved aside from record ``start`` on."""
        return [
            Quarantined(
                name=name, index=int(name[:12]), size=len(cut), digest=f"sha256:{hashlib.sha256(cut).hexdigest()}"
            )
            for name, cut in sorted(self.quarantine.items())
            if int(name[:12]) >= start
        ]

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        return bytes(self._side.get(name, b"")[offset : offset + size])

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written."""
        side = self._side.setdefault(name, bytearray())
        side.extend(bytes(max(offset - len(side), 0)))
        side[offset : offset + len(data)] = data

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more; an empty note takes that back."""
        self._note = note

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        return self._note

    def close(self) -> None:
        """Do nothing: the records live as long as the object."""
