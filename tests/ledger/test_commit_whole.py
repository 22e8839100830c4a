"""All of a group or none of it, once however often it is asked for, and by whoever holds the lock alone."""

from __future__ import annotations

import errno
import threading

import pytest

from bailiwick.errors import LedgerPoisoned, RecordRefused, Unavailable, UsageRefused, Verdict
from bailiwick.ledger.record import GROUP_MARK, KEY_MARK, decode
from bailiwick.ledger.retries import KEY_RECORDS_MAX
from bailiwick.testing import FaultyDisk, fail


def numbers(ledger):
    """Give what was recorded, in order."""
    return [record.detail["number"] for record in ledger.records() if "number" in record.detail]


def faulty(place):
    """Give a ledger on a disk that fails when told so."""
    disk = FaultyDisk(place.disk, after=0, fault=fail(errno.EIO))
    return disk, place.open(place.store(disk))


def test_a_group_cut_after_any_byte_is_gone_whole(make_place):
    """Wrong if a crash could leave the first records of what was asked for together."""
    place = make_place()
    with place.create() as ledger:
        ledger.record(place.tenant, place.draft(1))
    ledger = place.open()
    ledger.record(place.tenant, place.draft(2))
    before = place.disk.size(place.segment())
    ledger.record_many(place.tenant, place.drafts(4, start=10))
    place.abandon(ledger)
    whole = place.bytes_of(place.segment())
    for end in range(before, len(whole) + 1, 7):
        place.overwrite(place.segment(), whole[:end])
        with place.open() as again:
            assert numbers(again) == [1, 2], end
            assert again.verify().verdict is Verdict.OK
            kinds = [record.event_type for record in again.records(4)]
            assert kinds.count("ledger.recovered") == (end > before)
        place.disk.unlink(place.folder / "head")
        for name in place.disk.names(place.folder / "quarantine") if end > before else []:
            place.disk.unlink(place.folder / "quarantine" / name)
    place.overwrite(place.segment(), whole)
    with place.open() as again:
        assert numbers(again) == [1, 2, 10, 11, 12, 13]


def test_a_group_says_how_many_it_has_and_a_single_record_says_nothing(place):
    """Wrong if the bytes of a single record had moved, or a reader of records were given the ledger's own marks."""
    with place.create() as ledger:
        alone = ledger.record(place.tenant, place.draft(1))
        first, second = ledger.record_many(place.tenant, place.drafts(2))
        assert decode(ledger.read(alone.index).raw).detail == {"number": 1}
        assert decode(ledger.read(first.index).raw).detail == {"number": 0, GROUP_MARK: 2}
        assert decode(ledger.read(second.index).raw).detail == {"number": 1}
        assert ledger.read(first.index).detail == {"number": 0}


@pytest.mark.parametrize("name", [GROUP_MARK, KEY_MARK, "~", "~other"])
def test_a_draft_cannot_have_the_ledgers_own_marks(place, name):
    """Wrong if whoever drafts could make recovery take acknowledged records for an unfinished group."""
    with place.create() as ledger:
        with pytest.raises(RecordRefused) as refused:
            ledger.record(place.tenant, place.draft(1, **{name: 9}))
        assert refused.value.code == "record-reserved"
        assert ledger.record(place.tenant, place.draft(1, inner={name: 9})).index == 1


def test_records_of_another_time_are_never_taken_for_the_rest_of_a_group(make_place):
    """Wrong if a group that somebody else left unfinished could take acknowledged records with it."""
    place = make_place()
    with place.create() as ledger:
        entry = ledger._writer
        draft = place.draft(1)
        from bailiwick.ledger.record import admit

        entry.commit([admit(draft, "node-1", marks={GROUP_MARK: 5})])
        for number in (2, 3):
            ledger.record(place.tenant, place.draft(number))
        place.abandon(ledger)
    place.disk.unlink(place.folder / "head")
    with place.open() as again:
        assert numbers(again) == [1, 2, 3]


@pytest.mark.parametrize("step", [1, 2], ids=["write", "flush"])
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_unknown_is_asked_for_again_under_its_key_and_there_once(place, step, count):
    """Wrong if a caller could only choose between losing a record and having it twice."""
    place.create().close()
    disk, ledger = faulty(place)
    disk._after = disk.count + step
    with pytest.raises(LedgerPoisoned):
        ledger.record_many(place.tenant, place.drafts(count), key="order-7")
    ledger.close()
    with place.open() as again:
        first = again.record_many(place.tenant, place.drafts(count), key="order-7")
        assert again.record_many(place.tenant, place.drafts(count), key="order-7") == first
        assert numbers(again) == list(range(count))
    with place.open() as later:
        assert later.record_many(place.tenant, place.drafts(count), key="order-7") == first
        for receipt in first:
            assert later.leaf(receipt.index) == receipt.leaf


def test_a_record_that_was_kept_before_the_error_is_given_and_not_made_again(place):
    """Wrong if a key helped only where the record was lost."""
    with place.create() as ledger:
        kept = ledger.record(place.tenant, place.draft(1), key="order-7")
        ledger.record(place.tenant, place.draft(2))
        assert ledger.submit(place.draft(1), key="order-7").result(20) == kept
    with place.open() as again:
        assert again.record(place.tenant, place.draft(1), key="order-7") == kept
        assert numbers(again) == [1, 2]


