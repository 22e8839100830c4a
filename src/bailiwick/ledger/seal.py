"""The fast check: are the full segments still the bytes that a full verification found sound?

A full verification may keep the SHA-256 of each full segment's file, with the state of the ledger at their end, signed
by the ledger's key, in the side file ``seals``. The fast check hashes the files again, compares, and reads every record
after them as always. It proves that nothing changed since; it does not repeat what was proved then, and whoever has the
ledger's key can seal what was never verified. So it is never called a full verification.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import LedgerBroken, NotFound, UsageRefused, Verdict
from bailiwick.keys import Signer, Verifier, decode_base64
from bailiwick.ledger.audit import Problem, RecordWalk, Report, report_of, verify_records
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.lines import Lines
from bailiwick.ledger.minimum import verify_pruned
from bailiwick.ledger.parallel import jobs_for, verify_segments, walk_segments
from bailiwick.ledger.rotation import KEYS_MAX
from bailiwick.ledger.tree import Frontier
from bailiwick.ports import LedgerStore, Prunable, Segmented, Segments

SEALS_NAME = "seals"
SEALS_BYTES_MAX = 16 << 20
"""Longest side file that is read, in bytes: enough for 100,000 segments."""
FORMAT = "bailiwick-seals/1"
RECORDS_PER_READ = 1_024

Progress = Callable[[int], None]


class Seals(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which segments were verified, and where the ledger stood after them.

    ``segments`` are first, stop and digest of each; ``keys`` the size from which on each key signs; ``peaks`` the
    complete subtrees of the tree of all these records, tallest first, in hexadecimal.
    """

    format: str
    keys: list[tuple[int, str]]
    last_hash: str
    peaks: list[str]
    segments: list[tuple[int, int, str]]
    timestamp: str

    @property
    def size(self) -> int:
        """Records in the sealed segments."""
        return self.segments[-1][1] if self.segments else 0

    def walk(self) -> RecordWalk:
        """Give a walk that goes on after the sealed records.

        Raises:
            ValueError, UsageRefused: they do not make one.
        """
        if not 0 < len(self.keys) <= KEYS_MAX or self.size == 0:
            raise ValueError("no key, or no segment")
        keys = [(size, Verifier.read(text)) for size, text in self.keys]
        frontier = Frontier(self.size, [bytes.fromhex(peak) for peak in self.peaks])
        walk = RecordWalk(keys[-1][1], frontier=frontier, keys=keys)
        walk.go_on_from(self.last_hash, self.timestamp)
        return walk


Check = Literal["full", "full-and-seal", "fast"]
"""How to check: every record; that, and seal the full segments; or only that what was sealed did not change."""


def verify_store(
    store: LedgerStore,
    size: int,
    keys: Keyring,
    *,
    check: Check = "full",
    jobs: int | None = 1,
    progress: Progress | None = None,
) -> Report:
    """Check the first ``size`` records of a store; see ``Ledger.verify``.

    Raises:
        UsageRefused: the store keeps no segments that could be sealed (code ``seals-unsupported``).
        NotFound: nothing was sealed yet (code ``seals-missing``).
    """
    verifier, count = keys.first.verifier, jobs_for(size, jobs)
    try:
        is_pruned = isinstance(store, Prunable) and store.pruned() is not None
    except LedgerBroken as error:
        problem = Problem(verdict=error.verdict, message=error.message, index=error.index)
        return report_of(RecordWalk(verifier), [problem])
    if isinstance(store, Prunable) and is_pruned and check == "full":
        return verify_pruned(store, store.read, size, verifier, progress)
    if isinstance(store, Segmented) and not is_pruned:
        segments = store.segments()
        if check == "fast":
            return check_seals(segments, size, read_seals(store, keys.verifiers), jobs=count, progress=progress)
        if check == "full-and-seal":
            return seal_segments(store, segments, size, keys, jobs=count, progress=progress)
        return verify_segments(segments, size, verifier, jobs=count, progress=progress)
    if check != "full":
        raise UsageRefused(
            "this ledger's store keeps no files that could be sealed",
            hint="bailiwick ledger verify checks every record",
            code="seals-unsupported",
        )
    starts = range(0, size, RECORDS_PER_READ)
    return verify_records((store.read(at, min(size, at + RECORDS_PER_READ)) for at in starts), verifier, progress)


