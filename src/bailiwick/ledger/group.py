"""One group of records on its way into the ledger: chained, hashed for the tree, and receipted.

Everything here runs once for each record that anybody appends, so loops are spelled out where a call would cost more
than what it does; nothing here knows of stores, locks or time.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections import deque
from collections.abc import Sequence
from itertools import count, repeat
from typing import Any

from bailiwick.ledger.record import Admitted
from bailiwick.model import Receipt

_sha256 = hashlib.sha256
_new = object.__new__
# The slots' own setters: a frozen value is set through them by its constructor too.
_slots: Any = vars(Receipt)
_set_index, _set_leaf = _slots["index"].__set__, _slots["leaf"].__set__


def chain(entries: Sequence[Admitted], start: int, prev_hash: bytes, timestamp: bytes) -> tuple[list[bytes], bytes]:
    """Give the bytes of records, each with the hash of the one before, and the hash of the last.

    Args:
        entries: What to record, in order.
        start: Index of the first.
        prev_hash: Hash of the record before, 64 hexadecimal digits.
        timestamp: The time of all of them.

    Cost: about 1.3 µs a record of 525 bytes, 0.8 of it SHA-256.
    """
    records: list[bytes] = []
    keep, sha256, join = records.append, _sha256, b"".join
    for index, (head, middle, end, _) in enumerate(entries, start):
        # As ``Admitted.seal``, without a call for each.
        raw = join((head, b"%d" % index, middle, prev_hash, end, timestamp, b'"}'))
        prev_hash = hexlify(sha256(raw).digest())
        keep(raw)
    return records, prev_hash


def hash_leaves(records: Sequence[bytes]) -> list[bytes]:
    """Give the RFC 6962 leaf digest of each record, 32 bytes; as ``proof.leaf_digest``, without a call for each."""
    sha256 = _sha256
    return [sha256(b"\x00" + raw).digest() for raw in records]


def make_receipts(start: int, leaves: Sequence[bytes]) -> list[Receipt]:
    """Make the receipts of records in a row, the first at index ``start``.

    As ``Receipt(index=…, leaf=…)`` for each, in a third of the time where there are many.

    >>> make_receipts(6, [bytes(32), bytes(32)]) == [Receipt(index=at, leaf="00" * 32) for at in (6, 7)]
    True
    """
    if len(leaves) == 1:
        return [Receipt(index=start, leaf=leaves[0].hex())]
    receipts = list(map(_new, repeat(Receipt, len(leaves))))
    deque(map(_set_index, receipts, count(start)), 0)
    deque(map(_set_leaf, receipts, map(bytes.hex, leaves)), 0)
    return receipts
