"""A ledger, a clock and cursors in memory, and pumps over them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bailiwick.adapters.auditsink_memory import MemoryAuditSink
from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import Ledger
from bailiwick.model import Actor, Draft
from bailiwick.sinks import Pump
from bailiwick.testing import MemoryClock, MemoryEntropy, MemoryLedgerStore

ORIGIN = "bailiwick/0123456789abcdef"
ACTOR = Actor(id="operator-1", role="operator")


def start_ledger(clock, origin=ORIGIN) -> Ledger:
    """Start a ledger in memory that lets any draft in."""
    return Ledger.create(
        "local",
        MemoryLedgerStore(),
        Signer(origin, new_secret(bytes(32))),
        clock=clock,
        origin=origin,
        node_id="node-1",
        actor=ACTOR,
        checkpoint_ms=None,
        guard=lambda _: None,
    )


@dataclass
class Bench:
    """One ledger and everything that a pump needs."""

    ledger: Ledger
    clock: MemoryClock
    cursors: MemoryCursorStore = field(default_factory=MemoryCursorStore)

    def append(self, count: int, *, ledger=None, **detail) -> None:
        """Append some records."""
        ledger = ledger or self.ledger
        start = ledger.size()
        drafts = [
            Draft(event_type="decision.sealed", resource="pack/p", detail={"number": start + n, **detail}, actor=ACTOR)
            for n in range(count)
        ]
        ledger.record_many("local", drafts)

    def pump(self, sink: MemoryAuditSink, *, cursors=None, ledger=None) -> Pump:
        """Give a pump as another process would have it."""
        return Pump(
            "siem",
            ledger or self.ledger,
            sink=sink,
            cursors=cursors or self.cursors,
            clock=self.clock,
            entropy=MemoryEntropy(),
        )

    def another_ledger(self, origin=ORIGIN) -> Ledger:
        """Start a ledger with another past."""
        self.clock.advance(1_000_000_000)
        return start_ledger(self.clock, origin)


@pytest.fixture
def bench():
    """Give a ledger with ten records, the first of them its own."""
    clock = MemoryClock()
    with start_ledger(clock) as ledger:
        made = Bench(ledger, clock)
        made.append(9)
        yield made
