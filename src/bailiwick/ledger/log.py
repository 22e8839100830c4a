"""The ledger of one tenant: append, read, prove, check, export.

with Ledger.open("local", store, signer, clock=clock, node_id="n-1") as ledger:
    receipt = ledger.record("local", draft)
    print(ledger.prove(receipt.index))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from bailiwick.errors import (
    BailiwickError,
    LedgerBroken,
    NotFound,
    ProofRejected,
    UsageRefused,
    Verdict,
)
from bailiwick.keys import Signer
from bailiwick.ledger.admission import Admission, Guard, check_no_secret
from bailiwick.ledger.audit import Problem, Report
from bailiwick.ledger.commit import Committer
from bailiwick.ledger.export import Bundle, beginning_of, write_bundle
from bailiwick.ledger.genesis import FORMAT, check_genesis
from bailiwick.ledger.head import read_head
from bailiwick.ledger.heads import Heads
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.prune import Keeping
from bailiwick.ledger.reading import Reading
from bailiwick.ledger.receipt import receipt_text
from bailiwick.ledger.record import (
    BROKEN_HINT,
    GENESIS,
    KEY_MARK,
    admit,
    check_key,
    check_node_id,
    read_record,
)
from bailiwick.ledger.recover import check_count, pruned_of, start_from
from bailiwick.ledger.retries import group_marks
from bailiwick.ledger.seal import Check, verify_store
from bailiwick.ledger.tip import Tip
from bailiwick.ledger.tree import Frontier
from bailiwick.ledger.writer import Writer
from bailiwick.model import Actor, Checkpoint, Draft, JsonValue, Receipt, Record, check_tenant
from bailiwick.ports import Clock, LedgerStore, Prunable

HASH = "sha-256"
RETENTION = "permanent"
"""The retention class of a ledger that nothing is ever pruned from."""
WORM_PROBED = "ledger.worm-probed"
CHECKPOINT_MS = 1_000
"""A checkpoint is signed at most so often, in milliseconds, where nobody asks for one."""
RECORDS_PER_READ = 1_024

Progress = Callable[[int], None]
"""Told how many records were done since it was last told."""


class Ledger:
    """One tenant's ledger, open. Thread-safe; several processes may have it open, and leave one chain."""

    def __init__(
        self,
        tenant: str,
        store: LedgerStore,
        keys: Signer | Keyring,
        writer: Writer,
        *,
        node_id: str,
        checkpoint_ms: int | None,
        guard: Guard | None,
    ) -> None:
        self._guard = guard or Admission.of_product().check
        self.tenant = tenant
        self._store = store
        self._keys = Keyring.of(keys)
        self._node_id = node_id
        self._writer = writer
        self._committer = Committer(writer, idle_ms=checkpoint_ms)
        self.reading = Reading(store, writer)
        self.heads = Heads(store, writer, self._keys, self.records)
        self.keeping = Keeping(store, writer, self._keys, node_id)
        self._is_open = True

    @classmethod
    def create(
        cls,
        tenant: str,
        store: LedgerStore,
        signer: Signer,
        *,
        clock: Clock,
        origin: str,
        node_id: str,
        actor: Actor,
        retention: str = RETENTION,
        checkpoint_ms: int | None = CHECKPOINT_MS,
        guard: Guard | None = None,
    ) -> Self:
        """Start a ledger: its first record names format, hash, origin, verifier key and retention class.

        Args:
            tenant: Whose ledger.
            store: Where its records go; empty.
            signer: Named like the origin.
            clock: Gives the time of each record.
            origin: ``bailiwick/`` and an opaque id; never used for another ledger.
            node_id: Which node writes.
            actor: Who asked for it.
            retention: How long records are kept.
            checkpoint_ms: Least time between checkpoints that nobody asked for; None for none of them.
            guard: Refuses what must not be recorded; None for the contracts of the product.

        Raises:
            UsageRefused: there is a ledger already (code ``ledger-exists``), or the key has another name.
            LedgerBroken: the head says that there was one (verdict truncated).
            LedgerPoisoned: the first record could not be written; try again.
        """
        check_tenant(tenant)
        check_node_id(node_id)
        if signer.verifier.name != origin:
            raise UsageRefused(
                f"the key is named {signer.verifier.name}, the ledger {origin}",
                hint="load the key under the ledger's origin",
                code="ledger-origin",
            )
        detail: dict[str, JsonValue] = {
            "format": FORMAT,
            "hash": HASH,
            "origin": origin,
            "previous": None,
            "retention": retention,
            "verifier": signer.verifier.text(),
        }
        genesis = Draft(event_type=GENESIS, resource="ledger", detail=detail, actor=actor)
        writer = Writer(
            store,
            signer,
            clock=clock,
            node_id=node_id,
            tip=Tip(frontier=Frontier()),
            known=read_head(store, signer.verifier).count,
            checkpoint_ms=checkpoint_ms,
        )
        writer.start(admit(genesis, node_id, is_own=True))
        return cls(tenant, store, signer, writer, node_id=node_id, checkpoint_ms=checkpoint_ms, guard=guard)

    @classmethod
    def open(
        cls,
        tenant: str,
        store: LedgerStore,
        signer: Signer | Keyring,
        *,
        clock: Clock,
        node_id: str,
        checkpoint_ms: int | None = CHECKPOINT_MS,
        guard: Guard | None = None,
    ) -> Self:
        """Open a ledger at its end; what an interrupted write left is moved aside, and a record says so.

        A ledger that is truncated, altered, forked or corrupt, or whose disk fails, opens for reading alone:
        ``failure`` says why, its sound records can be read, verified and exported, and every append raises it.

        Args:
            tenant: Whose ledger.
            store: Where its records are.
            signer: Its key, or all keys that it ever had.
            clock: Gives the time of each record.
            node_id: Which node writes.
            checkpoint_ms: Least time between checkpoints that nobody asked for; None for none of them.

        Raises:
            NotFound: there is none (code ``ledger-missing``).
            NotTrusted: it belongs to another key (code ``ledger-key``).
            Unavailable: the store cannot be locked or read.

        Cost: the records since the newest checkpoint, about 5 µs each; all of them where the head is lost.
        """
        check_tenant(tenant)
        check_node_id(node_id)
        keys = Keyring.of(signer)
        head = read_head(store, *keys.verifiers)
        if not store.exists() and head.count == 0:
            raise _missing(tenant)
        failure: LedgerBroken | None = None
        try:
            with store.exclusive():
                check_count(store.count(), head.count)
                if store.count() == 0:
                    raise _missing(tenant)
                check_genesis(store.read(0, 1)[0], keys, head)
                tip = start_from(head, store, keys.verifiers)
                if isinstance(store, Prunable) and store.pruned() is not None:
                    store.tidy()
        except LedgerBroken as error:
            tip, failure = Tip(frontier=Frontier()), error
        writer = Writer(
            store,
            keys,
            clock=clock,
            node_id=node_id,
            tip=tip,
            known=head.count,
            checkpoint_ms=checkpoint_ms,
            failure=failure,
        )
        writer.open()
        return cls(tenant, store, keys, writer, node_id=node_id, checkpoint_ms=checkpoint_ms, guard=guard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- appending --------------------------------------------------------------------------------------------------

    def record(self, tenant: str, draft: Draft, *, key: str | None = None) -> Receipt:
        """Keep one record and give its receipt; durable on return.

        Args:
            tenant: Whose ledger this is.
            draft: What to record.
            key: What the caller knows the record by: asked for again, after ``LedgerPoisoned`` say, the record that
                is there is given. Looked for among the newest ``retries.KEY_RECORDS_MAX`` records.

        Raises:
            RecordRefused: the draft is outside the profile, or not admitted (see ``admission``); nothing was written.
            UsageRefused: the key was used for something else (code ``record-key-used``).
            LedgerPoisoned: a write or flush failed; whether it is kept is unknown.
            LedgerBroken: what is stored does not follow any more.
        """
        return self.record_many(tenant, [draft], key=key)[0]

    def record_many(
        self, tenant: str, drafts: Sequence[Draft], *, key: str | None = None, is_atomic: bool = True
    ) -> list[Receipt]:
        """Keep several records with one flush, all or none, and give their receipts in order; durable on return.

        Args:
            tenant: Whose ledger this is.
            drafts: What to record, in order; at most 4 MiB where they are kept all or none.
            key: What the caller knows all of them by, as for ``record``.
            is_atomic: False for a long row of records of which a crash may keep the first ones: a flush each 4 MiB.

        Raises:
            RecordRefused: a draft is outside the profile, or they are too many for one flush (code
                ``record-group-too-large``); nothing was written.
            UsageRefused, LedgerPoisoned, LedgerBroken: as ``record``.
        """
        if tenant != self.tenant:
            raise UsageRefused(
                f"this is the ledger of tenant {self.tenant}, not of {tenant[:80]}",
                hint="ask the node for the ledger of that tenant",
                code="ledger-tenant",
            )
        node_id = self._node_id
        entries = [admit(draft, node_id) for draft in drafts]
        if not entries:
            return []
        for draft in drafts:
            self._guard(draft)
        check_no_secret("the key", key)
        if key is not None and not is_atomic:
            raise UsageRefused("a key is for what is kept whole", hint="leave out the key, or is_atomic=False")
        if key is not None or len(entries) > 1:
            marks = group_marks(entries, key, is_atomic)
            entries[0] = admit(drafts[0], node_id, marks=marks)
        return self._committer.run(entries, key=key, is_whole=is_atomic)

    def record_probe(self, detail: Mapping[str, JsonValue]) -> Receipt:
        """Keep what trying to break the lock of this ledger's store has shown, as ``ledger.worm-probed``.

        Raises:
            RecordRefused, LedgerPoisoned, LedgerBroken, Unavailable: as ``record``.
        """
        return self._writer.record_own(WORM_PROBED, detail)

    def note(self, event_type: str, resource: str, detail: Mapping[str, JsonValue]) -> Receipt:
        """Record something about the ledger itself, under a type that is kept for that; durable on return.

        Raises:
            RecordRefused, LedgerPoisoned, LedgerBroken, Unavailable: as ``record``.
        """
        draft = Draft(
            event_type=event_type, resource=resource, detail=detail, actor=Actor(id=self._node_id, role="node")
        )
        return self._committer.run([admit(draft, self._node_id, is_own=True)])[0]

    def submit(self, draft: Draft, *, key: str | None = None) -> Future[Receipt]:
        """Queue one record with those of other callers, and give a future of its receipt, done when it is durable.

        Raises:
            RecordRefused: the draft is outside the profile.
        """
        marks = None if key is None else {KEY_MARK: check_key(key)}
        entry = admit(draft, self._node_id, marks=marks)
        self._guard(draft)
        check_no_secret("the key", key)
        return self._committer.submit(entry, key=key)

    @property
    def node(self) -> Actor:
        """The node itself as an actor, for what it does of its own accord."""
        return Actor(id=f"node:{self._node_id}", role="node")

    @property
    def failure(self) -> BailiwickError | None:
        """Why nothing is appended any more, or None. Opening the ledger again goes through recovery."""
        return self._writer.failure

    def check_usable(self) -> None:
        """Refuse where nothing is appended any more: for whoever must record what it is about to do.

        Raises:
            LedgerBroken: it is open for reading alone.
            Unavailable: an append failed in this process; opening the ledger again goes through recovery.
        """
        self._writer.check_usable()

    # --- reading ----------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Give the number of records, those of other processes too, all of them durable."""
        return self.reading.size()

    def read(self, index: int) -> Record:
        """Give one record.

        Raises:
            NotFound: there is none of that index (code ``record-missing``), or it was pruned (``record-pruned``).
            LedgerBroken: its bytes are not a record.
        """
        return read_record(self.reading.raw(index), index)

    def leaf(self, index: int) -> str:
        """Give the RFC 6962 leaf digest of one record, 64 hexadecimal digits; from its stored bytes.

        Of a pruned record too: its digest is what stays of it.

        Raises:
            NotFound: there is none of that index.
        """
        return self.reading.leaf(index).hex()

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Give records in order, up to ``stop`` (not included), or to the end as it is at the call.

        Of pruned records, those that were carried on are given, and the others left out.

        Raises:
            LedgerBroken: bytes that are not a record.
        """
        end, first = self.reading.end(stop), max(start, 0)
        pruned = pruned_of(self._store)
        if pruned is not None and isinstance(self._store, Prunable) and first < pruned.minimum:
            for index, raw in self._store.carried(first, min(end, pruned.minimum)):
                yield read_record(raw, index)
            first = pruned.minimum
        for at in range(first, end, RECORDS_PER_READ):
            raws = self.reading.raws(at, min(end, at + RECORDS_PER_READ))
            for index, raw in enumerate(raws, at):
                yield read_record(raw, index)

    def checkpoint(self) -> Checkpoint:
        """Give the newest checkpoint; one is signed where records other than checkpoints came since.

        Raises:
            LedgerPoisoned: it could not be recorded.
        """
        return self._writer.checkpoint()

    def prove(self, index: int) -> str:
        """Give the receipt of a record that anybody can check alone (C2SP tlog-proof); see ``verify_receipt``.

        Raises:
            NotFound: there is none of that index.
            LedgerBroken: the record is not the one that the checkpoint stands for (verdict altered).
        """
        leaf = self.reading.leaf(index)
        checkpoint = self.heads.newest(above=index) or self._writer.tip.checkpoint
        if checkpoint is None or index >= checkpoint.size:
            checkpoint = self._writer.checkpoint(is_forced=True)
        try:
            return receipt_text(index, self.reading.prove(index, leaf, checkpoint), checkpoint)
        except ProofRejected as error:
            message = f"record {index} is not the one that the checkpoint of size {checkpoint.size} stands for"
            raise LedgerBroken(Verdict.ALTERED, message, hint=BROKEN_HINT, index=index) from error

    def verify(self, progress: Progress | None = None, *, jobs: int | None = 1, check: Check = "full") -> Report:
        """Read every record, and check chain, leaves, tree and every checkpoint. Trusts no side file.

        What stopped the ledger is in the report too, where the records alone do not show it: those that are left of a
        truncated ledger may well follow from each other.

        Args:
            progress: Told how many records were done since it was last told.
            jobs: Processes that read; None for one a core where the ledger is large. The report does not depend on it.
                More than one asks of a program that it can be started anew (``if __name__ == "__main__"``).
            check: ``full-and-seal`` also keeps signed digests of the full segments; ``fast`` then only compares those,
                and reads what came after.

        Raises:
            NotFound: the fast check finds nothing that was sealed (code ``seals-missing``).

        Cost: about 4 µs a record, divided by the processes.
        """
        failure = self.failure
        end = self._writer.count() if isinstance(failure, LedgerBroken) else self.size()
        report = verify_store(self._store, end, self._keys, check=check, jobs=jobs, progress=progress)
        if report.verdict is Verdict.OK and isinstance(failure, LedgerBroken):
            problem = Problem(verdict=failure.verdict, message=failure.message, index=failure.index)
            return replace(report, verdict=failure.verdict, problems=(problem,))
        return report

    def export(self, out: Path, progress: Progress | None = None) -> Bundle:
        """Write everything up to the newest checkpoint as a folder that anybody can check (C2SP tlog-tiles).

        Raises:
            UsageRefused: the folder exists and is not empty (code ``export-exists``).
            LedgerBroken: the records are not those that the checkpoint stands for.
            Unavailable: the folder cannot be written.
        """
        checkpoint = self.checkpoint() if self._writer.failure is None else self._writer.tip.checkpoint
        if checkpoint is None:
            raise NotFound(
                "there is no checkpoint to export, and none can be signed now",
                hint="see why the ledger stopped, and open it again",
                code="checkpoint-missing",
            )
        size, beginning = checkpoint.size, beginning_of(self._store)
        start = beginning.minimum if beginning else 0
        batches = (
            self._store.read(at, min(size, at + RECORDS_PER_READ)) for at in range(start, size, RECORDS_PER_READ)
        )
        older, cosigned = self.heads.newest(below=size), self.heads.cosigned(checkpoint)
        first = self._keys.first.verifier
        note = older.note if older else None
        return write_bundle(out, batches, cosigned, first, progress, cosigned=note, beginning=beginning)

    def stats(self) -> dict[str, Any]:
        """Count what there is: records, bytes, checkpoint, and what this process did."""
        size = self.size()
        tip = self._writer.tip
        upkeep = self._committer.upkeep_failure or self._writer.side_failure
        return {
            "origin": self._keys.first.verifier.name,
            "verifier": self.verifier_key(),
            "records": size,
            "bytes": self._store.size(),
            "root": tip.frontier.root().hex(),
            "newest": tip.timestamp,
            "checkpoint_size": tip.checkpoint.size if tip.checkpoint else 0,
            "groups_committed": self._committer.groups,
            "failure": self._writer.failure.message if self._writer.failure else None,
            "upkeep_failure": upkeep.message if upkeep else None,
        }

    def verifier_key(self) -> str:
        """Give the verifier key, to hand on by another way than the ledger itself."""
        return (self._writer.tip.verifier or self._keys.first.verifier).text()

    def close(self) -> None:
        """Commit what waits, sign a checkpoint where records came since the last, and let go of everything.

        Raises:
            LedgerPoisoned: the checkpoint could not be recorded; the records are as durable as they were.
        """
        if not self._is_open:
            return
        self._is_open = False
        self._committer.close()
        try:
            if self._writer.failure is None:
                self._writer.checkpoint()
        finally:
            self._store.close()


def _missing(tenant: str) -> NotFound:
    return NotFound(f"tenant {tenant} has no ledger", hint="bailiwick init makes one", code="ledger-missing")
