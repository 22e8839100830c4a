"""Step five: effects that the ledger asks for are performed, each under its key, and what came of it is a record too.

The executor reads the ledger from a cursor. Right before each effect it looks for news in the ledger, then asks the
panic switch, and only then delivers; what came of it is recorded. Killed between the two, it delivers again under the
same key, which a receiver that honours keys ignores. Its fence, the index of the record of its start, goes with each
delivery, so that a receiver can tell it from one that was thought dead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bailiwick.canonical import time_text
from bailiwick.decisions.effects.folding import (
    DEAD,
    EXPIRED,
    FAILED,
    NEVER,
    RESULT,
    STARTED,
    asked_by,
    catch_up,
    is_asked,
)
from bailiwick.errors import (
    BailiwickError,
    EffectFenced,
    EffectsFrozen,
    LedgerBroken,
    LedgerPoisoned,
    NotFound,
    Unavailable,
)
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft, EffectSettings, EffectState, JsonValue, QueuedEffect, Receipt
from bailiwick.ports import BlobStore, Clock, EffectChannel, EffectQueue, Entropy, PanicSwitch
from bailiwick.schema import parse_document

GONE = {"blob-erased": "evidence-erased", "record-pruned": "record-pruned"}
"""Why nothing can be sent any more, by the code with which the decision or its evidence cannot be read."""
RESULTS_PER_FLUSH = 64
"""Results recorded with one flush; at most so many deliveries are repeated after a crash."""
SECOND_NS = 1_000_000_000
RESULTS_WAIT_NS = SECOND_NS
"""How long a result may wait for others to share its flush, in nanoseconds: slow receivers are recorded one by one."""
RETRY_AFTER_MAX_S = 3_600
"""Longest wait that a receiver may ask for, in seconds."""
LOOK_MS = 100
"""Between two looks at the ledger and the panic switch while nothing is due, in milliseconds."""


class Channels(Protocol):
    """Knows how effects of each type are performed."""

    def of(self, kind: str) -> tuple[EffectChannel, EffectSettings]:
        """Give the channel of a type of effects, and how stubborn it is.

        Raises:
            UsageRefused: the settings of that type cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsReport:
    """What one run of the executor did. ``frozen`` says that the panic switch stopped it with effects left.

    ``ended`` are effects that nothing can be sent for any more: their evidence was erased, or their record pruned.
    ``dead`` were given up, ``expired`` were approved by nobody in time. ``waiting`` are left to be delivered, now or at
    a later moment, and ``unapproved`` wait for a person.
    """

    delivered: int
    repeated: int
    ended: int
    failed: tuple[Mapping[str, JsonValue], ...]
    waiting: int
    frozen: bool
    dead: int = 0
    expired: int = 0
    unapproved: int = 0

    @property
    def is_idle(self) -> bool:
        """Say whether nothing was done and nothing failed."""
        return not (self.delivered or self.repeated or self.ended or self.failed or self.expired)

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "delivered": self.delivered,
            "repeated": self.repeated,
            "ended": self.ended,
            "failed": [dict(failure) for failure in self.failed],
            "dead": self.dead,
            "expired": self.expired,
            "waiting": self.waiting,
            "unapproved": self.unapproved,
            "frozen": self.frozen,
        }


@dataclass(slots=True)
class _Tally:
    """What one run did so far, and what it does not try again."""

    counts: dict[str, int] = field(default_factory=lambda: {"now": 0, "before": 0, NEVER: 0})
    failed: list[Mapping[str, JsonValue]] = field(default_factory=list)
    unable: set[str] = field(default_factory=set)
    dead: int = 0
    expired: int = 0
    is_frozen: bool = False


