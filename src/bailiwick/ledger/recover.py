"""Finding the end of a ledger, at opening and whenever somebody else may have appended.

Only bytes that were never acknowledged are ever moved out of the way: an unreadable rest that one interrupted write can
have left, with nothing above it that the ledger is known to have stood for. Everything else is a verdict, and stops.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bailiwick.errors import LedgerBroken, NotTrusted, Verdict
from bailiwick.keys import Verifier
from bailiwick.ledger.chain import Fault
from bailiwick.ledger.columns import Columns
from bailiwick.ledger.head import Head
from bailiwick.ledger.note import is_named, open_checkpoint
from bailiwick.ledger.record import BROKEN_HINT, CHECKPOINT, decode
from bailiwick.ledger.rotation import KEY_ROTATED
from bailiwick.ledger.tip import Tip
from bailiwick.ledger.tree import Frontier
from bailiwick.model import Checkpoint, Pruned, Quarantined
from bailiwick.ports import LedgerStore, Prunable

GROUP_BYTES_MAX = 4 << 20
"""Largest group of records that is written at once, in bytes; no interrupted write leaves more behind."""
RECORDS_PER_READ = 4_096

_ROTATED = f'"event_type":"{KEY_ROTATED}"'.encode()
# What a record ends with, also where its newline or the record after it is damaged; within a detail, more JSON follows.
_TIME_OF_RECORD = re.compile(rb'"timestamp":"([0-9T:.Z-]{30})"\}(?![,}\]])').findall


def pruned_of(store: LedgerStore) -> Pruned | None:
    """Say where the records of a store begin; None where none was ever pruned."""
    return store.pruned() if isinstance(store, Prunable) else None


def leaves_of(store: LedgerStore, size: int) -> Iterator[list[bytes]]:
    """Give the leaf digests of the first records in order, some thousands at a time, of pruned records too."""
    pruned = pruned_of(store)
    minimum = min(pruned.minimum, size) if pruned else 0
    if isinstance(store, Prunable):
        for start in range(0, minimum, RECORDS_PER_READ):
            yield store.leaves(start, min(minimum, start + RECORDS_PER_READ))
    for start in range(minimum, size, RECORDS_PER_READ):
        records = store.read(start, min(size, start + RECORDS_PER_READ))
        yield [hashlib.sha256(b"\x00" + raw).digest() for raw in records]


def begin_at(pruned: Pruned, store: LedgerStore, verifiers: Sequence[Verifier]) -> Tip:
    """Give the end of the records that were pruned, as the store knows it; those that follow say whether it is true.

    Raises:
        LedgerBroken: what was kept of them does not hold together (verdict corrupt or truncated).
    """
    try:
        frontier = Frontier(pruned.minimum, pruned.peaks)
    except ValueError as error:
        message = f"what is kept of the records below {pruned.minimum} is damaged: {error}"
        raise LedgerBroken(Verdict.CORRUPT, message, hint=BROKEN_HINT, index=0) from error
    assert isinstance(store, Prunable)
    named = {verifier.text(): verifier for verifier in verifiers}
    verifier = None
    for _, raw in store.carried(1, pruned.minimum):
        if _ROTATED in raw:
            verifier = named.get(str(decode(raw).detail.get("new_verifier"))) or verifier
    return Tip(frontier=frontier, last_hash=pruned.prev_hash, timestamp=pruned.timestamp, verifier=verifier)


def start_from(head: Head, store: LedgerStore, verifiers: Sequence[Verifier] = ()) -> Tip:
    """Give the end of the ledger as its head knows it, or the beginning where no head can be believed.

    Raises:
        LedgerBroken: the record at the head cannot be read (verdict corrupt), or the head's checkpoint is not in the
            records (verdict forked): the key signed for another history than this.
    """
    pruned = pruned_of(store)
    if head.checkpoint is None or head.frontier is None or head.frontier.size == 0:
        return begin_at(pruned, store, verifiers) if pruned else Tip(frontier=Frontier())
    last = head.frontier.size - 1
    if pruned is not None and last < pruned.minimum:
        return begin_at(pruned, store, verifiers)
    _check_head(head, head.checkpoint, store)
    raw = store.read(last, last + 1)[0]
    try:
        timestamp = decode(raw).timestamp
    except ValueError as error:
        message = f"record {last} cannot be read: {error}"
        raise LedgerBroken(Verdict.CORRUPT, message, hint=BROKEN_HINT, index=last) from error
    return Tip(
        frontier=head.frontier.copy(),
        last_hash=hashlib.sha256(raw).hexdigest(),
        timestamp=timestamp,
        checkpoint=head.checkpoint,
        verifier=head.verifier,
    )


def _check_head(head: Head, checkpoint: Checkpoint, store: LedgerStore) -> None:
    """Refuse a head whose checkpoint is not the record that it should be; ``catch_up`` sees one that cannot be read."""
    index = checkpoint.size
    raw = store.read(index, index + 1)[0]
    try:
        stored = decode(raw)
    except ValueError:
        return
    if stored.detail.get("note") != checkpoint.note.decode():
        message = f"the ledger's key signed a checkpoint of size {index} that is not record {index}"
        raise LedgerBroken(Verdict.FORKED, message, hint=BROKEN_HINT, index=index)
    if head.record_hash and hashlib.sha256(raw).hexdigest() != head.record_hash:
        message = f"record {index} holds the newest checkpoint, and is not the record that was written with it"
        raise LedgerBroken(Verdict.ALTERED, message, hint=BROKEN_HINT, index=index)


def catch_up(
    store: LedgerStore, tip: Tip, columns: Columns, verifiers: Sequence[Verifier], *, known: int
) -> tuple[Tip, Quarantined | None]:
    """Find the end of everything that is stored, and move an interrupted write out of the way. Hold ``exclusive``.

    Args:
        store: Where the records are.
        tip: The end as it is known; stays as it is.
        columns: Take in the leaves.
        verifiers: Every key that is known to be the ledger's, the oldest first; records say which signs when.
        known: Records that there must be, because a checkpoint said so.

    Returns:
        The end as it is now, and what was moved out of the way there, or None.

    Raises:
        LedgerBroken: truncated, altered, forked or corrupt; nothing was touched.
        LedgerPoisoned: what others wrote cannot be flushed.
    """
    count = store.count()
    check_count(count, max(tip.size, known))
    if count == tip.size and not store.tail():
        return tip, None
    end, fault = _follow(store, tip, columns, verifiers, count)
    if fault is not None:
        _check_torn(store, end.size, count, fault, [*verifiers, *([end.verifier] if end.verifier else [])])
    elif not store.tail() and not end.is_within_group:
        # Whoever wrote this may have died before its flush: nothing is built on it that could vanish from under it.
        store.sync(tip.size)
        return end, None
    stop = end.group_start if end.is_within_group else end.size
    if store.size_from(stop) > GROUP_BYTES_MAX:
        raise _broken(_unfinished(stop, store.size_from(stop)))
    check_count(stop, max(tip.size, known))
    if stop < end.size:
        # The records that are whole belong to a group that is not: the walk ends before its first.
        end, _ = _follow(store, tip, columns, verifiers, stop)
    moved = store.cut(stop)
    store.sync(tip.size)
    return end, moved


def find_sound(store: LedgerStore, verifiers: Sequence[Verifier]) -> Tip:
    """Walk from the first record as far as each follows, and touch nothing: what can be read of a broken ledger.

    Cost: about 5 µs a record.
    """
    try:
        count, pruned = store.count(), pruned_of(store)
        start = begin_at(pruned, store, verifiers) if pruned else Tip(frontier=Frontier())
        return _follow(store, start, None, verifiers, count)[0]
    except LedgerBroken:
        # Not even the store's own framing holds; the verdict on that has been given, and nothing can be relied on.
        return Tip(frontier=Frontier())


def _follow(
    store: LedgerStore, tip: Tip, columns: Columns | None, verifiers: Sequence[Verifier], count: int
) -> tuple[Tip, Fault | None]:
    """Walk over stored records up to a count, and give the end and the fault that stopped the walk, or None."""
    tip = tip.copy()
    if tip.size < count and (pruned := pruned_of(store)) and tip.size < pruned.minimum:
        # Another process pruned beyond what this one had read.
        tip = begin_at(pruned, store, verifiers)
    while tip.size < count:
        size = tip.size
        grown, fault = tip.follow(store.read(size, min(count, size + RECORDS_PER_READ)), verifiers[0])
        if columns is not None:
            columns.extend(size, grown)
        if fault is not None:
            return tip, fault
    return tip, None


def check_count(count: int, known: int) -> None:
    """Refuse a ledger that is shorter than it is known to have been.

    Raises:
        LedgerBroken: verdict truncated.
    """
    if count < known:
        raise LedgerBroken(
            Verdict.TRUNCATED,
            f"there are {count} whole records, and a checkpoint or this process knows of {known}",
            hint="restore the ledger's folder from a copy; do not go on with what is left",
            index=count,
        )


def _check_torn(store: LedgerStore, index: int, count: int, fault: Fault, verifiers: Sequence[Verifier]) -> None:
    """Refuse whatever one interrupted write of one group cannot have left.

    The records of a group carry one timestamp, and no group holds both records and a checkpoint. So two timestamps, or
    a checkpoint, after the damage mean that what was damaged had been flushed and acknowledged before.
    """
    if not fault.is_unreadable:
        raise _broken(fault)
    if store.size_from(index) > GROUP_BYTES_MAX:
        raise _broken(_unfinished(index, store.size_from(index)))
    records = store.read(index, count)
    times = set(_TIME_OF_RECORD(b"\n".join([*records, store.tail()])))
    if len(times) > 1 or any(_is_checkpoint(raw, verifiers) for raw in records):
        message = f"{fault.message}; records after it were acknowledged later"
        raise _broken(replace(fault, message=message))


def _is_checkpoint(raw: bytes, verifiers: Sequence[Verifier]) -> bool:
    try:
        stored = decode(raw)
        if stored.event_type != CHECKPOINT:
            return False
        note = str(stored.detail.get("note")).encode()
        open_checkpoint(note, next((each for each in verifiers if is_named(note, each)), verifiers[0]))
    except (ValueError, NotTrusted):
        return False
    return True


def _unfinished(index: int, size: int) -> Fault:
    message = f"{size} bytes from record {index} on cannot be read; no interrupted write leaves that much"
    return Fault(index=index, verdict=Verdict.CORRUPT, message=message)


def _broken(fault: Fault) -> LedgerBroken:
    return LedgerBroken(fault.verdict, fault.message, hint=BROKEN_HINT, index=fault.index)
