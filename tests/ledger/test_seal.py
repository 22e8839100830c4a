"""The fast check: what was sealed is compared, what came after is read, and nobody else can seal."""

from __future__ import annotations

import pytest

from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.errors import NotFound, UsageRefused, Verdict
from bailiwick.ledger import parallel
from tests.ledger.conftest import Place


@pytest.fixture
def place():
    """Give a place whose segments are full after ten records."""
    return Place(segment_records=10)


@pytest.fixture
def ledger(place):
    """Give a ledger of three full segments and some records more, sealed."""
    with place.create() as ledger:
        for start in range(0, 32, 4):
            ledger.record_many(place.tenant, place.drafts(4, start))
        assert ledger.verify(check="full-and-seal").verdict is Verdict.OK
        yield ledger


def flip(disk, path, at):
    """Change one byte of a file."""
    disk.write(path, at, bytes([disk.read(path, at, 1)[0] ^ 1]))


def test_what_did_not_change_passes_with_the_same_root(ledger):
    """Wrong if the fast check gave another answer on a sound ledger than the full one."""
    assert ledger.verify(check="fast") == ledger.verify()


def test_records_after_the_seals_are_read(ledger, place):
    """Wrong if the fast check left out what was recorded since, checkpoints included."""
    ledger.record_many(place.tenant, place.drafts(30))
    ledger.checkpoint()
    assert ledger.verify(check="fast") == ledger.verify()


def test_every_changed_byte_of_a_sealed_segment_is_found(ledger, place):
    """Wrong if a byte of what was sealed could change unseen; the verdict names the segment's first record."""
    path = place.segment(0)
    for at in range(0, place.disk.size(path), 41):
        flip(place.disk, path, at)
        report = ledger.verify(check="fast")
        assert (report.verdict, report.problems[0].index) == (Verdict.ALTERED, 0)
        flip(place.disk, path, at)
    assert ledger.verify(check="fast").verdict is Verdict.OK


def test_every_changed_byte_after_the_seals_is_found(ledger, place):
    """Wrong if the rest of the ledger were taken on trust."""
    ledger.record_many(place.tenant, place.drafts(1))
    ledger.checkpoint()
    path = place.folder / "seg" / place.disk.names(place.folder / "seg")[-1]
    for at in range(0, place.disk.read(path)[:-1].rindex(b"\n"), 41):
        flip(place.disk, path, at)
        assert ledger.verify(check="fast").verdict is not Verdict.OK
        flip(place.disk, path, at)


def test_no_changed_byte_of_the_seals_is_believed(ledger, place):
    """Wrong if whoever can write the side file could say what was verified."""
    path = place.folder / "seals"
    for at in range(place.disk.size(path) - 1):
        flip(place.disk, path, at)
        with pytest.raises(NotFound):
            ledger.verify(check="fast")
        flip(place.disk, path, at)


def test_seals_of_another_key_are_none(ledger, place):
    """Wrong if somebody without the ledger's key could seal other records."""
    other = Place(segment_records=10)
    with other.create(signer=place.other_signer) as forged:
        for start in range(0, 32, 4):
            forged.record_many(other.tenant, other.drafts(4, start))
        forged.verify(check="full-and-seal")
    place.disk.truncate(place.folder / "seals", 0)
    place.disk.write(place.folder / "seals", 0, other.disk.read(other.folder / "seals"))
    with pytest.raises(NotFound) as caught:
        ledger.verify(check="fast")
    assert caught.value.code == "seals-missing"


def test_a_missing_segment_is_truncated(ledger, place):
    """Wrong if a segment that is gone were compared with nothing."""
    place.disk.unlink(place.folder / "seg" / place.disk.names(place.folder / "seg")[1])
    assert ledger.verify(check="fast").verdict is Verdict.TRUNCATED


def test_a_broken_ledger_is_not_sealed(place):
    """Wrong if damage could be sealed, and pass from then on."""
    with place.create() as ledger:
        for start in range(0, 32, 4):
            ledger.record_many(place.tenant, place.drafts(4, start))
        flip(place.disk, place.segment(0), 60)
        assert ledger.verify(check="full-and-seal").verdict is not Verdict.OK
        flip(place.disk, place.segment(0), 60)
        with pytest.raises(NotFound):
            ledger.verify(check="fast")


def test_a_ledger_that_was_never_sealed_is_not_checked_fast(place):
    """Wrong if nothing to compare with counted as sound."""
    with place.create() as ledger, pytest.raises(NotFound) as caught:
        ledger.verify(check="fast")
    assert "--seal" in caught.value.hint


@pytest.mark.parametrize("check", ["fast", "full-and-seal"])
def test_a_store_without_segments_says_so(place, check):
    """Wrong if the fast check of a store that cannot have one silently did something else."""
    with place.create(MemoryLedgerStore()) as ledger, pytest.raises(UsageRefused) as caught:
        ledger.verify(check=check)
    assert caught.value.code == "seals-unsupported"


def test_sealing_with_several_processes_keeps_the_same_seals(ledger, place, monkeypatch):
    """Wrong if the seals depended on how the records were read."""
    monkeypatch.setattr(parallel, "PART_RECORDS", 1 << 20)
    before = place.disk.read(place.folder / "seals")
    ledger.verify(check="full-and-seal", jobs=4)
    assert place.disk.read(place.folder / "seals") == before
