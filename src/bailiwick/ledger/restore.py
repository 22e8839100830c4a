"""Bringing a lost ledger back from a bundle, under a record that says what may be missing.

The bundle's records are written as they are, byte for byte, and a ``ledger.restored`` record comes after them: whatever
was acknowledged from there on is lost, and declared so. A ledger is never continued below a size that a witness
cosigned: that would be a second past under the same key, and the witness would refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.errors import LedgerBroken, UsageRefused, Verdict
from bailiwick.ledger.beginning import begin_store, remains_in
from bailiwick.ledger.bundle import verify_bundle
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.log import Ledger
from bailiwick.ledger.recover import GROUP_BYTES_MAX, pruned_of
from bailiwick.ledger.tiles import split_entries, tile_path, widths
from bailiwick.ledger.tree import TILE_WIDTH
from bailiwick.ports import Clock, LedgerStore

RESTORED = "ledger.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A ledger that was brought back: how many records, and how many a witness is known to stand for, or None."""

    records: int
    root: str
    witnessed: int | None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {"records": self.records, "root": self.root, "witnessed": self.witnessed}


def restore_ledger(
    tenant: str,
    store: LedgerStore,
    keys: Keyring,
    bundle: Path,
    *,
    clock: Clock,
    node_id: str,
    settle: Callable[[], None] = lambda: None,
    witnessed: int | None = None,
) -> Restored:
    """Write the records of a bundle to a store that has none of them, or only the first; then say so in a record.

    Interrupted, it goes on at the next call. Of a ledger that was pruned, what is left is brought back: its beginning
    too, and the same proofs.

    Args:
        tenant: Whose ledger.
        store: Where its records go.
        keys: Every key of the ledger; the bundle must be signed under them.
        bundle: What ``Ledger.export`` wrote.
        clock: Gives the time of the record.
        node_id: Which node writes.
        settle: Writes down that the ledger is in this store, durably; called before the first record is written.
        witnessed: Records that a witness stands for; None where no witness was asked.

    Raises:
        LedgerBroken: the bundle does not verify, or a witness knows of more records than it has (verdict truncated).
        UsageRefused: the store has records that are not the bundle's (code ``ledger-exists``).
        LedgerPoisoned: the store cannot be written.
        Unavailable: the ledger was pruned, and the store cannot hold one that was (code ``prune-unsupported``).
    """
    report = verify_bundle(bundle, key=keys.first.verifier.text())
    if report.verdict is not Verdict.OK:
        problem = report.problems[0]
        hint = f"bailiwick verify {bundle} says what else is wrong; take another copy"
        raise LedgerBroken(report.verdict, f"the bundle does not verify: {problem}", hint=hint, index=problem.index)
    if witnessed is not None and witnessed > report.records:
        raise LedgerBroken(
            Verdict.TRUNCATED,
            f"the bundle has {report.records} records, and a witness stands for {witnessed}",
            hint=f"find a bundle or mirror of {witnessed} records or more, or start a new ledger: bailiwick init",
            index=report.records,
        )
    settle()
    _write(store, bundle, report.records)
    with Ledger.open(tenant, store, keys, clock=clock, node_id=node_id, checkpoint_ms=None) as ledger:
        ledger.heads.record_restored(RESTORED, report.records, report.root, witnessed)
    return Restored(records=report.records, root=report.root, witnessed=witnessed)


def _write(store: LedgerStore, bundle: Path, size: int) -> None:
    with store.exclusive():
        have = store.count()
        if have > size:
            raise _occupied(have)
        first = 0
        remains = remains_in(bundle, size, lambda at: (raw for _, group in _groups(bundle, size, at) for raw in group))
        if remains is not None:
            if not begin_store(store, remains):
                raise _occupied(have)
            first = remains.pruned.minimum
            have = store.count()
        elif pruned_of(store) is not None:
            raise _occupied(have)
        for start, group in _groups(bundle, size, first):
            kept = min(max(have - start, 0), len(group))
            if kept and store.read(start, start + kept) != group[:kept]:
                raise _occupied(have)
            if group[kept:]:
                if store.tail():
                    # A write of an earlier attempt that was interrupted; what it holds is in the bundle.
                    store.cut(start + kept)
                store.append(start + kept, group[kept:])


def _groups(bundle: Path, size: int, first: int) -> Iterator[tuple[int, list[bytes]]]:
    """Give the records of a bundle that was verified, from ``first`` on, in groups that can be written at once."""
    start, group, room = first, list[bytes](), GROUP_BYTES_MAX
    for number, width in widths(size, 0):
        if number * TILE_WIDTH < first:
            continue
        for raw in split_entries((bundle / tile_path(None, number, width)).read_bytes()):
            if len(raw) + 1 > room:
                yield start, group
                start, group, room = start + len(group), [], GROUP_BYTES_MAX
            group.append(raw)
            room -= len(raw) + 1
    if group:
        yield start, group


def _occupied(count: int) -> UsageRefused:
    return UsageRefused(
        f"there is a ledger already, of {count} records that are not all this bundle's",
        hint="move the tenant's ledger folder aside first; nothing was written",
        code="ledger-exists",
    )
