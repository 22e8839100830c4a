"""One group of records to the end of the ledger: stamped, chained, hashed, and flushed before anybody is told.

The store's lock is held for one group, not for the life of the process. Within it: take in what others appended,
append, flush, let go. A write or flush that failed stops this writer for good.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bailiwick.canonical import time_ns, time_text
from bailiwick.errors import (
    BailiwickError,
    LedgerBroken,
    LedgerPoisoned,
    LedgerRaced,
    ProofRejected,
    Unavailable,
    UsageRefused,
)
from bailiwick.keys import Signer
from bailiwick.ledger.columns import Columns
from bailiwick.ledger.group import chain, hash_leaves, make_receipts
from bailiwick.ledger.head import write_head
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.note import sign_checkpoint, signature_blob
from bailiwick.ledger.proof import verify_consistency, verify_inclusion
from bailiwick.ledger.record import CHECKPOINT, CLOCK_REGRESSION, RECOVERED, Admitted, admit
from bailiwick.ledger.recover import catch_up, check_count, find_sound, leaves_of
from bailiwick.ledger.retries import RecentKeys
from bailiwick.ledger.rotation import KEY_ROTATED, rotation_detail
from bailiwick.ledger.tip import Tip
from bailiwick.ledger.tree import EMPTY_ROOT, Frontier, consistency_proof, inclusion_proof, range_root
from bailiwick.model import Actor, Checkpoint, Draft, JsonValue, Quarantined, Receipt
from bailiwick.ports import Clock, LedgerStore

COLUMNS_FLUSH_RECORDS = 16_384
"""Records after which hashes that wait in memory are written to their columns."""
RACES_MAX = 8
"""Times in a row that another writer may be first, where a store's lock does not reach it, before that is an error."""
CLOCK_NS_MAX = 253_402_300_799_999_999_999
"""Last moment that a timestamp can say, in nanoseconds since 1970: the end of the year 9999."""

T = TypeVar("T")

_NANOSECONDS_PER_MS = 1_000_000


