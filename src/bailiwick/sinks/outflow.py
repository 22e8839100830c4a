"""All sinks of one tenant: what there is, where each stands, and their running, a thread each, so that none waits
for another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from bailiwick.canonical import time_text
from bailiwick.errors import BailiwickError, LedgerBroken, Unavailable
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Receipt, SinkSettings
from bailiwick.ports import AuditSink, Clock, CursorStore, Entropy
from bailiwick.sinks.declare import pick
from bailiwick.sinks.pump import RETRY_FIRST_NS, SECOND_NS, Pump
from bailiwick.sinks.state import SinkState

Progress = Callable[[int], None]
"""Told how many records were delivered since it was last told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """Where one sink stands: its state, how far behind it is in records and seconds, and what this run delivered.

    ``condition`` is ``idle`` (nothing waits), ``sending`` (something waits and may be sent), ``waiting`` (an attempt
    failed; the next is due at ``retry_at``) or ``stopped`` (before a record that the receiver refuses for ever).
    ``error`` is what kept a run from going on, where the receiver was not the reason.
    """

    settings: SinkSettings
    state: SinkState
    lag_records: int = 0
    lag_seconds: int = 0
    sent: int = 0
    error: BailiwickError | None = None

    @property
    def condition(self) -> str:
        """Say in one word how the sink is."""
        if self.state.parked is not None:
            return "stopped"
        if self.state.failures or self.error is not None:
            return "waiting"
        return "sending" if self.lag_records else "idle"

    def to_json(self) -> dict[str, Any]:
        """Give the status as JSON."""
        state, trouble, over = self.state, self.state.trouble, self.state.started_over
        return {
            "name": self.settings.name,
            "kind": self.settings.kind,
            "condition": self.condition,
            "sent": self.sent,
            "count": state.cursor.count,
            "leaf": state.cursor.leaf,
            "lag_records": self.lag_records,
            "lag_seconds": self.lag_seconds,
            "delivered_at": state.delivered_at,
            "failures": state.failures,
            "retry_at": time_text(state.retry_at_ns) if state.failures else None,
            "parked": state.parked,
            "trouble": None
            if trouble is None
            else {"code": trouble.code, "message": trouble.message, "at": trouble.at},
            "started_over": None if over is None else {"at": over.at, "count": over.count, "why": over.why},
            "notice": state.notice,
            "error": None if self.error is None else self.error.to_json(),
        }


