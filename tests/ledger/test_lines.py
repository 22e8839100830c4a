"""Reading one record by where its line ends: the side file is a hint, and no wrong hint gives a wrong record."""

from __future__ import annotations

import random
import struct

import pytest

from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.errors import LedgerBroken, Verdict
from bailiwick.ledger import lines
from bailiwick.ledger.lines import LINES_NAME, Lines
from tests.ledger.conftest import Place

SEGMENT = 20
RECORDS = 70


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    """Keep the lines of short segments too, and look for new ones at once."""
    monkeypatch.setattr(lines, "SEGMENT_RECORDS_MIN", 1)
    monkeypatch.setattr(lines, "LOOK_RECORDS", 1)


@pytest.fixture
def place():
    """Give a place with a ledger of three full segments and some records more, of many lengths."""
    place = Place(segment_records=SEGMENT)
    with place.create() as ledger:
        for number in range(RECORDS - 1):
            ledger.record(place.tenant, place.draft(number, text="x" * (number * 7 % 90)))
    return place


@pytest.fixture
def truth(place):
    """Give every record as the store itself reads it."""
    store = place.store()
    return store.read(0, store.count())


def all_of(place):
    """Give every record, each read alone by its line, as a process does that opens the ledger now."""
    store = place.store()
    count = store.count()
    reader = Lines(store)
    return [reader.read(index, index + 1, count)[0] for index in range(count)]


def side(place):
    """Give the path of the side file, made where it is missing."""
    path = place.folder / LINES_NAME
    if LINES_NAME not in place.disk.names(place.folder):
        all_of(place)
    return path


def test_what_is_read_by_lines_is_what_the_store_reads(place, truth):
    """Wrong if a record began or ended anywhere else; in ranges too, within and across segments."""
    store = place.store()
    count = store.count()
    reader = Lines(store)
    assert [reader.read(index, index + 1, count)[0] for index in range(count)] == truth
    for start in range(0, count, 7):
        for stop in range(start, count + 1, 5):
            assert reader.read(start, stop, count) == truth[start:stop]


def test_the_side_file_is_read_and_not_the_segment(place, truth, monkeypatch):
    """Wrong if each first touch still looked through a whole segment."""
    side(place)

    def never(*_):
        raise AssertionError("looked through the whole segment")

    monkeypatch.setattr(FileLedgerStore, "_sealed_segment", never)
    monkeypatch.setattr(Lines, "_note", never)
    store = place.store()
    count, reader = store.count(), Lines(store)
    assert [reader.read(index, index + 1, count)[0] for index in range(3 * SEGMENT)] == truth[: 3 * SEGMENT]


