"""Which records have something kept beside the ledger, for the subject that is their resource. Pure.

A decision keeps its observation and evidence, a call of a module its input, output and transcript, an input that waits
itself, and who cancels or refuses an effect, or throws a panic switch, the reason that was typed. What is kept goes by
subject, with its key; the record stays, and its digests tell nothing then.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bailiwick.ledger.retention import DECISION
from bailiwick.model import Record

CALL = "module.called"
QUEUED = "input.queued"
SERIES = "module.series"
CANCELLED, DENIED, PANIC = "effect.cancelled", "effect.refused", "panic.set"
"""What a person did, and may have typed a reason for, whose digest is ``why`` in the record."""
ERASED, EXPIRED = "subject.erased", "subject.expired"
"""Types of the records that tell of it: somebody asked for it, or its time was over."""
_UNNAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {DECISION: ("observation", "evidence"), CALL: (), QUEUED: (), SERIES: (), CANCELLED: (), DENIED: (), PANIC: ()}
)
"""For each type that keeps something, the fields with digests of what an early version kept without saying for whom."""


def keeps_something(record: Record) -> bool:
    """Say whether something was kept beside a record, erased since or not."""
    if record.event_type in (CANCELLED, DENIED, PANIC):
        return "why" in record.detail
    return record.event_type in _UNNAMED


def unnamed_digests(record: Record) -> tuple[str, ...]:
    """Give the digests under which something may be kept that is not named after the record's subject."""
    found = (record.detail.get(name) for name in _UNNAMED.get(record.event_type, ()))
    return tuple(each for each in found if isinstance(each, str))
