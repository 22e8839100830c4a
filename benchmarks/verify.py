"""How fast is a ledger verified, against hashing the same bytes and nothing else? And in how much memory?

The floor is SHA-256 over the segments' bytes on one core. A full verification hashes each record twice and each node
once, parses every record and encodes it again; the fast check hashes the sealed segments' files, whatever came after
them left out here. Memory is that of a process of its own and its largest child
(``python -m benchmarks.verify FOLDER JOBS``).
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_segments import FileSegments
from bailiwick.ledger import Ledger
from bailiwick.ledger.seal import digest_all
from benchmarks.drafts import TENANT, draft, new_ledger, open_ledger
from benchmarks.table import Row, judged

ROUNDS = 3
GROUP = 1_000
READ_BYTES = 64 << 20
FULL_GOAL = 0.08
FAST_GOAL = 0.9
MEMORY_MB_MAX = 300


def build(folder: Path, records: int) -> None:
    """Write a ledger of so many records, in groups of a thousand."""
    with new_ledger(folder) as ledger:
        for start in range(0, records, GROUP):
            ledger.record_many(TENANT, [draft(start + each) for each in range(GROUP)])


def measure(folder: Path) -> list[Row]:
    """Verify the ledger in a folder in full and fast, with one process and one a core, in turn with the floor."""
    cores = len(os.sched_getaffinity(0))
    with open_ledger(folder) as ledger:
        records = ledger.size()
        sealed = ledger.verify(check="full-and-seal", jobs=cores)
        assert sealed.exit_code == 0, sealed
        ways: dict[str, Callable[[], object]] = {
            "full 1": lambda: _verify(ledger, 1, "full"),
            "full": lambda: _verify(ledger, cores, "full"),
        }
        ratios: dict[str, list[float]] = {name: [] for name in ways}
        floors, seconds = [], dict.fromkeys(ways, 0.0)
        for _ in range(ROUNDS):
            floor = _stream(folder)
            floors.append(floor)
            for name, way in ways.items():
                seconds[name] = _timed(way)
                ratios[name].append(floor / seconds[name])
    ratio = {name: statistics.median(found) for name, found in ratios.items()}
    ratio |= {"fast 1": _fast(folder, 1), "fast": _fast(folder, cores)}
    size = sum(path.stat().st_size for path in (folder / "seg").iterdir())
    rows = [
        Row(
            "SHA-256 stream of a ledger's bytes, 1 core",
            f"{size / statistics.median(floors) / 1e9:.2f} GB/s",
            "the floor",
        )
    ]
    for name, goal, what in (
        ("full 1", FULL_GOAL, "full verification, 1 process"),
        ("full", FULL_GOAL * cores, f"full verification, {cores} processes"),
        ("fast 1", FAST_GOAL, "fast check of sealed segments, 1 thread"),
        ("fast", FAST_GOAL * cores, f"fast check of sealed segments, {cores} threads"),
    ):
        rate = records * ratio[name] / statistics.median(floors)
        against = f"{ratio[name]:.3f} of one core's stream, {records:,} records"
        rows.append(Row(what, f"{rate:,.0f} records/s", against, judged(ratio[name], goal)))
    return [*rows, *(_memory(folder, jobs) for jobs in (1, cores))]


def _verify(ledger: Ledger, jobs: int, check: Any) -> None:
    report = ledger.verify(check=check, jobs=jobs)
    assert report.exit_code == 0, report


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _fast(folder: Path, threads: int) -> float:
    """Compare the sealed segments with their digests, and give the rate as a share of hashing their bytes alone."""
    segments = FileSegments(folder, SystemDisk())
    firsts = [first for first, _ in segments.spans()]
    found = []
    for _ in range(ROUNDS):
        floor = _stream(folder, len(firsts))
        found.append(floor / _timed(lambda: digest_all(segments, firsts, threads)))
    return statistics.median(found)


def _stream(folder: Path, count: int | None = None) -> float:
    """Hash every segment as it lies in memory: the time of reading it there is not counted."""
    hashed, seconds = hashlib.sha256(), 0.0
    for path in sorted((folder / "seg").iterdir())[:count]:
        with path.open("rb") as file:
            while data := file.read(READ_BYTES):
                begun = time.perf_counter()
                hashed.update(data)
                seconds += time.perf_counter() - begun
    return seconds


def _memory(folder: Path, jobs: int) -> Row:
    command = [sys.executable, "-m", "benchmarks.verify", str(folder), str(jobs)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    worst = max(found["self"], found["child"])
    what = f"memory of a full verification, {jobs} process" + ("" if jobs == 1 else "es")
    goal = f"{MEMORY_MB_MAX} MB: {'met' if worst < MEMORY_MB_MAX else 'not met'}"
    return Row(what, f"{worst:,.0f} MB", f"the largest process, {found['records']:,} records", goal)


def _child() -> None:
    with open_ledger(Path(sys.argv[1])) as ledger:
        report = ledger.verify(jobs=int(sys.argv[2]))
    assert report.exit_code == 0, report
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"records": report.records, "self": own, "child": child}))


if __name__ == "__main__":
    _child()
