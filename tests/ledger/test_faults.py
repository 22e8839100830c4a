"""A disk that fails, fills up, or loses power: nothing acknowledged is lost, and nobody is told otherwise."""

import errno
import random
from contextlib import suppress
from pathlib import Path

import pytest

from bailiwick.errors import BailiwickError, LedgerPoisoned, NotFound, Verdict
from bailiwick.testing import FaultyDisk, MemoryDisk, fail

SECTOR_BYTES = 512


def work(place, disk, acknowledged):
    """Make or open the ledger, record in groups with checkpoints between, and note what was promised."""
    store = place.store(disk)
    ledger = place.open(store) if place.store().exists() else place.create(store)
    try:
        for count in (1, 3, 40, 2):
            receipts = ledger.record_many(place.tenant, place.drafts(count))
            acknowledged.update((receipt.index, receipt.leaf) for receipt in receipts)
            ledger.checkpoint()
        ledger.close()
    finally:
        place.abandon(ledger)


def check(place, acknowledged):
    """Open on a disk that is well again, and look for everything that was promised."""
    try:
        ledger = place.open()
    except NotFound:
        assert not acknowledged
        ledger = place.create()
    with ledger:
        for index, leaf in acknowledged.items():
            assert ledger.leaf(index) == leaf
        assert ledger.verify().verdict is Verdict.OK
        ledger.record(place.tenant, place.draft())
        ledger.prove(ledger.size() - 1)


def changes_in_a_run(make_place):
    """Count the changes that the work asks of a disk."""
    place = make_place(segment_records=16)
    counting = FaultyDisk(place.disk, after=0, fault=fail(errno.EIO))
    work(place, counting, {})
    return counting.count


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("stays", [False, True])
def test_an_error_at_any_change_loses_nothing_acknowledged(make_place, number, stays):
    """Otherwise there would be a write or flush whose failure is mistaken for success."""
    total = changes_in_a_run(make_place)
    assert total > 20
    for after in range(1, total + 1):
        place = make_place(segment_records=16)
        acknowledged = {}
        with suppress(BailiwickError):
            work(place, FaultyDisk(place.disk, after=after, fault=fail(number), stays=stays), acknowledged)
        check(place, acknowledged)


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_failed_write_stops_appending_and_reading_goes_on(place, operation):
    """Otherwise records would be built on bytes that may not be there, or a broken disk would hide what is there."""
    place.create().close()
    disk = FaultyDisk(place.disk, after=0, fault=fail(errno.EIO))
    ledger = place.open(place.store(disk))
    ledger.record(place.tenant, place.draft(1))
    disk._after = disk.count + {"write": 1, "sync": 2}[operation]
    with pytest.raises(LedgerPoisoned, match="Input/output error"):
        ledger.record(place.tenant, place.draft(2))
    with pytest.raises(LedgerPoisoned, match="takes no more records"):
        ledger.record(place.tenant, place.draft(3))
    assert [record.detail.get("number") for record in ledger.records(2)] == [1]
    assert ledger.verify().verdict is Verdict.OK
    ledger.close()
    with place.open() as again:
        assert again.record(place.tenant, place.draft(4)).index == 3


def test_a_failed_group_is_taken_off_so_that_nobody_builds_on_it(place):
    """Otherwise another process would continue from records whose flush failed, and lose its own with them."""
    place.create().close()
    disk = FaultyDisk(place.disk, after=0, fault=fail(errno.EIO))
    failing, other = place.open(place.store(disk)), place.open()
    before = place.bytes_of(place.segment())
    disk._after = disk.count + 2
    with pytest.raises(LedgerPoisoned):
        failing.record(place.tenant, place.draft(1))
    assert place.bytes_of(place.segment()) == before
    assert other.record(place.tenant, place.draft(2)).index == 2
    failing.close()
    other.close()


def test_side_files_that_cannot_be_written_do_not_stop_records(place):
    """Otherwise a full quota for what can be rebuilt would stop what cannot."""

    class NoSideFiles(FaultyDisk):
        def write(self, path, offset, data):
            if "tree" in path.parts or path.name == "head":
                raise OSError(errno.EDQUOT, "quota exceeded", str(path))
            super().write(path, offset, data)

    with place.create(place.store(NoSideFiles(place.disk, after=0, fault=fail(errno.EIO)))) as ledger:
        receipt = ledger.record(place.tenant, place.draft(1))
        ledger.checkpoint()
        assert "quota exceeded" in ledger.stats()["upkeep_failure"]
    with place.open() as ledger:
        assert ledger.leaf(receipt.index) == receipt.leaf
        ledger.prove(receipt.index)


class PowerCut(BaseException):
    """The end of the process, at any change."""


class VolatileDisk(FaultyDisk):
    """Keeps what was synced; of the rest, each sector and each name survives a power cut or not, as a seed decides."""

    def __init__(self, *, after, seed):
        def cut(operation, path):
            raise PowerCut

        super().__init__(MemoryDisk(), after=after, fault=cut)
        self._random = random.Random(seed)
        self._synced: dict[Path, bytes] = {}
        self._named: set[Path] = set()

    def sync(self, path):
        """See ``ports.Disk``."""
        super().sync(path)
        self._synced[path] = self._disk.read(path)

    def sync_folder(self, folder):
        """See ``ports.Disk``."""
        super().sync_folder(folder)
        self._named |= {folder / name for name in self._disk.names(folder)}

    def after_the_cut(self):
        """Give the disk as the next start finds it."""
        disk = MemoryDisk()
        for path, file in self._disk._files.items():
            if path in self._named or self._random.random() < 0.5:
                disk.make_folder(path.parent)
                disk.create(path)
                disk.write(path, 0, self._torn(self._synced.get(path, b""), bytes(file)))
        return disk

    def _torn(self, synced, written):
        if synced == written:
            return synced
        shorter, longer = sorted((len(synced), len(written)))
        end = self._random.choice([shorter, longer, self._random.randint(shorter, longer)])
        torn = bytearray(synced.ljust(end, b"\x00")[:end])
        for start in range(0, end, SECTOR_BYTES):
            if self._random.random() < 0.5:
                torn[start : start + SECTOR_BYTES] = written[start : start + SECTOR_BYTES][: end - start]
        return bytes(torn)


@pytest.mark.parametrize("seed", range(4))
def test_power_cut_at_any_change_loses_nothing_acknowledged(make_place, seed):
    """Otherwise a record could be promised before it is on the disk, or a torn page would read as tampering."""
    for after in range(1, changes_in_a_run(make_place) + 1):
        place = make_place(segment_records=16)
        acknowledged = {}
        disk = VolatileDisk(after=after, seed=seed * 1_000 + after)
        with suppress(PowerCut):
            work(place, disk, acknowledged)
        place.disk = disk.after_the_cut()
        check(place, acknowledged)


def test_an_interrupted_thread_leaves_a_ledger_that_goes_on(place):
    """Otherwise Ctrl-C during a flush would leave other callers waiting for ever, or a chain that no longer fits."""

    def interrupt(operation, path):
        raise KeyboardInterrupt

    disk = FaultyDisk(place.disk, after=0, fault=interrupt)
    ledger = place.create(place.store(disk))
    for step in (1, 2):
        disk._after = disk.count + step
        with pytest.raises(KeyboardInterrupt):
            ledger.record(place.tenant, place.draft(step))
    receipt = ledger.record(place.tenant, place.draft(9))
    assert ledger.read(receipt.index).detail == {"number": 9}
    assert ledger.verify().verdict is Verdict.OK
    ledger.close()
