"""What does a durable append cost, against other ways to make the same bytes durable?

The floor is the least that durability costs: one ``write`` and one ``fdatasync`` a group, on the same file system, in
the same run, rounds taken in turn. The ledger adds the record's form, the chain, the tree, the lock, the checks at
admission, and a checkpoint each second; SQLite and Postgres keep rows. Then the same where a flush takes longer, and
what the parts of an append take alone: what no append in Python can do without.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bailiwick.ledger import Ledger
from benchmarks import parts
from benchmarks.drafts import TENANT, draft, new_ledger
from benchmarks.peers import Peer, PlainFile, Postgres, Sqlite, postgres_url
from benchmarks.slow import FLUSH_MS, SlowDisk, SlowPlainFile
from benchmarks.table import Row, judged

ROUNDS = 7
GROUPS = {1: 300, 10: 100, 100: 30, 1_000: 10}
"""Records in a group, and groups in a round."""
GOALS = {1: 0.85, 1_000: 0.2}
CALLERS = 64
CALLS = 20
"""Records of each caller in a round."""
CALLERS_GOAL = 0.15


def measure(folder: Path) -> list[Row]:
    """Append groups of each size in turn with each peer, then with many callers, and give rates and ratios."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        ledger = stack.enter_context(new_ledger(folder / "ledger"))
        plain = PlainFile(folder / "plain")
        peers: list[Peer] = [plain, Sqlite(folder / "rows.sqlite")]
        url = stack.enter_context(postgres_url())
        if url is not None:
            peers.append(Postgres(url))
        for peer in peers:
            stack.callback(peer.close)  # type: ignore[attr-defined]  # a peer is whatever appends
        table = []
        for group, groups in GROUPS.items():
            table += _compare(ledger, peers, group, groups)
        if url is None:
            table.append(Row("  Postgres", "", "no server: set BAILIWICK_POSTGRES, or install postgresql"))
        table.append(_callers(ledger, plain, ""))
        table += _slower(folder)
        raw = ledger.read(1).raw
        flush_us, batch_us = (1e6 / _floor(plain, [raw] * size) for size in (1, 1_000))
        return [*table, *parts.rows(parts.measure(folder), flush_us, batch_us)]


def _slower(folder: Path) -> list[Row]:
    """Do the same where a flush takes longer: one caller, and many."""
    what = f", flush {FLUSH_MS} ms slower (simulated)"
    plain = SlowPlainFile(folder / "slow-plain")
    with new_ledger(folder / "slow", SlowDisk()) as ledger:
        rows = [*_compare(ledger, [plain], 1, GROUPS[1], what)[:1], _callers(ledger, plain, what)]
    plain.close()
    return rows


def _floor(plain: PlainFile, records: Sequence[bytes]) -> float:
    """Give the median rate of writing and flushing groups of these records."""
    groups = [records] * GROUPS[len(records)]
    return statistics.median(_rate(groups, plain.append) for _ in range(ROUNDS))


def _compare(ledger: Ledger, peers: Sequence[Peer], group: int, groups: int, where: str = "") -> list[Row]:
    rates: dict[str, list[float]] = {}
    for turn in range(ROUNDS + 1):
        first = ledger.size()
        drafts = [[draft(at * group + each) for each in range(group)] for at in range(groups)]
        measured = {"": _rate(drafts, lambda each: ledger.record_many(TENANT, each))}
        raws = [record.raw for record in ledger.records(first, first + group * groups)]
        batches = [raws[at : at + group] for at in range(0, len(raws), group)]
        for peer in peers:
            measured[peer.name] = _rate(batches, peer.append)
        if turn:
            for name, rate in measured.items():
                rates.setdefault(name, []).append(rate)
    floor = rates[peers[0].name]
    rows = []
    for name, found in rates.items():
        ratio = statistics.median(mine / least for mine, least in zip(found, floor, strict=True))
        size = "1 record a flush" if group == 1 else f"{group:,} records a flush"
        against = f"{ratio:.2f} of {peers[0].name}" if found is not floor else "the floor"
        goal = judged(ratio, GOALS[group]) if not name and group in GOALS else ""
        what = f"  {name}" if name else f"ledger append, {size}{where}"
        rows.append(Row(what, f"{statistics.median(found):,.0f} records/s", against, goal))
    return rows


def _rate(groups: Sequence[Sequence[object]], append: Callable[[list], object]) -> float:
    begun = time.perf_counter()
    for each in groups:
        append(list(each))
    return sum(map(len, groups)) / (time.perf_counter() - begun)


def _callers(ledger: Ledger, plain: PlainFile, where: str) -> Row:
    """Let many threads append one record each at a time, against as many times the rate of a lone flush."""
    ratios, found = [], []
    raw = ledger.read(1).raw
    for turn in range(ROUNDS + 1):
        rate = _together(ledger)
        flushes = _rate([[raw]] * GROUPS[1], plain.append)
        if turn:
            found.append(rate)
            ratios.append(rate / (CALLERS * flushes))
    ratio = statistics.median(ratios)
    return Row(
        f"ledger append, {CALLERS} callers, 1 record each{where}",
        f"{statistics.median(found):,.0f} records/s",
        f"{ratio:.2f} of {CALLERS} x the rate of a flush",
        judged(ratio, CALLERS_GOAL),
    )


def _together(ledger: Ledger) -> float:
    gate = threading.Barrier(CALLERS + 1)

    def call(number: int) -> None:
        drafts = [draft(number * CALLS + each) for each in range(CALLS)]
        gate.wait()
        for each in drafts:
            ledger.record(TENANT, each)
        gate.wait()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    gate.wait()
    begun = time.perf_counter()
    gate.wait()
    seconds = time.perf_counter() - begun
    for thread in threads:
        thread.join()
    return CALLERS * CALLS / seconds
