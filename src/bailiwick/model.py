"""The nouns that travel between rooms: frozen, and valid or not built.

``Observation → Measurement → Impact → Evidence → Record`` is the loop of the product; a ``Decision`` is measurements,
an impact and the effects asked for. JSON values here hold no floats: a legal quantity is an integer of a declared
unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from bailiwick.errors import UsageRefused

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
"""JSON without floats: the only JSON that is sealed."""

TENANT_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
SUBJECT_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,126}\Z")
DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}\Z")
SALT_BYTES = 16
INTEGER_MAX = 2**53 - 1
"""Largest magnitude of an integer in canonical JSON (RFC 8785 section 3.2.2.3, I-JSON)."""


def check_tenant(tenant: str) -> str:
    """Give the tenant's name back if it can be one: a letter, then up to 62 letters, digits or hyphens.

    Raises:
        UsageRefused: anything else, a path most of all.

    >>> check_tenant("../other")
    Traceback (most recent call last):
    ...
    bailiwick.errors.UsageRefused: '../other' cannot be the name of a tenant
    """
    if not TENANT_PATTERN.match(tenant):
        raise UsageRefused(
            f"{tenant[:80]!r} cannot be the name of a tenant",
            hint="use a lower-case letter, then up to 62 lower-case letters, digits or hyphens",
            code="tenant-name",
        )
    return tenant


def check_digest(digest: str) -> str:
    """Give the digest back if it is ``sha256:`` and 64 lower-case hexadecimal digits.

    Raises:
        UsageRefused: anything else.
    """
    if not DIGEST_PATTERN.match(digest):
        raise UsageRefused(
            f"{digest[:80]!r} is not a digest",
            hint="a digest reads sha256: and 64 lower-case hexadecimal digits",
            code="digest",
        )
    return digest


def check_subject(subject: str) -> str:
    """Give the name of a subject back if it can be one: a kind, a slash, and an opaque id, as a record's resource.

    Raises:
        UsageRefused: anything else; what a person typed does not look like it.

    >>> check_subject("observation/0123456789abcdef")
    'observation/0123456789abcdef'
    """
    if not SUBJECT_PATTERN.match(subject):
        raise UsageRefused(
            "that is not the name of a subject",
            hint="it is the resource of a decision's record, such as observation/ and 32 hexadecimal digits",
            code="subject-name",
        )
    return subject


# --- what the ledger keeps ------------------------------------------------------------------------------------------


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


# --- what the engine runs -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one run may use: fuel units, bytes of linear memory, milliseconds of wall time."""

    fuel: int
    memory_bytes: int
    deadline_ms: int


class Tier(StrEnum):
    """The three sizes of budget that a module may ask for."""

    LIGHTWEIGHT = "lightweight"
    STANDARD = "standard"
    HEAVY = "heavy"

    @property
    def budget(self) -> Budget:
        """Fuel, memory and wall time of the tier."""
        return TIER_BUDGETS[self]