class Outflow:
    """The sinks of one tenant. ``open_sink`` builds a sink when it is needed: looking needs no secrets."""

    def __init__(
        self,
        ledger: Ledger,
        declared: Sequence[SinkSettings],
        open_sink: Callable[[SinkSettings], AuditSink],
        *,
        cursors: CursorStore,
        clock: Clock,
        entropy: Entropy,
        actor: Actor,
    ) -> None:
        self._ledger = ledger
        self._declared = [each for each in declared if each.tenant == ledger.tenant]
        self._open_sink = open_sink
        self._cursors = cursors
        self._clock = clock
        self._entropy = entropy
        self._actor = actor

    def declared(self) -> list[SinkSettings]:
        """List the tenant's sinks, by name."""
        return list(self._declared)

    def status(self, name: str | None = None) -> list[SinkStatus]:
        """Say where sinks stand, all or the one of a name; nothing is sent.

        Raises:
            NotFound: there is none of that name.
            Unavailable: a cursor cannot be read.
        """
        return [self._status(each, self._pump(each, None)) for each in pick(self._declared, name)]

    def run(self, name: str | None = None, *, progress: Progress = lambda _: None) -> list[SinkStatus]:
        """Deliver what waits now, to each sink until it has all of it or an attempt fails, and say what came of it.

        What is parked, or waits for a later time, is tried again once. One sink's trouble is no other's.

        Raises:
            NotFound: there is none of that name.
        """
        chosen = pick(self._declared, name)
        stop = threading.Event()
        if not chosen:
            return []
        with ThreadPoolExecutor(len(chosen), thread_name_prefix="sink") as threads:
            try:
                return list(threads.map(lambda each: self._drain(each, stop, progress), chosen))
            finally:
                stop.set()

    def follow(
        self,
        stop: threading.Event,
        name: str | None = None,
        *,
        tell: Callable[[SinkStatus], None] = lambda _: None,
    ) -> list[SinkStatus]:
        """Deliver records as they come, until ``stop`` is set or every sink has stopped; then say where each stands.

        Args:
            stop: Set it to end; what is under way is waited for.
            name: One sink, or all.
            tell: Called from the sinks' threads when the condition of one changes.

        Raises:
            NotFound: there is none of that name.
            UsageRefused: a sink cannot be opened; none was started.
        """
        chosen = [(each, self._open_sink(each)) for each in pick(self._declared, name)]
        if not chosen:
            return []
        with ThreadPoolExecutor(len(chosen), thread_name_prefix="sink") as threads:
            futures = [threads.submit(self._follow, each, sink, stop, tell) for each, sink in chosen]
            try:
                return [future.result() for future in futures]
            finally:
                stop.set()

    def skip(self, name: str, record: int) -> Receipt:
        """Leave out the record that a sink stands before, on somebody's word, and record that (``sink.skipped``).

        Raises:
            NotFound: there is no sink of that name.
            UsageRefused: it does not stand before that record (``sink-skip``).
        """
        return self._pump(pick(self._declared, name)[0], None).skip(record, self._actor)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _pump(self, settings: SinkSettings, sink: AuditSink | None) -> Pump:
        return Pump(
            settings.name,
            self._ledger,
            sink=sink,
            cursors=self._cursors,
            clock=self._clock,
            entropy=self._entropy,
        )

    def _status(
        self, settings: SinkSettings, pump: Pump, sent: int = 0, error: BailiwickError | None = None
    ) -> SinkStatus:
        state = pump.state()
        records, seconds = pump.lag(state)
        return SinkStatus(
            settings=settings,
            state=state,
            lag_records=records,
            lag_seconds=seconds,
            sent=sent,
            error=error,
        )

    def _drain(self, settings: SinkSettings, stop: threading.Event, progress: Progress) -> SinkStatus:
        """Run one sink up to the end as it is now; what keeps it from that is part of its status."""
        sent = 0
        try:
            with closing(self._open_sink(settings)) as sink:
                pump = self._pump(settings, sink)
                end = self._ledger.size()
                step = pump.step(is_forced=True)
                while True:
                    sent += step.sent
                    progress(step.sent)
                    if step.wait_ns or step.state.cursor.count >= end or stop.is_set():
                        break
                    step = pump.step()
                return self._status(settings, pump, sent)
        except LedgerBroken:
            raise
        except BailiwickError as error:
            return self._status(settings, self._pump(settings, None), sent, error)

    def _follow(
        self, settings: SinkSettings, sink: AuditSink, stop: threading.Event, tell: Callable[[SinkStatus], None]
    ) -> SinkStatus:
        """Run one sink until told to stop, or until it stands before a record that is refused for ever."""
        sent, condition, wait_ns = 0, "", 0
        with closing(sink):
            pump = self._pump(settings, sink)
            is_forced = True
            while not stop.wait(wait_ns / SECOND_NS):
                status, wait_ns = self._turn(settings, pump, is_forced=is_forced)
                is_forced = False
                sent += status.sent
                if status.condition not in (condition, "sending"):
                    condition = status.condition
                    tell(replace(status, sent=sent))
                if condition == "stopped":
                    break
        return self._status(settings, pump, sent)

    def _turn(self, settings: SinkSettings, pump: Pump, *, is_forced: bool) -> tuple[SinkStatus, int]:
        """Take one step; where the cursor cannot be kept or the ledger not be read now, that is the status."""
        try:
            step = pump.step(is_forced=is_forced)
            records, seconds = pump.lag(step.state)
        except Unavailable as error:
            return SinkStatus(settings=settings, state=SinkState(origin=""), error=error), RETRY_FIRST_NS * 10
        status = SinkStatus(
            settings=settings, state=step.state, lag_records=records, lag_seconds=seconds, sent=step.sent
        )
        return status, step.wait_ns
