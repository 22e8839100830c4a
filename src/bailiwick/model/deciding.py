"""What a decision is, from the observation to the evidence that is sealed.

The nouns of a trace are ``msgspec`` structures: a decision has a hundred of them, and they become evidence without a
step in Python (``canonical.noun_bytes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from bailiwick.model.ledger import Draft
from bailiwick.model.running import ModuleRef
from bailiwick.model.words import JsonValue


class Status(StrEnum):
    """How a rule ended: with a value, without an honest one, or not asked because nothing needed it."""

    COMPUTED = "computed"
    INDETERMINATE = "indeterminate"
    SKIPPED = "skipped"


class Read(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One value that a rule read: ``in.*`` an input, ``m.*`` a measurement, ``p.*`` a parameter, dated and cited.

    ``is_unknown`` is true where it had no value; ``value`` is then None.
    """

    path: str
    value: JsonValue = None
    is_unknown: bool = msgspec.field(default=False, name="unknown")
    unit: str | None = None
    in_force_from: str | None = msgspec.field(default=None, name="from")
    cite: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether it had a value."""
        return not self.is_unknown

    def to_json(self) -> dict[str, JsonValue]:
        """Give the read as JSON, leaving out what does not apply."""
        return _to_json(self)


class TraceEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one rule did: its kind, what it read, its value, its source, and why.

    ``kind`` is measure, call, row, impact, effect or assumption. ``because`` is a sentence for people: the conjunct
    that failed, the input that was missing, or None.
    """

    rule: str
    kind: str
    status: Status
    expression: str
    value: JsonValue
    cite: tuple[str, ...]
    reads: tuple[Read, ...]
    unit: str | None = None
    because: str | None = None
    says: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the entry as JSON, leaving out what does not apply."""
        return _to_json(self)


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A quantity that a pack computed: value and unit, or indeterminate with the cause."""

    id: str
    status: Status
    value: JsonValue
    unit: str | None = None
    cause: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the measurement as JSON."""
        return _to_json(self)


def _to_json(noun: msgspec.Struct) -> dict[str, JsonValue]:
    """Give a noun of the trace as the very JSON that it is sealed as, its members in an order for people."""
    told: dict[str, JsonValue] = msgspec.json.decode(msgspec.json.encode(noun))
    return told


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

    ``key`` is the pack's own key text (None where it gives none): two effects of one type and key are one act. A person
    must approve an effect with an ``approval`` first: within ``within_minutes`` of its record, where that stands in it.
    """

    type: str
    key: str | None
    parameters: Mapping[str, JsonValue]
    approval: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the effect as JSON; ``approval`` only where one is asked for."""
        told: dict[str, JsonValue] = {"type": self.type, "key": self.key, "parameters": dict(self.parameters)}
        return told if self.approval is None else {**told, "approval": dict(self.approval)}


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
    """Measurements, impact and effects asked for, with the trace of every rule and the assumptions it rests on.

    ``modules`` are those that rules called, ``fuel`` what they used.
    """

    measurements: tuple[Measurement, ...]
    impact: Impact
    effects: tuple[Effect, ...]
    trace: tuple[TraceEntry, ...]
    modules: tuple[ModuleRef, ...] = ()
    fuel: int = 0


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
