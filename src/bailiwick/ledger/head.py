"""The head: where to start reading when a ledger is opened. It can be lost at any time; the records are the truth.

Two slots of 4 KiB are written in turn, so that a torn write leaves the older one. A slot holds its own SHA-256, the
newest checkpoint, and the complete subtrees at its size; they are believed only where they lead to the signed root.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from bailiwick.canonical import canonical_bytes
from bailiwick.errors import NotTrusted
from bailiwick.keys import Verifier
from bailiwick.ledger.note import is_named, open_checkpoint
from bailiwick.ledger.tree import Frontier
from bailiwick.model import Checkpoint, JsonValue
from bailiwick.ports import LedgerStore

HEAD_NAME = "head"
SLOT_BYTES = 4_096
FORMAT = "bailiwick-head/1"


class _Slot(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: str
    note: str
    peaks: list[str]
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the two slots say.

    ``checkpoint`` is the newest that the ledger's key signed; ``frontier`` the tree at its size. Either is None where
    no slot can be believed for it. ``verifier``: the key that signed it. ``record_hash``: SHA-256 of the record that
    holds it, which no checkpoint covers yet; empty in heads of earlier versions.
    """

    checkpoint: Checkpoint | None
    frontier: Frontier | None
    verifier: Verifier | None = None
    record_hash: str = ""

    @property
    def count(self) -> int:
        """Records that there must be: those below the checkpoint, and the record that holds it."""
        return self.checkpoint.size + 1 if self.checkpoint else 0


def read_head(store: LedgerStore, *verifiers: Verifier) -> Head:
    """Read both slots, and give what the newest that can be believed says, under any key that the ledger had."""
    slots = [_read_slot(store.read_side(HEAD_NAME, at, SLOT_BYTES), *verifiers) for at in (0, SLOT_BYTES)]
    return max(slots, key=lambda slot: slot.count)


def write_head(
    store: LedgerStore, frontier: Frontier, checkpoint: Checkpoint, *verifiers: Verifier, record_hash: str
) -> None:
    """Write the slot that is not the newest. Only after the record that holds the checkpoint is durable.

    Raises:
        Unavailable: that failed; the older slot stands.
    """
    assert frontier.size == checkpoint.size, (frontier.size, checkpoint.size)
    peaks: list[JsonValue] = [peak.hex() for peak in frontier.peaks()]
    note = checkpoint.note.decode()
    line = canonical_bytes({"format": FORMAT, "note": note, "peaks": peaks, "record": record_hash})
    data = hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n"
    assert len(data) <= SLOT_BYTES, len(data)
    counts = [_read_slot(store.read_side(HEAD_NAME, at, SLOT_BYTES), *verifiers).count for at in (0, SLOT_BYTES)]
    store.write_side(HEAD_NAME, 0 if counts[0] <= counts[1] else SLOT_BYTES, data.ljust(SLOT_BYTES, b"\n"))


def _read_slot(slot: bytes, *verifiers: Verifier) -> Head:
    nothing = Head(checkpoint=None, frontier=None)
    digest, _, rest = slot.partition(b"\n")
    line = rest.partition(b"\n")[0]
    if hashlib.sha256(line).hexdigest().encode() != digest:
        return nothing
    try:
        fields = msgspec.json.decode(line, type=_Slot)
        note = fields.note.encode()
        verifier = next((each for each in verifiers if is_named(note, each)), verifiers[0])
        checkpoint = open_checkpoint(note, verifier)
    except (ValueError, NotTrusted):
        return nothing
    try:
        frontier = Frontier(checkpoint.size, [bytes.fromhex(peak) for peak in fields.peaks])
    except ValueError:
        return Head(checkpoint=checkpoint, frontier=None, verifier=verifier, record_hash=fields.record)
    sound = frontier if frontier.root() == checkpoint.root else None
    return Head(checkpoint=checkpoint, frontier=sound, verifier=verifier, record_hash=fields.record)
