"""Every store that prunes keeps the same of what is gone, gives the rest back as it was, and starts anew in the middle.

Buckets are left out: their objects may be locked, and each holds a whole group (``ledgerstore_s3``).
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import uuid
from functools import partial
from pathlib import Path

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.ledgerstore_memory import MemoryLedgerStore
from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore
from bailiwick.adapters.ledgerstore_s3 import Bucket, S3LedgerStore
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.errors import BailiwickError, LedgerBroken, NotFound, Verdict
from bailiwick.model import Pruned
from bailiwick.ports import Prunable

RECORDS = [b"record %d" % number for number in range(900)]
LEAVES = [hashlib.sha256(b"\x00" + raw).digest() for raw in RECORDS]
CARRIED = [0, 7, 255, 256, 300]
NAMES = ["files", "short segments", "memory", "sqlite", "postgres"]


@pytest.fixture(params=NAMES)
def open_store(request, tmp_path):
    """Open another view of one place; each prunes."""
    memory = MemoryLedgerStore()
    folder, ledger = tmp_path / "ledger", f"bailiwick/{uuid.uuid4().hex[:16]}"
    disk = SystemDisk()
    opening = {
        "files": lambda: partial(FileLedgerStore, folder, disk),
        "short segments": lambda: partial(FileLedgerStore, folder, disk, segment_records=70),
        "memory": lambda: lambda: memory,
        "sqlite": lambda: partial(SqliteLedgerStore, folder, disk),
        "postgres": lambda: partial(PostgresLedgerStore, request.getfixturevalue("postgres_url"), ledger, folder, disk),
    }[request.param]()
    opened = []
    yield lambda: opened.append(opening()) or opened[-1]
    for store in opened:
        store.close()
    disk.close()


@pytest.fixture
def store(open_store):
    """A store with records, of which none was pruned."""
    made = open_store()
    for start in range(0, len(RECORDS), 30):
        made.append(start, RECORDS[start : start + 30])
    return made


def state(minimum, *archives):
    """Give where records begin, with marks that a store only has to give back."""
    return Pruned(
        minimum=minimum,
        prev_hash=f"{minimum:064x}",
        timestamp="2026-01-10T12:00:00.000000000Z",
        peaks=(bytes(range(32)),) * (minimum // 256).bit_count(),
        archives=tuple((each, f"records-{each}") for each in (*archives, minimum)),
    )


def carry(*indexes):
    """Give records that are carried on."""
    return [(index, RECORDS[index]) for index in indexes]


def prune(store, minimum=512, carried=CARRIED, *archives):
    """Prune a store as the ledger does."""
    with store.exclusive():
        store.count()
        store.prune(state(minimum, *archives), iter(LEAVES[:minimum]), iter(carry(*carried)))


def gone(store, start, stop):
    """Give the code and the hint with which reading is refused."""
    with pytest.raises(NotFound) as refused:
        store.read(start, stop)
    return refused.value.code, refused.value.hint


def test_a_store_that_was_never_pruned_says_so(store):
    """Wrong if a ledger began anywhere but at its first record by itself."""
    assert isinstance(store, Prunable)
    assert store.pruned() is None
    assert store.read(0, 900) == RECORDS
    with store.exclusive():
        store.tidy()
    assert store.read(0, 900) == RECORDS


def test_what_is_left_is_what_it_was_in_every_view(store, open_store):
    """Wrong if pruning moved a record, or another process still saw those that are gone."""
    other = open_store()
    assert other.count() == 900
    assert other.read(100, 102) == RECORDS[100:102]
    prune(store)
    for view in (store, other, open_store()):
        assert view.count() == 900
        assert view.pruned() == state(512)
        assert view.read(512, 900) == RECORDS[512:]
        assert view.read(640, 641) == RECORDS[640:641]
        assert view.leaves(0, 512) == LEAVES[:512]
        assert view.leaves(255, 258) == LEAVES[255:258]
        assert view.leaves(511, 512) == LEAVES[511:512]
        assert view.leaves(5, 5) == []
        assert view.carried(0, 512) == carry(*CARRIED)
        assert view.carried(1, 300) == carry(7, 255, 256)
        assert view.read(255, 257) == RECORDS[255:257]
        assert view.read(7, 8) == RECORDS[7:8]
        assert gone(view, 1, 2) == ("record-pruned", gone(view, 100, 600)[1])
        assert "records-512" in gone(view, 100, 600)[1]


def test_what_was_carried_on_and_what_follows_are_read_as_one(store):
    """Wrong if a row of records that are all there were called pruned where the two meet."""
    prune(store, 512, [0, 509, 510, 511])
    assert store.read(509, 520) == RECORDS[509:520]
    assert gone(store, 508, 520)[0] == "record-pruned"


def test_sizes_are_those_of_what_is_left(store, open_store):
    """Wrong if recovery measured an interrupted write from another place than it stands at."""
    before = store.size_from(512)
    prune(store)
    again = open_store()
    assert again.count() == 900
    assert again.size_from(512) == again.size() == before
    assert again.size_from(700) < before
    assert again.size_from(900) == 0


def test_records_are_appended_and_cut_as_before(store, open_store):
    """Wrong if a pruned store were a store for reading only."""
    prune(store)
    with store.exclusive():
        assert store.count() == 900
        store.append(900, [b"new 0", b"new 1"])
    other = open_store()
    with other.exclusive():
        assert other.count() == 902
        other.append(902, [b"new 2"])
        assert other.cut(901).index == 901
        assert other.count() == 901
    with store.exclusive():
        assert store.count() == 901
    assert store.read(898, 901) == [*RECORDS[898:], b"new 0"]


def test_pruning_again_keeps_what_is_carried_on_still(store, open_store):
    """Wrong if a second pruning lost the leaves of the first, or kept what it was not told to keep."""
    prune(store)
    prune(store, 768, [0, 256, 600], 512)
    for view in (store, open_store()):
        assert view.count() == 900
        assert view.pruned().minimum == 768
        assert view.leaves(0, 768) == LEAVES[:768]
        assert view.carried(0, 768) == carry(0, 256, 600)
        assert view.read(768, 900) == RECORDS[768:]
        assert "records-512" in gone(view, 7, 8)[1]
        assert "records-768" in gone(view, 601, 602)[1]


def test_a_minimum_where_the_newest_segment_begins_is_one_like_any_other(tmp_path):
    """Wrong if pruning up to a full segment's end failed, or left the newest one behind."""
    disk = SystemDisk()
    made = FileLedgerStore(tmp_path, disk, segment_records=256)
    for start in (0, 256):
        made.append(start, RECORDS[start : start + 256])
    made.append(512, RECORDS[512:600])
    prune(made)
    assert made.read(512, 600) == RECORDS[512:600]
    assert disk.names(tmp_path / "seg") == ["000000000512.jsonl"]
    made.append(600, RECORDS[600:700])
    again = FileLedgerStore(tmp_path, disk, segment_records=256)
    assert again.count() == 700
    with again.exclusive():
        again.tidy()
    assert again.read(512, 700) == RECORDS[512:700]
    disk.close()


