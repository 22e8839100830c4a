"""Checking a ledger whose oldest records were pruned (C2SP tlog-tiles, Pruning): what is left leads to the same roots.

Below the minimum index there are leaf digests, and only the records that were carried on. A record of the ledger says
that, and since when: where there is none that says just that, records are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bailiwick.errors import Verdict
from bailiwick.ledger.audit import RecordWalk
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import StoredRecord, decode

PRUNED = "ledger.pruned"
MINIMUM_FILE = "minimum"
"""In a bundle of a pruned ledger: the minimum index, in decimal digits, and a newline."""
CARRIED_FILE = "carried"
"""In a bundle of a pruned ledger: the records below the minimum that were carried on, each with a newline."""
RETENTION_FILE = "retention.json"
"""In a bundle of a ledger that has a written policy of retention: the newest, as canonical JSON, and a newline."""

_MARK = f'"event_type":"{PRUNED}"'.encode()
_RETENTION_MARK = b'"event_type":"retention.set"'


@dataclass(slots=True)
class PrunedWalk:
    """A walk over a pruned ledger: leaf digests up to ``minimum``, and records from there on, into one ``RecordWalk``."""

    walk: RecordWalk
    minimum: int
    carried: Mapping[int, bytes]
    retention: bytes | None = None
    """What the newest record of a policy says, as it stands in that record; None where there is none."""
    _root: str = ""
    _chained_to: str = ""
    _timestamp: str = ""
    _named: list[StoredRecord] = field(default_factory=list)

    def pass_over(self, leaves: list[bytes]) -> dict[int, list[bytes]]:
        """Take leaf digests below the minimum, and check those of the records that were carried on.

        Returns:
            What the leaves add to the tree, as ``Frontier.extend``.
        """
        walk, start, done = self.walk, self.walk.frontier.size, 0
        grown: dict[int, list[bytes]] = {0: leaves}
        for index in (index for index in range(start, start + len(leaves)) if index in self.carried):
            walk.grow(grown, leaves[done : index - start])
            done = index - start
            self._check_carried(index, leaves[done])
        walk.grow(grown, leaves[done:])
        if walk.frontier.size == self.minimum:
            self._root = walk.frontier.root().hex()
        return grown

    def feed(self, records: Sequence[bytes]) -> dict[int, list[bytes]]:
        """Walk over more records, the first of them at the minimum, as ``RecordWalk.feed``."""
        if self.walk.frontier.size == self.minimum and records and self.minimum:
            self._begin(records[0])
        self.notice(records)
        return self.walk.feed(records)

    def notice(self, records: Iterable[bytes]) -> None:
        """Look for what records say about pruning and retention."""
        for raw in records:
            if _MARK in raw or _RETENTION_MARK in raw:
                self._take_note(raw)

    def finish(self) -> Fault | None:
        """Say what is wrong once all records were fed, where nothing else was."""
        if self.walk.fault is not None or self.minimum == 0:
            return self.walk.fault
        for stored in self._named:
            detail = stored.detail
            if stored.entry_id >= self.minimum and (detail.get("minimum"), detail.get("root"), detail.get("chain")) == (
                self.minimum,
                self._root,
                self._chained_to,
            ):
                return None
        message = f"the records below {self.minimum} are not there, and no record says that they were pruned"
        return Fault(index=0, verdict=Verdict.TRUNCATED, message=message)

    def _check_carried(self, index: int, leaf: bytes) -> None:
        raw = self.carried[index]
        if self.walk.fault is not None:
            return
        try:
            stored = decode(raw)
        except ValueError as error:
            message = f"record {index}, which was carried on, cannot be read: {error}"
            self.walk.fault = Fault(index=index, verdict=Verdict.CORRUPT, message=message)
            return
        if stored.entry_id != index or leaf_digest(raw) != leaf:
            message = f"record {index}, which was carried on, is not the one that the tree has the hash of"
            self.walk.fault = Fault(index=index, verdict=Verdict.ALTERED, message=message)
            return
        self.notice([raw])
        self.walk.check_apart(stored, index)

    def _begin(self, raw: bytes) -> None:
        """Begin the chain at the minimum; the leaf has the link, and the record of the pruning must name it too."""
        try:
            stored = decode(raw)
        except ValueError:
            return  # the walk says so
        self._chained_to = stored.prev_hash
        self.walk.begin(stored.prev_hash)

    def _take_note(self, raw: bytes) -> None:
        try:
            stored = decode(raw)
        except ValueError:
            return  # the walk says so, or it is within somebody's detail
        if stored.event_type == PRUNED:
            self._named.append(stored)
        elif stored.event_type == "retention.set":
            detail_start = raw.index(b'"detail":') + len(b'"detail":')
            self.retention = raw[detail_start : raw.index(b',"entry_id":', detail_start)]
