"""Hashes of the tree in one column each four levels, to build proofs from. Rebuildable, never the truth.

Column 0 has the leaves, column 4 the roots of each 16 of them, column 8 of each 256, and so on; a proof takes a few of
them and a few hash operations. It is checked before it is handed out, so damage costs time and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from bailiwick.errors import Unavailable
from bailiwick.ledger.proof import HASH_BYTES
from bailiwick.ledger.tree import COLUMN_HEIGHT, pair_up
from bailiwick.ports import LedgerStore

PENDING_BYTES_MAX = 1 << 20
"""Hashes that wait in memory before they are written, in bytes a column."""
GROUPS_KEPT = 4_096
"""Groups of hashes a column whose inner nodes are remembered; each takes about 3 kB. At height 8, ten million records
have 2,441 of them."""
GROUP_WIDTH = 1 << COLUMN_HEIGHT


class Columns:
    """The columns of one ledger. Not thread-safe; its writer guards it.

    A write that fails leaves a hole, which costs a rebuilding at the next proof; ``failure`` then says why.
    """

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._groups: dict[int, OrderedDict[tuple[int, int], list[list[bytes]]]] = {}
        self._pending: dict[int, tuple[int, bytearray]] = {}
        self.failure: Unavailable | None = None

    def extend(self, size: int, grown: Mapping[int, list[bytes]]) -> None:
        """Take in what ``Frontier.extend`` gave for a tree that had ``size`` leaves before."""
        for height, hashes in grown.items():
            first = size >> height
            start, pending = self._pending.get(height, (first, bytearray()))
            if start + len(pending) // HASH_BYTES != first or len(pending) >= PENDING_BYTES_MAX:
                self._flush_column(height)
                start, pending = first, bytearray()
            pending += b"".join(hashes)
            self._pending[height] = (start, pending)

    def flush(self) -> None:
        """Write what waits in memory."""
        for height in list(self._pending):
            self._flush_column(height)

    def node(self, height: int, number: int, size: int) -> bytes:
        """Give the digest of a complete subtree of the tree of this size; wrong or empty where a column is damaged."""
        inside = height % COLUMN_HEIGHT
        group, first = divmod(number << inside, GROUP_WIDTH)
        rows = self._rows(height - inside, group, size)
        position = first >> inside
        return rows[inside][position] if inside < len(rows) and position < len(rows[inside]) else b""

    def forget(self) -> None:
        """Forget what was read, to read the columns again."""
        self._groups.clear()

    def _flush_column(self, height: int) -> None:
        start, hashes = self._pending.pop(height)
        try:
            self._store.write_side(f"tree/{height}", start * HASH_BYTES, bytes(hashes))
        except Unavailable as error:
            self.failure = error

    def _rows(self, height: int, group: int, size: int) -> list[list[bytes]]:
        """Give a group of hashes of a column and the complete nodes above them, a row a level."""
        width = min((size >> height) - group * GROUP_WIDTH, GROUP_WIDTH)
        key = (group, width)
        known = self._groups.setdefault(height, OrderedDict())
        rows = known.get(key)
        if rows is not None:
            known.move_to_end(key)
            return rows
        data = self._store.read_side(f"tree/{height}", group * GROUP_WIDTH * HASH_BYTES, width * HASH_BYTES)
        rows = [[data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]]
        while len(rows[-1]) > 1:
            rows.append(pair_up(rows[-1]))
        known[key] = rows
        # The two lowest columns are long, and proofs seldom meet in them: they keep little.
        while len(known) > (GROUPS_KEPT if height > COLUMN_HEIGHT else GROUPS_KEPT // 8):
            known.popitem(last=False)
        return rows
