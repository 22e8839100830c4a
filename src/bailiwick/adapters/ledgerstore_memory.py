"""A ledger's records in memory: for tests and simulations."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bailiwick.adapters.ledgerstore_checks import moved, record_pruned
from bailiwick.model import Pruned, Quarantined


class MemoryLedgerStore:
    """See ``ports.LedgerStore``. Several ledgers may hold the same object, as processes hold the same folder."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._side: dict[str, bytearray] = {}
        self._lock = threading.Lock()
        self._note = ""
        self._pruned: Pruned | None = None
        self._leaves: list[bytes] = []
        self._carried: dict[int, bytes] = {}
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
        """Give the size of all records in bytes, but for those that were pruned and those that were carried on."""
        return self.size_from(self._pruned.minimum if self._pruned else 0)

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        return sum(map(len, self._records[start:]))

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included."""
        assert 0 <= start <= stop <= len(self._records), (start, stop)
        if self._pruned is not None and start < self._pruned.minimum:
            for index in range(start, min(stop, self._pruned.minimum)):
                if index not in self._carried:
                    raise record_pruned(index, self._pruned)
        return self._records[start:stop]

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``."""
        assert start == len(self._records), (start, len(self._records))
        self._records.extend(records)

    def sync(self, start: int = 0) -> None:
        """Do nothing: memory has no flush."""
        del start

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

    def pruned(self) -> Pruned | None:
        """Say where the records begin; None where none was ever deleted."""
        return self._pruned

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give the leaf digests ``start`` to ``stop`` of pruned records."""
        return self._leaves[start:stop]

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop``."""
        return [(index, raw) for index, raw in self._carried.items() if start <= index < stop]

    def prune(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Delete every record below the minimum but those that are carried on."""
        self._leaves, self._carried = list(leaves), dict(carried)
        kept = [self._carried.get(index, b"") for index in range(pruned.minimum)]
        self._pruned = pruned
        self._records[: pruned.minimum] = kept

    def begin(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Start an empty store where the records of another begin."""
        assert not self._records, len(self._records)
        self._records = [b""] * pruned.minimum
        self.prune(pruned, leaves, carried)

    def tidy(self) -> None:
        """Do nothing: pruning in memory is not interrupted."""

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more; an empty note takes that back."""
        self._note = note

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        return self._note

    def close(self) -> None:
        """Do nothing: the records live as long as the object."""
