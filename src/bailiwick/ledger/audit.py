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
from bailiwick.ledger.tree import Frontier

PROBLEMS_MAX = 20
"""Problems that a report lists; a verifier stops looking after that many."""


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
    with; all three are what was claimed where the verdict is not ok. ``anchor`` is ``given``, or ``bundle`` where the
    key came with what it verifies: then the verdict is about consistency only.
    """

    verdict: Verdict
    records: int
    root: str
    key: str
    anchor: str
    problems: tuple[Problem, ...] = ()

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
        }


@dataclass(slots=True)
class RecordWalk:
    """A walk over all records from the first. ``fault`` is the first that does not follow; leaves go on after it."""

    verifier: Verifier
    frontier: Frontier = field(default_factory=Frontier)
    fault: Fault | None = None
    checkpoints: int = 0
    _prev_hash: str = FIRST_PREV_HASH
    _timestamp: str = FIRST_TIMESTAMP

    def feed(self, records: Sequence[bytes]) -> dict[int, list[bytes]]:
        """Walk over more records, and give what their leaves add to the tree, as ``Frontier.extend``.

        Cost: about 5 µs a record.
        """
        sha256 = hashlib.sha256
        leaves = [sha256(b"\x00" + raw).digest() for raw in records]
        start, done = self.frontier.size, 0
        grown: dict[int, list[bytes]] = {0: leaves} if leaves else {}
        if self.fault is None:
            for position, raw in enumerate(records):
                stored, self.fault = read_next(raw, start + position, self._prev_hash, self._timestamp)
                if stored is not None and (stored.event_type == CHECKPOINT or start + position == 0):
                    self._grow(grown, leaves[done:position])
                    done = position
                    self.fault = self._check_special(stored, start + position)
                if stored is None or self.fault is not None:
                    break
                self._prev_hash = sha256(raw).hexdigest()
                self._timestamp = stored.timestamp
        self._grow(grown, leaves[done:])
        return grown

    def skip(self, leaves: list[bytes], fault: Fault) -> dict[int, list[bytes]]:
        """Take leaves whose records cannot be read, so that the tree above them can still be checked."""
        self.fault = self.fault or fault
        return self.frontier.extend(leaves)

    def _grow(self, grown: dict[int, list[bytes]], leaves: list[bytes]) -> None:
        for height, hashes in self.frontier.extend(leaves).items():
            if height:
                grown.setdefault(height, []).extend(hashes)

    def _check_special(self, stored: StoredRecord, index: int) -> Fault | None:
        """Check the first record against the key, or a checkpoint against the tree."""
        if index == 0:
            return _check_genesis(stored, self.verifier)
        self.checkpoints += 1
        return read_checkpoint(stored, index, self.frontier.root(), self.verifier)[1]


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
    if walk.fault is not None:
        problems.insert(0, problem_of(walk.fault))
    return Report(
        verdict=problems[0].verdict if problems else Verdict.OK,
        records=walk.frontier.size,
        root=walk.frontier.root().hex(),
        key=verifier.text(),
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