TIER_BUDGETS = {
    Tier.LIGHTWEIGHT: Budget(fuel=100_000_000, memory_bytes=16 << 20, deadline_ms=5_000),
    Tier.STANDARD: Budget(fuel=1_000_000_000, memory_bytes=64 << 20, deadline_ms=30_000),
    Tier.HEAVY: Budget(fuel=10_000_000_000, memory_bytes=256 << 20, deadline_ms=120_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """One question of a guest to the host, its ``output`` or ``error`` (code, message), and the ``fuel`` it cost."""

    interface: str
    function: str
    input: JsonValue
    output: JsonValue = None
    error: Mapping[str, JsonValue] | None = None
    fuel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished call of one module, and what it asked of the host. One that failed raises ``ModuleFailed``."""

    output: bytes
    fuel: int
    memory_bytes: int
    transcript: tuple[HostCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRef:
    """Which code took part in a decision: its name, and the SHA-256 of its binary, which identifies it."""

    name: str
    digest: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the reference as JSON."""
        return {"name": self.name, "digest": self.digest}


# --- what a decision is ---------------------------------------------------------------------------------------------


class Status(StrEnum):
    """How a rule ended: with a value, without an honest one, or not asked because nothing needed it."""

    COMPUTED = "computed"
    INDETERMINATE = "indeterminate"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One value that a rule read: ``in.*`` an input, ``m.*`` a measurement, ``p.*`` a parameter, dated and cited.

    ``is_known`` is false where the input was absent; ``value`` is then None.
    """

    path: str
    value: JsonValue
    is_known: bool = True
    unit: str | None = None
    in_force_from: str | None = None
    cite: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the read as JSON, leaving out what does not apply."""
        entry: dict[str, JsonValue] = {"path": self.path, "value": self.value}
        if not self.is_known:
            entry = {"path": self.path, "unknown": True}
        optional = {"unit": self.unit, "from": self.in_force_from, "cite": self.cite}
        return entry | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEntry:
    """What one rule did: kind (measure, row, impact, effect, assumption), what it read, its value, its source, and why.

    ``because`` is a sentence for people: the conjunct that failed, the input that was missing, or None.
    """

    rule: str
    kind: str
    status: Status
    expression: str
    value: JsonValue
    unit: str | None
    cite: tuple[str, ...]
    reads: tuple[Read, ...]
    because: str | None = None
    says: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the entry as JSON, leaving out what does not apply."""
        entry: dict[str, JsonValue] = {
            "rule": self.rule,
            "kind": self.kind,
            "status": self.status.value,
            "expression": self.expression,
            "value": self.value,
            "cite": list(self.cite),
            "reads": [read.to_json() for read in self.reads],
        }
        optional = {"unit": self.unit, "because": self.because, "says": self.says}
        return entry | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A quantity that a pack computed: value and unit, or indeterminate with the cause."""

    id: str
    status: Status
    value: JsonValue
    unit: str | None
    cause: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the measurement as JSON."""
        entry: dict[str, JsonValue] = {"id": self.id, "status": self.status.value, "value": self.value}
        optional = {"unit": self.unit, "cause": self.cause}
        return entry | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What must be done, within how long of ``known_at``, and by when where that moment is given.

    ``within_minutes`` counts from ``known_at``; ``due_at`` is RFC 3339 UTC with nine digits, or None where ``known_at``
    is not given.
    """

    id: str
    text: str
    cite: str
    within_minutes: int | None
    due_at: str | None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the obligation as JSON."""
        return {
            "id": self.id,
            "text": self.text,
            "cite": self.cite,
            "within_minutes": self.within_minutes,
            "due_at": self.due_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """The consequence that a pack concludes: an outcome from its own vocabulary, how severe, and why."""

    outcome: str
    severity: str
    reason: str
    obligations: tuple[Obligation, ...] = ()

    def to_json(self) -> dict[str, JsonValue]:
        """Give the impact as JSON."""
        return {
            "outcome": self.outcome,
            "severity": self.severity,
            "reason": self.reason,
            "obligations": [obligation.to_json() for obligation in self.obligations],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An act in the world that a decision asks for; deciding never performs it.

    ``key`` is the pack's own key text (None where it gives none): two effects of one type and key are one act.
    """

    type: str
    key: str | None
    parameters: Mapping[str, JsonValue]

    def to_json(self) -> dict[str, JsonValue]:
        """Give the effect as JSON."""
        return {"type": self.type, "key": self.key, "parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A fact as received, before any judgement, ready to be judged.

    ``blob`` are the canonical bytes that are stored and whose SHA-256 is ``digest``: salts, dates and the raw input,
    all that replay needs. ``facts`` is what the pack's input schema accepted; ``modules`` the guests that read it.
    """

    tenant: str
    blob: bytes
    digest: str
    evidence_salt: str
    unsalted: bytes
    facts: Mapping[str, JsonValue]
    modules: tuple[ModuleRef, ...]
    legal_date: str
    decided_at: str
    fuel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Measurements, impact and effects asked for, with the trace of every rule and the assumptions it rests on."""

    measurements: tuple[Measurement, ...]
    impact: Impact
    effects: tuple[Effect, ...]
    trace: tuple[TraceEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything needed to decide the same again, as canonical bytes; ``digest`` is their SHA-256."""

    blob: bytes
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A decision ready for the ledger: its evidence and the draft of its record."""

    observation: Observation
    decision: Decision
    evidence: Evidence
    draft: Draft = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEffect:
    """An effect as the ledger knows it: its opaque key, its type, the decision that first asked for it, and its result.

    ``record`` is the index of that decision, ``position`` the effect's place in it from 0; ``result`` is the index of
    the result's record, or None while it waits.
    """

    key: str
    type: str
    record: int
    position: int
    result: int | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the effect as JSON."""
        return {
            "key": self.key,
            "type": self.type,
            "record": self.record,
            "state": "waiting" if self.result is None else "done",
            "result": self.result,
        }