class Executor:
    """Performs the effects of one tenant. The caller holds the tenant's lock, so that one executor runs at a time."""

    def __init__(
        self,
        *,
        tenant: str,
        ledger: Ledger,
        queue: EffectQueue,
        blobs: BlobStore,
        panic: PanicSwitch,
        channels: Channels,
        clock: Clock,
        entropy: Entropy,
        actor: Actor,
    ) -> None:
        """Join the executor to what it reads, asks and delivers through; nothing is read yet."""
        self._tenant = tenant
        self._ledger = ledger
        self._queue = queue
        self._blobs = blobs
        self._panic = panic
        self._channels = channels
        self._clock = clock
        self._entropy = entropy
        self._actor = actor
        self._fence: int | None = None
        self._seen = 0
        self._drafts: list[Draft] = []
        self._begun_ns = 0

    def run(self, progress: Callable[[int], None] = lambda _: None) -> EffectsReport:
        """Perform every effect that is due, oldest first, until none is left or the switch is thrown.

        Args:
            progress: Called with 1 for each effect just handled.

        A delivery that fails is recorded with the moment of the next, and not tried again in this run; one that is
        refused for good, or that failed too often, is given up. An effect whose evidence was erased, or whose record
        was pruned, has that as its result, and waits no more.

        Raises:
            EffectFenced: a newer executor has started; this one stops.
            LedgerPoisoned, Unavailable: a result cannot be recorded; it is delivered again under the same key.
        """
        catch_up(self._tenant, self._ledger, self._queue)
        tally = _Tally()
        self._expire(tally)
        try:
            while not tally.is_frozen and (batch := self._due(tally)):
                for effect in batch:
                    self._perform(effect, tally)
                    if tally.is_frozen:
                        break
                    progress(1)
                self._flush()
        finally:
            # What was delivered before something went wrong is recorded, if it still can be.
            self._flush()
        return self._report(tally)

    def follow(self, pause: Callable[[int], bool], tell: Callable[[EffectsReport], None]) -> None:
        """Perform effects as they come due, until told to stop.

        Args:
            pause: Waits some milliseconds, and says whether to stop.
            tell: Called after each run that did something, and when effects freeze or thaw.
        """
        told: bool | None = None
        while True:
            size, was_frozen = self._ledger.size(), self._panic.is_frozen()
            report = self.run()
            if not report.is_idle or report.frozen != told:
                tell(report)
            told = report.frozen
            while self._panic.is_frozen() == was_frozen and (was_frozen or not self._is_due(size)):
                if pause(LOOK_MS):
                    return
            if pause(0):
                return

    # --- inside -----------------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return time_text(self._clock.now_ns())

    def _is_due(self, size: int) -> bool:
        now = self._now()
        if self._ledger.size() != size or self._queue.expired(self._tenant, now):
            return True
        return bool(self._queue.waiting(self._tenant, 1, now))

    def _due(self, tally: _Tally) -> list[QueuedEffect]:
        """Give the next effects that are due and were not tried in this run."""
        tried = {str(failure["key"]) for failure in tally.failed} | tally.unable
        found = self._queue.waiting(self._tenant, RESULTS_PER_FLUSH + len(tried), self._now())
        return [effect for effect in found if effect.key not in tried]

    def _expire(self, tally: _Tally) -> None:
        """Record that nobody approved in time."""
        late = self._queue.expired(self._tenant, self._now())
        tally.expired = len(late)
        self._begun_ns = self._clock.now_ns()
        for effect in late:
            self._draft(EXPIRED, effect, {})
        self._flush()

    def _perform(self, effect: QueuedEffect, tally: _Tally) -> None:
        """Deliver one effect if it is still wanted and nothing is frozen, and draft the record of what came of it."""
        if self._fence is None and self._panic.is_frozen():
            tally.is_frozen = True
            return
        try:
            channel, settings = self._channels.of(effect.type)
        except BailiwickError as error:
            tally.failed.append(_failure(effect, error))
            return
        self._start()
        if not self._is_wanted(effect):
            tally.unable.add(effect.key)
            return
        if not self._drafts:
            self._begun_ns = self._clock.now_ns()
        try:
            came = self._deliver(effect, channel)
        except EffectsFrozen:
            tally.is_frozen = True
        except (LedgerBroken, LedgerPoisoned):
            raise
        except BailiwickError as error:
            self._failed(effect, settings, error, tally)
        else:
            tally.counts[str(came["delivered"])] += 1
            is_sent = came["delivered"] != NEVER
            self._draft(RESULT, effect, {**came, "fence": self._fence} if is_sent else came)

    def _deliver(self, effect: QueuedEffect, channel: EffectChannel) -> Mapping[str, JsonValue]:
        """Deliver one effect, or say why there is nothing that could be delivered."""
        assert self._fence is not None
        try:
            message = self.message(effect)
        except NotFound as error:
            if error.code not in GONE:
                raise
            return {"delivered": NEVER, "reason": GONE[error.code]}
        if self._panic.is_frozen():
            raise EffectsFrozen("the panic switch is on", hint="bailiwick panic status")
        return channel.deliver(self._tenant, effect.key, message, fence=self._fence)

    def _failed(self, effect: QueuedEffect, settings: EffectSettings, error: BailiwickError, tally: _Tally) -> None:
        """Draft that a delivery failed, with the moment of the next one, or that it is given up."""
        if isinstance(error, EffectFenced):
            self._look()
        attempt = effect.attempts + 1
        tally.failed.append(_failure(effect, error))
        told: dict[str, JsonValue] = {"attempt": attempt, "code": error.code, "fence": self._fence}
        if attempt >= settings.attempts_max or not isinstance(error, Unavailable):
            tally.dead += 1
            self._draft(DEAD, effect, told)
            return
        wait_ns = self._wait_ns(attempt, settings, getattr(error, "retry_after_s", None))
        self._draft(FAILED, effect, {**told, "retry_at": time_text(self._clock.now_ns() + wait_ns)})

    def _wait_ns(self, attempt: int, settings: EffectSettings, retry_after_s: int | None) -> int:
        """Double the wait with each failure, drawn between half of it and all; never less than the receiver asked."""
        longest = min(settings.wait_first_s << min(attempt - 1, 20), settings.wait_max_s) * SECOND_NS
        drawn = int.from_bytes(self._entropy.take(4), "big")
        own = longest // 2 + longest // 2 * drawn // 0xFFFF_FFFF
        return max(own, min(retry_after_s or 0, RETRY_AFTER_MAX_S) * SECOND_NS)

    def _start(self) -> None:
        """Record once that this executor begins: nothing is delivered by one that cannot record."""
        if self._fence is None:
            draft = Draft(event_type=STARTED, resource="effects", detail={}, actor=self._actor)
            self._fence = self._ledger.record(self._tenant, draft).index
            self._seen = self._fence + 1

    def _is_wanted(self, effect: QueuedEffect) -> bool:
        """Say whether an effect still waits, now that the newest records are known, and as the ledger has it.

        A queue that says otherwise than the ledger is folded anew.
        """
        if self._ledger.size() != self._seen:
            self._look()
        now = self._queue.find(self._tenant, [effect.key]).get(effect.key)
        if now is None or now.state is not EffectState.WAITING:
            return False
        if is_asked(effect, self._ledger):
            return True
        self._queue.clear(self._tenant)
        catch_up(self._tenant, self._ledger, self._queue)
        return False

    def _look(self) -> None:
        """Take in records of others.

        Raises:
            EffectFenced: a newer executor has started.
        """
        size = self._ledger.size()
        for record in self._ledger.records(self._seen, size):
            if record.event_type == STARTED:
                raise EffectFenced(
                    f"a newer executor of tenant {self._tenant} started with record {record.index}; this one stops",
                    hint="nothing is to be done: the newer one goes on",
                )
        self._seen = size
        catch_up(self._tenant, self._ledger, self._queue)

    def _draft(self, event_type: str, effect: QueuedEffect, more: Mapping[str, JsonValue]) -> None:
        """Add a record to those that share the next flush, and flush where they are many or wait for long."""
        detail: dict[str, JsonValue] = {"key": effect.key, "type": effect.type, "record": effect.record, **more}
        resource = f"effect/{effect.key[12:44]}"
        self._drafts.append(Draft(event_type=event_type, resource=resource, detail=detail, actor=self._actor))
        if len(self._drafts) >= RESULTS_PER_FLUSH or self._clock.now_ns() - self._begun_ns >= RESULTS_WAIT_NS:
            self._flush()

    def _flush(self) -> None:
        drafts, self._drafts = self._drafts, []
        if drafts:
            self._ledger.record_many(self._tenant, drafts)
            catch_up(self._tenant, self._ledger, self._queue)

    def _report(self, tally: _Tally) -> EffectsReport:
        counts = self._queue.counts(self._tenant)
        waiting = counts.get(EffectState.WAITING, 0)
        return EffectsReport(
            delivered=tally.counts["now"],
            repeated=tally.counts["before"],
            ended=tally.counts[NEVER],
            failed=tuple(tally.failed),
            dead=tally.dead,
            expired=tally.expired,
            waiting=waiting,
            unapproved=counts.get(EffectState.APPROVAL, 0),
            frozen=tally.is_frozen and waiting > 0,
        )

    def message(self, effect: QueuedEffect) -> dict[str, JsonValue]:
        """Say what is asked for, by which decision, and how the receiver can have it proved."""
        return effect_message(self._tenant, effect, self._ledger, self._blobs)


