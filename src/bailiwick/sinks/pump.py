"""Moves one ledger to one sink: reads from the sink's own cursor, delivers, and only then moves the cursor on.

Nothing waits for it: records are durable and acknowledged before it sees them. A batch that was delivered, and whose
cursor was not kept, is delivered again with the same keys. Nothing here sleeps: a step says when the next one is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from bailiwick.canonical import time_ns, time_text
from bailiwick.errors import SinkRefused, SinkUnavailable, UsageRefused
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, AuditEvent, Cursor, Draft, Receipt
from bailiwick.ports import AuditSink, Clock, CursorStore, Entropy
from bailiwick.sinks.ocsf import audit_event
from bailiwick.sinks.state import SinkState, StartedOver, read_state

SKIPPED = "sink.skipped"
SECOND_NS = 1_000_000_000
RETRY_FIRST_NS = SECOND_NS
"""Wait after the first failure, in nanoseconds; it doubles with each further one."""
RETRY_MAX_NS = 300 * SECOND_NS
"""Longest wait that this side chooses, in nanoseconds."""
RETRY_AFTER_MAX_NS = 3_600 * SECOND_NS
"""Longest wait that a receiver may ask for, in nanoseconds."""
IDLE_NS = SECOND_NS
"""Wait where there is nothing to send, in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step did: events delivered, the state after it, and nanoseconds until the next is due (0: at once)."""

    sent: int
    state: SinkState
    wait_ns: int


class Pump:
    """One ledger, one sink. Several processes may run one each: they take turns, batch by batch."""

    def __init__(
        self, name: str, ledger: Ledger, *, sink: AuditSink | None, cursors: CursorStore, clock: Clock, entropy: Entropy
    ) -> None:
        """Join a sink to a ledger; without one, ``skip`` and ``state`` are all that can be asked for."""
        self.name = name
        self._reader = f"sink-{name}"
        self._ledger = ledger
        self._origin = ledger.verifier_key().partition("+")[0]
        self._sink = sink
        self._cursors = cursors
        self._clock = clock
        self._entropy = entropy
        self._batch_max = sink.records_max if sink else 0

    def state(self) -> SinkState:
        """Say how far the sink has come and what is the matter; changes nothing."""
        return self._load(self._ledger.size())

    def step(self, *, is_forced: bool = False) -> Step:
        """Deliver one batch, where one waits and the time has come, and keep what came of it.

        Args:
            is_forced: Try now what is parked or waits for a later time.

        Raises:
            Unavailable: the cursor cannot be kept; a batch may have been delivered, and will be again.
            LedgerBroken: the ledger cannot be read.

        Cost: about 30 µs a record and 2 ms a batch, beside the receiver's time.
        """
        with self._cursors.exclusive(self._ledger.tenant, self._reader):
            size = self._ledger.size()
            state = self._load(size)
            if not is_forced and (wait_ns := self._wait_ns(state)):
                return Step(sent=0, state=state, wait_ns=wait_ns)
            events = self._batch(state.cursor.count, size)
            if not events:
                return Step(sent=0, state=state, wait_ns=IDLE_NS)
            return self._deliver(state, events)

    def skip(self, record: int, actor: Actor) -> Receipt:
        """Leave out the record that the sink stands before, and record that somebody did.

        Raises:
            UsageRefused: the sink does not stand before that record (``sink-skip``).
        """
        with self._cursors.exclusive(self._ledger.tenant, self._reader):
            state = self._load(self._ledger.size())
            if state.parked != record:
                where = "no record" if state.parked is None else f"record {state.parked}"
                raise UsageRefused(
                    f"sink {self.name} is stopped before {where}, not before record {record}",
                    hint="bailiwick sinks status; only a record that the receiver refuses for ever can be skipped",
                    code="sink-skip",
                )
            leaf = self._ledger.leaf(record)
            code = state.trouble.code if state.trouble else ""
            receipt = self._ledger.record(
                self._ledger.tenant,
                Draft(
                    event_type=SKIPPED,
                    resource=f"sink/{self.name}",
                    detail={"code": code, "leaf": leaf, "record": record, "sink": self.name},
                    actor=actor,
                ),
            )
            # The record comes first: a crash here leaves a skip that is recorded and has to be asked for again.
            self._keep(replace(state, cursor=Cursor(count=record + 1, leaf=leaf), parked=None, trouble=None))
            return receipt

    def lag(self, state: SinkState) -> tuple[int, int]:
        """Say how far the sink is behind: in records, and in seconds since the first of them was recorded."""
        size = self._ledger.size()
        behind = max(0, size - state.cursor.count)
        if not behind:
            return 0, 0
        # Records that were pruned meanwhile are not given; the first that is tells how long the sink is behind.
        oldest = next(self._ledger.records(state.cursor.count, size), None)
        recorded_ns = self._clock.now_ns() if oldest is None else time_ns(oldest.timestamp)
        return behind, max(0, self._clock.now_ns() - recorded_ns) // SECOND_NS

    # --- inside -----------------------------------------------------------------------------------------------------

    def _load(self, size: int) -> SinkState:
        """Read the state; one that is damaged or belongs to another past is replaced by a beginning that says so."""
        raw = self._cursors.get(self._ledger.tenant, self._reader)
        if raw is None:
            return SinkState(origin=self._origin)
        try:
            state = read_state(raw)
        except ValueError as error:
            return self._started_over(0, f"the cursor was damaged: {error}")
        count = state.cursor.count
        if state.origin != self._origin:
            return self._started_over(count, f"the cursor belongs to the ledger {state.origin}")
        if count > size:
            return self._started_over(count, f"the ledger has only {size} records")
        if count and self._ledger.leaf(count - 1) != state.cursor.leaf:
            return self._started_over(count, f"record {count - 1} is not the one that was sent")
        return state

    def _started_over(self, count: int, why: str) -> SinkState:
        over = StartedOver(at=time_text(self._clock.now_ns()), count=count, why=why[:500])
        return SinkState(origin=self._origin, started_over=over)

    def _wait_ns(self, state: SinkState) -> int:
        """Say how long to wait still. A clock that was set back makes nobody wait longer than the longest wait."""
        if state.parked is not None:
            return RETRY_MAX_NS
        left_ns = state.retry_at_ns - self._clock.now_ns()
        return min(max(left_ns, 0), RETRY_AFTER_MAX_NS)

    def _batch(self, start: int, size: int) -> list[AuditEvent]:
        """Read the records that are next, up to the limits of the sink; at least one where there is one."""
        assert self._sink is not None
        events: list[AuditEvent] = []
        left = self._sink.bytes_max
        for record in islice(self._ledger.records(start, size), self._batch_max):
            event = audit_event(self._ledger.tenant, self._origin, record)
            left -= len(event.body)
            if left < 0 and events:
                break
            events.append(event)
        return events

    def _deliver(self, state: SinkState, events: Sequence[AuditEvent]) -> Step:
        assert self._sink is not None
        try:
            notice = self._sink.deliver(events)
        except SinkRefused as error:
            return self._refused(state, len(events), error)
        except SinkUnavailable as error:
            now_ns = self._clock.now_ns()
            wait_ns = self._backoff_ns(state.failures, error.retry_after_s)
            return Step(sent=0, state=self._keep(state.failed(error, now_ns, now_ns + wait_ns)), wait_ns=wait_ns)
        self._batch_max = min(self._batch_max * 2, self._sink.records_max)
        last = events[-1]
        cursor = Cursor(count=last.record.index + 1, leaf=last.leaf)
        if missing := cursor.count - state.cursor.count - len(events):
            notice = f"{missing} records were pruned before they were sent; {notice}".rstrip("; ")
        return Step(sent=len(events), state=self._keep(state.moved(cursor, self._clock.now_ns(), notice)), wait_ns=0)

    def _refused(self, state: SinkState, count: int, error: SinkRefused) -> Step:
        """Halve the batch until the record that is refused stands alone, and stop before that one."""
        if count > 1:
            self._batch_max = count // 2
            return Step(sent=0, state=state, wait_ns=0)
        return Step(sent=0, state=self._keep(state.stopped(error, self._clock.now_ns())), wait_ns=RETRY_MAX_NS)

    def _backoff_ns(self, failures: int, retry_after_s: int | None) -> int:
        """Double the wait with each failure, drawn between half of it and all; never less than the receiver asked."""
        longest = min(RETRY_FIRST_NS << min(failures, 16), RETRY_MAX_NS)
        drawn = int.from_bytes(self._entropy.take(4), "big")
        own = longest // 2 + longest // 2 * drawn // 0xFFFF_FFFF
        return max(own, min((retry_after_s or 0) * SECOND_NS, RETRY_AFTER_MAX_NS))

    def _keep(self, state: SinkState) -> SinkState:
        self._cursors.put(self._ledger.tenant, self._reader, state.to_bytes())
        return state
