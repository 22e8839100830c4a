"""Verification by several processes: the same report as by one, whatever is wrong."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_segments import FileSegments
from bailiwick.errors import Verdict
from bailiwick.keys import Signer, new_secret
from bailiwick.ledger import parallel
from bailiwick.ledger.parallel import JOBS_MAX, PARALLEL_RECORDS_MIN, jobs_for, parts_of, verify_segments
from bailiwick.ledger.tree import Frontier
from tests.ledger.conftest import Place

PART = 16


@pytest.fixture
def small_parts(monkeypatch):
    """Make parts so small that a short ledger has several, and read them in this process."""

    @contextmanager
    def here(work, tasks, jobs):
        yield (work(*task) for task in tasks)

    monkeypatch.setattr(parallel, "PART_RECORDS", PART)
    monkeypatch.setattr(parallel, "in_order", here)


@pytest.fixture
def segments(tmp_path):
    """Give the segments of a ledger of 70 records, with checkpoints among them, on a real disk."""
    place = Place(SystemDisk(), segment_records=20)
    place.folder = tmp_path / "ledger"
    with place.create() as ledger:
        for start in range(0, 60, 6):
            ledger.record_many(place.tenant, place.drafts(6, start))
            if start % 18 == 0:
                ledger.checkpoint()
        ledger.record_many(place.tenant, place.drafts(5))
    return FileSegments(place.folder, SystemDisk())


def size_of(segments):
    """Count the lines of all segments."""
    return sum(path.read_bytes().count(b"\n") for path in (segments.folder / "seg").iterdir())


def reports(segments, size):
    """Verify as one process does, and in parts."""
    verifier = Place.signer.verifier
    return verify_segments(segments, size, verifier), verify_segments(segments, size, verifier, jobs=2)


def test_a_sound_ledger_is_sound_in_parts(segments, small_parts):
    """Wrong if parts did not fit together: across segments, checkpoints, and a last part that is shorter."""
    whole, parts = reports(segments, size_of(segments))
    assert whole.verdict is Verdict.OK
    assert parts == whole


def test_processes_of_their_own_give_the_same_report(segments, monkeypatch):
    """Wrong if what is sent to a process, or comes back, were not all that matters."""
    monkeypatch.setattr(parallel, "PART_RECORDS", PART)
    whole, parts = reports(segments, size_of(segments))
    assert parts == whole


@pytest.mark.parametrize("number", range(4))
def test_every_damage_is_reported_the_same_in_parts(segments, small_parts, number):
    """Wrong if a part let something pass, or named another record, than a walk from the first record on."""
    size = size_of(segments)
    path = sorted((segments.folder / "seg").iterdir())[number]
    data = path.read_bytes()
    lines = data.split(b"\n")
    damaged = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), 37)]
    damaged += [b"\n".join([*lines[:at], *lines[at + 1 :]]) for at in range(len(lines) - 1)]
    damaged += [b"\n".join([*lines[:at], lines[at], *lines[at:]]) for at in range(len(lines) - 1)]
    damaged += [b"\n".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]) for at in range(len(lines) - 2)]
    damaged += [data[:-1], data[:-200], b"", data + b"x", data + b"\n"]
    for each in damaged:
        path.write_bytes(each)
        whole, parts = reports(segments, size)
        assert parts == whole
        if number < 3:  # nothing is chained to the last record of all, and no checkpoint covers it yet
            assert whole.verdict is not Verdict.OK


def test_another_key_is_reported_the_same_in_parts(segments, small_parts):
    """Wrong if a part were believed about the ledger's key."""
    size, other = size_of(segments), Place.other_signer.verifier
    whole = verify_segments(segments, size, other)
    assert whole.verdict is Verdict.ALTERED
    assert verify_segments(segments, size, other, jobs=2) == whole


