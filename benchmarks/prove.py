"""How long does a proof take in a large ledger, and how fast does the tree grow, beside PyPI's ``pymerkle``?

The tree of a large ledger is made of digests that stand for no record, through the same frontier and columns as the
ledger's own; a proof is taken from the files of the columns and verified, as ``Ledger.prove`` does. The first proofs of
a process read more of the columns than those after them, so they are a row of their own. All files lie in memory.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import time
from pathlib import Path

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.ledger.columns import Columns
from bailiwick.ledger.proof import verify_inclusion
from bailiwick.ledger.tree import Frontier
from benchmarks.drafts import open_ledger
from benchmarks.table import Row, judged

PROOFS = 5_000
LEAVES_AT_ONCE = 16_384
MERKLE_RECORDS = 20_000
MERKLE_GROUP = 1_000
MERKLE_ROUNDS = 5
MERKLE_GOAL = 8
PROOF_MICROSECONDS_MAX = 100


def measure(folder: Path, ledger: Path, leaves: int) -> list[Row]:
    """Grow a tree of so many leaves in a folder, and take proofs at random places; then compare with pymerkle."""
    columns, frontier = _grow(folder, leaves)
    places = random.Random(7)  # noqa: S311  # the same places each time
    first, taken = (_proofs(columns, leaves, frontier.root(), places) for _ in range(2))
    p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    goal = f"p50 {PROOF_MICROSECONDS_MAX} us: {'met' if p50 < PROOF_MICROSECONDS_MAX else 'not met'}"
    rows = [
        Row(f"proof, taken and verified, {leaves:,} records", f"{p50:.0f} us", f"p99 {p99:.0f} us", goal),
        Row(
            f"  the first {PROOFS:,} of a process",
            f"{statistics.median(first):.0f} us",
            f"p99 {statistics.quantiles(first, n=100)[98]:.0f} us",
        ),
    ]
    return [*rows, _receipts(ledger), _merkle()]


def _proofs(columns: Columns, leaves: int, root: bytes, places: random.Random) -> list[float]:
    """Take and verify proofs at random places, and give how many microseconds each took."""
    taken = []
    for _ in range(PROOFS):
        index = places.randrange(leaves)
        leaf = hashlib.sha256(index.to_bytes(8, "big")).digest()
        begun = time.perf_counter()
        proof = columns.proof(index, leaves)
        verify_inclusion(leaf, index, proof, leaves, root)
        taken.append((time.perf_counter() - begun) * 1e6)
    return taken


def _grow(folder: Path, leaves: int) -> tuple[Columns, Frontier]:
    folder.mkdir(parents=True)
    columns, frontier = Columns(FileLedgerStore(folder, SystemDisk())), Frontier()
    for start in range(0, leaves, LEAVES_AT_ONCE):
        stop = min(start + LEAVES_AT_ONCE, leaves)
        row = [hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(start, stop)]
        columns.extend(start, frontier.extend(row))
    columns.flush()
    assert columns.failure is None, columns.failure
    return columns, frontier


def _receipts(folder: Path) -> Row:
    """Take whole receipts from a ledger: its record read, the proof verified, the checkpoint beside it."""
    taken = []
    places = random.Random(7)  # noqa: S311  # the same places each time
    with open_ledger(folder) as ledger:
        records = ledger.checkpoint().size
        for _ in range(PROOFS // 10):
            index = places.randrange(records)
            begun = time.perf_counter()
            ledger.prove(index)
            taken.append((time.perf_counter() - begun) * 1e6)
    p99 = statistics.quantiles(taken, n=100)[98]
    return Row(f"receipt of a record, {records:,} records", f"{statistics.median(taken):.0f} us", f"p99 {p99:,.0f} us")


def _merkle() -> Row:
    """Append the same records of 320 bytes to both trees, in memory, in turn; ours as the ledger does."""
    from pymerkle import InmemoryTree

    records = [b"%032d" % number * 10 for number in range(MERKLE_RECORDS)]
    ratios, ours, sha256 = [], [], hashlib.sha256
    for _ in range(MERKLE_ROUNDS):
        begun = time.perf_counter()
        frontier = Frontier()
        for start in range(0, MERKLE_RECORDS, MERKLE_GROUP):
            frontier.extend([sha256(b"\x00" + raw).digest() for raw in records[start : start + MERKLE_GROUP]])
        mine = time.perf_counter() - begun
        begun = time.perf_counter()
        tree = InmemoryTree(algorithm="sha256")
        for raw in records:
            tree.append_entry(raw)
        theirs = time.perf_counter() - begun
        assert tree.get_root() == frontier.root(), "two trees of the same records"
        ours.append(MERKLE_RECORDS / mine)
        ratios.append(theirs / mine)
    ratio = statistics.median(ratios)
    return Row(
        f"Merkle append, {MERKLE_GROUP:,} at once",
        f"{statistics.median(ours):,.0f} records/s",
        f"{ratio:.1f} x pymerkle, the same root",
        judged(ratio, MERKLE_GOAL),
    )