class Writer:
    """The one way to append. Thread-safe; other processes may have writers on the same store."""

    def __init__(
        self,
        store: LedgerStore,
        keys: Signer | Keyring,
        *,
        clock: Clock,
        node_id: str,
        tip: Tip,
        known: int,
        checkpoint_ms: int | None,
        failure: BailiwickError | None = None,
    ) -> None:
        """Continue a ledger.

        Args:
            store: Where the records are.
            keys: Which private keys there are.
            clock: Gives the time of each group.
            node_id: Which node writes.
            tip: The end, as its head knows it.
            known: Records that there must be.
            checkpoint_ms: Least time between checkpoints that nobody asked for; None for none of them.
            failure: What is wrong already; nothing is appended then.
        """
        self._store = store
        self._keys = Keyring.of(keys)
        self._signer = self._keys.first
        self._clock = clock
        self._node_id = node_id
        self._tip = tip
        self._known = known
        self._columns = Columns(store)
        self._columns_size = tip.size
        self._checkpoint_ns = None if checkpoint_ms is None else checkpoint_ms * _NANOSECONDS_PER_MS
        self._signed_at_ns = clock.now_ns()
        self._is_behind = False
        self._mutex = threading.Lock()
        self._failure = failure
        self._recent = RecentKeys(store)
        self._head_failure: Unavailable | None = None

    @property
    def tip(self) -> Tip:
        """The end as this writer knows it."""
        return self._tip

    @property
    def failure(self) -> BailiwickError | None:
        """What stopped this writer, or None."""
        return self._failure

    @property
    def side_failure(self) -> Unavailable | None:
        """Why the newest side file could not be written, or None. Records do not depend on it."""
        return self._head_failure or self._columns.failure

    def start(self, genesis: Admitted) -> None:
        """Append the first record.

        Raises:
            UsageRefused: there is one already (code ``ledger-exists``).
            LedgerBroken: a head stands for records that are gone (verdict truncated).
            LedgerPoisoned: it could not be written; try again.
        """
        with self._mutex, self._store.exclusive():
            count = self._store.count()
            check_count(count, self._known)
            if count:
                raise UsageRefused("there is a ledger already", hint="open it instead", code="ledger-exists")
            moved = self._store.cut(0) if self._store.tail() else None
            self._append([genesis], self._stamp())
            if moved is not None:
                self._append([self._recovered(moved)], self._stamp())

    def open(self) -> None:
        """Take in what is stored since the head was written, and say what an interrupted recovery could not say.

        Never raises for what is stored: ``failure`` is then why nothing is appended, and the end is that of the sound
        records.

        Raises:
            Unavailable: the store cannot be locked or read.
        """
        start = self._tip.size
        try:
            self._in_turn(lambda: self._say_unsaid(start))
        except (LedgerBroken, LedgerPoisoned):
            # ``failure`` has it, and every append raises it.
            self._tip = find_sound(self._store, self._keys.verifiers)

    def refresh(self) -> None:
        """Take in what others appended.

        Raises:
            LedgerBroken, LedgerPoisoned: see ``recover.catch_up``; appending stops.
        """
        self._in_turn(lambda: None)

    def count(self) -> int:
        """Count the whole records that are stored, sound or not; 0 where the store's own framing does not hold."""
        try:
            with self._mutex, self._store.exclusive():
                return self._store.count()
        except LedgerBroken:
            return 0  # ``failure`` has the verdict on that

    def commit(self, entries: Sequence[Admitted]) -> list[Receipt]:
        """Append one group, at most ``GROUP_BYTES_MAX``, and give the receipts; durable on return.

        Raises:
            LedgerPoisoned: a write or flush failed; whether the group is kept is unknown.
            LedgerBroken: what is stored does not follow any more.
            Unavailable: the store cannot be locked or read; nothing was written.
        """
        return self._in_turn(lambda: self._append(entries, self._stamp()))

    def commit_keyed(
        self, parts: Sequence[tuple[str | None, Sequence[Admitted]]]
    ) -> list[list[Receipt] | UsageRefused]:
        """Append what several callers ask for as one group, but for what was recorded before under the same key.

        Args:
            parts: For each caller its key, or None, and its records; no key twice.

        Returns:
            For each caller its receipts, or why its key cannot be used.

        Raises:
            LedgerPoisoned, LedgerBroken, Unavailable: as ``commit``.
        """
        return self._in_turn(lambda: self._append_keyed(parts))

    def checkpoint(self, *, is_forced: bool = False) -> Checkpoint:
        """Give the newest checkpoint; sign one first where other records came since, or where it is forced."""
        return self._in_turn(lambda: self._sign() if is_forced else self._newest() or self._sign())

    def rotate(self, new: Signer) -> Receipt:
        """Hand the ledger on to another key: a record that both keys signed, then a checkpoint by the new one.

        Raises:
            NotTrusted: the key that signs now is not here (code ``ledger-key``).
            LedgerPoisoned: a write or flush failed; reopening says which key signs.
        """
        return self._in_turn(lambda: self._rotate(new))

    def maintain(self) -> None:
        """Do what can wait until callers have their answer: a checkpoint where one is due, hashes to their columns."""
        if self._is_due():
            self.checkpoint()
        elif self._tip.size - self._columns_size >= COLUMNS_FLUSH_RECORDS:
            with self._mutex:
                self._flush_columns()

    def prove(self, index: int, leaf: bytes, checkpoint: Checkpoint) -> list[bytes]:
        """Give the proof that a leaf is in the tree of a checkpoint; it has been verified.

        Raises:
            ProofRejected: the record's bytes are not those that the checkpoint stands for.
        """
        with self._mutex:
            self._flush_columns()
            try:
                return self._prove(index, leaf, checkpoint)
            except ProofRejected:
                self._rebuild_columns(checkpoint.size)
                return self._prove(index, leaf, checkpoint)

    def record_own(self, event_type: str, detail: Mapping[str, JsonValue]) -> Receipt:
        """Append one record of a type that only the ledger writes; durable on return.

        Raises:
            LedgerPoisoned, LedgerBroken, Unavailable: as ``commit``.
        """
        return self._in_turn(lambda: self._append([self._own(event_type, detail)], self._stamp()))[0]

    @property
    def clock(self) -> Clock:
        """The clock that records are stamped by."""
        return self._clock

    def prune(self, prepare: Callable[[], tuple[Admitted, Callable[[], None]]]) -> Receipt:
        """Record that the oldest records go, sign that, and let them go, while nobody else appends.

        Args:
            prepare: Looks once more, and gives the record and what deletes; what it raises stops everything.

        Raises:
            LedgerPoisoned, LedgerBroken, Unavailable: as ``commit``.
        """

        def work() -> Receipt:
            """Do it all in one turn, so that nobody appends between the record and the deletion."""
            entry, remove = prepare()
            receipt = self._append([entry], self._stamp())[0]
            self._sign()
            remove()
            return receipt

        return self._in_turn(work)

    def growth(self, older: int, size: int) -> list[bytes]:
        """Give the proof that the tree of ``size`` leaves grew from its first ``older``; it has been verified.

        Raises:
            Unavailable: the hashes cannot be read, and not be made anew.
        """
        return self._looked_up(size, lambda: self._grow(older, size))

    def root(self, size: int) -> bytes:
        """Give the root of the first ``size`` records, at most as many as there are."""
        return self._looked_up(size, lambda: self._root(size, size))

    # --- inside a turn ----------------------------------------------------------------------------------------------

    def _in_turn(self, work: Callable[[], T]) -> T:
        """Do something while the store is held alone, at its true end; again where somebody else was first there."""
        with self._mutex:
            races = 0
            while True:
                self.check_usable()
                try:
                    with self._store.exclusive():
                        self._catch_up()
                        return work()
                except LedgerRaced:
                    races += 1
                    if races == RACES_MAX:
                        raise
                except (LedgerPoisoned, LedgerBroken) as error:
                    self._failure = error
                    raise

    def check_usable(self) -> None:
        """Raise why nothing is appended any more, if so."""
        failure = self._failure
        if failure is None:
            return
        if isinstance(failure, LedgerBroken):
            raise LedgerBroken(failure.verdict, failure.message, hint=failure.hint, index=failure.index) from failure
        raise LedgerPoisoned(
            f"the ledger takes no more records in this process: {failure.message}", hint=failure.hint
        ) from failure

    def _catch_up(self) -> None:
        tip, store = self._tip, self._store
        if self._known <= tip.frontier.size == store.count() and not store.tail():
            return  # nobody else wrote, which is what ``catch_up`` would find
        self._tip, moved = catch_up(store, tip, self._columns, self._keys.verifiers, known=self._known)
        if moved is not None:
            self._append([self._recovered(moved)], self._stamp())

    def _recovered(self, moved: Quarantined) -> Admitted:
        detail: dict[str, JsonValue] = {
            "dropped_bytes": moved.size,
            "dropped_digest": moved.digest,
            "from_entry": moved.index,
            "quarantine": moved.name,
        }
        return self._own(RECOVERED, detail)

    def _say_unsaid(self, start: int) -> None:
        """Record what was moved aside since ``start`` and is not recorded: a crash may come between the two."""
        kept = self._store.kept_aside(start)
        if not kept:
            return
        records = self._store.read(start, self._tip.size)
        unsaid = [each for each in kept if not any(each.name.encode() in raw for raw in records)]
        if unsaid:
            self._append([self._recovered(each) for each in unsaid], self._stamp())

    def _append_keyed(
        self, parts: Sequence[tuple[str | None, Sequence[Admitted]]]
    ) -> list[list[Receipt] | UsageRefused]:
        timestamp = self._stamp()
        kept = [self._kept(key, entries) for key, entries in parts]
        fresh = [entry for (_, entries), before in zip(parts, kept, strict=True) if before is None for entry in entries]
        receipts = iter(self._append(fresh, timestamp) if fresh else [])
        return [
            [next(receipts) for _ in entries] if before is None else before
            for (_, entries), before in zip(parts, kept, strict=True)
        ]

    def _kept(self, key: str | None, entries: Sequence[Admitted]) -> list[Receipt] | UsageRefused | None:
        if key is None:
            return None
        try:
            return self._recent.receipts(key, entries, self._tip.size)
        except UsageRefused as error:
            # The other callers of the group have their records all the same.
            return error

    def _stamp(self) -> bytes:
        """Give the time of a group, never before that of the group before; a clock that goes back is recorded once."""
        now_ns = self._clock.now_ns()
        if not 0 <= now_ns <= CLOCK_NS_MAX:
            raise Unavailable(
                f"the clock reads {now_ns} ns since 1970, which no date can be", hint="set the clock", code="clock"
            )
        last = self._tip.timestamp
        now = time_text(now_ns)
        if now >= last:
            self._is_behind = False
            return now.encode()
        if not self._is_behind:
            self._is_behind = True
            behind_ms = (time_ns(last) - now_ns) // _NANOSECONDS_PER_MS
            detail: dict[str, JsonValue] = {"behind_ms": behind_ms, "clock": now, "ledger": last}
            self._append([self._own(CLOCK_REGRESSION, detail)], last.encode())
        return last.encode()

    def _append(self, entries: Sequence[Admitted], timestamp: bytes) -> list[Receipt]:
        """Chain, hash, store and flush; only then does the tip move."""
        tip = self._tip
        start = tip.frontier.size
        records, last_hash = chain(entries, start, tip.last_hash.encode(), timestamp)
        self._store.append(start, records)
        leaves = hash_leaves(records)
        frontier = tip.frontier.copy()
        self._columns.extend(start, frontier.extend(leaves))
        self._tip = tip.moved(frontier, last_hash.decode(), timestamp.decode())
        return make_receipts(start, leaves)

    def _newest(self) -> Checkpoint | None:
        """Give the newest checkpoint, or None where other records came since."""
        return self._tip.checkpoint if self._tip.is_covered else None

    def _sign(self) -> Checkpoint:
        """Append a checkpoint of everything before it, alone in its group: it stands only for what is durable."""
        self._say_unsaid(self._tip.checkpoint.size if self._tip.checkpoint else 0)
        timestamp = self._stamp()
        frontier = self._tip.frontier.copy()
        self._take_key()
        checkpoint = sign_checkpoint(frontier.size, frontier.root(), self._signer)
        signature = signature_blob(checkpoint.note)
        self._append([self._own(CHECKPOINT, {"note": checkpoint.note.decode()}, signature)], timestamp)
        self._tip.checkpoint, self._tip.is_covered = checkpoint, True
        self._known = max(self._known, self._tip.size)
        self._signed_at_ns = self._clock.now_ns()
        self._flush_columns()
        try:
            write_head(self._store, frontier, checkpoint, *self._keys.verifiers, record_hash=self._tip.last_hash)
            self._head_failure = None
        except Unavailable as error:
            # The older head stands, and opening reads a little more; ``stats`` says so.
            self._head_failure = error
        return checkpoint

    def _take_key(self) -> None:
        """Take the private key that signs from here on, where records say that it is another."""
        verifier = self._tip.verifier
        if verifier is not None and verifier != self._signer.verifier:
            self._signer = self._keys.signer(verifier)

    def _rotate(self, new: Signer) -> Receipt:
        timestamp = self._stamp()
        self._take_key()
        size, root = self._tip.size, self._tip.frontier.root()
        entry = self._own(KEY_ROTATED, rotation_detail(size, root, self._signer, new))
        receipt = self._append([entry], timestamp)[0]
        self._keys.add(new)
        self._tip.verifier = new.verifier
        self._sign()
        return receipt

    def _own(self, event_type: str, detail: Mapping[str, JsonValue], signature: str | None = None) -> Admitted:
        actor = Actor(id=self._node_id, role="node")
        draft = Draft(event_type=event_type, resource="ledger", detail=detail, actor=actor)
        return admit(draft, self._node_id, signature=signature, is_own=True)

    def _is_due(self) -> bool:
        if self._checkpoint_ns is None or self._tip.is_covered or self._failure is not None:
            return False
        # Less than zero: the clock went back, and waiting for it to catch up could take for ever.
        return not 0 <= self._clock.now_ns() - self._signed_at_ns < self._checkpoint_ns

    # --- proofs -----------------------------------------------------------------------------------------------------

    def _prove(self, index: int, leaf: bytes, checkpoint: Checkpoint) -> list[bytes]:
        size = checkpoint.size
        proof = inclusion_proof(index, size, lambda height, number: self._columns.node(height, number, size))
        verify_inclusion(leaf, index, proof, size, checkpoint.root)
        return proof

    def _looked_up(self, size: int, look: Callable[[], T]) -> T:
        """Look something up in the columns; where they are damaged, write them anew and look again."""
        with self._mutex:
            assert size <= self._tip.size, (size, self._tip.size)
            self._flush_columns()
            try:
                return look()
            except ProofRejected:
                self._rebuild_columns(size)
                return look()

    def _grow(self, older: int, size: int) -> list[bytes]:
        proof = consistency_proof(older, size, lambda height, number: self._columns.node(height, number, size))
        verify_consistency(older, self._root(older, size), size, self._root(size, size), proof)
        return proof

    def _root(self, size: int, whole: int) -> bytes:
        if size == 0:
            return EMPTY_ROOT
        root = range_root(0, size, lambda height, number: self._columns.node(height, number, whole))
        if len(root) != len(EMPTY_ROOT):
            raise ProofRejected(f"no root at size {size}", hint="the columns are damaged; they are made anew")
        return root

    def _flush_columns(self) -> None:
        self._columns.flush()
        self._columns_size = self._tip.size

    def _rebuild_columns(self, size: int) -> None:
        """Write the columns anew from the records. Cost: about 3 µs a record."""
        columns = Columns(self._store)
        frontier = Frontier()
        for leaves in leaves_of(self._store, size):
            columns.extend(frontier.size, frontier.extend(leaves))
        columns.flush()
        if columns.failure is not None:
            raise columns.failure
        self._columns.forget()
