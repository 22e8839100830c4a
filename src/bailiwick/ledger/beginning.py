"""Starting a store where a pruned ledger begins: what is left of the records below its minimum, brought and compared.

Moving and restoring share it: both write into a store that must end up giving back exactly what another place holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bailiwick.errors import Unavailable
from bailiwick.ledger.minimum import CARRIED_FILE, MINIMUM_FILE, PRUNED, read_minimum, split_carried
from bailiwick.ledger.record import decode
from bailiwick.ledger.recover import leaves_of, pruned_of
from bailiwick.ledger.tiles import split_entries, tile_path
from bailiwick.ledger.tree import TILE_WIDTH, Frontier
from bailiwick.model import Pruned
from bailiwick.ports import LedgerStore, Prunable

LEAVES_PER_READ = 4_096
LEAF_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What there is of pruned records: where the others begin, all leaf digests, and the records carried on."""

    pruned: Pruned
    leaves: Callable[[], Iterator[bytes]]
    carried: Sequence[tuple[int, bytes]]


def remains_of(store: LedgerStore) -> Remains | None:
    """Give what a store has of pruned records; None where none was pruned."""
    pruned = pruned_of(store)
    if pruned is None or not isinstance(store, Prunable):
        return None
    minimum = pruned.minimum
    return Remains(
        pruned=pruned,
        leaves=lambda: (leaf for batch in leaves_of(store, minimum) for leaf in batch),
        carried=store.carried(0, minimum),
    )


def remains_in(bundle: Path, size: int, records: Callable[[int], Iterable[bytes]]) -> Remains | None:
    """Give what a bundle that was verified has of pruned records; None where none was pruned.

    Args:
        bundle: Its folder.
        size: How many records it stands for.
        records: Gives the records that it has from an index on, in order.

    The time of the last record that was pruned is not known any more; that of the last one carried on stands for it.
    """
    if not (bundle / MINIMUM_FILE).is_file():
        return None
    minimum = read_minimum((bundle / MINIMUM_FILE).read_bytes(), size)
    carried = split_carried((bundle / CARRIED_FILE).read_bytes())

    def tiles() -> Iterator[list[bytes]]:
        """Give the leaf digests below the minimum, those of a tile at a time."""
        for number in range(minimum // TILE_WIDTH):
            data = (bundle / tile_path(0, number)).read_bytes()
            yield [data[at : at + LEAF_BYTES] for at in range(0, len(data), LEAF_BYTES)]

    frontier = Frontier()
    for tile in tiles():
        frontier.extend(tile)
    kept = [decode(raw) for raw in carried.values()]
    (first,) = [decode(raw) for raw in split_entries((bundle / _entries(minimum, size)).read_bytes())[:1]]
    pruned = Pruned(
        minimum=minimum,
        prev_hash=first.prev_hash,
        timestamp=kept[-1].timestamp,
        peaks=tuple(frontier.peaks()),
        archives=_archives([*carried.values()], records(minimum), minimum),
    )
    return Remains(
        pruned=pruned, leaves=lambda: (leaf for tile in tiles() for leaf in tile), carried=list(carried.items())
    )


def begin_store(target: LedgerStore, remains: Remains) -> bool:
    """Start an empty store where a ledger begins, and say whether it gives back exactly that.

    Raises:
        Unavailable: the store cannot hold a ledger that was pruned (code ``prune-unsupported``).
    """
    if not isinstance(target, Prunable):
        raise Unavailable(
            f"this ledger begins at record {remains.pruned.minimum}, and the store keeps ledgers from their first on",
            hint="give a store that prunes: files, SQLite or Postgres",
            code="prune-unsupported",
        )
    if target.count() == 0:
        target.begin(remains.pruned, remains.leaves(), remains.carried)
    minimum = remains.pruned.minimum
    if target.pruned() != remains.pruned or target.carried(0, minimum) != list(remains.carried):
        return False
    there = (leaf for at in range(0, minimum, LEAVES_PER_READ) for leaf in _leaves(target, at, minimum))
    return all(one == other for one, other in zip(there, remains.leaves(), strict=True))


def _leaves(store: Prunable, start: int, minimum: int) -> list[bytes]:
    return store.leaves(start, min(minimum, start + LEAVES_PER_READ))


def _entries(minimum: int, size: int) -> str:
    return tile_path(None, minimum // TILE_WIDTH, min(TILE_WIDTH, size - minimum))


def _archives(carried: Iterable[bytes], records: Iterable[bytes], minimum: int) -> tuple[tuple[int, str], ...]:
    """Find in the records of prunings where what they deleted was archived."""
    mark = f'"event_type":"{PRUNED}"'.encode()
    found: dict[int, str] = {}
    for raw in (raw for part in (carried, records) for raw in part if mark in raw):
        stored = decode(raw)
        at = stored.detail.get("minimum")
        if stored.event_type == PRUNED and isinstance(at, int) and at <= minimum:
            found[at] = str(stored.detail.get("archive"))
    return tuple(sorted(found.items()))
