"""Every ledger store keeps records in order, whole and durable, and knows nothing of what is in them."""

import errno
import threading
import uuid
from functools import partial

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore
from bailiwick.adapters.ledgerstore_s3 import Bucket, S3LedgerStore
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.canonical import digest
from bailiwick.errors import LedgerBroken, LedgerPoisoned, Unavailable, Verdict
from bailiwick.testing import FaultyDisk, MemoryDisk, fail

RECORDS = [b"record %d" % number for number in range(10)]


NAMES = ["files on the system", "files in memory", "short segments", "memory", "sqlite", "postgres", "s3"]


@pytest.fixture(params=NAMES)
def open_store(request, tmp_path):
    """Open another view of one place, as another process would; what is kept beside it, in a folder of this machine."""
    memory = MemoryLedgerStore()
    folder, ledger = tmp_path / "ledger", f"bailiwick/{uuid.uuid4().hex[:16]}"
    limits = {"segment_records": 3} if request.param == "short segments" else {}
    ask = request.getfixturevalue
    disk = MemoryDisk() if request.param in {"files in memory", "short segments"} else SystemDisk()
    opening = {
        "memory": lambda: lambda: memory,
        "sqlite": lambda: lambda: SqliteLedgerStore(folder, disk),
        "postgres": lambda: partial(PostgresLedgerStore, ask("postgres_url"), ledger, folder, disk),
        "s3": lambda: partial(S3LedgerStore, Bucket(name=ask("s3_bucket")), ledger, folder, disk),
    }.get(request.param, lambda: lambda: FileLedgerStore(folder, disk, **limits))()
    opened = []
    yield lambda: opened.append(opening()) or opened[-1]
    for store in opened:
        store.close()
    disk.close()


@pytest.fixture
def store(open_store):
    """One view."""
    return open_store()


def test_nothing_is_there_at_first_and_asking_makes_nothing(store, tmp_path):
    """Otherwise looking for a ledger would start one."""
    assert not store.exists()
    assert store.count() == 0
    assert store.size() == 0
    assert store.tail() == b""
    assert store.read_side("head", 0, 10) == b""
    assert not (tmp_path / "ledger").exists()


def test_records_come_back_in_order_from_any_view(open_store):
    """Otherwise two processes would see two ledgers."""
    one, other = open_store(), open_store()
    for start, stop in ((0, 1), (1, 4), (4, 5), (5, 10)):
        with one.exclusive():
            assert one.count() == start
            one.append(start, RECORDS[start:stop])
        with other.exclusive():
            assert other.count() == stop
    assert one.read(0, 10) == other.read(0, 10) == RECORDS
    assert other.read(2, 7) == RECORDS[2:7]
    assert other.read(9, 10) == RECORDS[9:]
    assert other.read(4, 4) == []
    assert open_store().count() == 10
    assert one.exists()


def test_views_append_in_turn(open_store):
    """Otherwise the second writer would write over the first."""
    views = [open_store(), open_store()]
    for number, record in enumerate(RECORDS):
        with views[number % 2].exclusive():
            assert views[number % 2].count() == number
            views[number % 2].append(number, [record])
    assert open_store().count() == 10
    assert views[1].read(0, 10) == RECORDS


def test_appending_anywhere_but_at_the_end_is_a_bug(store):
    """Otherwise a stale index would leave a hole or a fork."""
    store.append(0, RECORDS[:2])
    for start in (0, 1, 3):
        with pytest.raises(AssertionError):
            store.append(start, RECORDS[:1])


def test_reading_beyond_the_end_is_a_bug(store):
    """Otherwise a wrong index would give fewer records, silently."""
    store.append(0, RECORDS[:2])
    with pytest.raises(AssertionError):
        store.read(1, 3)


def test_exclusive_keeps_others_out(open_store):
    """Otherwise two writers would fork the chain."""
    one, other = open_store(), open_store()
    order, started = [], threading.Event()

    def wait():
        started.set()
        with other.exclusive():
            order.append("other")

    thread = threading.Thread(target=wait)
    with one.exclusive():
        thread.start()
        assert started.wait(20)
        order.append("one")
    thread.join(20)
    assert order == ["one", "other"]
    with pytest.raises(KeyError), one.exclusive():
        raise KeyError
    with one.exclusive():
        assert one.count() == 0


