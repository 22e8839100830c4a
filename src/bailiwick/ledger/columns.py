"""Every hash that a tile can hold, in one column a level, to build proofs from. Rebuildable, never the truth.

Column 0 has the leaves, column 1 the roots of each 256 of them, and so on: tile N of level L is a slice of column L.
A proof that comes out of here is checked before it is handed out, so damage costs time and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict

from bailiwick.errors import Unavailable
from bailiwick.ledger.proof import HASH_BYTES
from bailiwick.ledger.tree import TILE_HEIGHT, TILE_WIDTH, pair_up
from bailiwick.ports import LedgerStore

PENDING_BYTES_MAX = 1 << 20
"""Hashes that wait in memory before they are written, in bytes a level."""
TILES_KEPT = 64
"""Tiles whose inner nodes are remembered; each takes about 50 kB."""


class Columns:
    """The columns of one ledger. Not thread-safe; its writer guards it.

    A write that fails leaves a hole, which costs a rebuilding at the next proof; ``failure`` then says why.
    """

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._tiles: OrderedDict[tuple[int, int, int], list[list[bytes]]] = OrderedDict()
        self._pending: dict[int, tuple[int, bytearray]] = {}
        self.failure: Unavailable | None = None

    def extend(self, size: int, grown: dict[int, list[bytes]]) -> None:
        """Take in what ``Frontier.extend`` gave for a tree that had ``size`` leaves before."""
        for level, hashes in grown.items():
            first = size >> TILE_HEIGHT * level
            start, pending = self._pending.get(level, (first, bytearray()))
            if start + len(pending) // HASH_BYTES != first or len(pending) >= PENDING_BYTES_MAX:
                self._flush_level(level)
                start, pending = first, bytearray()
            pending += b"".join(hashes)
            self._pending[level] = (start, pending)

    def flush(self) -> None:
        """Write what waits in memory."""
        for level in list(self._pending):
            self._flush_level(level)

    def node(self, height: int, number: int, size: int) -> bytes:
        """Give the digest of a complete subtree of the tree of this size; wrong or short where a column is damaged."""
        level, inside = divmod(height, TILE_HEIGHT)
        tile, first = divmod(number << inside, TILE_WIDTH)
        width = min((size >> TILE_HEIGHT * level) - tile * TILE_WIDTH, TILE_WIDTH)
        rows = self._rows(level, tile, width)
        position = first >> inside
        return rows[inside][position] if inside < len(rows) and position < len(rows[inside]) else b""

    def forget(self) -> None:
        """Forget what was read, to read the columns again."""
        self._tiles.clear()

    def _flush_level(self, level: int) -> None:
        start, hashes = self._pending.pop(level)
        try:
            self._store.write_side(f"tree/{level}", start * HASH_BYTES, bytes(hashes))
        except Unavailable as error:
            self.failure = error

    def _rows(self, level: int, tile: int, width: int) -> list[list[bytes]]:
        """Give a tile's hashes and the complete nodes above them, a row a height."""
        key = (level, tile, width)
        rows = self._tiles.get(key)
        if rows is not None:
            self._tiles.move_to_end(key)
            return rows
        data = self._store.read_side(f"tree/{level}", tile * TILE_WIDTH * HASH_BYTES, width * HASH_BYTES)
        rows = [[data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]]
        while len(rows[-1]) > 1:
            rows.append(pair_up(rows[-1]))
        self._tiles[key] = rows
        while len(self._tiles) > TILES_KEPT:
            self._tiles.popitem(last=False)
        return rows
