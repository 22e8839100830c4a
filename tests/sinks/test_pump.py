"""The pump: every record, in order, at least once; the cursor moves only after the receiver has confirmed."""

from __future__ import annotations

import pytest

from bailiwick.adapters.auditsink_memory import MemoryAuditSink
from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.errors import SinkRefused, SinkUnavailable, Unavailable, UsageRefused
from bailiwick.model import Actor
from bailiwick.sinks.pump import RETRY_AFTER_MAX_NS, RETRY_MAX_NS, SECOND_NS

OPERATOR = Actor(id="operator-1", role="operator")


def down(_events):
    """Be a receiver that cannot be reached."""
    raise SinkUnavailable("nobody is there", hint="wait")


def refusing(*indexes):
    """Be a receiver that refuses any batch with one of these records."""

    def fault(events):
        if any(event.record.index in indexes for event in events):
            raise SinkRefused("a poisoned record", hint="skip it")

    return fault


def drain(pump, *, is_forced=True):
    """Step until there is something to wait for, and give the last step."""
    step = pump.step(is_forced=is_forced)
    while not step.wait_ns:
        step = pump.step()
    return step


def numbers(sink):
    """Give the index of every event that was confirmed, as it was confirmed."""
    return [int(key.partition("#")[2]) for keys in sink.deliveries for key in keys]


class LosingCursors(MemoryCursorStore):
    """Cursors that cannot be kept while ``is_full``: the process is killed, or the disk full, after the delivery."""

    is_full = True

    def put(self, tenant, reader, state):
        """Fail as a full disk does."""
        if self.is_full:
            raise Unavailable("no space", hint="free some", code="cursor-unwritable")
        super().put(tenant, reader, state)


def test_every_record_is_delivered_once_and_in_order(bench):
    """Wrong if a record is left out, doubled or early with a receiver that is well."""
    sink = MemoryAuditSink(records_max=4)
    pump = bench.pump(sink)
    drain(pump)
    bench.append(3)
    drain(pump)
    assert numbers(sink) == list(range(13))
    assert [len(keys) for keys in sink.deliveries] == [4, 4, 2, 3]


def test_another_process_goes_on_where_the_first_was(bench):
    """Wrong if each start sends the ledger from its beginning, or leaves a gap."""
    first, second = MemoryAuditSink(records_max=4), MemoryAuditSink()
    bench.pump(first).step()
    drain(bench.pump(second))
    assert (numbers(first), numbers(second)) == ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9])


def test_a_batch_is_bounded_by_bytes(bench):
    """Wrong if a batch of large records is larger than a receiver takes; one record alone always goes."""
    bench.append(3, text="x" * 30_000)
    sink = MemoryAuditSink(bytes_max=70_000)
    drain(bench.pump(sink))
    assert numbers(sink) == list(range(13))
    assert [len(keys) for keys in sink.deliveries] == [10, 1, 1, 1]


def test_a_kill_between_delivery_and_cursor_delivers_again_under_the_same_keys(bench):
    """Wrong if what was delivered is lost from sight, or comes again as something that looks new."""
    cursors, sink = LosingCursors(), MemoryAuditSink(records_max=4)
    with pytest.raises(Unavailable):
        bench.pump(sink, cursors=cursors).step()
    cursors.is_full = False
    drain(bench.pump(sink, cursors=cursors))
    assert sink.deliveries[0] == sink.deliveries[1]
    assert len(sink.bodies()) == 10
    assert numbers(sink) == [*range(4), *range(10)]


