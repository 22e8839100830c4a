"""The verifier: reads every record, believes none, and says what is wrong and where. It shares no code that writes.

What it checks: each record's form, index, link and time; each leaf; the tree; each checkpoint that was ever recorded,
against the tree at its size. A proof never rests on the links alone, nor on the tree alone: both are checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import LedgerBroken, Verdict
from bailiwick.keys import Verifier
from bailiwick.ledger.chain import Fault, read_checkpoint, read_next
from bailiwick.ledger.record import CHECKPOINT, FIRST_PREV_HASH, FIRST_TIMESTAMP, GENESIS, StoredRecord
from bailiwick.ledger.rotation import KEY_ROTATED, KEYS_MAX, read_rotation
from bailiwick.ledger.span import Part, Span, read_span
from bailiwick.ledger.tree import Frontier
from bailiwick.ledger.witness_key import WITNESS_ADDED, read_witness_key

PROBLEMS_MAX = 20
"""Problems that a report lists; a verifier stops looking after that many."""

SPECIAL = frozenset({CHECKPOINT, KEY_ROTATED, WITNESS_ADDED})
"""Types of records that are checked against the ledger's key and tree, as the first record is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. ``file`` is a path within a bundle, ``index`` a record; None where there is none."""

    verdict: Verdict
    message: str
    file: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        return self.message if self.file is None else f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a verification found.

    ``root`` is in hexadecimal, of ``records`` records, and ``key`` the verifier key that the checkpoints were checked
    with, the newest where it was changed; all three are what was claimed where the verdict is not ok. ``anchor`` is
    ``given``, or ``bundle`` where the key came with what it verifies: then the verdict is about consistency only.
    ``witnessed`` are the records that enough witnesses stand for, and None where no policy was asked. Records below
    ``minimum`` were pruned: of them only the hashes were checked, and the records that were carried on.
    """

    verdict: Verdict
    records: int
    root: str
    key: str
    anchor: str
    problems: tuple[Problem, ...] = ()
    witnessed: int | None = None
    minimum: int = 0

    @property
    def exit_code(self) -> int:
        """Exit code of the commands that verify: 0, or 10 to 16 by verdict."""
        return self.verdict.exit_code

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON; ``problems`` are sentences, ``record`` is the first bad one that has a name."""
        indexes = [problem.index for problem in self.problems if problem.index is not None]
        return {
            "verdict": self.verdict.value,
            "records": self.records,
            "root": self.root,
            "key": self.key,
            "anchor": self.anchor,
            "record": min(indexes, default=None),
            "problems": [str(problem) for problem in self.problems],
            **({} if self.witnessed is None else {"witnessed": self.witnessed}),
            **({"minimum": self.minimum} if self.minimum else {}),
        }


