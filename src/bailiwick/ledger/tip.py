"""The end of a ledger: what the next record follows, and how the end moves over records that somebody else appended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.keys import Verifier
from bailiwick.ledger.chain import Fault, read_checkpoint, read_next
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import CHECKPOINT, FIRST_PREV_HASH, FIRST_TIMESTAMP, GROUP_MARK, StoredRecord
from bailiwick.ledger.rotation import KEY_ROTATED, read_rotation
from bailiwick.ledger.tree import Frontier
from bailiwick.model import Checkpoint


@dataclass(slots=True, kw_only=True)
class Tip:
    """What the next record follows.

    ``is_covered``: nothing but checkpoint records came since the newest checkpoint. ``verifier``: the key that signs
    from here on, or None where no record was read that says so. ``group_start`` and ``group_stop``: where the newest
    group of records that stand or fall together begins and ends.
    """

    frontier: Frontier
    last_hash: str = FIRST_PREV_HASH
    timestamp: str = FIRST_TIMESTAMP
    checkpoint: Checkpoint | None = None
    is_covered: bool = True
    verifier: Verifier | None = None
    group_start: int = 0
    group_stop: int = 0

    @property
    def is_within_group(self) -> bool:
        """Whether records of the newest group are still to come."""
        return self.group_start < self.size < self.group_stop

    @property
    def size(self) -> int:
        """Records up to here."""
        return self.frontier.size

    def copy(self) -> Tip:
        """Give an independent copy, to be thrown away where an append fails."""
        return Tip(
            frontier=self.frontier.copy(),
            last_hash=self.last_hash,
            timestamp=self.timestamp,
            checkpoint=self.checkpoint,
            is_covered=self.is_covered,
            verifier=self.verifier,
            group_start=self.group_start,
            group_stop=self.group_stop,
        )

    def moved(self, frontier: Frontier, last_hash: str, timestamp: str) -> Tip:
        """Give the end after records that are no checkpoint and belong to no group that goes on."""
        return Tip(
            frontier=frontier,
            last_hash=last_hash,
            timestamp=timestamp,
            checkpoint=self.checkpoint,
            is_covered=False,
            verifier=self.verifier,
            group_start=self.group_start,
            group_stop=self.group_stop,
        )

    def follow(self, records: Sequence[bytes], verifier: Verifier) -> tuple[dict[int, list[bytes]], Fault | None]:
        """Move over stored records, as far as each follows from the one before.

        Args:
            records: Stored bytes, in order.
            verifier: The ledger's first key; ``self.verifier`` goes before it.

        Returns:
            What the leaves add to the tree, as ``Frontier.extend``, and the fault that stopped the walk, or None.

        Cost: about 5 µs a record, and one signature check a checkpoint record.
        """
        grown: dict[int, list[bytes]] = {}
        leaves: list[bytes] = []
        for raw in records:
            index = self.size + len(leaves)
            stored, fault = read_next(raw, index, self.last_hash, self.timestamp)
            if stored is None:
                merge(grown, self.frontier.extend(leaves))
                return grown, fault
            self.is_covered = False
            if GROUP_MARK in stored.detail or index < self.group_stop:
                self._take_mark(stored, index)
            if stored.event_type in {CHECKPOINT, KEY_ROTATED}:
                merge(grown, self.frontier.extend(leaves))
                leaves = []
                fault = self._take_signed(stored, index, self.verifier or verifier)
                if fault is not None:
                    return grown, fault
            leaves.append(leaf_digest(raw))
            self.last_hash = hashlib.sha256(raw).hexdigest()
            self.timestamp = stored.timestamp
        merge(grown, self.frontier.extend(leaves))
        return grown, None

    def _take_mark(self, stored: StoredRecord, index: int) -> None:
        """Begin a group where its first record says so; records of another time, or of another mark, end it."""
        count = stored.detail.get(GROUP_MARK)
        if type(count) is int and count > 1:
            self.group_start, self.group_stop = index, index + count
        elif stored.timestamp != self.timestamp:
            self.group_stop = index

    def _take_signed(self, stored: StoredRecord, index: int, verifier: Verifier) -> Fault | None:
        """Take in a checkpoint, or a change of the key."""
        if stored.event_type == KEY_ROTATED:
            new, fault = read_rotation(stored, index, self.frontier.root(), verifier)
            self.verifier = new or self.verifier
            return fault
        checkpoint, fault = read_checkpoint(stored, index, self.frontier.root(), verifier)
        if checkpoint is not None:
            self.checkpoint, self.is_covered = checkpoint, True
        return fault


def merge(grown: dict[int, list[bytes]], more: dict[int, list[bytes]]) -> None:
    """Add what came later to what the tree grew by."""
    for height, hashes in more.items():
        grown[height] = [*grown[height], *hashes] if height in grown else hashes
