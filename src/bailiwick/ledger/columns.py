"""Hashes of the tree in one column each four levels, to build proofs from. Rebuildable, never the truth.

Column 0 has the leaves, column 4 the roots of each 16 of them, column 8 of each 256, and so on. A proof takes one group
of 16 from each; once a ledger has been asked often enough, only that of the leaves is read from its file. It is checked
before it is handed out, so damage costs time and nothing else.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

from bailiwick.errors import Unavailable
from bailiwick.ledger.proof import HASH_BYTES
from bailiwick.ledger.tree import COLUMN_HEIGHT, Edge, pair_up
from bailiwick.ports import LedgerStore

PENDING_BYTES_MAX = 1 << 20
"""Hashes that wait in memory before they are written, in bytes a column."""
GROUPS_KEPT = 4_096
"""Groups of hashes a column whose inner nodes are remembered; each takes about 3 kB. At height 8, ten million records
have 2,441 of them."""
GROUP_WIDTH = 1 << COLUMN_HEIGHT
PAGE_BYTES = 8_192
"""Bytes of column 4 that are read at once: 16 groups, which are met again by every proof from 4,096 records."""
PAGES_KEPT = 4_096
"""Pages of column 4 that are remembered, in number: at most 32 MiB. Ten million records have 2,442 of them."""
EDGES_KEPT = 64
"""Sizes of trees whose right edge is remembered, in number; each takes about 2 kB."""


class Columns:
    """The columns of one ledger. Not thread-safe; its writer guards it.

    A write that fails leaves a hole, which costs a rebuilding at the next proof; ``failure`` then says why.
    """

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._groups: dict[int, OrderedDict[tuple[int, int], list[list[bytes]]]] = {}
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._edges: OrderedDict[int, Edge] = OrderedDict()
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

    def proof(self, index: int, size: int) -> list[bytes]:
        """Give the siblings from a leaf to the root of the tree of this size; wrong where a column is damaged.

        The same as ``tree.inclusion_proof``, a group at a time instead of a node.

        Cost: one read of 512 bytes and 22 hash operations, once what lies above them is in memory.
        """
        top, rest = self._edge(size).peak_of(index)
        path: list[bytes] = []
        for height in range(0, top, COLUMN_HEIGHT):
            group, at = divmod(index >> height, GROUP_WIDTH)
            levels = min(COLUMN_HEIGHT, top - height)
            if height <= COLUMN_HEIGHT:
                path += _siblings(self._read(height, group, size), at, levels)
                continue
            for row in self._rows(height, group, size)[:levels]:
                path += row[at ^ 1 : (at ^ 1) + 1]
                at >>= 1
        return path + rest

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
        self._pages.clear()
        self._edges.clear()

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
        data = self._read(height, group, size)
        rows = [[data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]]
        while len(rows[-1]) > 1:
            rows.append(pair_up(rows[-1]))
        if len(data) < width * HASH_BYTES:
            return rows  # somebody else has not written it yet
        known[key] = rows
        # The two lowest columns are long, and proofs seldom meet in them: they keep little.
        while len(known) > (GROUPS_KEPT if height > COLUMN_HEIGHT else GROUPS_KEPT // 8):
            known.popitem(last=False)
        return rows

    def _read(self, height: int, group: int, size: int) -> bytes:
        """Read the hashes of a group; those of column 4 by the page, which stays, as far as the tree of a size goes."""
        start = group * GROUP_WIDTH * HASH_BYTES
        stop = min(start + GROUP_WIDTH * HASH_BYTES, (size >> height) * HASH_BYTES)
        if height != COLUMN_HEIGHT:
            return self._store.read_side(f"tree/{height}", start, stop - start)
        number, at = divmod(start, PAGE_BYTES)
        page = self._pages.get(number, b"")
        if len(page) >= at + stop - start:
            self._pages.move_to_end(number)
        else:
            # Never read, or when the tree was smaller. What is beyond its size may still change, and is not kept.
            whole = min(PAGE_BYTES, (size >> height) * HASH_BYTES - number * PAGE_BYTES)
            page = self._pages[number] = self._store.read_side(f"tree/{height}", number * PAGE_BYTES, whole)
            if len(self._pages) > PAGES_KEPT:
                self._pages.popitem(last=False)
        return page[at : at + stop - start]

    def _edge(self, size: int) -> Edge:
        """Give the right edge of the tree of a size, which every proof in it ends with."""
        edge = self._edges.get(size)
        if edge is None:
            edge = Edge(size, lambda height, number: self.node(height, number, size))
            if edge.is_whole:
                self._edges[size] = edge
            if len(self._edges) > EDGES_KEPT:
                self._edges.popitem(last=False)
        return edge


def _siblings(hashes: bytes, at: int, levels: int) -> list[bytes]:
    """Give the siblings of one of a group's hashes, as many levels up; hash operations only for those."""
    sha256 = hashlib.sha256
    path = []
    for level in range(levels):
        start = (at >> level ^ 1) * HASH_BYTES << level
        row = hashes[start : start + (HASH_BYTES << level)]
        while len(row) > HASH_BYTES:
            row = b"".join(
                [sha256(b"\x01" + row[left : left + 64]).digest() for left in range(0, len(row), 2 * HASH_BYTES)]
            )
        path.append(row)
    return path
