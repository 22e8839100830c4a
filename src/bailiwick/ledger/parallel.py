"""Verifying with several processes, with the same report as with one.

Each record names the hash of the one before, so parts of a ledger can be hashed apart; what is left of a part is small,
and is checked against the parts before it in order. A part that does not follow, or that a process could not read, is
read again here, record by record, so that whatever is wrong is found and named exactly as one process names it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from bailiwick.errors import BailiwickError, LedgerBroken
from bailiwick.keys import Verifier
from bailiwick.ledger.audit import SPECIAL, Problem, RecordWalk, Report, report_of
from bailiwick.ledger.span import Part, PartWalk
from bailiwick.ports import Segments

PARALLEL_RECORDS_MIN = 1 << 20
"""Records from which on several processes are used where nobody says how many: starting them takes half a second."""
PART_RECORDS = 1 << 16
"""Records in the smallest part; a power of two, so that each part is a subtree."""
PARTS_PER_JOB = 4
"""Parts for each process, in number at least: fewer and larger ones begin within fewer segments, whose records before
them have to be passed over, and more even out who is done first."""
PART_RECORDS_MAX = 1 << 18
"""Records in the largest part."""
JOBS_MAX = 64
"""Most processes, in number."""
_AHEAD = 2
"""Parts that wait for each process: what is in flight stays bounded."""

Progress = Callable[[int], None]
T = TypeVar("T")


def jobs_for(records: int, jobs: int | None) -> int:
    """Give how many processes to use: as many as asked for, else one for each core where the ledger is large enough."""
    parts = -(-records // PART_RECORDS)
    if jobs is None:
        jobs = len(os.sched_getaffinity(0)) if records >= PARALLEL_RECORDS_MIN else 1
    return max(1, min(jobs, parts, JOBS_MAX))


def parts_of(size: int, jobs: int = 1) -> list[tuple[int, int]]:
    """Give first and stop of each part, for so many processes.

    >>> parts_of(70_000)
    [(0, 65536), (65536, 70000)]
    >>> parts_of(10_000_000, 2)[1]
    (262144, 524288)
    """
    records = PART_RECORDS
    while records < PART_RECORDS_MAX and size >= 2 * records * jobs * PARTS_PER_JOB:
        records *= 2
    return [(start, min(size, start + records)) for start in range(0, size, records)]


def verify_segments(
    segments: Segments, size: int, verifier: Verifier, *, jobs: int = 1, progress: Progress | None = None
) -> Report:
    """Check the first ``size`` records of a store that keeps them in segments; as ``audit.verify_records``.

    Cost: about 4 µs a record, divided by the processes; up to 200 MB in each process where segments are full.
    """
    walk = RecordWalk(verifier)
    return report_of(walk, walk_segments(walk, segments, size, jobs=jobs, progress=progress))


def walk_segments(
    walk: RecordWalk, segments: Segments, size: int, *, jobs: int = 1, progress: Progress | None = None
) -> list[Problem]:
    """Go on with a walk to the record of an index, and give what stopped it; with several processes from the first."""
    told = progress or tell_nobody
    try:
        if jobs == 1 or walk.frontier.size:
            _feed(walk, segments.scan(walk.frontier.size, size), told)
        else:
            tasks = [(segments, start, stop) for start, stop in parts_of(size, jobs)]
            with in_order(read_part, tasks, jobs) as parts:
                for (_, start, stop), part in zip(tasks, parts, strict=True):
                    if part is not None and walk.take(part):
                        told(stop - start)
                    else:
                        _feed(walk, segments.scan(start, stop), told)
    except LedgerBroken as error:
        return [Problem(verdict=error.verdict, message=error.message, index=error.index)]
    return []


def read_part(segments: Segments, start: int, stop: int) -> Part | None:
    """Read the records of a part, in whichever process; None where they do not follow or cannot be read."""
    walk = PartWalk(start, SPECIAL)
    try:
        for records in segments.scan(start, stop):
            if walk.feed(records) is None:
                return None
    except BailiwickError:
        return None
    return walk.part()


@contextmanager
def in_order(
    work: Callable[..., T | None], tasks: Sequence[tuple[object, ...]], jobs: int
) -> Iterator[Iterator[T | None]]:
    """Do tasks in several processes and give what comes of each, in order; None where its process died.

    The processes are started afresh (``spawn``), never forked: a fork would share locks and open files. They make no
    cycles of objects and look for none, which saves a tenth of their time.
    """
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=gc.disable)
    try:
        yield _results(pool, work, tasks, jobs * _AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, work: Callable[..., T | None], tasks: Sequence[tuple[object, ...]], ahead: int
) -> Iterator[T | None]:
    waiting: deque[Future[T | None] | None] = deque()
    given = 0
    for _ in tasks:
        while given < len(tasks) and len(waiting) < ahead:
            waiting.append(_submit(pool, work, tasks[given]))
            given += 1
        future = waiting.popleft()
        try:
            yield None if future is None else future.result()
        except BrokenProcessPool:
            yield None


def _submit(
    pool: ProcessPoolExecutor, work: Callable[..., T | None], task: tuple[object, ...]
) -> Future[T | None] | None:
    try:
        return pool.submit(work, *task)
    except BrokenProcessPool:
        return None


def _feed(walk: RecordWalk, batches: Iterator[list[bytes]], progress: Progress) -> None:
    for records in batches:
        walk.feed(records)
        progress(len(records))


def tell_nobody(_count: int) -> None:
    """Tell progress to nobody."""
