"""Group commit: many threads, futures, and several processes leave one chain."""

import json
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.errors import LedgerPoisoned, RecordRefused, UsageRefused, Verdict
from bailiwick.ledger import commit
from bailiwick.ledger.record import RECORD_BYTES_MAX
from bailiwick.ledger.recover import GROUP_BYTES_MAX
from bailiwick.testing import FaultyDisk, fail

WORKER = Path(__file__).parent / "worker.py"


class SlowDisk(FaultyDisk):
    """Holds the first flush until it is told to go on, so that others come meanwhile."""

    def __init__(self, disk):
        super().__init__(disk, after=0, fault=fail(5))
        self.holds = False
        self.reached = threading.Event()
        self.goes_on = threading.Event()

    def sync(self, path):
        """See ``ports.Disk``."""
        if self.holds:
            self.holds = False
            self.reached.set()
            assert self.goes_on.wait(20)
        super().sync(path)


def test_callers_that_come_at_once_share_a_flush(place):
    """Otherwise each of many callers would wait for a flush of its own."""
    disk = SlowDisk(place.disk)
    with place.create(place.store(disk)) as ledger, ThreadPoolExecutor(9) as threads:
        disk.holds = True
        first = threads.submit(ledger.record, place.tenant, place.draft(0))
        assert disk.reached.wait(20)
        rest = [threads.submit(ledger.record, place.tenant, place.draft(number)) for number in range(1, 9)]
        while len(ledger._committer._waiting) < 8:
            threading.Event().wait(0.001)
        groups = ledger.stats
        disk.goes_on.set()
        indexes = [first.result(20).index, *sorted(future.result(20).index for future in rest)]
        assert indexes == list(range(1, 10))
        assert groups()["groups_committed"] == 2
        for future in rest:
            assert ledger.leaf(future.result().index) == future.result().leaf


def test_threads_leave_one_chain_and_each_has_its_own_receipts(place):
    """Otherwise a caller could be told of another's record."""
    with place.create() as ledger:

        def record(number):
            drafts = [place.draft(number * 10 + part) for part in range(number % 4 + 1)]
            return [
                (receipt, draft) for receipt, draft in zip(ledger.record_many("local", drafts), drafts, strict=True)
            ]

        with ThreadPoolExecutor(8) as threads:
            pairs = [pair for batch in threads.map(record, range(100)) for pair in batch]
        for receipt, draft in pairs:
            assert ledger.read(receipt.index).detail == draft.detail
        assert ledger.size() == len(pairs) + 1
        assert ledger.verify().verdict is Verdict.OK


def test_futures_are_done_when_their_records_are_durable(place):
    """Otherwise a background caller could not know when it may go on."""
    with place.create() as ledger:
        futures = [ledger.submit(place.draft(number)) for number in range(50)]
        receipts = [future.result(20) for future in futures]
        assert [receipt.index for receipt in receipts] == list(range(1, 51))
        with pytest.raises(RecordRefused):
            ledger.submit(place.draft(number=1.5))
        last = ledger.submit(place.draft())
    assert last.result(0).index == 51
    with pytest.raises(UsageRefused):
        ledger.submit(place.draft())


def test_a_failed_flush_fails_everyone_who_waited_for_it(place):
    """Otherwise a caller would wait for ever, or be told that its record is kept."""
    disk = SlowDisk(place.disk)
    ledger = place.create(place.store(disk))
    disk.holds = True
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ledger.record, place.tenant, place.draft(0))
        assert disk.reached.wait(20)
        rest = [ledger.submit(place.draft(number)) for number in range(1, 4)]
        disk._after = disk.count + 1
        disk.goes_on.set()
        for future in (first, *rest):
            with pytest.raises(LedgerPoisoned):
                future.result(20)
    ledger.close()


def test_a_batch_larger_than_a_group_is_refused_or_takes_several(place):
    """Otherwise one call could write more at once than a repair may ever move aside, or be divided without a word."""
    with place.create() as ledger:
        big = place.draft(text="x" * (RECORD_BYTES_MAX - 1_000))
        count = GROUP_BYTES_MAX // RECORD_BYTES_MAX * 2 + 3
        with pytest.raises(RecordRefused) as refused:
            ledger.record_many(place.tenant, [big] * count)
        assert refused.value.code == "record-group-too-large"
        assert ledger.size() == 1
        receipts = ledger.record_many(place.tenant, [big] * count, is_atomic=False)
        assert [receipt.index for receipt in receipts] == list(range(1, count + 1))
        assert ledger.stats()["groups_committed"] == 3
        assert ledger.verify().verdict is Verdict.OK


