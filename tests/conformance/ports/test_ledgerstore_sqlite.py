"""SQLite as a ledger's store: what damages the file is a verdict, what keeps others out is bounded, a flush is real."""

from __future__ import annotations

import sqlite3

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.errors import LedgerBroken, LedgerPoisoned, LedgerRaced, Unavailable, Verdict

RECORDS = [b"record %d " % number * 40 for number in range(400)]


@pytest.fixture
def open_store(tmp_path):
    """Open another view of one file."""
    disk = SystemDisk()
    opened = []
    yield lambda **limits: opened.append(SqliteLedgerStore(tmp_path / "l", disk, **limits)) or opened[-1]
    for store in opened:
        store.close()
    disk.close()


@pytest.fixture
def path(open_store, tmp_path):
    """Give the path of a file with records, which nobody has open."""
    store = open_store()
    store.append(0, RECORDS)
    store.close()
    return tmp_path / "l" / "ledger.db"


def change(path, query, *values):
    """Change the file behind the store's back."""
    database = sqlite3.connect(path)
    with database:
        database.execute(query, values)
    database.close()


def read_all(store):
    """Read everything, counting first."""
    return store.read(0, store.count())


def outcome(store):
    """Say what came of reading everything."""
    try:
        return "the first of them" if read_all(store) == RECORDS[: store.count()] else "something else"
    except LedgerBroken as broken:
        return broken.verdict.value
    except Unavailable as refused:
        return refused.code


@pytest.mark.parametrize(
    ("query", "values", "verdict"),
    [
        ("UPDATE records SET bytes = ? WHERE id = 7", (b"other",), Verdict.CORRUPT),
        ("UPDATE records SET digest = zeroblob(32) WHERE id = 7", (), Verdict.CORRUPT),
        ("DELETE FROM records WHERE id = 7", (), Verdict.TRUNCATED),
        ("DELETE FROM records WHERE id < 7", (), Verdict.TRUNCATED),
    ],
)
def test_rows_that_are_not_those_that_were_given_are_a_verdict(open_store, path, query, values, verdict):
    """Wrong if a row that somebody changed or removed were read as a record, or shifted those after it."""
    change(path, query, *values)
    store = open_store()
    with pytest.raises(LedgerBroken) as broken:
        read_all(store)
    assert broken.value.verdict is verdict
    assert broken.value.index in {0, 7}


@pytest.mark.parametrize("at", [0, 30, 100, 4_096, 9_000, 40_000, 100_000])
def test_a_file_that_is_overwritten_anywhere_never_gives_other_bytes(open_store, path, at):
    """Wrong if damage of the disk were a traceback, or came back as records."""
    damaged = bytearray(path.read_bytes())
    damaged[at : at + 64] = b"\xa5" * 64
    path.write_bytes(damaged)
    assert outcome(open_store()) in {"the first of them", "corrupt", "truncated", "ledger-store-version"}


def test_a_file_that_is_no_database_is_corrupt(open_store, path):
    """Wrong if a file of another kind were taken for an empty ledger."""
    path.write_bytes(b"something else entirely" * 400)
    with pytest.raises(LedgerBroken) as broken:
        open_store().count()
    assert broken.value.verdict is Verdict.CORRUPT


def test_tables_of_another_version_are_refused(open_store, path):
    """Wrong if an older program wrote into tables that it does not know."""
    change(path, "PRAGMA user_version = 3")
    with pytest.raises(Unavailable) as refused:
        open_store().count()
    assert refused.value.code == "ledger-store-version"


def test_a_writer_that_does_not_ask_for_the_lock_is_noticed(open_store):
    """Wrong if the second of two writers wrote over the first, or left a hole."""
    one, other = open_store(), open_store()
    one.append(0, RECORDS[:3])
    assert other.count() == 3
    one.append(3, RECORDS[3:5])
    with pytest.raises(LedgerRaced):
        other.append(3, [b"mine"])
    assert other.count() == 5
    other.append(5, [b"mine"])
    assert read_all(one) == [*RECORDS[:5], b"mine"]


def test_waiting_for_a_writer_that_hangs_ends(open_store, path):
    """Wrong if one stuck process could stop every other for ever."""
    store = open_store(busy_seconds=0.05)
    assert store.count() == 400
    hanging = sqlite3.connect(path, isolation_level=None)
    hanging.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused:
        store.append(400, [b"x"])
    assert refused.value.code == "ledger-locked"
    assert not isinstance(refused.value, LedgerPoisoned)
    hanging.execute("ROLLBACK")
    hanging.close()
    store.append(400, [b"x"])


def test_a_disk_that_fills_up_in_a_transaction_poisons_and_keeps_what_was_there(open_store):
    """Wrong if part of a group stayed, or an error of the disk were taken for an empty answer."""
    store = open_store()
    store.append(0, RECORDS[:10])
    pages = store._open["write"].execute("PRAGMA page_count").fetchone()[0]
    store._open["write"].execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LedgerPoisoned, match="full"):
        store.append(10, RECORDS[10:])
    again = open_store()
    assert read_all(again) == RECORDS[:10]
    again.sync()
    again.append(10, RECORDS[10:])
    assert read_all(open_store()) == RECORDS


def test_every_commit_is_flushed(open_store):
    """Wrong if an acknowledged record could be lost in a power cut: in WAL, only FULL flushes each commit."""
    store = open_store()
    store.append(0, RECORDS[:1])
    database = store._open["write"]
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_file_is_for_its_owner_alone(open_store, tmp_path):
    """Wrong if every user of the machine could read a ledger."""
    store = open_store()
    store.append(0, RECORDS[:1])
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "l").glob("ledger.db*")} == {
        "ledger.db": 0o600,
        "ledger.db-wal": 0o600,
        "ledger.db-shm": 0o600,
    }
