"""What does a durable append cost, against writing and flushing the same bytes?

The peer is the least that durability costs: one ``write`` and one ``fdatasync`` a group, on the same file system, in
the same run, rounds taken in turn. The ledger adds the record's form, the chain, the tree, the lock, and a checkpoint
each second.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft
from benchmarks.table import Row

ROUNDS = 7
GROUPS = {1: 400, 64: 60, 1_000: 12}
"""Records in a group, and groups in a round."""
NODE = Actor(id="node:bench", role="node")


def measure(folder: Path) -> list[Row]:
    """Append groups of each size in turn with the plain file, and give rates and their ratio."""
    folder.mkdir(parents=True)
    store = FileLedgerStore(folder / "ledger", SystemDisk())
    signer = Signer("bailiwick/bench", new_secret(bytes(32)))
    table = []
    with Ledger.create(
        "bench", store, signer, clock=SystemClock(), origin="bailiwick/bench", node_id="bench", actor=NODE
    ) as ledger:
        for group, groups in GROUPS.items():
            ours, plain = [], []
            for turn in range(ROUNDS + 1):
                first = ledger.size()
                ours.append(_ledger(ledger, group, groups))
                written = [record.raw + b"\n" for record in ledger.records(first, ledger.size())]
                plain.append(_plain(folder / f"plain-{group}-{turn}", written, group))
            table.append(_row(group, ours[1:], plain[1:]))
    return table


def _row(group: int, ours: list[float], plain: list[float]) -> Row:
    ratio = statistics.median(mine / floor for mine, floor in zip(ours, plain, strict=True))
    name = "one record a flush" if group == 1 else f"{group:,} records a flush"
    return Row(
        f"ledger append, {name}",
        f"{statistics.median(ours):,.0f} records/s",
        f"{ratio:.2f} of write + fdatasync of the same bytes ({statistics.median(plain):,.0f}/s)",
    )


def _draft(number: int) -> Draft:
    digest = f"sha256:{number:064x}"
    detail = {"observation": digest, "evidence": digest, "outcome": "report-within-8-hours", "effects": []}
    return Draft(event_type="decision.sealed", resource=f"observation/{number:032x}", detail=detail, actor=NODE)


def _ledger(ledger: Ledger, group: int, groups: int) -> float:
    drafts = [[_draft(turn * group + each) for each in range(group)] for turn in range(groups)]
    begun = time.perf_counter()
    for each in drafts:
        ledger.record_many("bench", each)
    return group * groups / (time.perf_counter() - begun)


def _plain(path: Path, lines: list[bytes], group: int) -> float:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        chunks = [b"".join(lines[start : start + group]) for start in range(0, len(lines), group)]
        begun = time.perf_counter()
        for chunk in chunks:
            os.write(handle, chunk)
            os.fdatasync(handle)
        return len(lines) / (time.perf_counter() - begun)
    finally:
        os.close(handle)
        path.unlink()