def test_sizes_are_those_of_what_is_stored(store):
    """Otherwise a repair could not tell a torn write from damage."""
    store.append(0, RECORDS)
    assert store.count() == 10
    assert store.size() == store.size_from(0) >= sum(map(len, RECORDS))
    assert store.size_from(9) >= len(RECORDS[9])
    assert store.size_from(5) < store.size_from(4)


def test_what_is_cut_is_kept_aside_and_appending_goes_on(open_store):
    """Otherwise a repair would destroy what it moves away, or leave a ledger that cannot grow."""
    store = open_store()
    store.append(0, RECORDS[:9])
    store.append(9, RECORDS[9:])
    with store.exclusive():
        assert store.count() == 10
        cut = store.cut(9)
        assert (cut.index, cut.size) in {(9, len(RECORDS[9])), (9, len(RECORDS[9]) + 1)}
        assert cut.digest in {digest(RECORDS[9]), digest(RECORDS[9] + b"\n")}
        assert store.count() == 9
        store.append(9, [b"another"])
    other = open_store()
    assert other.count() == 10
    assert other.read(8, 10) == [RECORDS[8], b"another"]


def test_side_files_are_read_as_far_as_they_go(open_store):
    """Otherwise what can be rebuilt would raise where it is short."""
    store = open_store()
    store.write_side("head", 0, b"0123456789")
    store.write_side("head", 2, b"xy")
    store.write_side("tree/0", 4, b"z")
    assert open_store().read_side("head", 1, 4) == b"1xy4"
    assert store.read_side("head", 8, 10) == b"89"
    assert store.read_side("head", 80, 10) == b""
    assert store.read_side("tree/0", 0, 10) == b"\x00\x00\x00\x00z"
    assert store.count() == 0


def test_a_retired_store_is_given_to_nobody_until_it_is_taken_back(open_store):
    """Otherwise a process that was not told of a move would go on in the old place, and fork the ledger."""
    one, other = open_store(), open_store()
    with one.exclusive():
        one.append(0, RECORDS[:2])
    assert one.retired() == ""
    one.retire("it is in sqlite")
    assert open_store().retired() == other.retired() == "it is in sqlite"
    for store in (one, other, one, one):
        with pytest.raises(Unavailable, match="it is in sqlite") as refused, store.exclusive():
            pytest.fail("given")
        assert refused.value.code == "ledger-moved"
    assert open_store().count() == 2
    other.retire("")
    with one.exclusive():
        assert one.count() == 2
        one.append(2, RECORDS[2:3])
    assert one.read(0, 3) == RECORDS[:3]


def test_reading_while_another_thread_appends(open_store):
    """Otherwise a reader would meet a record that is half known."""
    store = open_store()
    store.append(0, [b"0"])
    stop = threading.Event()
    wrong = []

    def read():
        while not stop.wait(0.001):
            for index in (0, 5, 11):
                if (got := store.read(index, index + 1)) != [b"%d" % index]:
                    wrong.append((index, got))

    for number in range(1, 12):
        store.append(number, [b"%d" % number])
    thread = threading.Thread(target=read)
    thread.start()
    for number in range(12, 60):
        store.append(number, [b"%d" % number])
    stop.set()
    thread.join(20)
    assert wrong == []
    store.sync()
    store.close()


# --- files alone ----------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """A disk, a folder, and a way to open them."""
    disk = MemoryDisk()

    def open_files(on=disk, **limits):
        return FileLedgerStore(tmp_path, on, **limits)

    return disk, tmp_path, open_files


def test_an_unfinished_line_is_a_tail_and_not_a_record(files):
    """Otherwise half a record would be read as one, or the next would be fused to it."""
    disk, folder, open_files = files
    open_files().append(0, RECORDS[:2])
    path = folder / "seg" / "000000000000.jsonl"
    disk.write(path, disk.size(path), b"half")
    store = open_files()
    assert (store.count(), store.tail()) == (2, b"half")
    with pytest.raises(AssertionError):
        store.append(2, RECORDS[2:3])
    assert store.cut(2).size == 4
    assert (store.count(), store.tail()) == (2, b"")
    assert disk.read(path) == b"record 0\nrecord 1\n"


