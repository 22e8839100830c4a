"""The Merkle tree of RFC 6962, grown at its right edge: only the roots of its complete parts are kept in memory."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from bailiwick.ledger.proof import HASH_BYTES, node_digest

EMPTY_ROOT = hashlib.sha256(b"").digest()
TILE_HEIGHT = 8
"""Levels of the tree in one tile (C2SP tlog-tiles): a full tile holds 256 hashes."""
TILE_WIDTH = 1 << TILE_HEIGHT

COLUMN_HEIGHT = 4
"""Levels of the tree between those whose hashes ``Frontier.extend`` gives; a divisor of ``TILE_HEIGHT``."""

_sha256 = hashlib.sha256


def pair_up(hashes: Sequence[bytes]) -> list[bytes]:
    """Give the level above: one node for each two hashes; an odd one at the end is left out."""
    sha256 = _sha256
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[0::2], hashes[1::2], strict=False)]


class Frontier:
    """The complete subtrees that a tree of this size is made of; at most one a height."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Continue a tree from its complete subtrees, tallest first, as ``peaks`` gave them.

        Raises:
            ValueError: their number or length does not fit the size.
        """
        heights = [height for height in range(size.bit_length()) if size >> height & 1]
        if len(heights) != len(peaks) or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"{len(peaks)} peaks do not make a tree of {size}")
        self.size = size
        self._peaks: list[bytes | None] = [None] * size.bit_length()
        for height, peak in zip(reversed(heights), peaks, strict=True):
            self._peaks[height] = peak

    def copy(self) -> Frontier:
        """Give an independent copy."""
        twin = Frontier.__new__(Frontier)
        twin.size = self.size
        twin._peaks = self._peaks.copy()
        return twin

    def peaks(self) -> list[bytes]:
        """Give the complete subtrees' roots, tallest first."""
        return [peak for peak in reversed(self._peaks) if peak is not None]

    def extend(self, leaves: list[bytes]) -> dict[int, list[bytes]]:
        """Append leaves, and give the complete subtrees that this adds: by height, their roots in order.

        Heights are those that ``COLUMN_HEIGHT`` divides: 0 has the leaves, and 8 the hashes of tiles of level 1.

        Cost: about one SHA-256 a leaf.
        """
        grown: dict[int, list[bytes]] = {}
        row = leaves
        height = 0
        while row:
            if height % COLUMN_HEIGHT == 0:
                grown[height] = row
            if height == len(self._peaks):
                self._peaks.append(None)
            peak = self._peaks[height]
            if peak is not None:
                row = [peak, *row]
            self._peaks[height] = row[-1] if len(row) % 2 else None
            row = pair_up(row) if len(row) > 1 else []
            height += 1
        self.size += len(leaves)
        return grown

    def graft(self, other: Frontier) -> None:
        """Append a tree that was grown apart, whose leaves follow; no larger than the place where it starts allows.

        Raises:
            ValueError: its subtrees would not be subtrees of the whole: this size is no multiple of their width.
        """
        for height in reversed(range(len(other._peaks))):
            peak = other._peaks[height]
            if peak is None:
                continue
            if self.size % (1 << height):
                raise ValueError(f"a tree of {other.size} cannot be grafted at {self.size}")
            self.size += 1 << height
            at = height
            while at < len(self._peaks) and (left := self._peaks[at]) is not None:
                self._peaks[at], peak = None, node_digest(left, peak)
                at += 1
            self._peaks.extend([None] * (at + 1 - len(self._peaks)))
            self._peaks[at] = peak

    def root(self) -> bytes:
        """Give the root of the whole tree, 32 bytes."""
        digest: bytes | None = None
        for peak in self._peaks:
            if peak is not None:
                digest = peak if digest is None else node_digest(peak, digest)
        return EMPTY_ROOT if digest is None else digest


def tile_rows(grown: Mapping[int, list[bytes]]) -> dict[int, list[bytes]]:
    """Give what ``Frontier.extend`` gave as the hashes of tiles, by level."""
    return {height // TILE_HEIGHT: row for height, row in grown.items() if height % TILE_HEIGHT == 0}


NodeReader = Callable[[int, int], bytes]
"""Gives the digest of the complete subtree number ``n`` (from 0) of a height: ``reader(height, n)``."""


def inclusion_proof(index: int, size: int, node: NodeReader) -> list[bytes]:
    """Give the siblings from a leaf to the root of the tree of this size (RFC 9162, 2.1.3.1)."""
    assert 0 <= index < size, (index, size)
    return [range_root(start, stop, node) for start, stop in _siblings(index, size)]


class Edge:
    """The complete subtrees that the tree of a size is made of, and what a proof from within each of them ends with.

    ``is_whole`` says that the reader had all of them.
    """

    __slots__ = ("_ends", "_tails", "_tops", "is_whole")

    def __init__(self, size: int, node: NodeReader) -> None:
        self._tops = [height for height in reversed(range(size.bit_length())) if size >> height & 1]
        starts = [size >> top + 1 << top + 1 for top in self._tops]
        self._ends = [start + (1 << top) for start, top in zip(starts, self._tops, strict=True)]
        peaks = [node(top, start >> top) for start, top in zip(starts, self._tops, strict=True)]
        self.is_whole = all(len(peak) == HASH_BYTES for peak in peaks)
        # A proof ends with the root of all that is on the right, if anything is, and the peaks on the left from there.
        self._tails: list[list[bytes]] = []
        right: bytes | None = None
        for place in reversed(range(len(peaks))):
            self._tails.insert(0, [*([] if right is None else [right]), *reversed(peaks[:place])])
            right = peaks[place] if right is None else node_digest(peaks[place], right)

    def peak_of(self, index: int) -> tuple[int, list[bytes]]:
        """Give the height of the complete subtree that a leaf is in, and the siblings from its root to that of all."""
        place = bisect_right(self._ends, index)
        return self._tops[place], self._tails[place]


def consistency_proof(older: int, size: int, node: NodeReader) -> list[bytes]:
    """Give the proof that the tree of this size grew from its first ``older`` leaves (RFC 9162, 2.1.4.1)."""
    assert 0 <= older <= size, (older, size)
    if older in {0, size}:
        return []
    ranges: list[tuple[int, int]] = []
    start, stop, is_whole = 0, size, True
    while older != stop:
        middle = start + _split(stop - start)
        if older <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start, is_whole = middle, False
    if not is_whole:
        ranges.append((start, stop))
    return [range_root(start, stop, node) for start, stop in reversed(ranges)]


def range_root(start: int, stop: int, node: NodeReader) -> bytes:
    """Give the root over leaves ``start`` to ``stop``, a range that is a subtree of some tree."""
    width = stop - start
    if width & (width - 1) == 0:
        height = width.bit_length() - 1
        return node(height, start >> height)
    middle = start + _split(width)
    return node_digest(range_root(start, middle, node), range_root(middle, stop, node))


def _siblings(index: int, size: int) -> Iterator[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return reversed(ranges)


def _split(width: int) -> int:
    """The largest power of two below the width."""
    return 1 << (width - 1).bit_length() - 1
