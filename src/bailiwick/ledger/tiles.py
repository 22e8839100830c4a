"""Where a tree's hashes and records are in an exported ledger (C2SP tlog-tiles), and how records are framed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bailiwick.ledger.tree import TILE_HEIGHT, TILE_WIDTH

BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + 65_535)
"""Largest entry bundle, in bytes."""


def tile_path(level: int | None, number: int, width: int = TILE_WIDTH) -> str:
    """Give the path of a tile, or of an entry bundle where the level is None.

    >>> tile_path(0, 1234067)
    'tile/0/x001/x234/067'
    >>> tile_path(None, 5, 12)
    'tile/entries/005.p/12'
    """
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    path = f"tile/{'entries' if level is None else level}/{'/'.join(reversed(groups))}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def widths(size: int, level: int) -> Iterator[tuple[int, int]]:
    """Give number and width of each tile of a level in the tree of this size; only the last can be partial.

    >>> list(widths(70_000, 1))
    [(0, 256), (1, 17)]
    """
    full, partial = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
    for number in range(full):
        yield number, TILE_WIDTH
    if partial:
        yield full, partial


def levels(size: int) -> int:
    """Count the levels of tiles in the tree of this size.

    >>> [levels(size) for size in (0, 1, 255, 256, 65_536)]
    [0, 1, 1, 2, 3]
    """
    return -(-size.bit_length() // TILE_HEIGHT)


def tile_count(size: int) -> int:
    """Count the files of the tree of this size: tiles of every level, and entry bundles."""
    tiles = [-(-(size >> TILE_HEIGHT * level) // TILE_WIDTH) for level in range(levels(size))]
    return sum(tiles) + (tiles[0] if tiles else 0)


def tile_files(size: int, minimum: int) -> Iterator[str]:
    """Name the files of the tree of this size: entry bundles from a minimum on, and tiles of every level."""
    for number, width in widths(size, 0):
        if number * TILE_WIDTH >= minimum:
            yield tile_path(None, number, width)
    for level in range(levels(size)):
        for number, width in widths(size, level):
            yield tile_path(level, number, width)


def frame_entries(records: Sequence[bytes]) -> bytes:
    """Give an entry bundle: each record after its length, two bytes, big end first."""
    return b"".join(part for record in records for part in (len(record).to_bytes(2, "big"), record))


def split_entries(bundle: bytes) -> list[bytes]:
    """Read the records of an entry bundle.

    Raises:
        ValueError: its last record is cut short.

    >>> split_entries(b"\\x00\\x02ab\\x00\\x00")
    [b'ab', b'']
    """
    records = []
    position, end = 0, len(bundle)
    while position < end:
        start = position + 2
        position = start + int.from_bytes(bundle[position:start], "big")
        records.append(bundle[start:position])
    if position != end:
        raise ValueError(f"record {len(records) - 1} of the bundle is cut short")
    return records
