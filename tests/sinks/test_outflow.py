"""All sinks of a tenant: none waits for another, each says what is the matter, and secrets stay outside."""

from __future__ import annotations

import threading

import pytest

from bailiwick.adapters.auditsink_memory import MemoryAuditSink
from bailiwick.errors import NotFound, SinkRefused, SinkUnavailable, Unavailable, UsageRefused
from bailiwick.model import Actor, SinkSettings
from bailiwick.sinks import Outflow, read_sinks
from bailiwick.testing import MemoryClock, MemoryEntropy

WAIT_S = 20


def settings(name: str, tenant: str = "local") -> SinkSettings:
    """Declare a sink."""
    return SinkSettings(name=name, kind="memory", tenant=tenant, options={})


@pytest.fixture
def outflow(bench):
    """Join sinks by name to the ledger of the bench."""

    def join(sinks: dict, *, tenants=()) -> Outflow:
        def open_sink(declared):
            sink = sinks[declared.name]
            if isinstance(sink, Exception):
                raise sink
            return sink

        declared = [settings(name) for name in sinks] + [settings(f"of-{each}", each) for each in tenants]
        return Outflow(
            bench.ledger,
            declared,
            open_sink,
            cursors=bench.cursors,
            clock=bench.clock,
            entropy=MemoryEntropy(),
            actor=Actor(id="operator-1", role="operator"),
        )

    return join


def test_a_sink_that_never_answers_holds_nobody_else(outflow):
    """Wrong if one receiver that hangs keeps records from all others."""
    is_over, others_done = threading.Event(), threading.Event()

    def hang(_events):
        assert is_over.wait(WAIT_S)
        raise SinkUnavailable("it did not answer", hint="wait", code="sink-timeout")

    def last(events):
        if events[-1].record.index == 9:
            others_done.set()

    good = MemoryAuditSink(fault=last)
    joined = outflow({"hangs": MemoryAuditSink(fault=hang), "well": good})
    found: list = []
    thread = threading.Thread(target=lambda: found.extend(joined.run()))
    thread.start()
    assert others_done.wait(WAIT_S), "the other sink has everything while this one hangs"
    is_over.set()
    thread.join(WAIT_S)
    assert [each.condition for each in found] == ["waiting", "idle"]
    assert len(good.bodies()) == 10


def test_a_run_delivers_what_there_is_and_ends(outflow, bench):
    """Wrong if a run by hand never ends while records come, or tries for ever."""
    sink = MemoryAuditSink(records_max=3)

    def append(_events):
        bench.append(3)

    busy = MemoryAuditSink(records_max=3, fault=append)
    done: list[int] = []
    (well, _) = outflow({"well": sink, "busy": busy}).run(progress=done.append)
    assert well.sent >= 10
    assert sum(done) == len(sink.bodies()) + len(busy.bodies())


def test_a_sink_without_its_secret_is_said_and_the_others_go_on(outflow):
    """Wrong if a variable that is not set stops every sink, or one alone in silence."""
    secret = UsageRefused("the variable TOKEN holds nothing", hint="export TOKEN=...", code="sink-secret")
    good = MemoryAuditSink()
    first, second = outflow({"siem": secret, "well": good}).run()
    assert (first.condition, first.error.code) == ("waiting", "sink-secret")
    assert first.to_json()["error"]["hint"] == "export TOKEN=..."
    assert (second.condition, len(good.bodies())) == ("idle", 10)


def test_looking_needs_no_secret_and_sends_nothing(outflow):
    """Wrong if a status can be had only by whoever may send, or sends by itself."""
    secret = UsageRefused("the variable TOKEN holds nothing", hint="export TOKEN=...", code="sink-secret")
    (status,) = outflow({"siem": secret}).status()
    assert (status.condition, status.lag_records, status.state.cursor.count) == ("sending", 10, 0)


def test_a_tenant_sees_its_own_sinks_alone(outflow):
    """Wrong if one tenant's ledger leaves by another tenant's sink."""
    joined = outflow({"siem": MemoryAuditSink()}, tenants=["other"])
    assert [each.name for each in joined.declared()] == ["siem"]
    with pytest.raises(NotFound) as caught:
        joined.run("of-other")
    assert caught.value.code == "sink-not-found"


