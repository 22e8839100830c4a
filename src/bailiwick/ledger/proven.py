"""Reading with proof: records that the tree of the whole ledger stands for, and stretches that are chained to them.

Opening a ledger checks what came since its newest checkpoint, and no more. Who answers for the past checks what it
reads: one record by its Merkle proof, a stretch by the hash that each record keeps of the one before it.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections.abc import Collection, Iterator, Mapping

from bailiwick.errors import LedgerBroken, NotFound, ProofRejected, Verdict
from bailiwick.ledger.log import Ledger
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import BROKEN_HINT, read_record
from bailiwick.model import JsonValue, Receipt, Record

RECORDS_PER_READ = 2_048
"""Records that are read at once, in number; at most 128 MiB of them, and rarely over 1."""

_EVENT = b',"event_type":"'
_PREV = b'"prev_hash":"'


class ProvenReader:
    """Reads one ledger with proof, by the ledger's own ``reading``."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._reading = ledger.reading

    def size(self) -> int:
        """Count the records, those of other processes too."""
        return self._reading.size()

    def minimum(self) -> int:
        """Give the first record from which on all are there: 0 where none was ever pruned."""
        return self._reading.minimum()

    def read(self, index: int) -> Record:
        """Give one record, unproven."""
        return self.ledger.read(index)

    def indexed(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of records, unproven; of pruned ones those that were carried on."""
        if start < self.minimum():
            return [(record.index, record.raw) for record in self.ledger.records(start, stop)]
        return list(enumerate(self._reading.raws(start, stop), start))

    def proven(self, index: int) -> Record:
        """Give one record that the tree of all records stands for.

        The tree's root is what this process computed when it opened the ledger: from the newest signed checkpoint on,
        record by record.

        Raises:
            NotFound: there is none of that index (code ``record-missing``).
            LedgerBroken: its bytes are not those that were hashed (verdict altered), or no record (corrupt).

        Cost: about 100 µs.
        """
        record = self.ledger.read(index)
        try:
            self._reading.prove(index, leaf_digest(record.raw))
        except ProofRejected as error:
            raise _altered(index) from error
        return record

    def stretch(self, start: int, stop: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Give index, type and bytes of records ``start`` to ``stop``, proven once the last of them was taken.

        The last is proven by the tree, and each stands for the bytes before it by ``prev_hash``. Whoever stops before
        the end has proof of nothing.

        Raises:
            LedgerBroken: a record is not the one that the next stands for (verdict altered).

        Cost: about 1.5 µs a record.
        """
        link = raw = b""
        for first in range(start, stop, RECORDS_PER_READ):
            for index, raw in enumerate(self._reading.raws(first, min(stop, first + RECORDS_PER_READ)), first):
                # After the type come words without quotes, so the last match is the field and no text in the detail.
                at = raw.rfind(_EVENT) + len(_EVENT)
                before = raw.find(_PREV, at) + len(_PREV)
                if link and raw[before : before + 64] != link:
                    raise _altered(index - 1)
                link = hexlify(hashlib.sha256(raw).digest())
                yield index, raw[at : raw.find(b'"', at)], raw
        if start < stop and self.proven(stop - 1).raw != raw:
            raise _altered(stop - 1)

    def of_types(self, types: Collection[str], start: int, stop: int) -> Iterator[Record]:
        """Give the records of some types, proven once the last of them was taken; of pruned ones, those carried on.

        A record that was changed so as to be of another type is found too: whatever lies between is walked.

        Raises:
            LedgerBroken: a record is not the one that the ledger stands for (verdict altered).

        Cost: about 1.5 µs for each record that lies there, and 10 µs for each that is given.
        """
        wanted = {each.encode() for each in types}
        minimum = min(max(self.minimum(), start), stop)
        for index, _ in self.indexed(start, minimum) if start < minimum else ():
            carried = self.proven(index)
            if carried.event_type in types:
                yield carried
        for index, event_type, raw in self.stretch(minimum, stop):
            if event_type in wanted:
                yield read_record(raw, index)

    def note(self, event_type: str, resource: str, detail: Mapping[str, JsonValue]) -> Receipt:
        """Record something about the ledger itself, under a type that is kept for that; durable on return."""
        return self.ledger.note(event_type, resource, detail)

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        return self._reading.read_side(name, offset, size)

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file.

        Raises:
            Unavailable: that failed.
        """
        self._reading.write_side(name, offset, data)

    def proven_or_none(self, index: int) -> Record | None:
        """Give a proven record, or None where it is not there or was pruned: what a side file names need not exist."""
        try:
            return self.proven(index)
        except NotFound:
            return None


def _altered(index: int) -> LedgerBroken:
    return LedgerBroken(
        Verdict.ALTERED, f"record {index} is not the one that the ledger stands for", hint=BROKEN_HINT, index=index
    )
