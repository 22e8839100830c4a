"""Reading one ledger's records as they are stored, with what proves them: what its other readers are built on.

Nothing here is proven unless it says so. It needs no lock, and never writes a record.
"""

from __future__ import annotations

from bailiwick.errors import NotFound
from bailiwick.ledger.lines import Lines
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.prover import Prover
from bailiwick.ledger.recover import pruned_of
from bailiwick.ledger.writer import Writer
from bailiwick.model import Checkpoint
from bailiwick.ports import LedgerStore, Prunable


class Reading:
    """Reads one ledger. Thread-safe."""

    def __init__(self, store: LedgerStore, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self._lines = Lines(store)
        self._prover = Prover(store, writer)
        self._whole: Checkpoint | None = None

    def size(self) -> int:
        """Count the records, those of other processes too, all of them durable."""
        if self._writer.failure is None:
            self._writer.refresh()
        return self._writer.tip.size

    def end(self, stop: int | None) -> int:
        """Give ``stop``, or the number of records where it is beyond that or None."""
        if stop is not None and stop <= self._writer.tip.size:
            return stop
        size = self.size()
        return size if stop is None else min(size, stop)

    def minimum(self) -> int:
        """Give the first record from which on all are there: 0 where none was ever pruned."""
        pruned = pruned_of(self._store)
        return 0 if pruned is None else pruned.minimum

    def raw(self, index: int) -> bytes:
        """Give the bytes of one record.

        Raises:
            NotFound: there is none of that index (code ``record-missing``), or it was pruned (``record-pruned``).
        """
        if not 0 <= index < self.end(index + 1):
            raise NotFound(
                f"there is no record {index}; there are {self._writer.tip.size}, counted from 0",
                hint="bailiwick ledger tail shows the newest",
                code="record-missing",
            )
        return self.raws(index, index + 1)[0]

    def raws(self, start: int, stop: int) -> list[bytes]:
        """Give the bytes of records ``start`` to ``stop`` (not included), which must be there.

        Raises:
            NotFound: one of them was pruned (code ``record-pruned``).
            LedgerBroken: the store does not hold what its own framing says.
            Unavailable: the store cannot be read.
        """
        return self._lines.read(start, stop, self._writer.tip.size)

    def leaf(self, index: int) -> bytes:
        """Give the leaf digest of one record, 32 bytes, from its stored bytes; of a pruned one too.

        Raises:
            NotFound: there is none of that index.
        """
        try:
            return leaf_digest(self.raw(index))
        except NotFound as error:
            if error.code != "record-pruned" or not isinstance(self._store, Prunable):
                raise
            return self._store.leaves(index, index + 1)[0]

    def prove(self, index: int, leaf: bytes, checkpoint: Checkpoint | None = None) -> list[bytes]:
        """Give the proof that a leaf is in the tree of a checkpoint, or of all records; it has been verified.

        Raises:
            ProofRejected: the record's bytes are not those that were hashed.
        """
        return self._prover.prove(index, leaf, self._all() if checkpoint is None else checkpoint)

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        return self._store.read_side(name, offset, size)

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file.

        Raises:
            Unavailable: that failed.
        """
        self._store.write_side(name, offset, data)

    def _all(self) -> Checkpoint:
        """Give size and root of the tree of all records, signed by nobody: what this process computed of it."""
        frontier = self._writer.tip.frontier
        whole = self._whole
        if whole is None or whole.size != frontier.size:
            whole = self._whole = Checkpoint(origin="", size=frontier.size, root=frontier.root(), note=b"")
        return whole
