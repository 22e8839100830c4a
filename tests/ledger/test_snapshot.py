"""Snapshots: what makes a state believable, and what happens to every other one."""

from __future__ import annotations

import struct

import pytest

from bailiwick.canonical import canonical_bytes, digest, time_ns
from bailiwick.errors import LedgerBroken, Unavailable
from bailiwick.ledger import Projection, Timeline, snapshot, timeline
from bailiwick.ledger.proven import ProvenReader
from bailiwick.ledger.snapshot import SNAPSHOT, Snapshots
from bailiwick.schema import Schemas

FAR_NS = time_ns("9999-01-01T00:00:00.000000000Z")
COUNT = 40


def _add(state, record):
    return {"seen": state["seen"] + 1, "sum": state["sum"] + record.detail["number"]}


NUMBERS = Projection(
    name="numbers",
    version=1,
    says="how many, and their sum",
    event_types=frozenset({"decision.sealed"}),
    start=lambda: {"seen": 0, "sum": 0},
    fold=_add,
)
OTHER = Projection(
    name="numbers",
    version=2,
    says="the same, twice",
    event_types=NUMBERS.event_types,
    start=NUMBERS.start,
    fold=lambda state, record: _add(_add(state, record), record),
)


@pytest.fixture
def small(monkeypatch):
    """Make snapshots stand close together."""
    monkeypatch.setattr(snapshot, "SNAPSHOT_RECORDS", 8)
    monkeypatch.setattr(timeline, "SNAPSHOT_RECORDS", 8)
    monkeypatch.setattr(timeline, "WAYPOINT_RECORDS", 4)


@pytest.fixture
def filled(place, small):
    """Give an open ledger with records."""
    with place.create() as ledger:
        for number in range(1, COUNT):
            ledger.record("local", place.draft(number))
        yield ledger


def ask(ledger, position, projection=NUMBERS, **how):
    """Ask a fresh process for the state at the time of a record."""
    return again(Timeline(ledger), ledger, position, projection, **how)


def again(line, ledger, position, projection=NUMBERS, **how):
    """Ask for the state at the time of a record."""
    return line.state_at(time_ns(ledger.read(position).timestamp), projection, now_ns=FAR_NS, **how)