def test_parts_whose_process_died_are_read_here(segments, monkeypatch):
    """Wrong if a process that is killed, for want of memory say, made a sound ledger look broken, or unread."""

    @contextmanager
    def dying(work, tasks, jobs):
        yield (work(*task) if number % 2 else None for number, task in enumerate(tasks))

    monkeypatch.setattr(parallel, "PART_RECORDS", PART)
    monkeypatch.setattr(parallel, "in_order", dying)
    whole, parts = reports(segments, size_of(segments))
    assert parts == whole


def test_progress_counts_every_record_once(segments, small_parts):
    """Wrong if the bar ended short of the end, or beyond it."""
    told = []
    size = size_of(segments)
    verify_segments(segments, size, Place.signer.verifier, jobs=2, progress=told.append)
    assert sum(told) == size


@pytest.mark.parametrize(
    ("records", "asked", "jobs"),
    [
        (PARALLEL_RECORDS_MIN - 1, None, 1),
        (10, 8, 1),
        (0, None, 1),
        (10**9, 10**6, JOBS_MAX),
    ],
)
def test_a_small_ledger_needs_no_processes_and_none_starts_too_many(records, asked, jobs):
    """Wrong if starting processes took longer than the work, or a number on the command line filled the machine."""
    assert jobs_for(records, asked) == jobs


@pytest.mark.parametrize(("base", "more"), [(0, 7), (16, 16), (16, 5), (48, 16), (32, 32), (64, 1)])
def test_a_grafted_tree_is_the_tree_of_all_leaves(base, more):
    """Wrong if parts hashed apart gave another root than the whole."""
    leaves = [bytes([number]) * 32 for number in range(base + more)]
    grown, apart, whole = Frontier(), Frontier(), Frontier()
    grown.extend(leaves[:base])
    apart.extend(leaves[base:])
    whole.extend(leaves)
    grown.graft(apart)
    assert (grown.size, grown.root(), grown.peaks()) == (whole.size, whole.root(), whole.peaks())


def test_a_tree_is_not_grafted_where_it_does_not_fit():
    """Wrong if a wrong division into parts gave a root of its own instead of an error."""
    grown, apart = Frontier(), Frontier()
    grown.extend([bytes(32)] * 3)
    apart.extend([bytes(32)] * 2)
    with pytest.raises(ValueError, match="cannot be grafted"):
        grown.graft(apart)


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_ledger_whose_keys_changed_is_the_same_in_parts(tmp_path, monkeypatch, request, is_apart):
    """Wrong if a part were checked by the key that signed before it, or a change of key within a part were missed."""
    if is_apart:
        monkeypatch.setattr(parallel, "PART_RECORDS", PART)
    else:
        request.getfixturevalue("small_parts")
    place = Place(SystemDisk(), segment_records=20)
    place.folder = tmp_path / "ledger"
    with place.create() as ledger:
        for number in range(1, 4):
            ledger.record_many(place.tenant, place.drafts(17, number))
            ledger.heads.rotate(Signer(place.origin, new_secret(bytes([number]) * 32)))
            ledger.checkpoint()
        whole, parts = ledger.verify(), ledger.verify(jobs=2)
        key = ledger.verifier_key()
    assert whole.verdict is Verdict.OK
    assert whole.key == key != place.signer.verifier.text()
    assert parts == whole


@pytest.mark.parametrize(("size", "jobs"), [(0, 2), (1, 2), (70_000, 2), (10_000_000, 2), (10_000_000, 64)])
def test_parts_are_subtrees_that_follow_one_another(size, jobs):
    """Wrong if a record were in no part or in two, or a part could not be grafted where it starts."""
    parts = parts_of(size, jobs)
    assert [stop for _, stop in parts[:-1]] == [start for start, _ in parts[1:]]
    assert (parts[0][0], parts[-1][1]) == (0, size) if parts else size == 0
    widths = {stop - start for start, stop in parts[:-1]}
    assert all(width & (width - 1) == 0 for width in widths)
    assert len(widths) <= 1
