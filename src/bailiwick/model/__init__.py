"""The nouns that travel between rooms: frozen, and valid or not built.

``Observation → Measurement → Impact → Evidence → Record`` is the loop of the product; a ``Decision`` is measurements,
an impact and the effects asked for. JSON values here hold no floats: a legal quantity is an integer of a declared
unit.
"""

from bailiwick.model.deciding import (
    Decision,
    Effect,
    Evidence,
    Impact,
    Measurement,
    Obligation,
    Observation,
    Read,
    Sealed,
    Status,
    TraceEntry,
)
from bailiwick.model.effects import EffectSettings, EffectState, QueuedEffect
from bailiwick.model.ledger import (
    Actor,
    AuditEvent,
    Checkpoint,
    Cursor,
    Draft,
    Pruned,
    Quarantined,
    Receipt,
    Record,
    SinkSettings,
    WitnessAnswer,
)
from bailiwick.model.running import TIER_BUDGETS, Budget, HostCall, ModuleRef, Run, Tier
from bailiwick.model.words import (
    DIGEST_PATTERN,
    INTEGER_MAX,
    SALT_BYTES,
    SUBJECT_PATTERN,
    TENANT_PATTERN,
    JsonValue,
    check_digest,
    check_subject,
    check_tenant,
)

__all__ = [
    "DIGEST_PATTERN",
    "INTEGER_MAX",
    "SALT_BYTES",
    "SUBJECT_PATTERN",
    "TENANT_PATTERN",
    "TIER_BUDGETS",
    "Actor",
    "AuditEvent",
    "Budget",
    "Checkpoint",
    "Cursor",
    "Decision",
    "Draft",
    "Effect",
    "EffectSettings",
    "EffectState",
    "Evidence",
    "HostCall",
    "Impact",
    "JsonValue",
    "Measurement",
    "ModuleRef",
    "Obligation",
    "Observation",
    "Pruned",
    "Quarantined",
    "QueuedEffect",
    "Read",
    "Receipt",
    "Record",
    "Run",
    "Sealed",
    "SinkSettings",
    "Status",
    "Tier",
    "TraceEntry",
    "WitnessAnswer",
    "check_digest",
    "check_subject",
    "check_tenant",
]
