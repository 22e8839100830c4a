"""What the ledger's records make of effects: one pure step a record, and the queue kept in step with the ledger.

A decision asks for effects. From then on every word about one is a record under its key: delivered, failed, given up,
tried anew, cancelled, approved, refused, expired. The first word that ends an effect stands, but for two: a delivery
is a fact whatever was said before it, and what was given up or expired can be revived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bailiwick.canonical import time_ns, time_text
from bailiwick.decisions.seal import SEALED
from bailiwick.ledger import Ledger, ProvenReader
from bailiwick.model import Cursor, EffectState, QueuedEffect, Record
from bailiwick.ports import EffectQueue

RESULT = "effect.result"
FAILED = "effect.failed"
DEAD = "effect.dead"
RETRIED = "effect.retried"
CANCELLED = "effect.cancelled"
APPROVED = "effect.approved"
DENIED = "effect.refused"
EXPIRED = "effect.expired"
STARTED = "effect.executor-started"
"""An executor begins to deliver; the index of this record is its fence, higher than that of any before."""
NEVER = "never"
"""What a result says where its decision has nothing left to send; a later one that asks for the same still counts."""
RECORDS_PER_FOLD = 4_096
MINUTE_NS = 60 * 1_000_000_000
_NOTHING = Cursor(count=0, leaf="")


def asked_by(record: Record) -> list[QueuedEffect]:
    """Give the effects that a record asks for, in order; none where it is no decision."""
    if record.event_type != SEALED:
        return []
    effects: Any = record.detail["effects"]
    return [_asked(record, position, effect) for position, effect in enumerate(effects)]


def _asked(record: Record, position: int, effect: Mapping[str, Any]) -> QueuedEffect:
    asked = QueuedEffect(key=effect["key"], type=effect["type"], record=record.index, position=position)
    approval = effect.get("approval")
    if approval is None:
        return asked
    within = approval.get("within_minutes")
    waiting = replace(asked, state=EffectState.APPROVAL, needs_approval=True, within_minutes=within)
    return replace(waiting, expires_at=_end(record, within))


def is_asked(effect: QueuedEffect, ledger: Ledger) -> bool:
    """Say whether the ledger has an effect as a queue has it: asked for there, and approved where that is needed.

    A queue is a file that is not written durably: what leaves the node rests on the ledger's proven records. Of one
    that was pruned nothing can be sent, so there is nothing to compare.

    Raises:
        LedgerBroken: a record was altered.

    Cost: about 100 µs, twice that for one that was approved.
    """
    reader = ProvenReader(ledger)
    if effect.record < reader.minimum():
        return True
    if effect.record >= ledger.size():
        return False
    asked = next((each for each in asked_by(reader.proven(effect.record)) if each.key == effect.key), None)
    if asked is None or (asked.position, asked.type) != (effect.position, effect.type):
        return False
    if not asked.needs_approval:
        return True
    if effect.approved is None or not effect.record < effect.approved < ledger.size():
        return False
    said = reader.proven(effect.approved)
    return said.event_type == APPROVED and said.detail["key"] == effect.key


def _end(record: Record, within_minutes: int | None) -> str | None:
    """Say until when a person may approve, counted from a record's time."""
    return None if within_minutes is None else time_text(time_ns(record.timestamp) + within_minutes * MINUTE_NS)


def ask(known: QueuedEffect | None, asked: QueuedEffect) -> QueuedEffect:
    """Give what an effect is after a decision asks for it: one that is known stays, and knows who asked last."""
    if known is None:
        return asked
    return replace(known, again=asked) if known.state.is_open else known


def follow(known: QueuedEffect | None, record: Record) -> QueuedEffect | None:
    """Give what an effect is after a record about it, or None where nothing is left of it.

    Where the decision that asked first was pruned, a record that settles an effect still does: or the next decision
    that asks for the same would have it done again.
    """
    if known is None and record.event_type in _SETTLING:
        detail: Any = record.detail
        if detail.get("delivered") != NEVER:
            known = QueuedEffect(
                key=detail["key"],
                type=detail["type"],
                record=detail["record"],
                position=0,
                state=_BEFORE.get(record.event_type, EffectState.WAITING),
            )
    return known if known is None else _STEPS[record.event_type](known, record)


def _deliver(known: QueuedEffect, record: Record) -> QueuedEffect | None:
    detail: Any = record.detail
    if detail["delivered"] == NEVER:
        return known.again if known.state.is_open and known.record <= detail["record"] else known
    if known.state is EffectState.DONE:
        return known
    return replace(known, state=EffectState.DONE, result=record.index, retry_at=None)


