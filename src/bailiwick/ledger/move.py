"""Moving a ledger from one store to another: the same bytes, so the same head, proofs and checkpoints.

The source is only read until every record has been read back from the target and compared. Then it is retired, so that
no process that still knows it can go on there, and stays as a copy. Whatever interrupts a move, the next one goes on.
Of a ledger that was pruned, the leaf digests of what went and the records that were carried on are moved as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bailiwick.errors import LedgerBroken, Unavailable, UsageRefused, Verdict
from bailiwick.ledger.beginning import begin_store, remains_of
from bailiwick.ledger.recover import pruned_of
from bailiwick.ports import LedgerStore

RECORDS_PER_COPY = 1_024
"""Records that are read, written and compared at once, in number."""
GROUP_BYTES_MAX = 4 << 20
"""Largest group that is written at once, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A ledger that was moved: how many records, and how many of them an earlier attempt had brought already."""

    records: int
    found: int

    def to_json(self) -> dict[str, Any]:
        """Give the counts as JSON."""
        return {"records": self.records, "found": self.found}


def move_ledger(
    source: LedgerStore,
    target: LedgerStore,
    *,
    note: str,
    settle: Callable[[], None],
    progress: Callable[[int], None] = lambda _: None,
) -> Moved:
    """Copy every record, compare it, retire the source, and only then say that the ledger is at the target.

    Args:
        source: Where it is; recovered and sound.
        target: Where it goes; empty, or holding the first records of this ledger.
        note: Tells whoever still knows the source where the ledger went.
        settle: Writes down that it is at the target, durably.
        progress: Told how many records were compared.

    Raises:
        UsageRefused: the target holds something else, or more; neither store was touched (code ``ledger-differs``).
        LedgerBroken: the target gives other bytes than it was given; the source was not touched.
        Unavailable: a store cannot be used; move again to go on. Or the ledger was pruned, and the target cannot hold
            one that was (code ``prune-unsupported``).
    """
    is_retired = bool(source.retired())
    found = target.count()
    count = source.count()
    remains = remains_of(source)
    start = remains.pruned.minimum if remains else 0
    if remains is not None:
        if not begin_store(target, remains):
            raise _differs(f"the target does not begin at record {start}, as this ledger does since it was pruned")
    elif pruned_of(target) is not None:
        raise _differs("the target was pruned, and this ledger was not")
    _check_beginning(source, target, start, min(found, count))
    if found > count:
        raise _differs(f"the target holds {found} records, and this ledger {count}")
    _bring(source, target, start, count, progress)
    if not is_retired:
        with source.exclusive():
            last = source.count()
            if source.tail():
                raise Unavailable(
                    "the ledger ends in an unfinished write",
                    hint="open it once, which repairs it: bailiwick ledger stats",
                    code="ledger-unfinished",
                )
            if pruned_of(source) != (remains.pruned if remains else None):
                raise _differs("this ledger was pruned while it was moved, and the target still holds what went")
            _bring(source, target, count, last, progress)
            source.retire(note)
        count = last
    if target.retired():
        target.retire("")
    settle()
    return Moved(records=count, found=found)


def _check_beginning(source: LedgerStore, target: LedgerStore, start: int, count: int) -> None:
    """Refuse another ledger before a record is written to it: its first and its last common record differ."""
    for index in {start, count - 1} if count > start else ():
        if source.read(index, index + 1) != target.read(index, index + 1):
            raise _differs(f"the target holds another record {index}")


def _bring(source: LedgerStore, target: LedgerStore, start: int, stop: int, progress: Callable[[int], None]) -> None:
    """Copy what the target lacks of records ``start`` to ``stop``, and compare all of them with what it gives back."""
    there = target.count()
    for first in range(start, stop, RECORDS_PER_COPY):
        last = min(stop, first + RECORDS_PER_COPY)
        records = source.read(first, last)
        for index, group in _groups(max(first, there), records[max(there - first, 0) :]):
            target.append(index, group)
        if (returned := target.read(first, last)) != records:
            index = first + next(n for n, pair in enumerate(zip(records, returned, strict=True)) if pair[0] != pair[1])
            if index < there:
                raise _differs(f"the target holds another record {index}")
            raise LedgerBroken(
                Verdict.CORRUPT,
                f"the target gives other bytes for record {index} than it was given",
                hint="use another target, and keep this one for whoever looks into it",
                index=index,
            )
        progress(last - first)


def _groups(start: int, records: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Part records into groups that are not too large, each with the index of its first."""
    group: list[bytes] = []
    size = 0
    for index, record in enumerate(records, start):
        if group and size + len(record) > GROUP_BYTES_MAX:
            yield index - len(group), group
            group, size = [], 0
        group.append(record)
        size += len(record)
    if group:
        yield start + len(records) - len(group), group


def _differs(what: str) -> UsageRefused:
    return UsageRefused(
        f"{what}: it is not the beginning of this ledger",
        hint="give a target that is empty; no record was written",
        code="ledger-differs",
    )
