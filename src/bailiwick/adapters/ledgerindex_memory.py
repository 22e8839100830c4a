"""The ledger's index in memory: for tests, and for nodes that live as long as one process."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from bailiwick.model import Cursor

_START = Cursor(count=0, leaf="")


@dataclass(slots=True)
class _Tenant:
    cursor: Cursor = _START
    terms: dict[int, list[int]] = field(default_factory=dict)


class MemoryLedgerIndex:
    """Keeps the records of each term in a list for each tenant."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded."""
        return self._of(tenant).cursor

    def fold(self, tenant: str, cursor: Cursor, terms: Sequence[tuple[int, int]]) -> None:
        """Take in the records up to ``cursor``; an older cursor changes nothing."""
        state = self._of(tenant)
        if state.cursor.count >= cursor.count:
            return
        for term, record in terms:
            records = state.terms.setdefault(term, [])
            place = bisect_left(records, record)
            if records[place : place + 1] != [record]:
                records.insert(place, record)
        state.cursor = cursor

    def find(self, tenant: str, terms: Sequence[int], start: int, stop: int, limit: int) -> list[int]:
        """Give up to ``limit`` records that hold every term, in order, from ``start`` and before ``stop``."""
        listed = [self._of(tenant).terms.get(term, []) for term in terms]
        rarest = min(listed, key=len)
        shared = set(rarest).intersection(*listed)
        return [record for record in rarest if record in shared and start <= record < stop][:limit]

    def clear(self, tenant: str) -> None:
        """Forget everything of the tenant."""
        self._tenants.pop(tenant, None)

    def close(self) -> None:
        """Nothing to let go of."""

    def _of(self, tenant: str) -> _Tenant:
        return self._tenants.setdefault(tenant, _Tenant())
