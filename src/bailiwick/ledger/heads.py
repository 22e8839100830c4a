"""The heads of a ledger that others hold: asking witnesses for their lines, and keeping what they gave.

Never in the way of a record: a witness that is down or slow costs a warning and an unmet quorum. The lines are kept in
a side file, which can be lost: a witness gives its line for the same checkpoint again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import NotFound, NotTrusted, ProofRejected, Unavailable, UsageRefused, Verdict
from bailiwick.keys import Signer, Verifier
from bailiwick.ledger.keyring import Keyring
from bailiwick.ledger.note import Cosignature, is_named, join_cosignatures, open_checkpoint, split_cosignatures
from bailiwick.ledger.policy import KnownWitness, Policy
from bailiwick.ledger.record import CHECKPOINT, read_record
from bailiwick.ledger.rotation import KEY_ROTATED, KEYS_MAX
from bailiwick.ledger.witness import Asking, Outcome, WitnessVerdict, write_request
from bailiwick.ledger.witness_key import WITNESS_ADDED
from bailiwick.ledger.writer import Writer
from bailiwick.model import Checkpoint, JsonValue, Receipt, Record
from bailiwick.ports import LedgerStore, Witness

COSIGNED_NAME = "cosigned"
SLOT_BYTES = 65_536
FORMAT = "bailiwick-cosigned/1"
THREADS_MAX = 8
"""Witnesses that are asked at the same time, in number."""


class _Slot(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: str
    held: dict[str, int]
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReport:
    """What came of asking witnesses for one checkpoint. ``is_met``: enough of them, by the policy, cosigned it."""

    checkpoint: Checkpoint
    outcomes: tuple[Outcome, ...]
    is_met: bool

    @property
    def verdict(self) -> Verdict:
        """What the witnesses proved about the ledger: a larger head, another history, or nothing against it."""
        found = {outcome.verdict for outcome in self.outcomes}
        if WitnessVerdict.FORKED in found:
            return Verdict.FORKED
        return Verdict.TRUNCATED if WitnessVerdict.AHEAD in found else Verdict.OK

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "origin": self.checkpoint.origin,
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "note": self.checkpoint.note.decode(),
            "verdict": self.verdict.value,
            "quorum": self.is_met,
            "witnesses": [
                {"name": each.name, "outcome": each.verdict.value, "message": each.message, "size": each.size}
                for each in self.outcomes
            ],
        }


class Heads:
    """Keys, growth and cosigned checkpoints of one ledger. Thread-safe as far as its writer and store are."""

    def __init__(
        self, store: LedgerStore, writer: Writer, keys: Keyring, records: Callable[[], Iterator[Record]]
    ) -> None:
        self._store = store
        self._writer = writer
        self._keys = keys
        self._records = records
        self._known: tuple[Checkpoint | None, list[Checkpoint]] | None = None

    def ask(self, witnesses: Sequence[tuple[KnownWitness, Witness]], policy: Policy) -> WitnessReport:
        """Sign a checkpoint where one is due, ask every witness for its line, and keep what they gave.

        Args:
            witnesses: Whom to ask, each with what is known of it.
            policy: How many of them are enough.

        Raises:
            LedgerPoisoned: the checkpoint could not be recorded.
        """
        checkpoint = self._writer.checkpoint()
        asking = Asking(checkpoint=checkpoint, keys=self._keys.verifiers, tree=self._writer)
        slot = self._read()
        ask = _asker(asking, slot.held)
        with ThreadPoolExecutor(max_workers=min(THREADS_MAX, len(witnesses) or 1)) as threads:
            outcomes = tuple(threads.map(ask, witnesses))
        lines = _merge(self._lines(slot, checkpoint), [each.cosignature for each in outcomes if each.cosignature])
        is_met = policy.is_met(policy.cosigners(checkpoint.note, lines))
        if lines:
            held = {known.verifier.text(): each.size for (known, _), each in zip(witnesses, outcomes, strict=True)}
            self._keep(slot, join_cosignatures(checkpoint.note, lines), {k: v for k, v in held.items() if v}, policy)
        cosigned = replace(checkpoint, note=join_cosignatures(checkpoint.note, lines))
        return WitnessReport(checkpoint=cosigned, outcomes=outcomes, is_met=is_met)

    def cosigned(self, checkpoint: Checkpoint) -> Checkpoint:
        """Give a checkpoint with the lines that witnesses gave for it; as it is where there are none."""
        return replace(checkpoint, note=join_cosignatures(checkpoint.note, self._lines(self._read(), checkpoint)))

    def newest(self, *, above: int = 0, below: int | None = None) -> Checkpoint | None:
        """Give the newest checkpoint with lines of witnesses, of a size above and below the given ones, or None.

        One that was enough for the policy when it was kept goes before a newer one that was not.
        """
        now = self._writer.tip.checkpoint
        if self._known is None or self._known[0] is not now:
            self._known = (now, [each for note in self._read().notes for each in self._opened(note)])
        found = [each for each in self._known[1] if above < each.size and (below is None or each.size < below)]
        return found[-1] if found else None

    # --- keys and growth --------------------------------------------------------------------------------------------

    def rotate(self, new: Signer) -> Receipt:
        """Hand the ledger on to another key; keep its private part durably before. See ``rotation``.

        Raises:
            UsageRefused: it has another name, or signed this ledger before (code ``ledger-rotation``).
            NotTrusted: the key that signs now is not here.
        """
        history = self.keys()
        if new.verifier in history or new.verifier.name != self._keys.first.verifier.name or len(history) == KEYS_MAX:
            raise UsageRefused(
                f"{new.verifier.text()} cannot be the next key of {self._keys.first.verifier.name}",
                hint="make a new key for each change: bailiwick ledger rotate-key",
                code="ledger-rotation",
            )
        receipt = self._writer.rotate(new)
        self._keys.add(new)
        return receipt

    def keys(self) -> dict[Verifier, tuple[int, int | None]]:
        """Give every key that the ledger had, oldest first, with the sizes ``(from, to)`` of the checkpoints it signs.

        Cost: a walk over all records.
        """
        changes = [(0, self._keys.first.verifier)]
        for record in self._records():
            if record.event_type == KEY_ROTATED:
                changes.append((record.index + 1, Verifier.read(str(record.detail["new_verifier"]))))
        stops: list[int | None] = [start for start, _ in changes[1:]]
        return {key: (start, stop) for (start, key), stop in zip(changes, [*stops, None], strict=True)}

    def name_witness(self, verifier: Verifier) -> Receipt | None:
        """Record a witness's key, so that every reader can check its lines; None where that was done before."""
        for record in self._records():
            if record.event_type == WITNESS_ADDED and record.detail.get("verifier") == verifier.text():
                return None
        return self._writer.record_own(WITNESS_ADDED, {"verifier": verifier.text()})

    def record_restored(self, event_type: str, size: int, root: str, witnessed: int | None) -> None:
        """Record that the ledger was brought back to a size, and sign a checkpoint."""
        detail: dict[str, JsonValue] = {"from_entry": size, "root": root, "witnessed": witnessed}
        self._writer.record_own(event_type, detail)
        self._writer.checkpoint()

    def prove_growth(self, older: int, newer: int | None = None) -> str:
        """Give the proof that the ledger grew from ``older`` records to a checkpoint; see ``verify_growth``.

        Args:
            older: Size of the older tree.
            newer: Size of the newer, at which a checkpoint was signed; None for the newest checkpoint.

        Raises:
            NotFound: no checkpoint was signed at that size (code ``checkpoint-missing``).
            UsageRefused: the older size is above the newer (code ``growth-sizes``).
        """
        checkpoint = self._writer.checkpoint() if newer is None else self._signed_at(newer)
        if older > checkpoint.size:
            raise UsageRefused(
                f"a ledger of {checkpoint.size} records did not grow from one of {older}",
                hint="give the smaller size first",
                code="growth-sizes",
            )
        proof = self._writer.growth(older, checkpoint.size)
        return write_request(older, proof, self.cosigned(checkpoint).note).decode()

    def _signed_at(self, size: int) -> Checkpoint:
        """Give the checkpoint of a size: the record after it holds it."""
        if 0 < size < self._writer.tip.size:
            record = read_record(self._store.read(size, size + 1)[0], size)
            found = self._opened(str(record.detail.get("note", ""))) if record.event_type == CHECKPOINT else []
            if found and found[0].size == size:
                return found[0]
        raise NotFound(
            f"no checkpoint was signed at size {size}",
            hint="take the index of a ledger.checkpoint record, or leave the size out for the newest",
            code="checkpoint-missing",
        )

    # --- the side file ----------------------------------------------------------------------------------------------

    def _read(self) -> _Slot:
        nothing = _Slot(format=FORMAT, held={}, notes=[])
        digest, _, rest = self._store.read_side(COSIGNED_NAME, 0, SLOT_BYTES).partition(b"\n")
        line = rest.partition(b"\n")[0]
        if hashlib.sha256(line).hexdigest().encode() != digest:
            return nothing
        try:
            return msgspec.json.decode(line, type=_Slot)
        except (ValueError, msgspec.ValidationError):
            return nothing

    def _keep(self, slot: _Slot, note: bytes, held: Mapping[str, int], policy: Policy) -> None:
        """Keep a cosigned checkpoint first, and last the newest that is enough for the policy."""
        rows = [note, *(each.encode() for each in slot.notes)]
        enough = next((each for each in rows if _is_enough(each, policy)), None)
        notes: list[JsonValue] = [each.decode() for each in dict.fromkeys([note, enough or note])]
        sizes: dict[str, JsonValue] = {**slot.held, **held}
        line = canonical_bytes({"format": FORMAT, "held": sizes, "notes": notes})
        data = hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n"
        assert len(data) <= SLOT_BYTES, len(data)
        self._store.write_side(COSIGNED_NAME, 0, data.ljust(SLOT_BYTES, b"\n"))
        self._known = None

    def _lines(self, slot: _Slot, checkpoint: Checkpoint) -> list[Cosignature]:
        """Give the lines that are kept for exactly this checkpoint."""
        for note in slot.notes:
            own, lines = split_cosignatures(note.encode())
            if own == checkpoint.note:
                return lines
        return []

    def _opened(self, note: str) -> list[Checkpoint]:
        """Give the checkpoint that is kept, or nothing where the ledger's keys did not sign it."""
        try:
            own, _ = split_cosignatures(note.encode())
            verifier = next((each for each in self._keys.verifiers if is_named(own, each)), None)
            if verifier is None:
                return []
            return [replace(open_checkpoint(own, verifier), note=note.encode())]
        except (ValueError, NotTrusted):
            return []


def _asker(asking: Asking, held: Mapping[str, int]) -> Callable[[tuple[KnownWitness, Witness]], Outcome]:
    """Give what asks one witness, in a thread of its own; what fails on our side is an outcome too."""

    def ask(pair: tuple[KnownWitness, Witness]) -> Outcome:
        known, witness = pair
        name = known.name.decode("utf-8", "replace")
        try:
            return asking.ask(witness, name, known.verifier, held=held.get(known.verifier.text(), 0))
        except (ProofRejected, Unavailable) as error:
            # The tree's side files are damaged and could not be made anew; the witness is not to blame.
            return Outcome(name=name, verdict=WitnessVerdict.UNAVAILABLE, message=error.message)

    return ask


def _merge(kept: Sequence[Cosignature], fresh: Sequence[Cosignature]) -> list[Cosignature]:
    """Put fresh lines in place of kept ones by the same witness, sorted by witness."""
    lines = {(each.name, each.key_id): each for each in (*kept, *fresh)}
    return [lines[key] for key in sorted(lines)]


def _is_enough(note: bytes, policy: Policy) -> bool:
    own, lines = split_cosignatures(note)
    return policy.is_met(policy.cosigners(own, lines))
