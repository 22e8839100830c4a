"""Doing once what is asked for twice: records that were given a key are found again by it.

After a failed write nobody knows whether a record is kept. Whoever gave it a key opens the ledger again and asks for
the same record under the same key: it is there, or it is recorded now, and there is one of it either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bailiwick.errors import RecordRefused, UsageRefused
from bailiwick.ledger.proof import leaf_digest
from bailiwick.ledger.record import GROUP_MARK, KEY_MARK, Admitted, check_key, decode
from bailiwick.ledger.recover import GROUP_BYTES_MAX
from bailiwick.model import JsonValue, Receipt
from bailiwick.ports import LedgerStore

KEY_RECORDS_MAX = 8_192
"""How far back a key is looked for, in records; further back, a record is kept a second time."""

_RECORDS_PER_READ = 1_024
_KEY_BYTES = f'"{KEY_MARK}":'.encode()


class RecentKeys:
    """The keys of the newest records, read from the records themselves. Not thread-safe; its writer guards it."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._indexes: dict[str, int] = {}
        self._seen = 0

    def receipts(self, key: str, entries: Sequence[Admitted], size: int) -> list[Receipt] | None:
        """Give the receipts of what was recorded under a key, or None where nothing was.

        Args:
            key: What to look for.
            entries: What was asked for; the same must be there.
            size: Records that there are.

        Raises:
            UsageRefused: something else was recorded under that key (code ``record-key-used``).

        Cost: about 0.3 µs a record that came since the last call.
        """
        self._take(size)
        first = self._indexes.get(key)
        if first is None or first < size - KEY_RECORDS_MAX:
            return None
        raws = self._store.read(first, min(size, first + len(entries)))
        if len(raws) < len(entries) or not all(map(_is_same, raws, entries, range(first, size))):
            raise UsageRefused(
                f"the key {key} was given to record {first}, which says something else",
                hint="take a new key for a new record, and the old one only to ask for the same again",
                code="record-key-used",
            )
        return [Receipt(index=first + position, leaf=leaf_digest(raw).hex()) for position, raw in enumerate(raws)]

    def _take(self, size: int) -> None:
        """Take in the keys of records that were not seen yet."""
        start = max(self._seen, size - KEY_RECORDS_MAX, 0)
        for first in range(start, size, _RECORDS_PER_READ):
            raws = self._store.read(first, min(size, first + _RECORDS_PER_READ))
            for index, raw in enumerate(raws, first):
                if _KEY_BYTES in raw and isinstance(key := decode(raw).detail.get(KEY_MARK), str):
                    self._indexes[key] = index
        self._seen = size
        if len(self._indexes) > 2 * KEY_RECORDS_MAX:
            self._indexes = {key: at for key, at in self._indexes.items() if at >= size - KEY_RECORDS_MAX}


def _is_same(raw: bytes, entry: Admitted, index: int) -> bool:
    """Say whether a stored record is what would be recorded there now."""
    place: Any = msgspec.json.decode(raw)
    return entry.seal(index, place["prev_hash"].encode(), place["timestamp"].encode()) == raw


def group_marks(entries: Sequence[Admitted], key: str | None, is_atomic: bool) -> dict[str, JsonValue]:
    """Give what the first record of a group says of the group.

    Raises:
        RecordRefused: the key has another form (``record-word``), or the records are too many for one flush (code
            ``record-group-too-large``).
    """
    marks: dict[str, JsonValue] = {} if key is None else {KEY_MARK: check_key(key)}
    if is_atomic and len(entries) > 1:
        marks[GROUP_MARK] = len(entries)
        size = sum([entry.size for entry in entries])
        if size > GROUP_BYTES_MAX:
            raise RecordRefused(
                f"{len(entries)} records of up to {size} bytes are too many for one flush; at most {GROUP_BYTES_MAX}",
                hint="record fewer at once, or let a crash divide them: record_many(..., is_atomic=False)",
                code="record-group-too-large",
            )
    return marks