def test_a_segment_is_named_by_its_first_record_and_rolls_by_count_or_size(files):
    """Otherwise a reader would have to count every line to find a record."""
    disk, folder, open_files = files
    store = open_files(segment_records=3, segment_bytes=40)
    for start in range(0, 9, 3):
        store.append(start, RECORDS[start : start + 3])
    store.append(9, [b"x" * 50])
    store.append(10, [b"y"])
    assert disk.names(folder / "seg") == [f"{first:012d}.jsonl" for first in (0, 3, 6, 9, 10)]
    again = open_files(segment_records=3, segment_bytes=40)
    assert again.count() == 11
    assert again.read(2, 10) == [*RECORDS[2:9], b"x" * 50]


def test_a_full_segment_that_lost_lines_is_refused(files):
    """Otherwise records would be counted that are not there."""
    disk, folder, open_files = files
    store = open_files(segment_records=3)
    for start in range(0, 9, 3):
        store.append(start, RECORDS[start : start + 3])
    path = folder / "seg" / "000000000000.jsonl"
    for size, verdict in ((18, Verdict.TRUNCATED), (20, Verdict.CORRUPT)):
        disk.truncate(path, size)
        again = open_files(segment_records=3)
        assert again.count() == 9
        with pytest.raises(LedgerBroken) as broken:
            again.read(1, 5)
        assert broken.value.verdict is verdict
        disk.write(path, 0, b"record 0\nrecord 1\nrecord 2\n")


def test_a_missing_first_segment_is_truncated(files):
    """Otherwise the history would begin where somebody cut it."""
    disk, folder, open_files = files
    store = open_files(segment_records=3)
    store.append(0, RECORDS[:3])
    store.append(3, RECORDS[3:6])
    disk.unlink(folder / "seg" / "000000000000.jsonl")
    with pytest.raises(LedgerBroken) as broken:
        open_files().count()
    assert broken.value.verdict is Verdict.TRUNCATED


def test_a_full_segment_is_never_cut(files):
    """Otherwise a repair could take away what was flushed long ago."""
    _, _, open_files = files
    store = open_files(segment_records=3)
    store.append(0, RECORDS[:3])
    store.append(3, RECORDS[3:6])
    with pytest.raises(LedgerBroken) as broken:
        store.cut(2)
    assert (broken.value.verdict, broken.value.index) == (Verdict.CORRUPT, 2)
    assert store.count() == 6


@pytest.mark.parametrize("after", range(1, 6))
def test_a_failed_append_is_poisoned_and_leaves_no_bytes(files, after):
    """Otherwise unacknowledged bytes would be there for somebody to build on."""
    disk, _, open_files = files
    store = open_files(FaultyDisk(disk, after=after, fault=fail(errno.ENOSPC)))

    def append_all():
        for number, record in enumerate(RECORDS):
            store.append(number, [record])

    with pytest.raises(LedgerPoisoned, match="No space left"):
        append_all()
    kept = open_files()
    assert kept.tail() == b""
    assert kept.read(0, kept.count()) == RECORDS[: kept.count()]
    assert kept.count() == (0 if after < 5 else 1)


def test_a_disk_that_cannot_be_read_is_unavailable(files):
    """Otherwise a broken disk would look like an empty or altered ledger."""
    disk, _, open_files = files

    class Broken(FaultyDisk):
        def size(self, path, *_):
            raise OSError(errno.EIO, "Input/output error", str(path))

        names = read = lock = size

    open_files().append(0, RECORDS)
    store = open_files(Broken(disk, after=0, fault=fail(errno.EIO)))
    for ask in (store.exists, store.count, lambda: store.read_side("head", 0, 1), store.exclusive().__enter__):
        with pytest.raises(Unavailable) as refused:
            ask()
        assert refused.value.code == "ledger-unreadable"


def test_what_was_cut_is_named_again_from_its_index_on(open_store):
    """Otherwise a crash right after a cut would leave no word of what was dropped."""
    store = open_store()
    assert store.kept_aside(0) == []
    with store.exclusive():
        store.append(0, RECORDS)
        cut = store.cut(7)
    again = open_store()
    assert again.kept_aside(0) == again.kept_aside(7) == [cut]
    assert again.kept_aside(8) == []
