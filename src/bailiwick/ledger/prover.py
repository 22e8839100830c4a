"""Proofs of records, taken from the tree's columns without waiting for whoever appends.

The writer has the newest hashes and can make the columns anew; it is asked where what lies in the files does not do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bailiwick.errors import ProofRejected
from bailiwick.ledger.columns import Columns
from bailiwick.ledger.proof import HASH_BYTES, verify_inclusion
from bailiwick.ledger.writer import Writer
from bailiwick.model import Checkpoint
from bailiwick.ports import LedgerStore


class Prover:
    """Proves records of one ledger. Thread-safe."""

    def __init__(self, store: LedgerStore, writer: Writer) -> None:
        self._columns = Columns(store)
        self._writer = writer
        self._mutex = threading.Lock()

    def prove(self, index: int, leaf: bytes, checkpoint: Checkpoint) -> list[bytes]:
        """Give the proof that a leaf is in the tree of a checkpoint; it has been verified.

        Args:
            index: Position from 0, below the checkpoint's size.
            leaf: Leaf digest, 32 bytes.
            checkpoint: Believed; its size and root are what is proven against.

        Raises:
            ProofRejected: the record's bytes are not those that the checkpoint stands for.
            Unavailable: the columns can be neither read nor made anew.

        Cost: about 70 µs among ten million records; where the columns are damaged, 3 µs a record once.
        """
        with self._mutex:
            path = self._columns.proof(index, checkpoint.size)
            if set(map(len, path)) <= {HASH_BYTES}:
                if _leads(leaf, index, path, checkpoint):
                    return path
                if _leads(self._columns.node(0, index, checkpoint.size), index, path, checkpoint):
                    # The columns are sound, so it is the record that was changed: this raises.
                    verify_inclusion(leaf, index, path, checkpoint.size, checkpoint.root)
                self._columns.forget()
        return self._writer.prove(index, leaf, checkpoint)


def _leads(leaf: bytes, index: int, path: Sequence[bytes], checkpoint: Checkpoint) -> bool:
    try:
        verify_inclusion(leaf, index, path, checkpoint.size, checkpoint.root)
    except ProofRejected:
        return False
    return True