def test_a_receiver_that_is_down_is_tried_again_later_and_later(bench):
    """Wrong if a node hammers a receiver that has just come up, or waits for longer than it says."""
    pump = bench.pump(MemoryAuditSink(fault=down))
    waits = []
    for _ in range(14):
        step = pump.step()
        waits.append(step.wait_ns)
        assert pump.step().state == step.state, "nothing is tried before its time"
        bench.clock.advance(step.wait_ns)
    bounds = [min(SECOND_NS << n, RETRY_MAX_NS) for n in range(14)]
    assert all(bound // 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len(set(waits[9:])) > 1, "nodes that failed together must not come back together"
    assert step.state.failures == 14
    assert step.state.cursor.count == 0


@pytest.mark.parametrize(("asked_s", "wait_ns"), [(7, 7 * SECOND_NS), (10**9, RETRY_AFTER_MAX_NS)])
def test_a_receiver_that_asks_for_time_gets_it_within_bounds(bench, asked_s, wait_ns):
    """Wrong if Retry-After is ignored, or one answer silences a sink for years."""

    def busy(_events):
        raise SinkUnavailable("too many", hint="wait", code="sink-busy", retry_after_s=asked_s)

    assert bench.pump(MemoryAuditSink(fault=busy)).step().wait_ns == wait_ns


def test_a_receiver_that_comes_back_gets_everything(bench):
    """Wrong if an outage loses records, or its trace stays in the status for ever."""
    faults = [down, down]

    def sometimes(events):
        if faults:
            faults.pop()(events)

    sink = MemoryAuditSink(fault=sometimes)
    pump = bench.pump(sink)
    while (step := pump.step()).state.failures:
        bench.clock.advance(step.wait_ns)
    assert numbers(sink) == list(range(10))
    assert (step.state.failures, step.state.trouble, step.state.retry_at_ns) == (0, None, 0)


def test_a_clock_that_went_back_does_not_silence_a_sink(bench):
    """Wrong if a clock set back by a year makes a sink wait for a year."""
    pump = bench.pump(MemoryAuditSink(fault=down))
    pump.step()
    bench.clock.advance(-365 * 86_400 * SECOND_NS)
    assert pump.step().wait_ns <= RETRY_AFTER_MAX_NS


@pytest.mark.parametrize("poisoned", [0, 5, 9])
def test_a_poisoned_record_stops_its_sink_and_nothing_before_it_is_kept_back(bench, poisoned):
    """Wrong if one bad record holds back the good ones before it, or is left out without anybody's word."""
    sink = MemoryAuditSink(fault=refusing(poisoned))
    step = drain(bench.pump(sink))
    assert numbers(sink) == list(range(poisoned))
    assert (step.state.parked, step.state.cursor.count) == (poisoned, poisoned)
    assert step.state.trouble.code == "sink-refused"
    assert bench.pump(sink).step().sent == 0


def test_a_stopped_sink_goes_on_when_its_receiver_is_mended(bench):
    """Wrong if somebody who mended the receiver has to leave the record out all the same."""
    drain(bench.pump(MemoryAuditSink(fault=refusing(5))))
    mended = MemoryAuditSink()
    step = drain(bench.pump(mended))
    assert numbers(mended) == [5, 6, 7, 8, 9]
    assert (step.state.parked, step.state.trouble) == (None, None)


def test_skipping_is_an_act_that_the_ledger_keeps(bench):
    """Wrong if a receiver lacks a record and the ledger cannot say why."""
    sink = MemoryAuditSink(fault=refusing(5))
    pump = bench.pump(sink)
    drain(pump)
    receipt = pump.skip(5, OPERATOR)
    record = bench.ledger.read(receipt.index)
    assert (record.event_type, record.resource) == ("sink.skipped", "sink/siem")
    assert record.detail == {"code": "sink-refused", "leaf": bench.ledger.leaf(5), "record": 5, "sink": "siem"}
    step = drain(bench.pump(sink))
    assert numbers(sink) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert step.state.parked is None


def test_the_record_of_a_skip_keeps_its_contract(bench):
    """Wrong if the product's own ledger refuses the record, and nothing can be skipped."""
    from bailiwick.ledger.admission import Admission

    pump = bench.pump(MemoryAuditSink(fault=refusing(5)))
    drain(pump)
    record = bench.ledger.read(pump.skip(5, OPERATOR).index)
    Admission.of_product().check(record)


@pytest.mark.parametrize("index", [4, 6, 0, 99])
def test_only_the_record_before_which_a_sink_stands_can_be_skipped(bench, index):
    """Wrong if a typing error leaves out a record that would have been taken."""
    pump = bench.pump(MemoryAuditSink(fault=refusing(5)))
    drain(pump)
    size = bench.ledger.size()
    with pytest.raises(UsageRefused) as caught:
        pump.skip(index, OPERATOR)
    assert caught.value.code == "sink-skip"
    assert (bench.ledger.size(), pump.state().parked) == (size, 5)


def test_a_skip_whose_cursor_is_lost_is_recorded_and_asked_for_again(bench):
    """Wrong if a crash in the middle of a skip leaves a record out that the ledger does not know of."""
    cursors = LosingCursors()
    cursors.is_full = False
    pump = bench.pump(MemoryAuditSink(fault=refusing(5)), cursors=cursors)
    drain(pump)
    cursors.is_full = True
    with pytest.raises(Unavailable):
        pump.skip(5, OPERATOR)
    assert bench.ledger.read(bench.ledger.size() - 1).event_type == "sink.skipped"
    assert pump.state().parked == 5


@pytest.mark.parametrize("past", ["another origin", "another past", "cut back", "damaged"])
def test_a_cursor_of_another_past_starts_over_and_says_so(bench, past):
    """Wrong if a ledger that was restored or exchanged is sent from the middle, in silence."""
    drain(bench.pump(MemoryAuditSink()))
    if past == "damaged":
        raw = bench.cursors.get("local", "sink-siem")
        bench.cursors.put("local", "sink-siem", raw.replace(b'"count":10', b'"count":1x'))
        ledger = bench.ledger
    else:
        ledger = bench.another_ledger(**({"origin": "bailiwick/ffff"} if past == "another origin" else {}))
        bench.append(0 if past == "cut back" else 12, ledger=ledger)
    sink = MemoryAuditSink()
    step = drain(bench.pump(sink, ledger=ledger))
    assert numbers(sink) == list(range(ledger.size()))
    assert step.state.started_over.count == (0 if past == "damaged" else 10)
    assert step.state.started_over.why
    if ledger is not bench.ledger:
        ledger.close()


def test_the_lag_is_said_in_records_and_seconds(bench):
    """Wrong if nobody can see that a receiver is falling behind."""
    sink = MemoryAuditSink(records_max=4)
    pump = bench.pump(sink)
    bench.clock.advance(90 * SECOND_NS)
    assert pump.lag(pump.state()) == (10, 90)
    step = pump.step()
    assert pump.lag(step.state) == (6, 90)
    assert pump.lag(drain(pump).state) == (0, 0)


def test_a_batch_grows_again_after_a_poisoned_record(bench):
    """Wrong if one refusal makes a sink crawl for ever."""
    sink = MemoryAuditSink(fault=refusing(1))
    pump = bench.pump(sink)
    drain(pump)
    pump.skip(1, OPERATOR)
    bench.append(40)
    drain(pump)
    assert max(len(keys) for keys in sink.deliveries) > 8


@pytest.mark.parametrize("pruned", [3, 9])
def test_records_that_were_pruned_before_they_were_sent_are_counted_and_hold_nobody_up(bench, monkeypatch, pruned):
    """Wrong if a sink waits for ever for records that are gone, or passes over them in silence."""
    given = bench.ledger.records

    def without_prefix(start=0, stop=None):
        return (record for record in given(start, stop) if record.index >= pruned)

    monkeypatch.setattr(bench.ledger, "records", without_prefix)
    sink = MemoryAuditSink(records_max=2)
    pump = bench.pump(sink)
    assert pump.lag(pump.state())[0] == 10
    first = pump.step()
    assert first.state.notice == f"{pruned} records were pruned before they were sent"
    drain(pump)
    assert numbers(sink) == list(range(pruned, 10))