def effect_message(tenant: str, effect: QueuedEffect, ledger: Ledger, blobs: BlobStore) -> dict[str, JsonValue]:
    """Give what the receiver of an effect gets, from the evidence of the decision that asked for it.

    Raises:
        NotFound: the record was pruned, its evidence erased, or the evidence has no such effect.
        Unavailable: the evidence is damaged.
    """
    record = ledger.read(effect.record)
    evidence: Any = parse_document(blobs.get(tenant, str(record.detail["evidence"]), record.resource))
    if effect.position >= len(evidence["effects"]):
        raise NotFound(
            f"the evidence of record {effect.record} has no effect {effect.position}",
            hint=f"bailiwick replay {effect.record} says how the evidence differs",
            code="effect-not-found",
        )
    receipt = Receipt(index=effect.record, leaf=ledger.leaf(effect.record))
    return {
        "key": effect.key,
        "type": effect.type,
        "parameters": evidence["effects"][effect.position]["parameters"],
        "decision": {"pack": evidence["pack"], "outcome": evidence["impact"]["outcome"]},
        "legal_date": evidence["legal_date"],
        "receipt": receipt.to_json(),
    }


def _failure(effect: QueuedEffect, error: BailiwickError) -> Mapping[str, JsonValue]:
    return {"key": effect.key, "record": effect.record, "code": error.code}


__all__ = ["NEVER", "RESULT", "Channels", "EffectsReport", "Executor", "asked_by", "catch_up", "effect_message"]
