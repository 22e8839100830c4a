"""Deleting the oldest records of a ledger: planned, archived, recorded, and only then done.

Only whole entry bundles of 256 records go, from the first record on (C2SP tlog-tiles, Pruning). Leaf digests stay, so
every proof that was ever given still verifies; records that must be kept are carried on one by one. Nothing goes
without a written policy, an archive that was verified, and a checkpoint that somebody else holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bailiwick.canonical import time_text
from bailiwick.errors import LedgerBroken, NotFound, Unavailable, UsageRefused, Verdict
from bailiwick.ledger.admission import Admission
from bailiwick.ledger.bundle import CHECKPOINT_FILE, verify_bundle
from bailiwick.ledger.export import beginning_of, write_bundle
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.minimum import PRUNED
from bailiwick.ledger.note import COSIGNED_BYTES_MAX, is_named, open_checkpoint, split_cosignatures
from bailiwick.ledger.plan import Finding, Needs, Plan, check_plan
from bailiwick.ledger.record import BROKEN_HINT, CHECKPOINT, Admitted, StoredRecord, admit, decode
from bailiwick.ledger.recover import leaves_of, pruned_of
from bailiwick.ledger.retention import (
    HOLD_RELEASED,
    HOLD_SET,
    LEAP_DAYS_MAX,
    RETENTION_SET,
    LegalHold,
    Retention,
    Rules,
    days_between,
)
from bailiwick.ledger.tree import TILE_WIDTH, Frontier
from bailiwick.ledger.writer import Writer
from bailiwick.model import Actor, Checkpoint, Draft, JsonValue, Pruned, Receipt
from bailiwick.ports import LedgerStore, Prunable

HELD_DAYS_MAX = 30
"""Oldest checkpoint that counts as held by somebody else now, in days before the newest record."""
RECORDS_PER_READ = 4_096

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where the records that go were written, whole and verified. ``digest`` is over every file of it."""

    path: Path
    digest: str
    checkpoint: Checkpoint


