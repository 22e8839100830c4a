"""Inputs that came while no module could run: kept, recorded, and decided when one can.

An input that may wait is kept as a salted blob for the subject that its decision will be about, and a record says that
it waits. The decision's record and the record that it waits no more are appended together, all or none, so that a crash
leaves it waiting or decided, and never both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.decisions.intake import RawInput, question_of
from bailiwick.decisions.seal import subject_name
from bailiwick.errors import InputRefused
from bailiwick.ledger import QUEUED, Ledger, ProvenReader
from bailiwick.model import Actor, Draft, JsonValue, Record
from bailiwick.ports import BlobStore
from bailiwick.schema import parse_document

TAKEN = "input.taken"
WAITING_FORMAT = "bailiwick-waiting-input/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An input made ready to wait: the blob that holds it, and the draft of the record that says so."""

    blob: bytes
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingInput:
    """An input that waits: the record that says so, since when, for which pack."""

    record: int
    since: str
    pack: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give it as JSON; nothing of the input itself."""
        return {"record": self.record, "since": self.since, "pack": self.pack}


def park(raw: RawInput, pack: str, *, legal_date: str | None, salt: str, secret: bytes, actor: Actor) -> Parked:
    """Make an input ready to wait.

    Args:
        raw: As it came.
        pack: The name that it is to be decided by; which version, is settled when it is decided.
        legal_date: What was given with it.
        salt: 32 hexadecimal digits, drawn for it alone.
        secret: The tenant's key for opaque names.
        actor: Who asked.
    """
    question = question_of(raw)
    blob = canonical_bytes({**question, "format": WAITING_FORMAT, "salt": salt, "legal_date": legal_date})
    detail: dict[str, JsonValue] = {"input": digest(blob), "pack": pack}
    subject = subject_name(canonical_bytes(question), secret)
    return Parked(blob=blob, draft=Draft(event_type=QUEUED, resource=subject, detail=detail, actor=actor))


def taken(queued: int, resource: str, actor: Actor, code: str | None = None) -> Draft:
    """Draft the record that an input waits no more: decided, or refused under a code.

    Args:
        queued: The record that said that it waits.
        resource: Its subject.
        actor: Who asked for it now.
        code: Why it was refused; None where it was decided.
    """
    detail: dict[str, JsonValue] = {"queued": queued, "came": "decided" if code is None else "refused"}
    if code is not None:
        detail["code"] = code
    return Draft(event_type=TAKEN, resource=resource, detail=detail, actor=actor)


def waiting_inputs(ledger: Ledger) -> list[WaitingInput]:
    """List the inputs that wait, oldest first; believed only as the tree of all records has them.

    Cost: about 1.5 µs a record of the ledger.
    """
    reader = ProvenReader(ledger)
    waiting: dict[int, WaitingInput] = {}
    for record in reader.of_types({QUEUED, TAKEN}, reader.minimum(), reader.size()):
        if record.event_type == TAKEN:
            waiting.pop(int(str(record.detail["queued"])), None)
        else:
            waiting[record.index] = WaitingInput(
                record=record.index, since=record.timestamp, pack=str(record.detail["pack"])
            )
    return list(waiting.values())


def fetch_waiting(tenant: str, record: Record, blobs: BlobStore) -> tuple[RawInput, str | None]:
    """Give an input that waits, as it came, and the legal date that was given with it.

    Raises:
        NotFound: it was erased (code ``blob-erased``), or is not kept.
        InputRefused: its blob is no input of a known format (code ``waiting-format``).
    """
    stored: Any = parse_document(blobs.get(tenant, str(record.detail["input"]), record.resource))
    if not isinstance(stored, dict) or stored.get("format") != WAITING_FORMAT:
        raise InputRefused(
            "the blob is no waiting input of a known format",
            hint=f"this version reads {WAITING_FORMAT}",
            code="waiting-format",
        )
    raw = RawInput(media=stored["media"], header=stored["header"], body=stored["body"], queued=record.index)
    return raw, stored["legal_date"]
