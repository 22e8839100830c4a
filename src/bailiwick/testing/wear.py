"""A bit of a flushed file turns over, and nobody is told: what a ledger may answer then, and what it must say.

A ledger reads what its disk gives it. So the bytes of a worn record may come back, but never with a good verdict over
them and never with a proof; the verdict names that record or one before it; records before the one that is named are
what they were. A worn side file changes no answer at all. One record is out of reach: the newest, as long as no link,
no checkpoint and no process stands for it (``Worn.is_out_of_reach``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from bailiwick.errors import BailiwickError, ProofRejected, Verdict
from bailiwick.ledger import Ledger, verify_receipt
from bailiwick.testing.disk import SimulatedDisk

_PROOFS_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Worn:
    """One bit of a file. ``index`` is the record that it belongs to, None in a side file or an unfinished write."""

    path: Path
    bit: int
    index: int | None
    count: int

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it is in the newest record, which nothing follows."""
        return self.index == self.count - 1


def choose_bit(disk: SimulatedDisk, folder: Path, dice: Random, count: int) -> Worn:
    """Choose a bit of a ledger of ``count`` records: of these mostly, else of a side file where there is one."""
    segments = list(_files(disk, folder / "seg"))
    sides = [path for path in [folder / "head", *_files(disk, folder / "tree")] if _size(disk, path)]
    is_side = bool(sides) and dice.random() < 0.3
    path = dice.choice(sides if is_side else [path for path in segments if disk.size(path)])
    bit = dice.randrange(8 * disk.size(path))
    index = count if is_side else _record_at(disk, path, bit // 8)
    return Worn(path=path, bit=bit, index=index if index < count else None, count=count)


def _record_at(disk: SimulatedDisk, path: Path, position: int) -> int:
    ends = accumulate(len(line) for line in disk.read(path).splitlines(keepends=True))
    return int(path.stem) + next(number for number, end in enumerate(ends) if position < end)


def _files(disk: SimulatedDisk, folder: Path) -> Iterator[Path]:
    if folder.name in disk.names(folder.parent):
        yield from (folder / name for name in disk.names(folder))


def _size(disk: SimulatedDisk, path: Path) -> int:
    return disk.size(path) if path.name in disk.names(path.parent) else 0


def find_wrong_answer(ledger: Ledger, raws: Sequence[bytes], worn: Worn, key: str) -> str:
    """Say which answer of a ledger is wrong, or nothing.

    Args:
        ledger: Open on the worn disk.
        raws: The bytes that its records had before.
        worn: The bit.
        key: The key that signs, as a verifier's text.
    """
    report = ledger.verify()
    changed = [index for index, raw in enumerate(raws) if _read(ledger, index) != raw]
    if report.verdict is Verdict.OK and changed and not (worn.is_out_of_reach and changed == [worn.index]):
        return f"record {changed[0]} is not what it was, and the verdict is ok"
    if worn.index is None and (changed or report.verdict is not Verdict.OK):
        return f"only a side file is worn, and the verdict is {report.verdict}: {report.problems[:1]}"
    if report.verdict is not Verdict.OK:
        named = report.problems[0].index
        if named is None or (worn.index is not None and named > worn.index):
            return f"the verdict {report.verdict} names record {named}, and {worn.index} is worn"
        if changed and named > changed[0]:
            return f"the verdict {report.verdict} names record {named}, and {changed[0]} is not what it was"
    # Where the first record alone was there and is worn, the ledger may have begun anew: nothing is left to prove.
    asked = [*changed[:_PROOFS_MAX], 0, len(raws) - 1] if raws else []
    return _find_wrong_proof(ledger, raws, asked, worn, key)


def _read(ledger: Ledger, index: int) -> bytes | None:
    try:
        return ledger.read(index).raw
    except BailiwickError:
        return None


def _find_wrong_proof(ledger: Ledger, raws: Sequence[bytes], indexes: Sequence[int], worn: Worn, key: str) -> str:
    """Whatever is proven is proven of the bytes that there were."""
    for index in indexes:
        try:
            text = ledger.prove(index)
        except BailiwickError as error:
            if worn.index is None and ledger.failure is None:
                return f"only a side file is worn, and record {index} cannot be proven: {error}"
            continue
        try:
            verify_receipt(text, raws[index], key=key)
        except ProofRejected:
            if not worn.is_out_of_reach:
                return f"record {index} has a receipt for bytes that it never had"
    return ""


def find_wrong_repair(ledger: Ledger, raws: Sequence[bytes], worn: Worn, disk: SimulatedDisk) -> tuple[int, str]:
    """Say how many records an opening left in place, and what it should not have moved aside, or nothing.

    A worn bit in the last group looks like a write that was cut off. Then that group may go, whole and kept aside, and
    a record says so; nothing that a checkpoint covers, and no second group, as far as times tell groups apart: they
    do not while a clock is behind the ledger's, and the worn record's own may be what cannot be read.
    """
    known = set(raws)
    if worn.index is not None and worn.index < len(raws):
        # It may be such a record itself.
        turned = _read(ledger, worn.index) or b""
        known |= {turned} if _is_one_bit(turned, raws[worn.index]) else set()
    fresh = [raw for index in range(ledger.size()) if (raw := _read(ledger, index)) is not None and raw not in known]
    said = [stored for stored in map(json.loads, fresh) if stored["event_type"] == "ledger.recovered"]
    start = int(str(said[0]["detail"]["from_entry"])) if said else len(raws)
    if start == len(raws):
        return start, ""
    if worn.index is None or worn.index < start:
        return start, f"records from {start} on were moved aside, and {worn.index} is worn"
    kept = disk.read(worn.path.parent.parent / "quarantine" / str(said[0]["detail"]["quarantine"]))
    if not _is_one_bit(kept, b"".join(raw + b"\n" for raw in raws[start:])):
        return start, f"what was moved aside from record {start} on is not what was there"
    if not _is_one_group(raws[start:], worn.index - start, kept):
        return start, f"records {start} to {len(raws)} were moved aside, and are more than the last group"
    return start, ""


def _is_one_group(raws: Sequence[bytes], worn: int, kept: bytes) -> bool:
    """Say whether records may have been written at once; a worn one counts as far as its time can be read."""
    moved = [json.loads(raw) for raw in raws]
    is_dated = raws[worn][-len('"timestamp":"2020-09-13T12:26:40.000000001Z"}') :] + b"\n" in kept
    times = {stored["timestamp"] for number, stored in enumerate(moved) if number != worn or is_dated}
    checkpoints = [number for number, stored in enumerate(moved) if stored["event_type"] == "ledger.checkpoint"]
    return len(times) <= 1 and checkpoints in ([], [worn])


def _is_one_bit(data: bytes, other: bytes) -> bool:
    """Say whether two texts differ in one bit."""
    return len(data) == len(other) and (int.from_bytes(data) ^ int.from_bytes(other)).bit_count() == 1
