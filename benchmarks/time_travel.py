"""How long does a question about the past take, and a search, in a ledger of a million records or ten?

    python -m benchmarks.time_travel [RECORDS] [--folder DIR]

A ledger is written with the records of the main job in the shape that ``decide`` gives them: 50,000 resources, an
effect for each twentieth. Then, in one process: the first fold of everything, which keeps the snapshots; moments at
random; moments with a snapshot near; the index; the history of single resources. The baseline is folding from the first
record, unproven.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bailiwick.adapters.clock_memory import MemoryClock
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerindex_sqlite import SqliteLedgerIndex
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.canonical import time_ns
from bailiwick.decisions import PROJECTIONS
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger, Query, Search, Timeline
from bailiwick.model import Actor, Draft
from benchmarks.table import Row, markdown

RECORDS = 1_000_000
RESOURCES = 50_000
GROUP = 100
MOMENTS = 200
KEYS = 1_000
FAR_NS = 2**62
STATE_MS_MAX = 5
ORIGIN = "bailiwick/bench"
NODE = Actor(id="node:bench", role="node")
DECISIONS, EFFECTS = PROJECTIONS["decisions"], PROJECTIONS["effects"]


def measure(folder: Path, records: int = RECORDS) -> list[Row]:
    """Write a ledger of so many records and ask it about its past."""
    store = FileLedgerStore(folder / "ledger", SystemDisk())
    clock = MemoryClock(step_ns=1_000_000)
    signer = Signer(ORIGIN, new_secret(bytes(32)))
    with Ledger.create(
        "bench", store, signer, clock=clock, origin=ORIGIN, node_id="bench", actor=NODE, checkpoint_ms=None
    ) as ledger:
        for start in range(0, records, GROUP):
            ledger.record_many("bench", [_draft(number) for number in range(start, start + GROUP)])
        ledger.checkpoint()
        dice = random.Random(7)  # noqa: S311 - the same moments each time
        rows = [*_travel(ledger, records, dice), *_search(ledger, folder, records, dice)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return [*rows, Row("largest memory of the process", f"{memory:,} MiB", f"{records:,} records")]


def _draft(number: int) -> Draft:
    place = number * 7_919 % RESOURCES
    key = f"hmac-sha256:{number - number % 20:064x}"
    if number % 20 == 10:
        detail = {"key": key, "type": "notify", "record": number - 10, "delivered": "now"}
        return Draft(event_type="effect.result", resource=f"effect/{key[12:44]}", detail=detail, actor=NODE)
    effects = [{"type": "notify", "key": key}] if number % 20 == 0 else []
    digest = f"sha256:{number:064x}"
    detail = {
        "observation": digest,
        "evidence": f"sha256:{number + (1 << 200):064x}",
        "pack": {"name": "us-osha-1904", "version": "1.0.0", "digest": f"sha256:{5:064x}"},
        "outcome": f"outcome-{number % 7}",
        "effects": effects,
    }
    return Draft(event_type="decision.sealed", resource=f"observation/{place:032x}", detail=detail, actor=NODE)


def _travel(ledger: Ledger, records: int, dice: random.Random) -> list[Row]:
    first, last = (time_ns(ledger.read(index).timestamp) for index in (0, records))
    moments = [dice.randrange(first, last) for _ in range(MOMENTS)]
    begun = time.perf_counter()
    state = DECISIONS.start()
    for record in ledger.records(0, records):
        if record.event_type in DECISIONS.event_types:
            state = DECISIONS.fold(state, record)
    plain = time.perf_counter() - begun
    walks = []
    for projection in (DECISIONS, EFFECTS):
        begun = time.perf_counter()
        Timeline(ledger).state_at(last, projection, now_ns=FAR_NS)
        walks.append(records / (time.perf_counter() - begun))
    rows = [
        Row("state at T, first fold, proven, snapshots kept", f"{walks[0]:,.0f} records/s", "decisions"),
        Row("  the same", f"{walks[1]:,.0f} records/s", f"effects, {records // 20:,} of them"),
        Row("  folding alone, unproven", f"{records / plain:,.0f} records/s", f"{plain:,.2f} s for one answer"),
    ]
    line = Timeline(ledger)
    rows.append(
        _row("position of T, anywhere", [_timed(lambda at=at: line.times.last_at(at, records)) for at in moments])
    )
    anywhere = [_timed(lambda at=at: line.state_at(at, DECISIONS, now_ns=FAR_NS)) for at in moments]
    rows.append(_row("state at T, anywhere, first time", anywhere, plain, _judged(anywhere)))
    middle = time_ns(ledger.read(records // 2).timestamp)
    line.state_at(middle, DECISIONS, now_ns=FAR_NS, is_kept=True)
    near = [middle + dice.randrange((last - first) * 1_000 // records) for _ in range(MOMENTS)]
    line = Timeline(ledger)
    line.state_at(middle, DECISIONS, now_ns=FAR_NS)
    spent = [_timed(lambda at=at: line.state_at(at, DECISIONS, now_ns=FAR_NS)) for at in near]
    rows.append(_row("state at T, snapshot within 1,000 records", spent, plain, _judged(spent)))
    wide = [middle + dice.randrange((last - first) * 60_000 // records) for _ in range(MOMENTS)]
    line.state_at(max(wide), DECISIONS, now_ns=FAR_NS)
    spent = [_timed(lambda at=at: line.state_at(at, DECISIONS, now_ns=FAR_NS)) for at in wide]
    rows.append(_row("state at T, within 60,000 records that were walked", spent, plain, _judged(spent)))
    spent = [_timed(lambda at=at: line.state_at(at, EFFECTS, now_ns=FAR_NS)) for at in moments[:20]]
    rows.append(_row("state at T, anywhere, effects with all their keys", spent, plain))
    return rows


def _search(ledger: Ledger, folder: Path, records: int, dice: random.Random) -> list[Row]:
    index = SqliteLedgerIndex(folder)
    search = Search(ledger, index)
    begun = time.perf_counter()
    search.find(Query(resource="nothing"))
    built = time.perf_counter() - begun
    size = sum(path.stat().st_size for path in (folder / "bench").iterdir())
    places = [f"observation/{dice.randrange(RESOURCES):032x}" for _ in range(KEYS)]
    from bailiwick.ledger.search import _term

    terms = [_term("resource", place) for place in places]
    asked = [_timed(lambda term=term: index.find("bench", [term], 0, records, 20)) for term in terms]
    whole = [_timed(lambda place=place: search.find(Query(resource=place), limit=1)) for place in places[:MOMENTS]]
    digests = [f"sha256:{dice.randrange(records):064x}" for _ in range(KEYS)]
    found = [_timed(lambda each=each: search.find(Query(digest=each))) for each in digests[:MOMENTS]]
    index.close()
    return [
        Row("index, folded", f"{records / built:,.0f} records/s", f"{size / records:,.0f} bytes a record"),
        _row("history of a resource, in the index", asked),
        _row("history of a resource, first hit read and proven", whole),
        _row("record by digest, read and proven", found),
    ]


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _judged(seconds: Iterable[float]) -> str:
    is_met = statistics.median(seconds) * 1e3 < STATE_MS_MAX
    return f"p50 {STATE_MS_MAX} ms: {'met' if is_met else 'not met'}"


def _row(what: str, seconds: Iterable[float], baseline: float | None = None, goal: str = "") -> Row:
    spent = sorted(seconds)
    median, late = statistics.median(spent), spent[int(len(spent) * 0.95)]
    against = f"95% under {_span(late)}"
    beside = against if baseline is None else f"{against}; 1/{baseline / median:,.0f} of a fold"
    return Row(what, _span(median), beside, goal)


def _span(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.0f} us"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=RECORDS)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where the ledger is written meanwhile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix=".bench-") as folder:
        print(markdown(measure(Path(folder), options.records)))


if __name__ == "__main__":
    main()
