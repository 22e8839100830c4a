"""A part of an exported ledger, read in whichever process: entry bundles, their tiles of hashes, and the chain.

It accepts what ``bundle`` accepts one tile after another, and nothing else; where it finds something, it does not say
what: the part is then read again by whoever asked, so that it is named exactly as one process names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bailiwick.errors import BailiwickError
from bailiwick.keys import Verifier
from bailiwick.ledger import parallel
from bailiwick.ledger.audit import SPECIAL
from bailiwick.ledger.folder import read_file
from bailiwick.ledger.minimum import is_noted
from bailiwick.ledger.proof import HASH_BYTES
from bailiwick.ledger.span import Part, PartWalk
from bailiwick.ledger.tiles import BUNDLE_BYTES_MAX, split_entries, tile_path
from bailiwick.ledger.tree import TILE_HEIGHT, TILE_WIDTH, pair_up
from bailiwick.model import Checkpoint

PART_TILES = 256
"""Entry bundles in a part, in number; a power of two, so that each part is a subtree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePart:
    """What is left of a part: what its records come to, and the hashes that its tiles add to level 1."""

    part: Part
    row: list[bytes]


@dataclass(slots=True)
class Mismatch:
    """A tile of level 0 and its entry bundle that disagree, first at a record."""

    index: int
    tile: str
    entries: str


@dataclass(slots=True)
class Older:
    """An older checkpoint that the tree must have grown from, the key that signed it, and the file that it is in."""

    checkpoint: Checkpoint
    verifier: Verifier
    file: str | None

    def ends_in(self, start: int, stop: int) -> bool:
        """Say whether the older tree ends within these records; an empty one in the first."""
        return start < max(self.checkpoint.size, 1) <= stop


def parts_of(size: int) -> list[tuple[int, int]]:
    """Give first and stop of each part of the tree of this size, in records."""
    records = PART_TILES * TILE_WIDTH
    return [(start, min(size, start + records)) for start in range(0, size, records)]


def read_parts(path: Path, size: int, jobs: int) -> AbstractContextManager[Iterator[TilePart | None]]:
    """Give what comes of each part in order, read by several processes; None for each where there is one alone."""
    parts = parts_of(size)
    if jobs == 1:
        return nullcontext(iter([None] * len(parts)))
    return parallel.in_order(read_part, [(path, start, stop) for start, stop in parts], jobs)


def read_part(path: Path, start: int, stop: int) -> TilePart | None:
    """Read a part of a bundle; None where anything in it is wrong, or asks for a closer look."""
    walk, row = PartWalk(start, SPECIAL), []
    try:
        for at in range(start, stop, TILE_WIDTH):
            number, width = at // TILE_WIDTH, min(TILE_WIDTH, stop - at)
            records = split_entries(read_file(path, tile_path(None, number, width), BUNDLE_BYTES_MAX))
            hashes = read_file(path, tile_path(0, number, width), TILE_WIDTH * HASH_BYTES)
            if len(records) != width or any(map(is_noted, records)):
                return None
            grown = walk.feed(records)
            if grown is None or b"".join(grown[0]) != hashes:
                return None
            row += grown.get(TILE_HEIGHT, [])
    except (BailiwickError, ValueError):
        return None
    part = walk.part()
    return None if part is None else TilePart(part=part, row=row)


def upper_rows(row: list[bytes]) -> dict[int, list[bytes]]:
    """Give the hashes of every level of tiles from 1 on; ``row`` has those of level 1."""
    rows, level = {1: row}, 1
    while len(row) >= TILE_WIDTH:
        for _ in range(TILE_HEIGHT):
            row = pair_up(row)
        level += 1
        rows[level] = row
    return rows
