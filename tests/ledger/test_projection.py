"""Projections: pure folds, and what becomes of those that are not sound."""

from __future__ import annotations

import pytest

from bailiwick.canonical import time_ns
from bailiwick.errors import LedgerBroken, ProjectionFailed
from bailiwick.ledger import KEYS, Projection, Timeline
from bailiwick.ledger.projection import STATE_BYTES_MAX, shown, state_bytes

FAR_NS = time_ns("9999-01-01T00:00:00.000000000Z")


def counting(fold=None, **changes):
    """Give a projection that adds up the numbers of decisions."""

    def add(state, record):
        return {"count": state["count"] + 1, "sum": state["sum"] + record.detail["number"]}

    fields = {
        "name": "numbers",
        "version": 1,
        "says": "how many, and their sum",
        "event_types": frozenset({"decision.sealed"}),
        "start": lambda: {"count": 0, "sum": 0},
        "fold": fold or add,
    }
    return Projection(**{**fields, **changes})


def at(ledger, projection, position, **how):
    """Give the past at the time of a record."""
    return Timeline(ledger).state_at(time_ns(ledger.read(position).timestamp), projection, now_ns=FAR_NS, **how)


def test_the_state_at_a_moment_is_the_fold_of_what_came_before(place, ledger):
    """Wrong if a state could hold a record that came later, or lack one that came before."""
    for number in range(1, 8):
        ledger.record("local", place.draft(number))
    for position in range(1, 8):
        past = at(ledger, counting(), position)
        assert past.position == position
        assert past.state == {"count": position, "sum": position * (position + 1) // 2}
        assert past.timestamp == ledger.read(position).timestamp


def test_a_projection_sees_only_its_types(place, ledger):
    """Wrong if the words of one record's detail could pass for the type of another."""
    words = '","event_type":"decision.sealed","node_id":"'
    ledger.record("local", place.draft(1, words=words, event_type="decision.sealed"))
    seen = []
    spy = counting(lambda state, record: seen.append(record.index) or state, event_types=frozenset({"panic.set"}))
    assert at(ledger, spy, 1).state == {"count": 0, "sum": 0}
    assert seen == []


def test_keys_and_checkpoints_are_known_at_any_moment(place, ledger):
    """Wrong if nobody could say which key signed at a time in the past."""
    ledger.record("local", place.draft(1))
    note = ledger.checkpoint()
    past = at(ledger, KEYS, 2).state
    assert past["keys"][0]["verifier"] == ledger.verifier_key()
    assert past["checkpoint"]["size"] == note.size == 2
    assert past["checkpoints"] == 1
    assert at(ledger, KEYS, 1).state["checkpoint"] is None


def test_a_fold_that_raises_names_the_record_and_changes_nothing(place, ledger):
    """Wrong if a projection's fault looked like a broken ledger, or left half a snapshot behind."""
    ledger.record_many("local", [place.draft(1), place.draft(2)])
    size = ledger.size()

    def fold(state, record):
        return state if record.index < 2 else 1 // 0

    with pytest.raises(ProjectionFailed) as caught:
        at(ledger, counting(fold), 2, is_kept=True)
    assert "record 2" in caught.value.message
    assert "ZeroDivisionError" in caught.value.message
    assert ledger.size() == size


@pytest.mark.parametrize("fold", [lambda state, record: {"x": 0.5}, lambda state, record: {"x": {1, 2}}])
def test_a_state_that_is_no_json_is_refused(place, ledger, fold):
    """Wrong if a state were shown that no snapshot could ever hold."""
    ledger.record("local", place.draft(1))
    with pytest.raises(ProjectionFailed) as caught:
        at(ledger, counting(fold), 1)
    assert caught.value.code == "projection-state"


def test_a_state_beyond_the_limit_is_refused():
    """Wrong if a projection could fill the memory or the disk."""
    assert len(state_bytes(counting(), "x" * (STATE_BYTES_MAX - 2))) == STATE_BYTES_MAX
    with pytest.raises(ProjectionFailed) as caught:
        state_bytes(counting(), "x" * (STATE_BYTES_MAX - 1))
    assert caught.value.code == "projection-too-large"


def test_what_cannot_be_shown_is_said():
    """Wrong if a fault in what people are shown escaped as a fault of ours."""
    with pytest.raises(ProjectionFailed):
        shown(counting(show=lambda state: state["absent"]), {})


@pytest.mark.parametrize("harmed", [2, 5, 8])
def test_a_record_changed_on_disk_stops_the_fold(place, ledger, harmed):
    """Wrong if what a past moment looked like could be changed by changing the file."""
    ledger.record_many("local", place.drafts(8))
    lines = place.bytes_of(place.segment()).split(b"\n")
    number = lines[harmed].index(b'"number":') + 9
    lines[harmed] = lines[harmed][:number] + b"9" + lines[harmed][number + 1 :]
    place.overwrite(place.segment(), b"\n".join(lines))
    with pytest.raises(LedgerBroken) as caught:
        at(ledger, counting(), 8)
    assert caught.value.index == harmed


def test_records_swapped_with_their_neighbours_stop_the_fold(place, ledger):
    """Wrong if the order of what happened could be changed."""
    ledger.record_many("local", place.drafts(8))
    lines = place.bytes_of(place.segment()).split(b"\n")
    lines[4], lines[5] = lines[5], lines[4]
    place.overwrite(place.segment(), b"\n".join(lines))
    with pytest.raises(LedgerBroken):
        at(ledger, counting(), 8)


def test_a_projection_without_name_or_version_is_not_built():
    """Wrong if two folds could share their snapshots by accident, or a name could be a path."""
    for changes in ({"name": "../numbers"}, {"name": ""}, {"version": 0}, {"event_types": frozenset()}):
        with pytest.raises(AssertionError):
            counting(**changes)
