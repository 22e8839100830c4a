"""What can no append in Python do without, and how much does each part take, measured alone?

A part is timed by itself, in a loop, warm, and the median of the rounds is taken. Their sum is the least that a record
costs in pure Python: what is above it in ``append`` is order among callers, locks, and a processor that went cold while
it waited for the disk. Subtracting is not measuring, so no part here is what was left of something larger.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import statistics
import threading
import time
from binascii import hexlify
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bailiwick.ledger.admission import Admission
from bailiwick.ledger.note import sign_checkpoint
from bailiwick.ledger.record import admit
from bailiwick.model import Draft
from benchmarks.drafts import draft, signer
from benchmarks.peers import PlainFile
from benchmarks.table import Row

ROUNDS = 21
TIMES = 500
"""Rounds, and how often a part is done in one."""
CALLERS = 64
BATCH = 1_000
RING_TURNS = 200
PEER = f"of {PlainFile.name}"
_TIME = b"2026-01-01T00:00:00.000000000Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Microseconds of each part, for one record of the benchmark."""

    link: float
    leaf: float
    node: float
    stream: float
    encode: float
    admit: float
    guard: float
    seal: float
    system_calls: float
    sign: float
    hand_over: float
    cold: float
    """All parts of a record and its system calls, once after each flush."""

    @property
    def hashes(self) -> float:
        """The hash of the record, of its leaf, and one of the tree."""
        return self.link + self.leaf + self.node

    @property
    def record(self) -> float:
        """What no record can do without in Python: check, encode, put in place, and three hashes."""
        return self.admit + self.guard + self.seal + self.hashes

    @property
    def compiled(self) -> float:
        """The same in one call for many records: hashed at the rate of the stream, and encoded in C as today."""
        return self.stream + self.encode


def measure(folder: Path) -> Parts:
    """Time every part."""
    asked = draft(7)
    entry = admit(asked, "bench")
    prev_hash = b"0" * 64
    raw = entry.seal(7, prev_hash, _TIME)
    sha256, encode = hashlib.sha256, msgspec.json.Encoder(order="sorted").encode
    guard, key, root = Admission.of_product().check, signer(), bytes(32)
    block = raw * BATCH
    stream = _time(lambda: sha256(block).digest(), 5) / BATCH
    calls = _SystemCalls(folder, raw)

    def all_parts() -> None:
        guard(asked)
        sealed = admit(asked, "bench").seal(7, prev_hash, _TIME)
        calls()
        hexlify(sha256(sealed).digest())
        sha256(b"\x00" + sealed).digest()
        sha256(b"\x01" + root + root).digest()

    return Parts(
        link=_time(lambda: hexlify(sha256(raw).digest())),
        leaf=_time(lambda: sha256(b"\x00" + raw).digest()),
        node=_time(lambda: sha256(b"\x01" + root + root).digest()),
        stream=stream * (2 * len(raw) + 66) / len(raw),
        encode=_time(lambda: encode(asked.detail)),
        admit=_time(lambda: admit(asked, "bench")),
        guard=_time(_checked(guard, asked)),
        seal=_time(lambda: entry.seal(7, prev_hash, _TIME)),
        system_calls=_time(calls),
        sign=_time(lambda: sign_checkpoint(7, root, key), 50),
        hand_over=_hand_over(),
        cold=_after_flushes(folder, raw, all_parts),
    )


def rows(parts: Parts, flush_us: float, write_us: float) -> list[Row]:
    """Give the parts and what follows from them.

    Args:
        parts: As measured.
        flush_us: A lone record's write and flush, in microseconds.
        write_us: A record's share of a batch's write and flush, in microseconds.
    """
    together = parts.record + parts.hand_over
    return [
        Row("parts of an append, each alone", f"{parts.record:.1f} us", "a record's least in Python, nothing stored"),
        Row("  three hashes through `hashlib`", f"{parts.hashes:.2f} us", f"{parts.stream:.2f} us in one stream"),
        Row("  admission: contract and lint", f"{parts.guard:.2f} us", "words that were seen before"),
        Row("  check and encode", f"{parts.admit:.2f} us", f"{parts.encode:.2f} us of it is the encoder, in C"),
        Row("  put in its place", f"{parts.seal:.2f} us", "index, link and time"),
        Row("  system calls but the flush", f"{parts.system_calls:.2f} us", "11 of them, on a file that is cached"),
        Row("  wake one thread of 64", f"{parts.hand_over:.2f} us", "in a ring, nothing else done"),
        Row("  sign a checkpoint", f"{parts.sign:.0f} us", "once a second"),
        Row("  all but the last two, once after each flush", f"{parts.cold:.1f} us", "the processor went cold"),
        Row("ceiling of pure Python, 1 record a flush", f"{flush_us / (flush_us + parts.cold):.2f}", PEER),
        Row("ceiling of pure Python, 1,000 a flush", f"{write_us / (write_us + parts.record):.2f}", "the same"),
        Row("  with hashes and encoding compiled", f"{write_us / (write_us + parts.compiled):.2f}", "the same"),
        Row(
            "ceiling of pure Python, 64 callers",
            f"{flush_us / CALLERS / max(together, flush_us / CALLERS):.2f}",
            "of 64 x the rate of a flush",
        ),
    ]


def _time(work: Callable[[], object], times: int = TIMES) -> float:
    """Give microseconds of one call, the median of the rounds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - begun) / times)
    return statistics.median(found) * 1e6


def _checked(guard: Callable[[Draft], None], asked: Draft) -> Callable[[], None]:
    guard(asked)
    return lambda: guard(asked)


class _SystemCalls:
    """The calls of an append but its flush: the lock, three looks at it, the size, and the write."""

    def __init__(self, folder: Path, raw: bytes) -> None:
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.open(folder / "calls", os.O_RDWR | os.O_CREAT, 0o600)
        self._raw = raw
        os.pwrite(self._lock, b"0" * 16, 0)

    def __call__(self) -> None:
        lock = self._lock
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for _ in range(3):
            os.pread(lock, 16, 0)
            os.fstat(lock)
        os.fstat(self._file)
        os.pwrite(self._file, self._raw, 0)
        fcntl.flock(lock, fcntl.LOCK_UN)


def _after_flushes(folder: Path, raw: bytes, work: Callable[[], None]) -> float:
    """Give microseconds of a call that comes after a flush, each time; the median."""
    plain = PlainFile(folder / "flushes")
    found = []
    for _ in range(TIMES):
        plain.append([raw])
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    plain.close()
    return statistics.median(found) * 1e6


def _hand_over() -> float:
    """Let each of many threads wake the next, round and round, and give microseconds of one wakening."""
    locks = [threading.Lock() for _ in range(CALLERS)]
    for lock in locks:
        lock.acquire()

    def pass_on(number: int) -> None:
        mine, following = locks[number], locks[(number + 1) % CALLERS]
        for turn in range(RING_TURNS):
            mine.acquire()
            if turn + 1 < RING_TURNS or number + 1 < CALLERS:
                following.release()

    threads = [threading.Thread(target=pass_on, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    locks[0].release()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - begun) / (CALLERS * RING_TURNS) * 1e6
