"""What ledger stores outside plain files share: digests beside the bytes, and the same words for the same fate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

from bailiwick.errors import LedgerBroken, LedgerPoisoned, LedgerRaced, NotFound, Unavailable, Verdict
from bailiwick.model import Pruned, Quarantined

COPY_HINT = "restore the ledger's store from a copy; bailiwick ledger verify names what is damaged"

LEAF_BYTES = 32
LEAVES_PER_ROW = 256
"""Leaf digests of pruned records that are kept in one row, in number: those of one entry bundle."""

Row = tuple[int, int, bytes, bytes]
"""Index of a record, where it ends in bytes from the first, SHA-256 of its bytes, its bytes."""


def rows_of(start: int, begin: int, records: Sequence[bytes]) -> list[Row]:
    """Give the rows of records, the first at index ``start`` and byte ``begin``."""
    ends = list(accumulate(map(len, records), initial=begin))[1:]
    sha256 = hashlib.sha256
    return [
        (index, end, sha256(record).digest(), record)
        for index, (end, record) in enumerate(zip(ends, records, strict=True), start)
    ]


def checked_records(rows: Iterable[tuple[int, bytes, bytes]], start: int, stop: int) -> list[bytes]:
    """Give the bytes of rows (index, digest, bytes) that must be exactly ``start`` to ``stop``, in order.

    Raises:
        LedgerBroken: one is missing (verdict truncated), twice there (forked), or not the bytes that were given to the
            store (corrupt).
    """
    records: list[bytes] = []
    for index, digest, raw in rows:
        expected = start + len(records)
        if index != expected:
            verdict, what = (
                (Verdict.TRUNCATED, "is missing") if index > expected else (Verdict.FORKED, "is there twice")
            )
            where = min(index, expected)
            raise LedgerBroken(verdict, f"record {where} {what} in the store", hint=COPY_HINT, index=where)
        if hashlib.sha256(raw).digest() != bytes(digest):
            message = f"the store gives other bytes for record {index} than it was given"
            raise LedgerBroken(Verdict.CORRUPT, message, hint=COPY_HINT, index=index)
        records.append(bytes(raw))
    if len(records) != stop - start:
        index = start + len(records)
        raise LedgerBroken(Verdict.TRUNCATED, f"record {index} is missing in the store", hint=COPY_HINT, index=index)
    return records


def pruned_records(
    rows: Sequence[tuple[int, bytes, bytes]], start: int, stop: int, pruned: Pruned | None
) -> list[bytes]:
    """Give the bytes of rows as ``checked_records`` does, and say of one that was pruned that it was.

    Raises:
        NotFound: one of them was pruned (code ``record-pruned``).
        LedgerBroken: as ``checked_records``.
    """
    if pruned is not None and start < pruned.minimum:
        there = {row[0] for row in rows}
        for index in range(start, min(stop, pruned.minimum)):
            if index not in there:
                raise record_pruned(index, pruned)
    return checked_records(rows, start, stop)


def carried_records(rows: Iterable[tuple[int, bytes, bytes]]) -> list[tuple[int, bytes]]:
    """Give index and bytes of rows (index, digest, bytes) that need not follow each other.

    Raises:
        LedgerBroken: one is not the bytes that were given to the store (verdict corrupt).
    """
    return [(index, checked_records([(index, digest, raw)], index, index + 1)[0]) for index, digest, raw in rows]


def leaf_rows(leaves: Iterable[bytes], start: int) -> Iterator[tuple[int, bytes]]:
    """Give the rows that leaf digests are kept in, from record ``start`` on: the first index of each, its digests."""
    assert start % LEAVES_PER_ROW == 0, start
    rest = islice(leaves, start, None)
    while part := b"".join(islice(rest, LEAVES_PER_ROW)):
        assert len(part) == LEAVES_PER_ROW * LEAF_BYTES, "whole entry bundles are pruned"
        yield start, part
        start += LEAVES_PER_ROW


def leaves_in(rows: Iterable[tuple[int, bytes]], start: int, stop: int) -> list[bytes]:
    """Give leaf digests ``start`` to ``stop`` from their rows, given in order from the one that holds ``start``.

    Raises:
        LedgerBroken: they are not whole (verdict truncated).
    """
    at = first = start - start % LEAVES_PER_ROW
    data = bytearray()
    for index, part in rows:
        if index != at or len(part) != LEAVES_PER_ROW * LEAF_BYTES:
            break
        data += part
        at += LEAVES_PER_ROW
    if at < stop:
        message = f"the leaf digests of the pruned records {start} to {stop} are not whole"
        raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT, index=start)
    return [bytes(data[n * LEAF_BYTES : (n + 1) * LEAF_BYTES]) for n in range(start - first, stop - first)]


def quarantined(start: int, data: bytes) -> Quarantined:
    """Name bytes from record ``start`` on that are moved out of a ledger."""
    digest = hashlib.sha256(data).hexdigest()
    return Quarantined(name=f"{start:012d}-{digest[:16]}", index=start, size=len(data), digest=f"sha256:{digest}")


def record_pruned(index: int, pruned: Pruned) -> NotFound:
    """Say that a record was deleted under the ledger's retention, and where it may still be."""
    archive = pruned.archive_of(index)
    return NotFound(
        f"record {index} was pruned; records are kept from {pruned.minimum} on",
        hint=f"look for it in the archive {archive}, wherever that was put",
        code="record-pruned",
    )


def moved(note: str) -> Unavailable:
    """Say that a store is no longer the ledger's place."""
    return Unavailable(
        f"this ledger takes no more records here: {note}",
        hint="start again, to use it where it is now; where a move was interrupted: bailiwick ledger move",
        code="ledger-moved",
    )


def busy(what: str, seconds: float) -> Unavailable:
    """Say that somebody else held the ledger for too long; nothing was written."""
    return Unavailable(
        f"{what} for more than {seconds:g} seconds",
        hint="try again; if it goes on, look for a writer that hangs",
        code="ledger-locked",
    )


def poisoned(what: str, error: object) -> LedgerPoisoned:
    """Say that nobody knows which records are stored."""
    return LedgerPoisoned(
        f"{what}: {error}; whether the newest records are kept is unknown",
        hint="see to the store, then start again; nothing that was acknowledged is lost",
    )


def raced(start: int, by: str) -> LedgerRaced:
    """Say that somebody else's record has the index that was to be written; nothing of ours is stored."""
    return LedgerRaced(
        f"another writer stored record {start} first ({by}); nothing was written",
        hint="try again; if it goes on, see who else writes to this ledger",
    )