def _fail(known: QueuedEffect, record: Record) -> QueuedEffect:
    detail: Any = record.detail
    if not known.state.is_open:
        return known
    return replace(known, attempts=detail["attempt"], code=detail["code"], retry_at=detail["retry_at"])


def _give_up(known: QueuedEffect, record: Record) -> QueuedEffect:
    detail: Any = record.detail
    if not known.state.is_open:
        return known
    ended = replace(known, state=EffectState.DEAD, result=record.index, retry_at=None)
    return replace(ended, attempts=detail["attempt"], code=detail["code"])


def _revive(known: QueuedEffect, record: Record) -> QueuedEffect:
    if known.state is EffectState.EXPIRED:
        revived = replace(known, state=EffectState.APPROVAL, result=None)
        return replace(revived, expires_at=_end(record, known.within_minutes))
    if known.state is EffectState.DEAD:
        return replace(known, state=EffectState.WAITING, result=None, attempts=0)
    return replace(known, retry_at=None)


def _cancel(known: QueuedEffect, record: Record) -> QueuedEffect:
    if known.state in (EffectState.DONE, EffectState.REFUSED, EffectState.CANCELLED):
        return known
    return replace(known, state=EffectState.CANCELLED, result=record.index, retry_at=None)


def _approve(known: QueuedEffect, record: Record) -> QueuedEffect:
    is_late = known.expires_at is not None and known.expires_at < record.timestamp
    if known.state is not EffectState.APPROVAL or is_late:
        return known
    return replace(known, state=EffectState.WAITING, approved=record.index)


def _deny(known: QueuedEffect, record: Record) -> QueuedEffect:
    if known.state is not EffectState.APPROVAL:
        return known
    return replace(known, state=EffectState.REFUSED, result=record.index)


def _expire(known: QueuedEffect, record: Record) -> QueuedEffect:
    if known.state is not EffectState.APPROVAL:
        return known
    return replace(known, state=EffectState.EXPIRED, result=record.index)


_STEPS: dict[str, Callable[[QueuedEffect, Record], QueuedEffect | None]] = {
    RESULT: _deliver,
    FAILED: _fail,
    DEAD: _give_up,
    RETRIED: _revive,
    CANCELLED: _cancel,
    APPROVED: _approve,
    DENIED: _deny,
    EXPIRED: _expire,
}
_BEFORE = {DENIED: EffectState.APPROVAL, EXPIRED: EffectState.APPROVAL}
_SETTLING = frozenset({RESULT, DEAD, CANCELLED, *_BEFORE})
WORDS = frozenset(_STEPS)
"""Types of the records that say something about one effect, under ``key`` in their detail."""


def keys_of(record: Record) -> list[str]:
    """Give the keys of the effects that a record asks for or is about."""
    if record.event_type in WORDS:
        return [str(record.detail["key"])]
    return [asked.key for asked in asked_by(record)]


def fold(known: Mapping[str, QueuedEffect], records: Iterable[Record]) -> dict[str, QueuedEffect | None]:
    """Give what records make of effects, by key; None where nothing is left of one that was known. Pure."""
    now: dict[str, QueuedEffect | None] = dict(known)
    for record in records:
        if record.event_type in WORDS:
            key = str(record.detail["key"])
            if (effect := follow(now.get(key), record)) is not None or key in now:
                now[key] = effect
        for asked in asked_by(record):
            now[asked.key] = ask(now.get(asked.key), asked)
    return now


def catch_up(tenant: str, ledger: Ledger, queue: EffectQueue) -> None:
    """Fold the records that the queue has not seen. A queue that belongs to another past is folded from the start.

    Several processes may do this at once: whoever kept first has, and the others go on from there.
    """
    while True:
        size, seen = ledger.size(), queue.cursor(tenant)
        if seen.count > size or (seen.count and ledger.leaf(seen.count - 1) != seen.leaf):
            queue.clear(tenant)
            seen = _NOTHING
        if seen.count == size:
            return
        stop = min(seen.count + RECORDS_PER_FOLD, size)
        told = [each for each in ledger.records(seen.count, stop) if each.event_type in WORDS or asked_by(each)]
        known = queue.find(tenant, {key for record in told for key in keys_of(record)})
        queue.keep(tenant, seen, Cursor(count=stop, leaf=ledger.leaf(stop - 1)), fold(known, told))
