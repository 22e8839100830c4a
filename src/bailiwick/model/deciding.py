"""What a decision is, from the observation to the evidence that is sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.model.ledger import Draft
from bailiwick.model.running import ModuleRef
from bailiwick.model.words import JsonValue


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