def test_nothing_is_carried_where_nothing_must(store):
    """Wrong if a store kept a record that nobody asked it to keep."""
    prune(store, 256, [])
    assert store.carried(0, 256) == []
    assert gone(store, 0, 1)[0] == "record-pruned"
    assert store.read(256, 900) == RECORDS[256:]


@pytest.mark.parametrize("kind", ["leaves", "carried"])
def test_a_pruning_that_fails_half_way_leaves_every_record(store, open_store, kind):
    """Wrong if what a ledger stops to give were taken for all of it."""

    def failing(items, after):
        for number, item in enumerate(items):
            if number == after:
                raise LedgerBroken(Verdict.ALTERED, "what was read is not what was written", hint="look")
            yield item

    leaves = failing(LEAVES[:512], 300) if kind == "leaves" else iter(LEAVES[:512])
    carried = failing(carry(*CARRIED), 2) if kind == "carried" else iter(carry(*CARRIED))
    if isinstance(store, MemoryLedgerStore):
        leaves, carried = list(LEAVES[:512]), failing(carry(*CARRIED), 2)
    with store.exclusive():
        store.count()
        with pytest.raises(LedgerBroken, match="what was read"):
            store.prune(state(512), leaves, carried)
    for view in (store, open_store()):
        assert view.count() == 900
        assert view.pruned() is None
        assert view.read(0, 900) == RECORDS
    prune(store)
    assert open_store().pruned() == state(512)