def total(position):
    """Give the state that there must be."""
    return {"seen": position, "sum": position * (position + 1) // 2}


def side(place, position=None, version=1):
    """Give the path of a snapshot's file, or of the catalogue."""
    end = "" if position is None else f"-{position:012d}.json"
    return place.folder / f"snapshot/numbers-{version}{end}"


def lie(ledger, position):
    """Keep a snapshot of a state that no records add up to."""
    liar = Snapshots(ProvenReader(ledger))
    liar.vouch(NUMBERS, liar.write(NUMBERS, position, canonical_bytes({"seen": position, "sum": 666})))


def snapshots_of(ledger):
    """Give the records of snapshots."""
    return [record for record in ledger.records() if record.event_type == SNAPSHOT]


def test_a_walk_keeps_snapshots_on_its_way_and_the_next_starts_there(filled, place):
    """Wrong if every question folded the whole ledger again."""
    assert ask(filled, 20).folded == 21
    assert [record.detail["position"] for record in snapshots_of(filled)] == [7, 15]
    past = ask(filled, 20)
    assert (past.folded, past.state) == (5, total(20))
    assert filled.read(past.snapshot).detail["position"] == 15


def test_a_snapshot_record_says_what_its_file_holds(filled, place):
    """Wrong if a stranger could not check a snapshot by what the format's page says."""
    ask(filled, 10)
    record = snapshots_of(filled)[0]
    data = canonical_bytes(total(7))
    assert record.detail == {
        "digest": digest(data),
        "position": 7,
        "projection": "numbers",
        "size": len(data),
        "version": 1,
    }
    assert record.resource == "projection/numbers"
    Schemas().check("snapshot", record.detail)
    assert place.bytes_of(side(place, 7)) == data


def test_every_position_is_the_same_with_and_without_snapshots(filled):
    """Wrong if an answer depended on where earlier questions had led."""
    line = Timeline(filled)
    order = [(number * 17) % (COUNT - 1) + 1 for number in range(COUNT - 1)]
    for position in order:
        assert again(line, filled, position).state == total(position)
        assert ask(filled, position).state == total(position)
        assert ask(filled, position, is_replayed=True).state == total(position)
    assert ask(filled, COUNT - 1, is_replayed=True).wrong == ()


def test_states_in_memory_spare_most_of_a_walk(filled):
    """Wrong if moments close to each other cost a whole walk each."""
    line = Timeline(filled)
    again(line, filled, 30)
    assert again(line, filled, 31).folded <= 4
    assert again(line, filled, 6).folded <= 4


def test_a_snapshot_on_demand_stands_where_it_was_asked_for(filled):
    """Wrong if nobody could make a slow question quick."""
    ask(filled, 5, is_kept=True)
    assert ask(filled, 5).folded == 0
    assert ask(filled, 6).folded == 1
    assert ask(filled, 4).folded == 5


def test_asking_twice_keeps_one_snapshot(filled):
    """Wrong if questions filled the ledger with records of the same snapshot."""
    ask(filled, 5, is_kept=True)
    ask(filled, 5, is_kept=True)
    ask(filled, 39)
    ask(filled, 39)
    positions = [record.detail["position"] for record in snapshots_of(filled)]
    assert len(positions) == len(set(positions))


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data.replace(b'"seen":15', b'"seen":16'),
        lambda data: b"\xff" * len(data),
        lambda data: b'{"seen":0,"sum":0}',
    ],
    ids=["empty", "short", "changed", "garbage", "other"],
)
def test_a_file_that_is_not_what_the_ledger_says_is_not_believed(filled, place, harm):
    """Wrong if whoever can write a file could change the past."""
    ask(filled, 20)
    kept = place.bytes_of(side(place, 15))
    place.overwrite(side(place, 15), harm(kept))
    past = ask(filled, 20)
    assert past.state == total(20)
    assert filled.read(past.snapshot).detail["position"] == 7
    assert place.bytes_of(side(place, 15))[: len(kept)] == kept
    assert len(snapshots_of(filled)) == 2


def test_bytes_behind_a_snapshot_are_no_part_of_it(filled, place):
    """Wrong if a longer file of an earlier crash spoiled a snapshot."""
    ask(filled, 20)
    place.disk.write(side(place, 15), len(place.bytes_of(side(place, 15))), b"}}}}")
    assert ask(filled, 20).folded == 5


@pytest.mark.parametrize(
    "catalogue", [b"", b"x" * 23, b"\xff" * 240, b"\x00" * 48], ids=["empty", "short", "far", "zero"]
)
def test_a_lost_catalogue_grows_again_from_the_ledger(filled, place, catalogue):
    """Wrong if losing a hint lost every snapshot, or a false one were believed."""
    ask(filled, 20)
    ask(filled, COUNT + 1)
    place.overwrite(side(place), catalogue)
    last = filled.size() - 1
    past = ask(filled, last)
    assert (past.state, past.snapshot) == (total(COUNT - 1), None)
    assert ask(filled, last).snapshot is not None
    assert len(snapshots_of(filled)) == len({record.detail["position"] for record in snapshots_of(filled)})


def test_a_catalogue_that_names_records_that_are_no_snapshots_is_seen_through(filled, place):
    """Wrong if a side file alone could name any record as proof of any state."""
    data = canonical_bytes({"seen": 0, "sum": 666})
    place.disk.make_folder(side(place).parent)
    for path, content in ((side(place), struct.pack("<QQQ", 10, 12, len(data))), (side(place, 10), data)):
        place.disk.create(path)
        place.disk.write(path, 0, content)
    past = ask(filled, 20)
    assert past.state == total(20)


