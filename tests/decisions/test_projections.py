"""What the ledger adds up to at any moment, against what the main job itself knows."""

from __future__ import annotations

import pytest

from bailiwick.canonical import time_ns
from bailiwick.decisions import PROJECTIONS, Decided, find_projection
from bailiwick.errors import ProjectionFailed, UsageRefused
from bailiwick.ledger import Timeline
from bailiwick.ledger.projection import fold_records
from bailiwick.ledger.record import admit
from bailiwick.model import Actor, Draft
from tests.decisions.conftest import FATAL, HOSPITAL

FAR_NS = time_ns("9999-01-01T00:00:00.000000000Z")
ACTOR = Actor(id="local:test", role="operator")


def at(bench, name, position=None, **how):
    """Give what a projection shows at a record's time, or at the end."""
    position = bench.ledger.size() - 1 if position is None else position
    moment = time_ns(bench.ledger.read(position).timestamp)
    return Timeline(bench.ledger).state_at(moment, find_projection(name), now_ns=FAR_NS, **how).state


def record(bench, event_type, detail, resource="panic"):
    """Record something a second later, and give its index."""
    bench.clock.advance(10**9)
    draft = Draft(event_type=event_type, resource=resource, detail=detail, actor=ACTOR)
    return bench.ledger.record("local", draft).index


def decide(bench, *bodies):
    """Decide rows a second later, and give the index of the first record."""
    bench.clock.advance(10**9)
    answers = bench.decide(*bodies)
    assert all(isinstance(answer, Decided) for answer in answers)
    return answers[0].receipt.index


def done(bench, effect):
    """Record the result of an effect."""
    detail = {"key": effect["key"], "type": effect["type"], "record": effect["record"], "delivered": "now"}
    return record(bench, "effect.result", detail, resource=f"effect/{effect['key'][12:44]}")


def test_decisions_are_counted_by_pack_and_outcome(bench):
    """Wrong if nobody could say how a pack had decided up to a day."""
    first = decide(bench, FATAL)
    decide(bench, HOSPITAL, HOSPITAL.replace("221159072", "221159073"))
    assert at(bench, "decisions", first)["decisions"] == 1
    last = at(bench, "decisions")
    assert last["decisions"] == 3
    [(version, outcomes)] = last["packs"]["us-osha-1904"].items()
    assert version == bench.loop.pack.version
    assert sum(outcomes.values()) == 3


def test_an_effect_waits_from_its_decision_to_its_result(bench):
    """Wrong if what was still to be done at a moment could not be told."""
    asked = decide(bench, FATAL)
    [effect] = at(bench, "effects")["waiting"]
    assert (effect["record"], effect["position"]) == (asked, 0)
    result = done(bench, effect)
    assert at(bench, "effects", result) == {"done": 1, "done_by_type": {effect["type"]: 1}, "waiting": []}
    assert at(bench, "effects", asked)["waiting"] == [effect]
    assert at(bench, "effects", asked - 1)["waiting"] == []


def test_an_effect_that_was_done_never_waits_again(bench):
    """Wrong if deciding the same thing again looked like a second act to perform."""
    decide(bench, FATAL)
    done(bench, at(bench, "effects")["waiting"][0])
    decide(bench, FATAL)
    assert at(bench, "effects")["waiting"] == []
    at(bench, "effects", is_kept=True)
    decide(bench, FATAL)
    assert at(bench, "effects")["waiting"] == []
    assert at(bench, "effects")["done"] == 1


def test_packs_are_known_with_the_moment_that_they_came(bench):
    """Wrong if nobody could say by which law was decided on a day."""
    decide(bench, FATAL)
    kept = at(bench, "packs")["us-osha-1904"]
    assert kept["version"] == bench.loop.pack.version
    assert bench.ledger.read(kept["record"]).timestamp == kept["since"]
    detail = {"name": "other", "version": "2.0.0", "digest": kept["digest"], "modules": []}
    later = record(bench, "pack.installed", detail, resource="pack/other")
    assert set(at(bench, "packs", later)) == {"other", "us-osha-1904"}
    assert set(at(bench, "packs", later - 1)) == {"us-osha-1904"}


def test_the_panic_switch_is_known_at_any_moment(bench):
    """Wrong if nobody could say whether effects were frozen when one happened."""
    start = bench.ledger.size() - 1
    on = record(bench, "panic.set", {"frozen": True})
    off = record(bench, "panic.set", {"frozen": False})
    assert at(bench, "panic", start)["frozen"] is None
    assert at(bench, "panic", on) == {
        "by": "local:test", "frozen": True, "record": on, "since": bench.ledger.read(on).timestamp
    }  # fmt: skip
    assert at(bench, "panic", off)["frozen"] is False


def test_an_unknown_projection_is_refused_with_those_that_there_are():
    """Wrong if a slip of the pen had to be looked up elsewhere."""
    with pytest.raises(UsageRefused) as caught:
        find_projection("effect")
    assert caught.value.code == "projection-unknown"
    assert "effects" in caught.value.hint


def test_names_are_those_of_the_projections():
    """Wrong if a projection could be asked for under a name that its snapshots do not have."""
    assert all(name == each.name for name, each in PROJECTIONS.items())


@pytest.mark.parametrize(
    ("name", "event_type", "detail"),
    [
        ("decisions", "decision.sealed", {"outcome": "x"}),
        ("effects", "effect.result", {}),
        ("packs", "pack.installed", {"name": "x"}),
        ("panic", "panic.set", {"frozen": "yes"}),
    ],
)
def test_a_record_of_another_shape_stops_the_fold_and_is_named(name, event_type, detail):
    """Wrong if a count silently left something out."""
    draft = Draft(event_type=event_type, resource="x", detail=detail, actor=ACTOR)
    raw = admit(draft, "node").seal(7, b"0" * 64, b"2020-09-13T12:26:40.000000000Z")
    projection = find_projection(name)
    with pytest.raises(ProjectionFailed) as caught:
        fold_records(projection, projection.start(), [(7, event_type.encode(), raw)])
    assert "record 7" in caught.value.message
