"""How one record follows from those before it: its index, its link, its time, and the checkpoint that it may hold.

The ledger's writer, its recovery and its verifier all read records through this; it writes nothing and trusts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.errors import NotTrusted, Verdict
from bailiwick.keys import Verifier
from bailiwick.ledger.note import open_checkpoint, signature_blob
from bailiwick.ledger.record import StoredRecord, decode
from bailiwick.model import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first record that does not follow from those before it.

    ``verdict`` says what kind of damage it looks like; ``is_unreadable`` that the bytes are no record at all, which is
    what an interrupted write leaves.
    """

    index: int
    verdict: Verdict
    message: str
    is_unreadable: bool = False


def read_next(raw: bytes, index: int, prev_hash: str, timestamp: str) -> tuple[StoredRecord, None] | tuple[None, Fault]:
    """Read a record and check that it follows: its index, its link to the record before, and the order of time."""
    try:
        stored = decode(raw, timestamp)
    except ValueError as error:
        return None, Fault(
            index=index,
            verdict=Verdict.CORRUPT,
            message=f"record {index} cannot be read: {error}",
            is_unreadable=True,
        )
    if stored.entry_id < index:
        message = f"at record {index} there is a second record {stored.entry_id}"
        return None, Fault(index=index, verdict=Verdict.FORKED, message=message)
    if stored.entry_id > index:
        message = f"where record {index} belongs, there is record {stored.entry_id}"
        return None, Fault(index=index, verdict=Verdict.ALTERED, message=message)
    if stored.prev_hash != prev_hash:
        # The link of this record is to bytes that are not there: those before it, or the link itself, were changed.
        message = (
            f"record {index} is chained to {stored.prev_hash[:16]}…, and the record before it is {prev_hash[:16]}…"
        )
        return None, Fault(index=max(index - 1, 0), verdict=Verdict.ALTERED, message=message)
    if stored.timestamp < timestamp:
        message = f"record {index} is dated {stored.timestamp}, before the record before it"
        return None, Fault(index=index, verdict=Verdict.ALTERED, message=message)
    return stored, None


def read_checkpoint(
    stored: StoredRecord, index: int, root: bytes, verifier: Verifier
) -> tuple[Checkpoint, None] | tuple[None, Fault]:
    """Read the checkpoint that a record holds, and check it against the tree of all records before it."""

    def fault(verdict: Verdict, why: str) -> tuple[None, Fault]:
        """Say what is wrong with the checkpoint of this record."""
        return None, Fault(index=index, verdict=verdict, message=f"the checkpoint in record {index} {why}")

    try:
        checkpoint = open_checkpoint(_note_of(stored), verifier)
    except ValueError as error:
        return fault(Verdict.CORRUPT, f"cannot be read: {error}")
    except NotTrusted as error:
        return fault(Verdict.ALTERED, f"is not signed by the ledger's key: {error.message}")
    if stored.signature != signature_blob(checkpoint.note):
        return fault(Verdict.ALTERED, "has another signature than its record")
    if checkpoint.size != index:
        return fault(Verdict.FORKED, f"is for a tree of {checkpoint.size}, and {index} records are before it")
    if checkpoint.root != root:
        return fault(
            Verdict.FORKED,
            f"is for root {checkpoint.root.hex()[:16]}…, and the records before it have {root.hex()[:16]}…",
        )
    return checkpoint, None


def _note_of(stored: StoredRecord) -> bytes:
    note = stored.detail.get("note")
    if not isinstance(note, str) or stored.detail.keys() != {"note"}:
        raise ValueError("there is no note")
    return note.encode()