def seal_segments(
    store: LedgerStore,
    segments: Segments,
    size: int,
    keys: Keyring,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Verify in full, and keep what full segments there are as sealed where all is well, and where their lines end.

    Digests are taken before the records are read: a file that changes in between fails the next fast check.

    Raises:
        Unavailable: the side file cannot be written.
    """
    spans = [span for span in segments.spans() if span[1] <= size]
    digests = digest_all(segments, [first for first, _ in spans], jobs)
    walk = RecordWalk(keys.first.verifier)
    problems = walk_segments(walk, segments, spans[-1][1] if spans else 0, jobs=jobs, progress=progress)
    seals = Seals(
        format=FORMAT,
        keys=[(start, key.text()) for start, key in walk.keys],
        last_hash=walk.last_hash,
        peaks=[peak.hex() for peak in walk.frontier.peaks()],
        segments=[(first, stop, digest) for (first, stop), digest in zip(spans, digests, strict=True)],
        timestamp=walk.last_timestamp,
    )
    if not problems:
        problems = walk_segments(walk, segments, size, progress=progress)
    report = report_of(walk, problems)
    if report.verdict is Verdict.OK and spans:
        write_seals(store, seals, keys.signer(Verifier.read(seals.keys[-1][1])))
        Lines(store).note(spans)
    return report


def check_seals(
    segments: Segments, size: int, seals: Seals, *, jobs: int = 1, progress: Progress | None = None
) -> Report:
    """Compare the sealed segments with their digests, and read every record after them."""
    walk = seals.walk()
    firsts = [first for first, _, _ in seals.segments]
    there = set(segments.spans())
    if size < seals.size or any((first, stop) not in there for first, stop, _ in seals.segments):
        message = f"there are {size} records, or other segments; {seals.size} records were sealed"
        return report_of(walk, [Problem(verdict=Verdict.TRUNCATED, message=message)])
    problems: list[Problem] = []
    try:
        for (first, stop, sealed), digest in zip(seals.segments, digest_all(segments, firsts, jobs), strict=True):
            if digest != sealed:
                message = f"records {first} to {stop - 1} are not the bytes that were verified: segment {first:012d}"
                problems.append(Problem(verdict=Verdict.ALTERED, message=message, index=first))
            if progress is not None:
                progress(stop - first)
    except LedgerBroken as error:
        problems.append(Problem(verdict=error.verdict, message=error.message, index=error.index))
    return report_of(walk, problems or walk_segments(walk, segments, size, progress=progress))


def digest_all(segments: Segments, firsts: Sequence[int], jobs: int) -> list[str]:
    """Give the digest of each segment, with as many threads as jobs: hashing lets go of the interpreter."""
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(segments.digest, firsts))


def write_seals(store: LedgerStore, seals: Seals, signer: Signer) -> None:
    """Sign and keep the seals.

    Raises:
        Unavailable: the side file cannot be written.
    """
    line = canonical_bytes(msgspec.to_builtins(seals))
    data = line + b"\n" + base64.b64encode(signer.sign(line)) + b"\n"
    # What an older, longer file leaves after the last newline is not read: the second line ends the seals.
    store.write_side(SEALS_NAME, 0, data)


def read_seals(store: LedgerStore, verifiers: Sequence[Verifier]) -> Seals:
    """Read the seals that one of these keys signed, the oldest of which begins the ledger.

    Raises:
        NotFound: there are none that can be believed (code ``seals-missing``).
    """
    line, _, rest = store.read_side(SEALS_NAME, 0, SEALS_BYTES_MAX).partition(b"\n")
    try:
        seals = msgspec.json.decode(line, type=Seals)
        signature = decode_base64(rest.partition(b"\n")[0].decode("ascii"))
        walk = seals.walk()
    except (ValueError, UsageRefused) as error:
        raise _missing("there are no seals, or they cannot be read") from error
    is_ours = seals.format == FORMAT and walk.keys[0][1] == verifiers[0] and walk.verifier in verifiers
    if not is_ours or not walk.verifier.is_signed(line, signature):
        raise _missing("the seals are not signed by the ledger's key")
    return seals


def _missing(why: str) -> NotFound:
    return NotFound(
        f"{why}; the fast check has nothing to compare with",
        hint="bailiwick ledger verify --seal checks everything and seals it",
        code="seals-missing",
    )
