"""Step five: effects that the ledger asks for are performed, each under its key, and their results are records too.

The executor reads the ledger from a cursor. It asks the panic switch before each effect, delivers, and then records
what came of it. Killed between the two, it delivers again under the same key, which a receiver that honours keys
ignores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.decisions.seal import SEALED
from bailiwick.errors import BailiwickError, NotFound
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Cursor, Draft, JsonValue, QueuedEffect, Receipt, Record
from bailiwick.ports import BlobStore, EffectChannel, EffectQueue, PanicSwitch
from bailiwick.schema import parse_document

RESULT = "effect.result"
NEVER = "never"
"""What a result says where its decision has nothing left to send; a later one that asks for the same still counts."""
GONE = {"blob-erased": "evidence-erased", "record-pruned": "record-pruned"}
"""Why nothing can be sent any more, by the code with which the decision or its evidence cannot be read."""
RESULTS_PER_FLUSH = 64
"""Results recorded with one flush; at most so many deliveries are repeated after a crash."""
RECORDS_PER_FOLD = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsReport:
    """What one run of the executor did. ``frozen`` says that the panic switch stopped it with effects left.

    ``ended`` are effects that nothing can be sent for any more: their evidence was erased, or their record pruned.
    """

    delivered: int
    repeated: int
    ended: int
    failed: tuple[Mapping[str, JsonValue], ...]
    waiting: int
    frozen: bool

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "delivered": self.delivered,
            "repeated": self.repeated,
            "ended": self.ended,
            "failed": [dict(failure) for failure in self.failed],
            "waiting": self.waiting,
            "frozen": self.frozen,
        }


def catch_up(tenant: str, ledger: Ledger, queue: EffectQueue) -> None:
    """Fold the records that the queue has not seen. A queue that belongs to another past is folded from the start."""
    size = ledger.size()
    seen = queue.cursor(tenant)
    if seen.count > size or (seen.count and ledger.leaf(seen.count - 1) != seen.leaf):
        queue.clear(tenant)
        seen = Cursor(count=0, leaf="")
    for start in range(seen.count, size, RECORDS_PER_FOLD):
        stop = min(start + RECORDS_PER_FOLD, size)
        asked: list[QueuedEffect] = []
        done: dict[str, int] = {}
        for record in ledger.records(start, stop):
            asked.extend(asked_by(record))
            if record.event_type != RESULT:
                continue
            key = str(record.detail["key"])
            if record.detail.get("delivered") != NEVER:
                done[key] = record.index
                continue
            # What asks for it from here on asks anew, so that is folded apart.
            cursor, ended = Cursor(count=record.index + 1, leaf=ledger.leaf(record.index)), record.detail["record"]
            queue.fold(tenant, cursor, asked, done, {key: int(str(ended))})
            asked, done = [], {}
        queue.fold(tenant, Cursor(count=stop, leaf=ledger.leaf(stop - 1)), asked, done)


def asked_by(record: Record) -> list[QueuedEffect]:
    """Give the effects that a record asks for, in order; none where it is no decision."""
    if record.event_type != SEALED:
        return []
    effects: Any = record.detail["effects"]
    return [
        QueuedEffect(key=effect["key"], type=effect["type"], record=record.index, position=position)
        for position, effect in enumerate(effects)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Performs the effects of one tenant. The caller holds the tenant's fence, so that one executor runs at a time."""

    tenant: str
    ledger: Ledger
    queue: EffectQueue
    blobs: BlobStore
    panic: PanicSwitch
    channel: EffectChannel
    actor: Actor

    def run(self, progress: Callable[[int], None] = lambda _: None) -> EffectsReport:
        """Perform every waiting effect, oldest first, until none is left or the switch is thrown.

        Args:
            progress: Called with the number of effects just handled.

        A delivery that fails is reported, stays waiting, and is not tried again in this run. An effect whose evidence
        was erased, or whose record was pruned, has that as its result, and waits no more.
        """
        catch_up(self.tenant, self.ledger, self.queue)
        counts = {"now": 0, "before": 0, NEVER: 0}
        failures: list[Mapping[str, JsonValue]] = []
        frozen = False
        while not frozen:
            batch = self.queue.waiting(self.tenant, RESULTS_PER_FLUSH + len(failures))
            batch = [effect for effect in batch if effect.key not in {failure["key"] for failure in failures}]
            if not batch:
                break
            results: list[Draft] = []
            for effect in batch:
                if self.panic.is_frozen():
                    frozen = True
                    break
                try:
                    came = self._perform(effect)
                except BailiwickError as error:
                    failures.append({"key": effect.key, "record": effect.record, "code": error.code})
                    continue
                counts[str(came["delivered"])] += 1
                results.append(self._result(effect, came))
            self._record(results)
            progress(len(batch))
        waiting = sum(effect.result is None for effect in self.queue.listed(self.tenant))
        return EffectsReport(
            delivered=counts["now"],
            repeated=counts["before"],
            ended=counts[NEVER],
            failed=tuple(failures),
            waiting=waiting,
            frozen=frozen and waiting > 0,
        )

    def _perform(self, effect: QueuedEffect) -> Mapping[str, JsonValue]:
        """Deliver one effect, or say why there is nothing that could be delivered."""
        try:
            message = self._message(effect)
        except NotFound as error:
            if error.code not in GONE:
                raise
            return {"delivered": NEVER, "reason": GONE[error.code]}
        return self.channel.deliver(self.tenant, effect.key, message)

    def _record(self, results: list[Draft]) -> None:
        if results:
            self.ledger.record_many(self.tenant, results)
            catch_up(self.tenant, self.ledger, self.queue)

    def _result(self, effect: QueuedEffect, came: Mapping[str, JsonValue]) -> Draft:
        detail: dict[str, JsonValue] = {"key": effect.key, "type": effect.type, "record": effect.record, **came}
        return Draft(event_type=RESULT, resource=f"effect/{effect.key[12:44]}", detail=detail, actor=self.actor)

    def _message(self, effect: QueuedEffect) -> dict[str, JsonValue]:
        """Say what is asked for, by which decision, and how the receiver can have it proved."""
        record = self.ledger.read(effect.record)
        evidence: Any = parse_document(self.blobs.get(self.tenant, str(record.detail["evidence"]), record.resource))
        if effect.position >= len(evidence["effects"]):
            raise NotFound(
                f"the evidence of record {effect.record} has no effect {effect.position}",
                hint=f"bailiwick replay {effect.record} says how the evidence differs",
                code="effect-not-found",
            )
        receipt = Receipt(index=effect.record, leaf=self.ledger.leaf(effect.record))
        return {
            "key": effect.key,
            "type": effect.type,
            "parameters": evidence["effects"][effect.position]["parameters"],
            "decision": {"pack": evidence["pack"], "outcome": evidence["impact"]["outcome"]},
            "legal_date": evidence["legal_date"],
            "receipt": receipt.to_json(),
        }
