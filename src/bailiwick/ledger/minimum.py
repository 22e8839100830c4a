"""Checking a ledger whose oldest records were pruned (C2SP tlog-tiles, Pruning): what is left leads to the same roots.

Below the minimum index there are leaf digests, and only the records that were carried on. A record of the ledger says
that, and since when: where there is none that says just that, records are missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import LedgerBroken, Verdict
from bailiwick.keys import Verifier
from bailiwick.ledger.audit import Problem, RecordWalk, Report, report_of
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import FIRST_TIMESTAMP, StoredRecord, decode
from bailiwick.ledger.tree import TILE_WIDTH
from bailiwick.ports import Prunable

ReadRecords = Callable[[int, int], Sequence[bytes]]

PRUNED = "ledger.pruned"
MINIMUM_FILE = "minimum"
"""In a bundle of a pruned ledger: the minimum index, in decimal digits, and a newline."""
CARRIED_FILE = "carried"
"""In a bundle of a pruned ledger: the records below the minimum that were carried on, each with a newline."""
RETENTION_FILE = "retention.json"
"""In a bundle of a ledger that has a written policy of retention: the newest, as canonical JSON, and a newline."""

CARRIED_BYTES_MAX = 256 << 20
"""Most bytes of records that were carried on, newlines included."""
RECORDS_PER_READ = 1_024

_MINIMUM = re.compile(r"[1-9][0-9]{0,15}\n\Z").match
_MARK = f'"event_type":"{PRUNED}"'.encode()
_RETENTION_MARK = b'"event_type":"retention.set"'


@dataclass(slots=True)
class PrunedWalk:
    """A walk over a pruned ledger: leaf digests up to ``minimum``, records from there on, into one ``RecordWalk``."""

    walk: RecordWalk
    minimum: int
    carried: Mapping[int, bytes]
    retention: bytes | None = None
    """What the newest record of a policy says, as it stands in that record; None where there is none."""
    _root: str = ""
    _chained_to: str = ""
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
            if is_noted(raw):
                self._take_note(raw)

    def finish(self) -> Fault | None:
        """Say what is wrong once all records were fed, where nothing else was."""
        if self.walk.fault is not None or self.minimum == 0:
            return self.walk.fault
        if 0 not in self.carried:
            message = "the ledger's first record is not among those that were carried on"
            return Fault(index=0, verdict=Verdict.TRUNCATED, message=message)
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
        self.walk.go_on_from(stored.prev_hash, FIRST_TIMESTAMP)

    def _take_note(self, raw: bytes) -> None:
        try:
            stored = decode(raw)
        except ValueError:
            return  # the walk says so, or it is within somebody's detail
        if stored.event_type == PRUNED:
            self._named.append(stored)
        self.retention = retention_in(raw) or self.retention


def is_noted(raw: bytes) -> bool:
    """Say whether a record may say something about pruning or retention: ``PrunedWalk.notice`` looks closer."""
    return _MARK in raw or _RETENTION_MARK in raw


def retention_in(raw: bytes) -> bytes | None:
    """Give the written policy of retention that a record holds, as it stands there; None where it holds none."""
    if _RETENTION_MARK not in raw:
        return None
    try:
        stored = decode(raw)
    except ValueError:
        return None  # whoever walks over it says so
    return canonical_bytes(stored.detail) if stored.event_type == "retention.set" else None


def verify_pruned(
    store: Prunable, read: ReadRecords, size: int, verifier: Verifier, progress: Callable[[int], None] | None = None
) -> Report:
    """Check the first ``size`` records of a pruned store: all leaf digests, and every record that is there.

    Args:
        store: What was pruned.
        read: Gives records from one index to another.
        size: How many records there are, pruned ones counted.
        verifier: The ledger's first key.
        progress: Told how many records were done since it was last told.

    Never raises for what it reads: every fault is in the report.
    """
    walk = RecordWalk(verifier)
    problems: list[Problem] = []
    minimum = 0
    told = progress or (lambda _: None)
    try:
        pruned = store.pruned()
        minimum = pruned.minimum if pruned else 0
        whole = PrunedWalk(walk=walk, minimum=minimum, carried=dict(store.carried(0, minimum)))
        for start in range(0, minimum, RECORDS_PER_READ):
            stop = min(minimum, start + RECORDS_PER_READ)
            whole.pass_over(store.leaves(start, stop))
            told(stop - start)
        for start in range(minimum, size, RECORDS_PER_READ):
            stop = min(size, start + RECORDS_PER_READ)
            whole.feed(read(start, stop))
            told(stop - start)
        walk.fault = whole.finish()
    except LedgerBroken as error:
        problems.append(Problem(verdict=error.verdict, message=error.message, index=error.index))
    return replace(report_of(walk, problems), minimum=minimum)


def split_carried(data: bytes) -> dict[int, bytes]:
    """Read the records that were carried on, as they stand in a bundle, by their index.

    Raises:
        ValueError: one cannot be read, or they are not in order.
    """
    found: dict[int, bytes] = {}
    last = -1
    if data and not data.endswith(b"\n"):
        raise ValueError("its last line does not end")
    for raw in data.split(b"\n")[:-1]:
        index = decode(raw).entry_id
        if index <= last:
            raise ValueError(f"record {index} stands after record {last}")
        found[index] = raw
        last = index
    return found


def read_minimum(data: bytes, size: int) -> int:
    """Read the minimum index of a bundle of ``size`` records.

    Raises:
        ValueError: it is none: not a decimal number and a newline, not of whole entry bundles, or above the size.
    """
    text = data.decode("ascii")
    if not _MINIMUM(text):
        raise ValueError(f"{text[:20]!r} is not a number and a newline")
    minimum = int(text)
    if minimum % TILE_WIDTH or minimum >= size:
        raise ValueError(f"a minimum of {minimum} does not fit a ledger of {size} records")
    return minimum