def test_an_empty_store_begins_where_another_does(open_store):
    """Wrong if a pruned ledger could not be moved: its first records are nowhere."""
    one = open_store()
    with one.exclusive():
        assert one.count() == 0
        one.begin(state(512), iter(LEAVES[:512]), iter(carry(*CARRIED)))
    for view in (one, open_store()):
        assert view.exists()
        assert view.count() == 512
        assert view.pruned() == state(512)
        assert view.leaves(0, 512) == LEAVES[:512]
        assert view.carried(0, 512) == carry(*CARRIED)
        assert view.size() == 0
        assert gone(view, 1, 2)[0] == "record-pruned"
        assert view.read(7, 8) == RECORDS[7:8]
    with one.exclusive():
        assert one.count() == 512
        one.append(512, RECORDS[512:600])
        one.append(600, RECORDS[600:])
    again = open_store()
    assert again.count() == 900
    assert again.read(512, 900) == RECORDS[512:]
    assert again.size() == again.size_from(512) == one.size_from(512)
    assert gone(again, 1, 2)[0] == "record-pruned"
    prune(again, 768, [0, 600], 512)
    assert open_store().carried(0, 768) == carry(0, 600)


def test_readers_see_the_old_or_the_new_while_another_view_prunes(store, open_store):
    """Wrong if whoever read meanwhile could be told that the ledger is damaged."""
    reader = open_store()
    assert reader.count() == 900
    wrong, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                if reader.read(500, 520) != RECORDS[500:520]:
                    wrong.append("other bytes")
            except NotFound as error:
                if error.code != "record-pruned":
                    wrong.append(error.code)
            except BailiwickError as error:
                wrong.append(str(error))
            if reader.read(600, 610) != RECORDS[600:610]:
                wrong.append("other bytes above")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        prune(store, 256, [0])
        prune(store, 512, [0], 256)
    finally:
        done.set()
        thread.join(60)
    assert wrong == []
    assert gone(reader, 500, 520)[0] == "record-pruned"


def test_the_bytes_that_went_are_not_in_any_file(tmp_path):
    """Wrong if records were only hidden: SQLite keeps deleted bytes in its pages and its log unless told otherwise."""
    disk = SystemDisk()
    for made in (FileLedgerStore(tmp_path / "files", disk), SqliteLedgerStore(tmp_path / "sqlite", disk)):
        records = [b"secret %d of a person" % number * 50 for number in range(600)]
        made.append(0, records)
        prune(made, 512, [0, 8])
        held = b"".join(path.read_bytes() for path in Path(tmp_path).rglob("*") if path.is_file())
        assert records[550] in held
        assert records[8][:400] in held or RECORDS[8] in held
        assert not any(b"secret %d of" % number in held for number in (1, 7, 100, 300, 511))
        made.close()
    disk.close()


def test_a_bucket_says_why_it_does_not_prune(tmp_path):
    """Wrong if a store without pruning looked as if it had it."""
    disk = SystemDisk()
    assert not isinstance(S3LedgerStore(Bucket(name="b"), "bailiwick/0", tmp_path, disk), Prunable)
    disk.close()


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("UPDATE pruned SET state = x'7b7d'", Verdict.CORRUPT),
        ("UPDATE pruned SET state = zeroblob(2000000)", Verdict.CORRUPT),
        ("DELETE FROM pruned", Verdict.CORRUPT),
        ("DROP TABLE pruned", Verdict.CORRUPT),
        (
            "UPDATE pruned SET state = CAST(replace(CAST(state AS TEXT), 'minimum\":512', 'minimum\":-1') AS BLOB)",
            Verdict.CORRUPT,
        ),
    ],
)
def test_a_state_that_cannot_be_read_is_named(tmp_path, change, verdict):
    """Wrong if a file that lost where its records begin were taken for one that never began."""
    disk = SystemDisk()
    made = SqliteLedgerStore(tmp_path, disk)
    made.append(0, RECORDS)
    prune(made)
    made.close()
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute(change)
    database.close()
    again = SqliteLedgerStore(tmp_path, disk)
    with pytest.raises(LedgerBroken) as broken:
        again.count()
    assert broken.value.verdict is verdict
    again.close()
    disk.close()


@pytest.mark.parametrize("change", ["DELETE FROM leaves WHERE id = 256", "UPDATE leaves SET digests = x'00'"])
def test_leaves_that_are_not_whole_are_named(tmp_path, change):
    """Wrong if proofs were made from digests that are not there."""
    disk = SystemDisk()
    made = SqliteLedgerStore(tmp_path, disk)
    made.append(0, RECORDS)
    prune(made)
    made.close()
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute(change)
    database.close()
    with pytest.raises(LedgerBroken) as broken:
        made.leaves(200, 512)
    assert broken.value.verdict is Verdict.TRUNCATED
    made.close()
    disk.close()
