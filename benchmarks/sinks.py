"""How fast does a ledger reach a file sink, and what does that cost whoever appends?

A sink reads the ledger afterwards, from a cursor of its own: nothing that appends calls it or waits for it. What
is left is the machine that both share, so the cost is measured with the sink in another process, as
`bailiwick sinks run --follow` is, against the same appends alone, in turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bailiwick.adapters.auditsink_file import NAME, FileAuditSink
from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.ledger import Ledger
from bailiwick.sinks import Pump
from benchmarks.drafts import TENANT, draft, new_ledger, open_ledger
from benchmarks.peers import PlainFile
from benchmarks.table import Row

RECORDS = 20_000
ROUNDS = 5
GROUP, GROUPS = 64, 40
"""Records in a group, as the decision loop appends them, and groups in a turn."""
GROUP_EACH_S = 0.05
"""A group is due this often, in seconds: faster than decisions are made, slower than the ledger could take them."""


def measure(folder: Path) -> list[Row]:
    """Send a ledger to a file, beside the same bytes written plainly; then append with and without a sink at work."""
    folder.mkdir(parents=True)
    with new_ledger(folder / "ledger") as ledger:
        for start in range(0, RECORDS, 1_000):
            ledger.record_many(TENANT, [draft(start + each) for each in range(1_000)])
        rates, ratios = zip(*[_sent(ledger, folder / f"turn-{turn}") for turn in range(ROUNDS)], strict=True)
        alone, followed = [], []
        for turn in range(ROUNDS):
            alone.append(_appended(ledger))
            follower = _start(folder, turn)
            followed.append(_appended(ledger))
            follower.kill()
            follower.wait()
    return [
        Row(
            "events sent to a file sink, batches of up to 1,000",
            f"{statistics.median(rates):,.0f} events/s",
            f"{statistics.median(ratios):.2f} of write + fdatasync of the same bytes",
        ),
        Row("append of 64 records, no sink at work", f"{_ms(alone)} ms", "20 groups a second, median of all"),
        Row(
            "  with a sink in another process that follows",
            f"{_ms(followed)} ms",
            f"{_median(followed) / _median(alone):.2f} x: nothing is added but the shared machine",
        ),
    ]


def _sent(ledger: Ledger, folder: Path) -> tuple[float, float]:
    """Give the events a second of a sink that starts anew, and what that is of writing its file plainly."""
    begun = time.perf_counter()
    sent = _drain(ledger, folder)
    rate = sent / (time.perf_counter() - begun)
    lines = (folder / "events" / NAME).read_bytes().splitlines()
    plain = PlainFile(folder / "plain")
    begun = time.perf_counter()
    for start in range(0, len(lines), FileAuditSink.records_max):
        plain.append(lines[start : start + FileAuditSink.records_max])
    floor = len(lines) / (time.perf_counter() - begun)
    plain.close()
    return rate, rate / floor


def _drain(ledger: Ledger, folder: Path) -> int:
    """Send what waits; give how many events that were."""
    disk = SystemDisk()
    sink = FileAuditSink(folder / "events", disk, file_bytes_max=1 << 30)
    cursors = FileCursorStore(folder / "cursors", disk)
    pump = Pump("file", ledger, sink=sink, cursors=cursors, clock=SystemClock(), entropy=SystemEntropy())
    sent = 0
    while count := pump.step(is_forced=True).sent:
        sent += count
    sink.close()
    return sent


def _appended(ledger: Ledger) -> list[float]:
    """Append groups at a steady pace and give the seconds that each took."""
    taken = []
    due = time.perf_counter()
    for at in range(GROUPS):
        drafts = [draft(at * GROUP + each) for each in range(GROUP)]
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        ledger.record_many(TENANT, drafts)
        taken.append(time.perf_counter() - begun)
        due += GROUP_EACH_S
    return taken


def _start(folder: Path, turn: int) -> subprocess.Popen[bytes]:
    """Start a process that follows the ledger, and wait until it has caught up."""
    command = [sys.executable, "-m", "benchmarks.sinks", str(folder), str(turn)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def _follow(folder: Path, turn: int) -> None:
    """Follow the ledger until killed: what waits is sent as soon as it is seen."""
    with open_ledger(folder / "ledger") as ledger:
        place = folder / f"follower-{turn}"
        _drain(ledger, place)
        print("caught up", flush=True)
        while True:
            _drain(ledger, place)
            time.sleep(GROUP_EACH_S / 2)


def _median(turns: list[list[float]]) -> float:
    return statistics.median(each for turn in turns for each in turn)


def _ms(turns: list[list[float]]) -> str:
    return f"{_median(turns) * 1_000:.2f}"


if __name__ == "__main__":
    _follow(Path(sys.argv[1]), int(sys.argv[2]))