def test_a_key_of_something_else_is_refused_and_the_other_callers_have_their_records(place):
    """Wrong if one caller's mistake were another's loss, or an answer were of another record than was asked for."""
    with place.create() as ledger:
        ledger.record(place.tenant, place.draft(1), key="order-7")
        with ledger._committer._gate:
            futures = [
                ledger.submit(place.draft(2)),
                ledger.submit(place.draft(3), key="order-7"),
                ledger.submit(place.draft(4), key="order-8"),
                ledger.submit(place.draft(4), key="order-8"),
            ]
        with pytest.raises(UsageRefused) as refused:
            futures[1].result(20)
        assert refused.value.code == "record-key-used"
        assert futures[2].result(20) == futures[3].result(20)
        assert futures[0].result(20).index == 2
        assert numbers(ledger) == [1, 2, 4]
        with pytest.raises(UsageRefused):
            ledger.record_many(place.tenant, [place.draft(1), place.draft(2)], key="order-7")


@pytest.mark.parametrize("key", ["", "two words", 'quo"te', "x" * 201, "ä"])
def test_a_key_that_cannot_stand_in_a_record_is_refused(place, key):
    """Wrong if a key could carry what a person typed, or break the record's bytes."""
    with place.create() as ledger:
        with pytest.raises(RecordRefused) as refused:
            ledger.record(place.tenant, place.draft(1), key=key)
        assert refused.value.code == "record-word"
        with pytest.raises(UsageRefused):
            ledger.record_many(place.tenant, place.drafts(2), key="order-7", is_atomic=False)
        assert ledger.size() == 1


def test_a_key_is_looked_for_among_so_many_records_and_no_more(place):
    """Wrong if keys were kept in memory without end, or forgotten sooner than is promised."""
    with place.create() as ledger:
        old = ledger.record(place.tenant, place.draft(1), key="old")
        young = ledger.record(place.tenant, place.draft(2), key="young")
        ledger.record_many(place.tenant, place.drafts(KEY_RECORDS_MAX - 1, start=100))
        assert ledger.record(place.tenant, place.draft(2), key="young") == young
        assert ledger.record(place.tenant, place.draft(1), key="old").index > old.index


def test_whoever_waits_for_a_stopped_holder_is_told_so(place, monkeypatch):
    """Wrong if one process that was stopped within a group stopped every other one for ever."""
    from bailiwick.adapters import ledgerstore_exclusive

    monkeypatch.setattr(ledgerstore_exclusive, "LOCK_WAIT_MS", 20)
    with place.create() as ledger:
        told = []

        def wait():
            try:
                ledger.record(place.tenant, place.draft(1))
            except Unavailable as error:
                told.append(error)

        with place.store().exclusive():
            thread = threading.Thread(target=wait)
            thread.start()
            thread.join(20)
        assert [error.code for error in told] == ["ledger-locked"]
        assert "fuser" in told[0].hint
        assert ledger.record(place.tenant, place.draft(2)).index == 1


def test_who_lost_the_lock_before_the_write_writes_nothing(place, monkeypatch):
    """Wrong if two holders of one lock could write over each other."""
    with place.create() as ledger:
        before = place.bytes_of(place.segment())
        once = ledger._writer._catch_up

        def lose():
            once()
            place.disk.unlink(place.folder / "LOCK")

        monkeypatch.setattr(ledger._writer, "_catch_up", lose)
        with pytest.raises(Unavailable) as refused:
            ledger.record(place.tenant, place.draft(1))
        assert refused.value.code == "ledger-lock-lost"
        assert place.bytes_of(place.segment()) == before
        monkeypatch.undo()
        assert ledger.record(place.tenant, place.draft(2)).index == 1


def test_who_lost_the_lock_during_the_write_promises_nothing(place):
    """Wrong if a record were acknowledged over which somebody else may have written."""

    class LosingDisk(FaultyDisk):
        loses = False

        def sync(self, path):
            super().sync(path)
            if self.loses and path.suffix == ".jsonl":
                self.loses = False
                self._disk.unlink(place.folder / "LOCK")

    place.create().close()
    disk = LosingDisk(place.disk, after=0, fault=fail(errno.EIO))
    ledger = place.open(place.store(disk))
    disk.loses = True
    with pytest.raises(LedgerPoisoned, match="took the lock"):
        ledger.record(place.tenant, place.draft(1), key="order-7")
    with pytest.raises(LedgerPoisoned):
        ledger.record(place.tenant, place.draft(2))
    ledger.close()
    with place.open() as again:
        again.record(place.tenant, place.draft(1), key="order-7")
        assert numbers(again) == [1]


def test_a_repair_that_was_interrupted_is_recorded_by_the_next_who_opens_or_signs(place):
    """Wrong if bytes could be moved aside and no record say so."""
    place.create().close()
    living = place.open()
    store = place.store()
    place.overwrite(place.segment(), place.bytes_of(place.segment()) + b'{"actor_id":"half')
    with store.exclusive():
        store.count()
        cut = store.cut(store.count())
    living.record(place.tenant, place.draft(1))
    living.checkpoint()
    said = [record.detail for record in living.records() if record.event_type == "ledger.recovered"]
    assert [(each["quarantine"], each["dropped_bytes"]) for each in said] == [(cut.name, 17)]
    living.close()
    with place.open() as again:
        kinds = [record.event_type for record in again.records()]
        assert kinds.count("ledger.recovered") == 1