@dataclass(slots=True)
class RecordWalk:
    """A walk over all records from the first. ``fault`` is the first that does not follow; leaves go on after it.

    ``verifier`` is the key that signs from here on, ``keys`` every key with the size from which on it signs, and
    ``witnesses`` the keys of witnesses that the ledger's records name.
    """

    verifier: Verifier
    frontier: Frontier = field(default_factory=Frontier)
    fault: Fault | None = None
    checkpoints: int = 0
    keys: list[tuple[int, Verifier]] = field(default_factory=list)
    witnesses: list[Verifier] = field(default_factory=list)
    _prev_hash: str = FIRST_PREV_HASH
    _timestamp: str = FIRST_TIMESTAMP

    def feed(self, records: Sequence[bytes]) -> dict[int, list[bytes]]:
        """Walk over more records, and give what their leaves add to the tree, as ``Frontier.extend``.

        Cost: about 4 µs a record.
        """
        span = None if self.fault is not None else read_span(records, self.frontier.size, SPECIAL)
        if span is not None and span.prev_hash == self._prev_hash and span.timestamp >= self._timestamp:
            return self._follow(span)
        return self._feed_carefully(records)

    def _follow(self, span: Span) -> dict[int, list[bytes]]:
        """Take records that follow, and check those among them that say something about the ledger."""
        leaves, start, done = span.leaves, self.frontier.size, 0
        grown: dict[int, list[bytes]] = {0: leaves}
        for index, stored in span.specials:
            self._grow(grown, leaves[done : index - start])
            done = index - start
            self.fault = self._check_special(stored, index)
            if self.fault is not None:
                break
        self._prev_hash, self._timestamp = span.last_hash, span.last_timestamp
        self._grow(grown, leaves[done:])
        return grown

    def _feed_carefully(self, records: Sequence[bytes]) -> dict[int, list[bytes]]:
        """Walk over records one by one, to the first that does not follow."""
        sha256 = hashlib.sha256
        leaves = [sha256(b"\x00" + raw).digest() for raw in records]
        start, done = self.frontier.size, 0
        grown: dict[int, list[bytes]] = {0: leaves} if leaves else {}
        if self.fault is None:
            for position, raw in enumerate(records):
                stored, self.fault = read_next(raw, start + position, self._prev_hash, self._timestamp)
                if stored is not None and (stored.event_type in SPECIAL or start + position == 0):
                    self._grow(grown, leaves[done:position])
                    done = position
                    self.fault = self._check_special(stored, start + position)
                if stored is None or self.fault is not None:
                    break
                self._prev_hash = sha256(raw).hexdigest()
                self._timestamp = stored.timestamp
        self._grow(grown, leaves[done:])
        return grown

    def take(self, part: Part) -> bool:
        """Take records that were read elsewhere, if they follow; where they do not, nothing has changed.

        What the part says of its records is believed; what it says of the ledger is checked here.
        """
        if self.fault is None and (part.prev_hash != self._prev_hash or part.timestamp < self._timestamp):
            return False
        base = self.frontier
        if self.fault is None:
            for special in part.specials:
                self.frontier = base.copy()
                self.frontier.graft(special.before)
                self.fault = self._check_special(special.stored, base.size + special.before.size)
                if self.fault is not None:
                    break
            self._prev_hash, self._timestamp = part.last_hash, part.last_timestamp
        self.frontier = base
        self.frontier.graft(part.frontier)
        return True

    @property
    def last_hash(self) -> str:
        """SHA-256 of the last record's bytes, in hexadecimal; zeros before the first."""
        return self._prev_hash

    @property
    def last_timestamp(self) -> str:
        """Time of the last record."""
        return self._timestamp

    def go_on_from(self, last_hash: str, timestamp: str) -> None:
        """Expect a record that follows one with this hash and time; the rest of the state was given at the start."""
        self._prev_hash, self._timestamp = last_hash, timestamp

    def skip(self, leaves: list[bytes], fault: Fault) -> dict[int, list[bytes]]:
        """Take leaves whose records cannot be read, so that the tree above them can still be checked."""
        self.fault = self.fault or fault
        return self.frontier.extend(leaves)

    def check_apart(self, stored: StoredRecord, index: int) -> None:
        """Check a record that stands apart from the chain, where it says something about the ledger."""
        if self.fault is None and (index == 0 or stored.event_type in SPECIAL):
            self.fault = self._check_special(stored, index)

    def grow(self, grown: dict[int, list[bytes]], leaves: list[bytes]) -> None:
        """Take leaves of records that are checked apart, and add to ``grown`` what they give above them."""
        self._grow(grown, leaves)

    def _grow(self, grown: dict[int, list[bytes]], leaves: list[bytes]) -> None:
        for height, hashes in self.frontier.extend(leaves).items():
            if height:
                grown.setdefault(height, []).extend(hashes)

    def _check_special(self, stored: StoredRecord, index: int) -> Fault | None:
        """Check the first record against the key, a checkpoint against the tree, or a change of key against both."""
        if index == 0:
            self.keys = [(0, self.verifier)]
            return _check_genesis(stored, self.verifier)
        if stored.event_type == KEY_ROTATED:
            return self._take_key(stored, index)
        if stored.event_type == WITNESS_ADDED:
            witness, fault = read_witness_key(stored, index)
            self.witnesses += [witness] if witness else []
            return fault
        self.checkpoints += 1
        return read_checkpoint(stored, index, self.frontier.root(), self.verifier)[1]

    def _take_key(self, stored: StoredRecord, index: int) -> Fault | None:
        new, fault = read_rotation(stored, index, self.frontier.root(), self.verifier)
        if new is None:
            return fault
        if new in [key for _, key in self.keys] or len(self.keys) == KEYS_MAX:
            message = f"record {index} hands the ledger to {new.text()}, which it had before, or is one key too many"
            return Fault(index=index, verdict=Verdict.ALTERED, message=message)
        self.keys.append((index + 1, new))
        self.verifier = new
        return None

    def key_at(self, size: int) -> Verifier:
        """Give the key that signs a checkpoint of so many records. Only after the first record was fed."""
        return next(key for start, key in reversed(self.keys) if start <= size)


def verify_records(
    batches: Iterable[Sequence[bytes]], verifier: Verifier, progress: Callable[[int], None] | None = None
) -> Report:
    """Check all records of a ledger, given in order from the first.

    Never raises for what it reads: every fault is in the report.
    """
    walk = RecordWalk(verifier)
    problems: list[Problem] = []
    try:
        for records in batches:
            walk.feed(records)
            if progress is not None:
                progress(len(records))
    except LedgerBroken as error:
        problems.append(Problem(verdict=error.verdict, message=error.message, index=error.index))
    return report_of(walk, problems)


def report_of(walk: RecordWalk, problems: list[Problem]) -> Report:
    """Give the report of a walk over all records, and of what stopped it."""
    if walk.fault is not None:
        problems = [problem_of(walk.fault), *problems]
    return Report(
        verdict=problems[0].verdict if problems else Verdict.OK,
        records=walk.frontier.size,
        root=walk.frontier.root().hex(),
        key=walk.verifier.text(),
        anchor="given",
        problems=tuple(problems),
    )


def problem_of(fault: Fault, file: str | None = None) -> Problem:
    """Give a fault of a record as a problem of a report."""
    return Problem(verdict=fault.verdict, message=fault.message, file=file, index=fault.index)


def _check_genesis(stored: StoredRecord, verifier: Verifier) -> Fault | None:
    named = stored.detail.get("verifier")
    if stored.event_type != GENESIS or stored.detail.get("origin") != verifier.name:
        message = f"record 0 does not begin the ledger {verifier.name}"
        return Fault(index=0, verdict=Verdict.ALTERED, message=message)
    if named != verifier.text():
        message = f"record 0 names the key {str(named)[:200]}, and this is {verifier.text()}"
        return Fault(index=0, verdict=Verdict.ALTERED, message=message)
    return None