def test_another_version_of_a_projection_shares_nothing(filled):
    """Wrong if a changed fold went on from the states of the old one."""
    ask(filled, 20)
    past = ask(filled, 20, OTHER)
    assert past.snapshot is None
    assert past.state["seen"] == 40


def test_a_file_under_the_name_of_another_version_is_not_believed(filled, place):
    """Wrong if renaming a file could make the states of an old fold those of a new one."""
    ask(filled, 20)
    for old, new in ((side(place), side(place, version=2)), (side(place, 15), side(place, 15, version=2))):
        place.disk.create(new)
        place.disk.write(new, 0, place.bytes_of(old))
    past = ask(filled, 20, OTHER)
    assert (past.snapshot, past.state["seen"]) == (None, 40)


@pytest.mark.parametrize("harmed", [3, 4, 7, 8, 19])
def test_each_stretch_of_a_walk_is_proven_to_its_end(filled, place, harmed):
    """Wrong if the last record before a stop could be changed, because none after it was compared."""
    lines = place.bytes_of(place.segment()).split(b"\n")
    lines[harmed] = lines[harmed].replace(b'"number":%d' % harmed, b'"number":%d' % (harmed ^ 1))
    place.overwrite(place.segment(), b"\n".join(lines))
    with pytest.raises(LedgerBroken) as caught:
        ask(filled, 22)
    assert caught.value.index == harmed
    assert snapshots_of(filled) == []


def test_a_snapshot_that_a_replay_does_not_agree_with_is_named(filled, place):
    """Wrong if a state that no records add up to could hide behind a digest in the ledger."""
    ask(filled, 10)
    lie(filled, 12)
    end = filled.size() - 1
    assert ask(filled, 13).state["sum"] != total(13)["sum"]
    past = ask(filled, end, is_replayed=True)
    assert len(past.wrong) == 1
    assert filled.read(past.wrong[0]).detail["position"] == 12
    assert past.state == total(COUNT - 1)
    assert set(past.wrong) < set(past.checked)


def test_a_replay_finds_snapshots_that_no_catalogue_names(filled, place):
    """Wrong if deleting a file could keep a snapshot from being checked."""
    ask(filled, 10)
    lie(filled, 12)
    place.overwrite(side(place), b"")
    assert len(ask(filled, filled.size() - 1, is_replayed=True).wrong) == 1


def test_a_ledger_without_its_snapshots_opens_and_answers(filled, place):
    """Wrong if files that can be rebuilt were needed to open the ledger."""
    ask(filled, 30)
    filled.close()
    for name in place.disk.names(place.folder / "snapshot"):
        place.disk.unlink(place.folder / "snapshot" / name)
    with place.open() as ledger:
        assert ask(ledger, 30).state == total(30)


def test_a_state_is_told_also_where_no_snapshot_can_be_kept(filled, monkeypatch):
    """Wrong if a full disk could keep people from asking about the past, or the failure went unsaid."""

    def refuse(self, name, offset, data):
        raise Unavailable("no space", hint="make some", code="ledger-unreadable")

    monkeypatch.setattr(ProvenReader, "write_side", refuse)
    past = ask(filled, 20)
    assert past.state == total(20)
    assert past.unkept == "ledger-unreadable: no space"


def test_large_states_are_kept_further_apart(filled, monkeypatch):
    """Wrong if snapshots could take more room than the ledger itself."""
    monkeypatch.setattr(snapshot, "SNAPSHOT_BYTES_AIM", 10)
    ask(filled, 39)
    assert [record.detail["position"] for record in snapshots_of(filled)] == [23]


def test_the_ledger_with_snapshots_verifies(filled):
    """Wrong if keeping snapshots broke what anybody else checks."""
    ask(filled, 39)
    assert filled.verify().verdict == "ok"