def test_a_stopped_sink_says_where_and_why(outflow):
    """Wrong if an operator has to guess which record a receiver refuses."""

    def refuse(events):
        if any(event.record.index == 3 for event in events):
            raise SinkRefused("field too long", hint="skip it")

    joined = outflow({"siem": MemoryAuditSink(fault=refuse)})
    (status,) = joined.run()
    answer = status.to_json()
    assert (answer["condition"], answer["parked"], answer["count"], answer["lag_records"]) == ("stopped", 3, 3, 7)
    assert answer["trouble"]["message"] == "field too long"
    assert joined.skip("siem", 3).index == 10
    assert joined.run()[0].condition == "idle"


def test_following_delivers_what_comes_until_it_is_stopped(outflow, bench):
    """Wrong if a follower misses records that come later, or does not stop when it is told."""
    seen, stop = threading.Event(), threading.Event()

    def last(events):
        if events[-1].record.index == 14:
            seen.set()

    sink = MemoryAuditSink(fault=last)
    joined, told, found = outflow({"siem": sink}), [], []

    def tell(status):
        told.append(status.condition)
        if len(told) == 1:
            bench.append(5)

    thread = threading.Thread(target=lambda: found.extend(joined.follow(stop, tell=tell)))
    thread.start()
    assert seen.wait(WAIT_S)
    stop.set()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert told[0] == "idle"
    assert found[0].sent == len(sink.bodies()) == 15


def test_following_tells_an_outage_and_its_end(outflow, bench):
    """Wrong if somebody who watches is not told that a receiver went away, or that it is back."""
    bench.clock = MemoryClock(step_ns=10_000_000_000)
    stop = threading.Event()
    faults = [SinkUnavailable("down", hint="wait")]

    def sometimes(_events):
        if faults:
            raise faults.pop()

    told = []

    def tell(status):
        told.append(status.condition)
        if status.condition == "idle":
            stop.set()

    outflow({"siem": MemoryAuditSink(fault=sometimes)}).follow(stop, tell=tell)
    assert told == ["waiting", "idle"]


def test_following_ends_when_every_sink_has_stopped(outflow):
    """Wrong if a follower goes on for ever with nothing left that it may do."""

    def refuse(_events):
        raise SinkRefused("never", hint="skip it")

    stop = threading.Event()
    (status,) = outflow({"siem": MemoryAuditSink(fault=refuse)}).follow(stop)
    assert (status.condition, status.state.parked) == ("stopped", 0)


def test_following_starts_nothing_where_a_sink_cannot_be_opened(outflow):
    """Wrong if a follower runs with half of its sinks, and nobody notices."""
    secret = UsageRefused("the variable TOKEN holds nothing", hint="export TOKEN=...", code="sink-secret")
    good = MemoryAuditSink()
    with pytest.raises(UsageRefused):
        outflow({"well": good, "siem": secret}).follow(threading.Event())
    assert good.bodies() == []


def test_a_cursor_that_cannot_be_kept_is_the_status(outflow, bench, monkeypatch):
    """Wrong if a full disk ends a run without a word, or ends the sinks that write elsewhere."""

    def full(*_):
        raise Unavailable("no space", hint="free some", code="cursor-unwritable")

    monkeypatch.setattr(bench.cursors, "put", full)
    (status,) = outflow({"siem": MemoryAuditSink()}).run()
    assert (status.condition, status.error.code, status.lag_records) == ("waiting", "cursor-unwritable", 10)


GOOD = {"kind": "file", "tenant": "local", "folder": "archive"}


@pytest.mark.parametrize(
    "tables",
    [
        {"../siem": GOOD},
        {"Siem": GOOD},
        {"siem": "file"},
        {"siem": {**GOOD, "kind": None}},
        {"siem": {"tenant": "local"}},
        {"siem": {"kind": "file"}},
        {"siem": {**GOOD, "tenant": "../x"}},
        {"siem": {**GOOD, "folder": ["a"]}},
        {"siem": {**GOOD, "folder": 1.5}},
        {"siem": {**GOOD, "folder": "x" * 2_001}},
        {"siem": {**GOOD, "Bad Key": 1}},
        {f"s{n}": GOOD for n in range(33)},
    ],
)
def test_a_declaration_that_cannot_be_is_refused(tables):
    """Wrong if a typing error in node.toml makes a sink that does something else, or nothing."""
    with pytest.raises(UsageRefused):
        read_sinks(tables)


def test_declarations_are_read_by_name():
    """Wrong if a sink gets another one's options."""
    first, second = read_sinks({"siem": {**GOOD, "folder": "b"}, "archive": GOOD})
    assert (first.name, second.name) == ("archive", "siem")
    assert second.options == {"folder": "b"}
