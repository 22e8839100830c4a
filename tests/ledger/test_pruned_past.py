"""Asking a ledger about a past that was pruned: what is left is answered, and what is gone is said."""

from __future__ import annotations

import pytest

from bailiwick.adapters.ledgerindex_memory import MemoryLedgerIndex
from bailiwick.canonical import time_ns
from bailiwick.errors import NotFound
from bailiwick.ledger import Projection, Query, Search, Timeline
from bailiwick.ledger.moment import Times
from bailiwick.ledger.proven import ProvenReader
from bailiwick.ledger.retention import Retention
from bailiwick.model import Actor, Draft

DAY_NS = 86_400 * 10**9
FAR_NS = time_ns("9999-01-01T00:00:00.000000000Z")
ACTOR = Actor(id="operator-1", role="operator")
READS = Projection(
    name="reads",
    version=1,
    says="how often somebody looked",
    event_types=frozenset({"access.read"}),
    start=lambda: {"reads": 0},
    fold=lambda state, record: {"reads": state["reads"] + 1},
)


def look(number):
    """Give a record of somebody who looked at something."""
    return Draft(event_type="access.read", resource=f"table/{number % 7}", detail={"number": number}, actor=ACTOR)


class Pruned:
    """A ledger whose first 512 records went; it remembers what was asked of it before."""

    def __init__(self, place, folder):
        place.clock.set(time_ns("2026-01-10T12:00:00.000000000Z"))
        self.ledger = place.create()
        self.ledger.keeping.set_retention(Retention(), ACTOR)
        for start in range(0, 600, 50):
            self.ledger.record_many("local", [look(number) for number in range(start, start + 50)])
        self.early_ns = time_ns(self.ledger.read(100).timestamp)
        self.index = MemoryLedgerIndex()
        self.table = [hit.index for hit in self.find().hits]
        for _ in range(9):
            place.clock.advance(30 * DAY_NS)
            self.ledger.record("local", look(0))
        self.ledger.record_many("local", [look(number) for number in range(20)])
        self.whole = self.at(READS).state
        self.kept = Timeline(self.ledger).state_at(self.now_ns, READS, now_ns=FAR_NS, is_kept=True)
        self.ledger.checkpoint()
        keeping = self.ledger.keeping
        plan = keeping.plan()
        archive = keeping.archive(plan, folder)
        keeping.prune(plan, archive, ACTOR, held=self.ledger.checkpoint().note)
        self.minimum = plan.stop

    @property
    def now_ns(self):
        """Give the time of the newest record."""
        return time_ns(self.ledger.read(self.ledger.size() - 1).timestamp)

    def at(self, projection):
        """Ask a fresh process how things stand at the end."""
        return Timeline(self.ledger).state_at(self.now_ns, projection, now_ns=FAR_NS)

    def find(self, index=None, **conditions):
        """Look for the records of one resource."""
        query = Query(**(conditions or {"resource": "table/3"}))
        return Search(self.ledger, index or self.index).find(query, limit=1_000)


@pytest.fixture
def pruned(make_place, tmp_path):
    """Give a ledger that was pruned."""
    made = Pruned(make_place(segment_records=200), tmp_path)
    yield made
    made.ledger.close()


def test_a_snapshot_outlives_the_records_that_it_holds(pruned):
    """Wrong if pruning took away states that somebody kept."""
    assert pruned.minimum > 0
    past = pruned.at(READS)
    assert past.state == pruned.whole
    assert past.snapshot is not None


def test_a_state_that_nothing_is_left_of_is_said(pruned):
    """Wrong if a fold over what is left passed for a fold over everything."""
    fresh = Projection(
        name="other",
        version=1,
        says="the same",
        event_types=READS.event_types,
        start=READS.start,
        fold=READS.fold,
    )
    for how in ({}, {"is_replayed": True}):
        with pytest.raises(NotFound) as caught:
            Timeline(pruned.ledger).state_at(pruned.now_ns, fresh, now_ns=FAR_NS, **how)
        assert caught.value.code == "state-pruned"


def test_a_moment_among_pruned_records_is_refused(pruned):
    """Wrong if a moment were answered by records that came after it."""
    with pytest.raises(NotFound) as caught:
        Times(ProvenReader(pruned.ledger)).position_at(pruned.early_ns, FAR_NS)
    assert caught.value.code == "time-before-ledger"
    assert "pruned" in caught.value.message


@pytest.mark.parametrize("is_fresh", [False, True], ids=["index from before", "index from after"])
def test_a_search_finds_what_is_left(pruned, is_fresh):
    """Wrong if pruned records made searches fail, or hid those that stayed."""
    page = pruned.find(MemoryLedgerIndex() if is_fresh else None)
    found = [hit.index for hit in page.hits]
    assert [index for index in found if index < 601] == [index for index in pruned.table if index >= pruned.minimum]
    assert len(found) > 3
    assert (page.dropped > 0) is not is_fresh


def test_times_still_bound_a_search(pruned):
    """Wrong if a search by time reached for records that are gone."""
    assert pruned.find(until_ns=pruned.early_ns, event_type="access.read").hits == ()
    everything = pruned.find(since_ns=pruned.early_ns, event_type="access.read")
    assert {hit.index for hit in everything.hits} >= set(range(pruned.minimum, 600))