def test_no_changed_byte_of_the_side_file_gives_another_record(place, truth):
    """Wrong if whoever can write there could show one record in place of another."""
    path = side(place)
    data = place.disk.read(path)
    for at in range(len(data)):
        for bit in (1, 128):
            place.overwrite(path, data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            index = at // 4
            store = place.store()
            count, reader = store.count(), Lines(store)
            for near in (index, min(index + 1, count - 1)):
                assert reader.read(near, near + 1, count) == [truth[near]]
            assert reader.read(index, min(index + 5, count), count) == truth[index : index + 5]


@pytest.mark.parametrize("seed", range(5))
def test_a_side_file_of_noise_gives_no_other_record(place, truth, seed):
    """Wrong if numbers that nobody wrote led anywhere but back to the segment."""
    dice = random.Random(seed)
    place.overwrite(side(place), struct.pack("<90I", *(dice.choice([0, 1, dice.randrange(9_000)]) for _ in range(90))))
    assert all_of(place) == truth


@pytest.mark.parametrize("size", [0, 1, 3, 4, 83, 200])
def test_a_side_file_that_is_cut_short_gives_no_other_record(place, truth, size):
    """Wrong if an end that is missing were taken for one."""
    path = side(place)
    place.overwrite(path, place.disk.read(path)[:size])
    assert all_of(place) == truth


def test_the_side_file_of_another_ledger_gives_no_other_record(place, truth):
    """Wrong if lines were looked for where another ledger has them."""
    other = Place(segment_records=SEGMENT)
    with other.create() as ledger:
        for number in range(RECORDS):
            ledger.record(other.tenant, other.draft(number, text="y" * (number * 13 % 70)))
    path = side(place)
    place.overwrite(path, other.disk.read(side(other)))
    assert all_of(place) == truth


def test_one_record_is_never_given_for_its_neighbour(place, truth):
    """Wrong if whole lines between newlines were enough: every end is that of the record after, or before."""
    path = side(place)
    ends = struct.unpack(f"<{3 * SEGMENT}I", place.disk.read(path))
    for moved in ((*ends[1:], ends[-1]), (ends[0], *ends[:-1])):
        place.overwrite(path, struct.pack(f"<{3 * SEGMENT}I", *moved))
        assert all_of(place) == truth


def test_a_side_file_that_is_older_than_the_segments_is_mended(place, truth):
    """Wrong if what was full later stayed unknown, or an old file were taken for the new one."""
    path = side(place)
    whole = place.disk.read(path)
    place.overwrite(path, whole[: 4 * SEGMENT])
    assert all_of(place) == truth
    assert place.disk.read(path) == whole


def test_it_is_mended_where_it_is_wrong(place, truth):
    """Wrong if a damaged hint cost a look through the segment each time, for ever."""
    path = side(place)
    whole = place.disk.read(path)
    place.overwrite(path, bytes(len(whole)))
    assert all_of(place) == truth
    assert place.disk.read(path) == whole


def test_a_damaged_segment_has_the_stores_verdict(place):
    """Wrong if the side file hid that a line is missing from a segment, or gave another record in its place."""
    side(place)
    path = place.segment(0)
    lines_of = place.disk.read(path).split(b"\n")
    place.overwrite(path, b"\n".join([*lines_of[:5], *lines_of[6:]]))
    store = place.store()
    with pytest.raises(LedgerBroken) as caught:
        Lines(store).read(5, 6, store.count())
    assert caught.value.verdict in {Verdict.CORRUPT, Verdict.TRUNCATED}


def test_a_forged_record_that_the_side_file_leads_to_is_not_proven(place):
    """Wrong if whoever writes both files could have a record proven that the ledger does not stand for."""
    path = side(place)
    segment = place.segment(0)
    data = place.disk.read(segment)
    line = data.split(b"\n")[5]
    forged = line.replace(b'"number":4', b'"number":9')
    assert forged != line
    place.overwrite(segment, data + forged + b"\n")
    ends = bytearray(place.disk.read(path))
    ends[4 * 4 : 6 * 4] = struct.pack("<2I", len(data), len(data) + len(forged) + 1)
    place.overwrite(path, bytes(ends))
    with place.open() as ledger, pytest.raises(LedgerBroken) as caught:
        ledger.prove(5)
    assert caught.value.verdict in {Verdict.ALTERED, Verdict.CORRUPT}


def test_a_disk_that_refuses_the_side_file_still_gives_records(place, truth, monkeypatch):
    """Wrong if a full or read-only disk kept anybody from reading."""
    from bailiwick.errors import Unavailable

    def refuse(*_):
        raise Unavailable("full", hint="make room")

    monkeypatch.setattr(FileLedgerStore, "write_side", refuse)
    assert all_of(place) == truth


def test_sealing_keeps_where_the_lines_end(place):
    """Wrong if a ledger that was sealed looked through its segments at the first proof."""
    with place.open() as ledger:
        assert ledger.verify(check="full-and-seal").verdict is Verdict.OK
    assert len(place.disk.read(place.folder / LINES_NAME)) == 4 * 3 * SEGMENT


def test_short_segments_have_no_side_file(place, truth, monkeypatch):
    """Wrong if a file were written for what the store finds at once."""
    monkeypatch.setattr(lines, "SEGMENT_RECORDS_MIN", 1_024)
    assert all_of(place) == truth
    assert LINES_NAME not in place.disk.names(place.folder)