class Keeping:
    """How long the records of one ledger are kept: policy, holds, and pruning. Thread-safe as its writer is."""

    def __init__(self, store: LedgerStore, writer: Writer, keys: Keyring, node_id: str) -> None:
        self._store = store
        self._writer = writer
        self._keys = keys
        self._node_id = node_id

    # --- policy and holds -------------------------------------------------------------------------------------------

    def rules(self, rules: Rules | None = None) -> Rules:
        """Read what the records say about keeping them. Cost: about 1 µs a record; 0.3 of it folding."""
        rules = rules or Rules()
        self._writer.refresh()
        return self._fold(rules, self._writer.tip.size)

    def set_retention(self, retention: Retention, actor: Actor) -> Receipt:
        """Write down how long records are kept from here on; what was promised for older ones is never shortened."""
        return self._record(RETENTION_SET, "ledger", retention.to_json(), actor)

    def holds(self) -> list[LegalHold]:
        """List the legal holds that stand, oldest first."""
        return list(self.rules().holds.values())

    def add_hold(self, hold: LegalHold, actor: Actor) -> Receipt:
        """Set a legal hold.

        Raises:
            UsageRefused: it covers nothing in particular (``hold-empty``), or its id is taken (``hold-exists``).
        """
        if hold.resource is None and hold.since is None and hold.until is None:
            raise UsageRefused(
                "a hold must say what it covers", hint="give --resource, --since or --until", code="hold-empty"
            )
        if hold.id in self.rules().holds:
            raise UsageRefused(f"hold {hold.id} stands already", hint="bailiwick ledger hold list", code="hold-exists")
        return self._record(HOLD_SET, f"hold/{hold.id}", hold.to_json(), actor)

    def release_hold(self, hold_id: str, actor: Actor, reason: str) -> Receipt:
        """Release a legal hold.

        Raises:
            NotFound: no hold of that id stands (code ``hold-missing``).
        """
        if hold_id not in self.rules().holds:
            raise NotFound(f"no hold {hold_id[:80]!r} stands", hint="bailiwick ledger hold list", code="hold-missing")
        return self._record(HOLD_RELEASED, f"hold/{hold_id}", {"hold": hold_id, "reason": reason}, actor)

    def held(self, resource: str) -> LegalHold | None:
        """Give a hold that covers a resource, or some record of it, or None: for whoever deletes something else."""
        return self.rules().hold_of(resource)

    # --- pruning ----------------------------------------------------------------------------------------------------

    def plan(
        self,
        *,
        before: str | None = None,
        carry: bool = False,
        today: str | None = None,
        needs: Needs | None = None,
        has_records: bool = True,
    ) -> Plan:
        """Say what could be pruned, and touch nothing.

        Args:
            before: Time of a record (RFC 3339 UTC, nine digits): no record of that time or later goes.
            carry: Carry on records that must be kept still, instead of stopping at the first of them.
            today: The day (``YYYY-MM-DD``, UTC) as a person says it, where the clock alone is not believed.
            needs: What other rooms need of the records: ``decisions.Pruner`` knows.
            has_records: False asks for the day alone, to which other things are old: no record goes then.

        Raises:
            UsageRefused: the clock and the records leave in doubt what day it is (code ``prune-clock``).
            Unavailable: the ledger's store does not prune (code ``prune-unsupported``).
        """
        rules, needs = self.rules(), needs or Needs()
        if has_records:
            self._prunable()
            return self._plan(rules, before, carry, today, needs)
        found = Finding(0, needs)
        found.blocked = "the ledger's store does not prune"
        return found.plan(self._today(rules, today, 0), before, carry, rules.changes)

    def archive(self, plan: Plan, folder: Path, progress: Progress | None = None) -> Archive:
        """Write the records that would go, and those after them up to the next checkpoint, as a bundle, and verify it.

        After an earlier pruning it reaches as far as the record of that, without which nobody could verify it alone.
        Where a pruning was interrupted after it, the archive that is there already, whole and of these records, is it.

        Args:
            plan: What would go.
            folder: Where archives are kept; this one gets a folder of its own in it, named by its first and last.
            progress: Told how many records were done since it was last told.

        Raises:
            UsageRefused: nothing would go (code ``prune-nothing``), or the folder is taken (code ``export-exists``).
            HoldStands: a legal hold covers a record that would go.
        """
        check_plan(plan)
        least = max(plan.stop, self._told_at(plan.start) + 1)
        if self._writer.tip.checkpoint is None or self._writer.tip.checkpoint.size < least:
            self._writer.checkpoint(is_forced=True)
        checkpoint = self._checkpoint_from(least)
        path = folder / f"records-{plan.start:012d}-{plan.stop:012d}"
        if (there := self._archived(path, plan)) is not None:
            return there
        size, store = checkpoint.size, self._store
        batches = (store.read(at, min(size, at + RECORDS_PER_READ)) for at in range(plan.start, size, RECORDS_PER_READ))
        first = self._keys.first.verifier
        write_bundle(path, batches, checkpoint, first, progress, beginning=beginning_of(store))
        archive = Archive(path=path, digest=digest_folder(path), checkpoint=checkpoint)
        self._check_archive(archive)
        return archive

    def prune(self, plan: Plan, archive: Archive, actor: Actor, *, held: bytes | None, unheld: bool = False) -> Receipt:
        """Delete what a plan says, after looking at everything once more; the record of it comes first.

        Args:
            plan: As ``plan`` gave it; where the ledger says otherwise by now, nothing happens.
            archive: As ``archive`` gave it; verified again.
            actor: Who asked for it.
            held: A checkpoint that somebody else holds, as they give it back.
            unheld: Nobody holds one, and that is accepted.

        Raises:
            HoldStands: a legal hold covers a record that would go.
            UsageRefused: the ledger changed since the plan (``prune-changed``), or no fresh checkpoint is held by
                somebody else (``prune-unheld``).
            NotTrusted: the held checkpoint is not signed by the ledger's key.
            LedgerBroken: the archive is not what was written, or the held checkpoint is of another history.
            Unavailable: it could not be done; the records are there still, or ``ledger.pruned`` stands for them.
        """
        check_plan(plan)
        rules = self.rules()
        held_size = self.check_held(plan, held, unheld)
        self._check_archive(archive)
        tree = self._frontier(plan.stop)

        def prepare() -> tuple[Admitted, Callable[[], None]]:
            """Look once more, now that nobody else appends, and give the record and what deletes."""
            self._fold(rules, self._writer.tip.size)
            pruned = pruned_of(self._store)
            if (pruned.minimum if pruned else 0) != plan.start:
                raise _changed("somebody else pruned meanwhile")
            again = plan
            if rules.changes != plan.changes:
                again = self._plan(rules, plan.before, plan.is_carrying, plan.today, plan.needs)
            check_plan(again)
            if (again.stop, again.deleted) != (plan.stop, plan.deleted):
                raise _changed("a policy or hold was recorded meanwhile")
            if digest_folder(archive.path) != archive.digest:
                raise _archive_changed(archive.path)
            entry = self._entry(plan, archive, rules, tree, held_size=held_size, actor=actor)
            return entry, lambda: self._delete(plan, archive, rules, tree, pruned)

        return self._writer.prune(prepare)

    # --- looking ----------------------------------------------------------------------------------------------------

    def _prunable(self) -> Prunable:
        if not isinstance(self._store, Prunable):
            raise Unavailable(
                "this ledger's store does not prune",
                hint="bailiwick ledger move, to files, SQLite or Postgres; docs/howto/keep-and-prune.md says why",
                code="prune-unsupported",
            )
        return self._store

    def _raws(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Give the records that are there, with their index, in order; those that were carried on too."""
        pruned = pruned_of(self._store)
        if pruned is not None and start < pruned.minimum:
            yield from self._prunable().carried(start, min(stop, pruned.minimum))
            start = pruned.minimum
        for first in range(start, stop, RECORDS_PER_READ):
            yield from enumerate(self._store.read(first, min(stop, first + RECORDS_PER_READ)), first)

    def _fold(self, rules: Rules, stop: int) -> Rules:
        for index, raw in self._raws(rules.size, stop):
            rules.fold(index, raw)
        rules.size = stop
        return rules

    def _plan(self, rules: Rules, before: str | None, carry: bool, today: str | None, needs: Needs) -> Plan:
        pruned = pruned_of(self._store)
        start = pruned.minimum if pruned else 0
        day = self._today(rules, today, start)
        checkpoint = self._writer.tip.checkpoint
        limit = (checkpoint.size if checkpoint else 0) // TILE_WIDTH * TILE_WIDTH
        found = Finding(start, needs)
        if not rules.policies:
            found.blocked = "no policy of retention was written; bailiwick ledger retention --write default"
            limit = start
        for index, raw in self._raws(start, limit):
            if not found.take(index, decode(raw), rules, day, before=before, carry=carry):
                break
        else:
            found.reached = max(limit, start)
        return found.plan(day, before, carry, rules.changes)

    def _today(self, rules: Rules, said: str | None, start: int) -> str:
        """Give the day that ages are counted to; a clock that was set far ahead must not make everything old."""
        day = time_text(self._writer.clock.now_ns())[:10]
        if said is not None and said != day:
            raise UsageRefused(
                f"you say that it is {said[:20]}, and the clock says {day}", hint="set the clock", code="prune-clock"
            )
        is_leap = bool(rules.newest) and days_between(rules.newest, day) > LEAP_DAYS_MAX
        if said is None and (is_leap or any(index > start for index in rules.leaps)):
            raise UsageRefused(
                f"the clock says {day}, and between records, or since the newest, more than {LEAP_DAYS_MAX} days"
                " passed: the ledger rested, or the clock is wrong",
                hint="look at a calendar, and say what day it is: --today YYYY-MM-DD",
                code="prune-clock",
            )
        return day

    def _checkpoint_from(self, size: int) -> Checkpoint:
        """Give the first checkpoint that was recorded at a size or above it."""
        for _, raw in self._raws(size, self._writer.tip.size):
            stored = decode(raw)
            if stored.event_type == CHECKPOINT:
                return self._open(str(stored.detail.get("note")).encode())
        raise LedgerBroken(Verdict.TRUNCATED, f"no checkpoint was signed from {size} on", hint=BROKEN_HINT, index=size)

    def _open(self, note: bytes) -> Checkpoint:
        verifiers = self._keys.verifiers
        try:
            return open_checkpoint(note, next((each for each in verifiers if is_named(note, each)), verifiers[-1]))
        except ValueError as error:
            raise _unheld(f"that is not a checkpoint: {error}") from error

    def check_held(self, plan: Plan, held: bytes | None, unheld: bool) -> int | None:
        """Check that somebody else holds the ledger's head, and give its size, or None where nobody has to.

        Without that, what is deleted was never evident.

        Raises:
            UsageRefused, NotTrusted, LedgerBroken: as ``prune``.
        """
        if held is None:
            if unheld:
                return None
            raise _unheld("nobody else is known to hold a checkpoint of this ledger")
        if len(held) > COSIGNED_BYTES_MAX:
            raise _unheld(f"the checkpoint has {len(held)} bytes; at most {COSIGNED_BYTES_MAX}")
        try:
            note, _ = split_cosignatures(held)
        except ValueError as error:
            raise _unheld(f"that is not a checkpoint: {error}") from error
        checkpoint = self._open(note)
        size = self._writer.tip.size
        if checkpoint.size > size or self._writer.root(checkpoint.size) != checkpoint.root:
            verdict = Verdict.TRUNCATED if checkpoint.size > size else Verdict.FORKED
            message = f"somebody holds a checkpoint of {checkpoint.size} records that this ledger did not grow from"
            raise LedgerBroken(verdict, message, hint=BROKEN_HINT)
        if checkpoint.size < plan.stop:
            raise _unheld(f"the checkpoint is of {checkpoint.size} records, and {plan.stop} would be pruned")
        at = min(checkpoint.size, size - 1)
        day = next(decode(raw).timestamp for _, raw in self._raws(at, at + 1))[:10]
        if days_between(day, plan.today) > HELD_DAYS_MAX:
            raise _unheld(f"the checkpoint is from {day}, more than {HELD_DAYS_MAX} days ago")
        return checkpoint.size

    def _check_archive(self, archive: Archive) -> None:
        report = verify_bundle(archive.path, key=self._keys.first.verifier.text())
        if report.verdict is not Verdict.OK or report.root != archive.checkpoint.root.hex():
            raise _archive_changed(archive.path)

    # --- doing ------------------------------------------------------------------------------------------------------

    def _told_at(self, minimum: int) -> int:
        """Give the record that says that those below the minimum were pruned; -1 where none were."""
        mark = f'"event_type":"{PRUNED}"'.encode()
        for index, raw in self._raws(minimum, self._writer.tip.size) if minimum else ():
            if mark in raw and (stored := decode(raw)).event_type == PRUNED and stored.detail.get("minimum") == minimum:
                return index
        return -1

    def _archived(self, path: Path, plan: Plan) -> Archive | None:
        """Give the archive that is there, where it verifies and holds the very records that the plan is about."""
        if not (path / CHECKPOINT_FILE).is_file():
            return None
        report = verify_bundle(path, key=self._keys.first.verifier.text())
        size = report.records
        if report.verdict is not Verdict.OK or report.minimum != plan.start:
            return None
        if not plan.stop <= size <= self._writer.tip.size or self._writer.root(size).hex() != report.root:
            return None
        checkpoint = self._open((path / CHECKPOINT_FILE).read_bytes())
        return Archive(path=path, digest=digest_folder(path), checkpoint=checkpoint)

    def _frontier(self, stop: int) -> Frontier:
        frontier = Frontier()
        for leaves in leaves_of(self._store, stop):
            frontier.extend(leaves)
        if frontier.root() != self._writer.root(stop):
            raise LedgerBroken(Verdict.ALTERED, "the records do not lead to the ledger's root", hint=BROKEN_HINT)
        return frontier

    def _last(self, stop: int) -> StoredRecord:
        return decode(self._store.read(stop, stop + 1)[0])

    def _entry(
        self, plan: Plan, archive: Archive, rules: Rules, tree: Frontier, *, held_size: int | None, actor: Actor
    ) -> Admitted:
        detail: dict[str, JsonValue] = {
            "archive": archive.path.name,
            "archive_digest": archive.digest,
            "carried": plan.carried,
            "chain": self._last(plan.stop).prev_hash,
            "checkpoint_root": archive.checkpoint.root.hex(),
            "checkpoint_size": archive.checkpoint.size,
            "deleted": plan.deleted,
            "held_size": held_size,
            "minimum": plan.stop,
            "policy": rules.policies[-1][0],
            "root": tree.root().hex(),
        }
        draft = Draft(event_type=PRUNED, resource="ledger", detail=detail, actor=actor)
        return admit(draft, self._node_id, is_own=True)

    def _delete(self, plan: Plan, archive: Archive, rules: Rules, tree: Frontier, pruned: Pruned | None) -> None:
        timestamp = decode(self._store.read(plan.stop - 1, plan.stop)[0]).timestamp
        state = Pruned(
            minimum=plan.stop,
            prev_hash=self._last(plan.stop).prev_hash,
            timestamp=timestamp,
            peaks=tuple(tree.peaks()),
            archives=(*(pruned.archives if pruned else ()), (plan.stop, archive.path.name)),
        )
        leaves = (leaf for batch in leaves_of(self._store, plan.stop) for leaf in batch)
        self._prunable().prune(state, leaves, self._kept(plan, rules))

    def _kept(self, plan: Plan, rules: Rules) -> Iterable[tuple[int, bytes]]:
        """Give the records below the new minimum that stay: those of before, as long as they must, and new ones."""
        decisions = plan.needs.decisions
        staying = {
            index
            for index, raw in (self._raws(0, plan.stop) if decisions else ())
            if index in decisions and (index < plan.start or not plan.is_old(index, decode(raw), rules))
        }
        for index, raw in self._raws(0, plan.stop):
            if not plan.is_old(index, decode(raw), rules) or plan.needs.stays(index, staying, plan.stop):
                yield index, raw

    def _record(self, event_type: str, resource: str, detail: dict[str, JsonValue], actor: Actor) -> Receipt:
        draft = Draft(event_type=event_type, resource=resource, detail=detail, actor=actor)
        Admission.of_product().check(draft)
        return self._writer.commit([admit(draft, self._node_id, is_own=True)])[0]


def digest_folder(path: Path) -> str:
    """Give one digest over every file of a folder, by name and bytes.

    Raises:
        Unavailable: it cannot be read.
    """
    whole = hashlib.sha256()
    try:
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            inner = hashlib.sha256(file.read_bytes()).hexdigest()
            whole.update(f"{inner}  {file.relative_to(path).as_posix()}\n".encode())
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", hint="see to its disk", code="archive") from error
    return f"sha256:{whole.hexdigest()}"


def _changed(why: str) -> UsageRefused:
    return UsageRefused(f"the ledger is not as it was planned for: {why}", hint="plan again", code="prune-changed")


def _archive_changed(path: Path) -> LedgerBroken:
    message = f"the archive {path} is not what was written there; nothing was pruned"
    return LedgerBroken(Verdict.ALTERED, message, hint="see to its disk, and archive to another one")


def _unheld(why: str) -> UsageRefused:
    return UsageRefused(
        why,
        hint="give a checkpoint that somebody else kept: --held FILE; or accept that nobody does: --without-witness",
        code="prune-unheld",
    )
