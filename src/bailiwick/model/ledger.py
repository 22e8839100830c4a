"""What the ledger keeps, and what passes between it and those who store, witness and receive it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.model.words import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asked. ``id`` is opaque (never a name or an address); ``role`` is a word such as ``operator`` or ``node``."""

    id: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record before it has a place: what happened, to what, by whom.

    ``event_type`` is dotted lower case (``decision.sealed``), ``resource`` an opaque path (``pack/us-osha-1904``),
    ``detail`` canonical JSON without personal data or typed text.
    """

    event_type: str
    resource: str
    detail: Mapping[str, JsonValue]
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of the ledger, read back. ``raw`` are the stored bytes that every hash is over, without the newline."""

    index: int
    raw: bytes
    event_type: str
    resource: str
    detail: Mapping[str, JsonValue]
    actor: Actor
    node_id: str
    timestamp: str
    prev_hash: str
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Given back for a durable record: its index from 0 and its RFC 6962 leaf digest (64 hexadecimal digits)."""

    index: int
    leaf: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the receipt as JSON."""
        return {"index": self.index, "leaf": self.leaf}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Bytes from record ``index`` on that were moved out of a ledger, kept as ``name`` in its quarantine."""

    name: str
    index: int
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Where the records of a pruned ledger begin: below ``minimum`` there are only those that were carried on.

    ``prev_hash`` and ``timestamp`` are of the record before ``minimum``, ``peaks`` the roots of the complete subtrees
    there. ``archives`` has, for each pruning, its minimum and the name of the archive with what it deleted.
    """

    minimum: int
    prev_hash: str
    timestamp: str
    peaks: tuple[bytes, ...]
    archives: tuple[tuple[int, str], ...]

    def archive_of(self, index: int) -> str:
        """Give the name of the archive that has a pruned record; empty where nobody kept its name."""
        return next((name for minimum, name in self.archives if index < minimum), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A size and root that a ledger stands for (C2SP tlog-checkpoint). ``root``: 32 bytes; ``note``: signed text."""

    origin: str
    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessAnswer:
    """What a witness answers (C2SP tlog-witness): a status as of HTTP, a body, and the body's media type."""

    status: int
    body: bytes = b""
    media: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a reader of the ledger has come: records read, and the leaf digest of the last one ("" before the first).

    The leaf tells a reader that the ledger was cut back and grew again behind its back.
    """

    count: int
    leaf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """A record on its way to a receiver outside: the record, where it stands, and the bytes that are sent of it.

    ``leaf`` is its RFC 6962 leaf digest, 64 hexadecimal digits; ``severity`` goes from 1 (informational) to 4 (high);
    ``body`` is one line of JSON in the shape of OCSF, the same bytes each time the record is sent.
    """

    tenant: str
    origin: str
    leaf: str
    record: Record
    severity: int
    body: bytes

    @property
    def key(self) -> str:
        """What tells a receiver that it has this event already: origin and index."""
        return f"{self.origin}#{self.record.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """One sink as ``node.toml`` declares it: its name, its kind, whose ledger it gets, and what its kind asks for."""

    name: str
    kind: str
    tenant: str
    options: Mapping[str, bool | int | str]