def test_an_idle_ledger_signs_a_checkpoint_by_itself(place):
    """Otherwise the last records before a pause would stay uncovered until somebody asks."""
    ledger = place.create()
    ledger._committer._idle_seconds = 0.01
    ledger.record(place.tenant, place.draft())
    for _ in range(2_000):
        if ledger._writer.tip.checkpoint is not None:
            break
        threading.Event().wait(0.01)
    assert ledger.read(2).event_type == "ledger.checkpoint"
    ledger.close()
    with place.open() as again:
        assert again.size() == 3


def test_processes_on_one_folder_leave_one_chain(make_place, tmp_path):
    """Otherwise a terminal and a server on one home would fork its history, or lose each other's records."""
    place = make_place(SystemDisk(), segment_records=50)
    place.folder = tmp_path / "ledger"
    place.create().close()
    commands = [[sys.executable, WORKER, place.folder, name, "60"] for name in ("node-a", "node-b", "node-c")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    with place.open() as ledger:
        for receipts in told:
            assert len(receipts) == 120
            for receipt in receipts:
                assert ledger.leaf(receipt["index"]) == receipt["leaf"]
        report = ledger.verify()
        assert report.verdict is Verdict.OK, report
        records = [record for record in ledger.records() if record.event_type == "test.done"]
        assert len(records) == 360
        assert len({(*record.detail.values(),) for record in records}) == 360
    place.disk.close()


class Sleeper:
    """A caller in a thread of its own, asleep until its records are durable."""

    def __init__(self, name):
        """Queue under a name, which is the receipt that is waited for."""
        self.ticket = commit._Ticket([name], key=None, size=1)
        self.ticket.park()
        self.ticket.taken = 1
        self.thread = threading.Thread(target=self.ticket.wait, daemon=True)

    def is_awake(self):
        """Say whether the caller went on, within some seconds."""
        self.thread.join(20)
        return not self.thread.is_alive()


@pytest.mark.parametrize("failing", [False, True])
def test_callers_of_a_group_wake_each_other_whether_it_was_kept_or_not(failing, monkeypatch):
    """Wrong if the row of callers were broken somewhere: those behind would sleep on with their records durable."""
    monkeypatch.setattr(commit, "PARKED_SECONDS_MAX", 600.0)
    sleepers = [Sleeper(name) for name in range(20)]
    answers = [LedgerPoisoned("no", hint="no") if failing else [name] for name in range(20)]
    for sleeper in sleepers:
        sleeper.thread.start()
    commit._tell([(sleeper.ticket, sleeper.ticket.entries) for sleeper in sleepers], answers)
    assert all(sleeper.is_awake() for sleeper in sleepers)
    for sleeper, answer in zip(sleepers, answers, strict=True):
        assert (sleeper.ticket.error if failing else sleeper.ticket.receipts) is answer


def test_a_caller_whose_waker_was_interrupted_wakes_by_itself_and_wakes_the_rest(monkeypatch):
    """Wrong if one caller's Ctrl-C left all behind it asleep, though their records are durable."""
    monkeypatch.setattr(commit, "PARKED_SECONDS_MAX", 0.01)
    interrupted, *behind = [Sleeper(name) for name in range(3)]
    for sleeper in behind:
        sleeper.thread.start()
    everyone = [interrupted, *behind]
    commit._tell([(sleeper.ticket, sleeper.ticket.entries) for sleeper in everyone], [[0], [1], [2]])
    assert all(sleeper.is_awake() for sleeper in behind)


def test_callers_are_told_in_the_order_in_which_they_came():
    """Wrong if whoever came first were told last: a callback may rely on what the one before did."""
    told = []
    tickets = [commit._Ticket([at], key=None, size=1) for at in range(5)]
    for at, ticket in enumerate(tickets):
        ticket.taken = 1
        ticket.future = Future()
        ticket.future.add_done_callback(lambda _, at=at: told.append(at))
    commit._tell([(ticket, ticket.entries) for ticket in tickets], [[at] for at in range(5)])
    assert told == [0, 1, 2, 3, 4]
