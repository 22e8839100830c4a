"""Pruning while the power goes or the process is killed: at each change of the disk, the old ledger or the new one."""

from __future__ import annotations

import pytest

from bailiwick.canonical import time_ns
from bailiwick.errors import BailiwickError, NotFound, UsageRefused, Verdict
from bailiwick.ledger import verify_receipt
from bailiwick.ledger.retention import Retention
from bailiwick.model import Actor, Draft
from bailiwick.testing import Killed, Mishap, PowerCut, SimulatedDisk

DAY_NS = 86_400 * 10**9
ACTOR = Actor(id="operator-1", role="operator")
MINIMUM = 512


def draft(number, event_type="access.read"):
    """Give a record of somebody who looked at something, or one that is kept for longer."""
    return Draft(event_type=event_type, resource=f"table/{number % 7}", detail={"number": number}, actor=ACTOR)


class Old:
    """A ledger on a simulated disk with 512 old records, a few of them to be carried on; everything flushed."""

    def __init__(self, make_place, folder, segment_records):
        self.make_place, self.folder, self.segment_records = make_place, folder, segment_records
        disk = SimulatedDisk()
        place = make_place(disk, segment_records=segment_records)
        place.clock.set(time_ns("2026-01-10T12:00:00.000000000Z"))
        ledger = place.create()
        ledger.keeping.set_retention(Retention(), ACTOR)
        for start in range(0, 600, 100):
            kinds = ["decision.sealed" if n % 90 == 7 else "access.read" for n in range(start, start + 100)]
            ledger.record_many(place.tenant, [draft(start + n, kind) for n, kind in enumerate(kinds)])
            ledger.checkpoint()
        for _ in range(9):
            place.clock.set(place.clock.now_ns() + 30 * DAY_NS)
            ledger.record(place.tenant, draft(0))
            ledger.checkpoint()
        self.size = ledger.size()
        self.raws = {index: ledger.read(index).raw for index in (0, 9, 300, 511, 512, 599)}
        self.receipt = ledger.prove(300)
        self.leaves = [ledger.leaf(index) for index in range(self.size)]
        ledger.close()
        self.now_ns = place.clock.now_ns()
        self.disk = disk

    def start(self):
        """Give a place with a copy of it all, as another machine."""
        place = self.make_place(self.disk.image(), segment_records=self.segment_records)
        place.clock.set(self.now_ns)
        return place

    def prune(self, ledger):
        """Prune what is old; the archive of an interrupted attempt is used again."""
        plan = ledger.keeping.plan(carry=True)
        archive = ledger.keeping.archive(plan, self.folder)
        ledger.keeping.prune(plan, archive, ACTOR, held=None, unheld=True)

    def check(self, place, ledger):
        """See that the ledger is whole, either as it was or pruned; give its minimum."""
        report = ledger.verify()
        assert report.verdict is Verdict.OK, report
        assert report.minimum in {0, MINIMUM}
        assert ledger.size() >= self.size
        assert [ledger.leaf(index) for index in (0, 9, 300, 511, 512, 599)] == [
            self.leaves[index] for index in (0, 9, 300, 511, 512, 599)
        ]
        for index in (0, 9, 512, 599):
            assert ledger.read(index).raw == self.raws[index]
        for text in (self.receipt, ledger.prove(300)):
            assert verify_receipt(text, self.raws[300], key=ledger.verifier_key())[0] == 300
        if report.minimum:
            with pytest.raises(NotFound):
                ledger.read(300)
            told = [record for record in ledger.records(MINIMUM) if record.event_type == "ledger.pruned"]
            assert told
            assert told[-1].detail["minimum"] == MINIMUM
        else:
            assert ledger.read(300).raw == self.raws[300]
        return report.minimum


@pytest.fixture(params=[200, 10_000], ids=["segments", "one segment"])
def old(request, make_place, tmp_path):
    """A ledger to prune, in several segments or in one."""
    return Old(make_place, tmp_path, request.param)


@pytest.mark.parametrize("mishap", [Mishap.POWER_CUT, Mishap.KILL, Mishap.FLUSH_FAILS, Mishap.FULL])
def test_whatever_stops_a_pruning_it_is_done_or_not_and_the_next_one_finishes(old, mishap):
    """Wrong if a power cut, a kill, a lost flush or a full disk left a ledger that looks tampered with."""
    after, outcomes, is_over = 0, set(), False
    while not is_over:
        after += 1
        place = old.start()
        disk, ledger = place.disk, place.open()
        plan = ledger.keeping.plan(carry=True)
        archive = ledger.keeping.archive(plan, old.folder)
        disk._dice.seed(after)
        before = disk.changes
        disk.plan(mishap, after=after)
        is_over = True
        try:
            ledger.keeping.prune(plan, archive, ACTOR, held=None, unheld=True)
        except (PowerCut, Killed, BailiwickError):
            is_over = False
        is_over = is_over and disk.changes - before < after
        place.abandon(ledger)
        if mishap is Mishap.POWER_CUT:
            disk.restart()
        disk.forget_plans()
        disk.make_room()
        with place.open() as again:
            minimum = old.check(place, again)
            outcomes.add(minimum)
            if minimum == 0:
                old.prune(again)
            else:
                with pytest.raises(UsageRefused, match="nothing to prune"):
                    old.prune(again)
            assert old.check(place, again) == MINIMUM
            assert again.record(place.tenant, draft(3)).index == again.size() - 1
        names = disk.names(place.folder / "seg")
        assert names[0] == f"{MINIMUM:012d}.jsonl"
        assert not any(old.raws[300] in disk.read(place.folder / "seg" / name) for name in names)
        assert disk.names(place.folder / "pruned") == [f"{MINIMUM:012d}.carried", f"{MINIMUM:012d}.leaves"]
        disk.restart()
        with place.open() as ledger:
            assert old.check(place, ledger) == MINIMUM
    assert after > 15
    assert outcomes == {0, MINIMUM}
