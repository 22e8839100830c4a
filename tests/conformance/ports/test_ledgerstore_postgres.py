"""Postgres as a ledger's store: lost connections, other writers, and settings that would lose what is acknowledged."""

from __future__ import annotations

import socket
import tempfile
import threading
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore
from bailiwick.errors import LedgerBroken, LedgerPoisoned, LedgerRaced, Unavailable, Verdict

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'bailiwick[cluster]'")

RECORDS = [b"record %d" % number for number in range(40)]


@pytest.fixture
def ledger():
    """Give the name of a ledger that nobody else has."""
    return f"bailiwick/{uuid.uuid4().hex[:16]}"


@pytest.fixture
def open_store(postgres_url, ledger, tmp_path):
    """Open another view of one ledger, as another machine would: nothing but the database is shared."""
    disk = SystemDisk()
    opened = []

    def opening(url=postgres_url):
        store = PostgresLedgerStore(url, ledger, tmp_path / str(len(opened)), disk)
        opened.append(store)
        return store

    yield opening
    for store in opened:
        store.close()
    disk.close()


@pytest.fixture
def admin(postgres_url):
    """Give a connection that may do everything."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def end_others(admin):
    """End every connection of the stores, as a restart or a failover does."""
    query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'bailiwick ledger'"
    return len(admin.execute(query).fetchall())


def read_all(store):
    """Read everything, counting first."""
    return store.read(0, store.count())


class Wire:
    """A wire to the server that can be cut: when the next answer comes, it is thrown away, and the line goes dead."""

    def __init__(self, folder, server):
        self._server = server
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / ".s.PGSQL.5432"))
        self._listening.listen()
        self._ends = []
        self.is_armed = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(self._server / ".s.PGSQL.5432"))
            self._ends += [near, far]
            for pair, is_answer in (((near, far), False), ((far, near), True)):
                self._threads.append(threading.Thread(target=self._carry, args=(*pair, is_answer), daemon=True))
                self._threads[-1].start()

    def _carry(self, source, target, is_answer):
        try:
            while data := source.recv(65_536):
                if is_answer and self.is_armed:
                    break
                target.sendall(data)
        except OSError:
            pass  # the other direction was cut
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Hang up."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for end in self._ends:
            end.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def wire(postgres_url):
    """Give a wire, and the address at its near end. A socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        carrying = Wire(Path(folder), Path(postgres_url.partition("host=")[2]))
        yield carrying, f"postgresql://postgres@/postgres?host={folder}"
        carrying.close()


def test_an_answer_lost_in_the_middle_of_a_commit_leaves_the_end_unknown(open_store, wire):
    """Wrong if a caller were told that nothing was stored when the server had stored it, or the other way round."""
    cut, url = wire
    store = open_store(url)
    with store.exclusive():
        store.append(0, RECORDS[:3])
        cut.is_armed = True
        with pytest.raises(LedgerPoisoned, match="unknown"):
            store.append(3, RECORDS[3:6])
    again = open_store()
    with again.exclusive():
        assert again.count() == 6, "the server had committed; only its answer was lost"
        again.append(6, RECORDS[6:7])
    assert read_all(again) == RECORDS[:7]


def test_a_connection_that_ended_between_two_groups_is_made_again(open_store, admin):
    """Wrong if every restart of the database needed a restart of the node."""
    store = open_store()
    with store.exclusive():
        store.append(0, RECORDS[:3])
    assert read_all(store) == RECORDS[:3]
    assert end_others(admin) == 2
    assert store.read(1, 2) == RECORDS[1:2]
    with store.exclusive():
        assert store.count() == 3
        store.append(3, RECORDS[3:5])
    assert read_all(store) == RECORDS[:5]


def test_a_holder_whose_connection_ends_has_lost_the_lock_and_is_told(open_store, admin):
    """Wrong if two nodes believed that they held the ledger, and both wrote."""
    one, other = open_store(), open_store()
    with one.exclusive():
        one.append(0, RECORDS[:1])
        end_others(admin)
        with other.exclusive():
            other.append(1, [b"other"])
        with pytest.raises((LedgerPoisoned, LedgerRaced)):
            one.append(1, [b"one"])
    assert read_all(open_store()) == [RECORDS[0], b"other"]


def test_a_writer_that_does_not_ask_for_the_lock_is_noticed(open_store):
    """Wrong if the second of two writers wrote over the first, or left a hole."""
    one, other = open_store(), open_store()
    one.append(0, RECORDS[:3])
    assert other.count() == 3
    one.append(3, RECORDS[3:5])
    with pytest.raises(LedgerRaced):
        other.append(3, [b"mine"])
    assert read_all(other) == RECORDS[:5]


def test_waiting_for_a_writer_that_hangs_ends(open_store, admin, monkeypatch):
    """Wrong if one stuck node could stop every other for ever."""
    monkeypatch.setattr("bailiwick.adapters.ledgerstore_postgres.LOCK_MS_MAX", 50)
    one, other = open_store(), open_store()
    with one.exclusive():
        with pytest.raises(Unavailable) as refused, other.exclusive():
            pytest.fail("both have it")
        assert refused.value.code == "ledger-locked"
    with other.exclusive():
        assert other.count() == 0


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        ("UPDATE bailiwick_records SET bytes = 'other' WHERE ledger = %s AND id = 7", Verdict.CORRUPT),
        ("DELETE FROM bailiwick_records WHERE ledger = %s AND id = 7", Verdict.TRUNCATED),
        ("DELETE FROM bailiwick_records WHERE ledger = %s AND id < 7", Verdict.TRUNCATED),
    ],
)
def test_rows_that_are_not_those_that_were_given_are_a_verdict(open_store, admin, ledger, query, verdict):
    """Wrong if a row that an administrator changed or removed were read as a record."""
    open_store().append(0, RECORDS)
    admin.execute(query, (ledger,))
    with pytest.raises(LedgerBroken) as broken:
        read_all(open_store())
    assert broken.value.verdict is verdict


def test_bytes_that_no_text_of_the_database_could_hold_come_back(open_store):
    """Wrong if NUL, lone surrogates, separators of lines or large numbers were changed on the way."""
    hostile = [
        b"\x00",
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8\x0b\x85",
        b"1" + b"0" * 200,
        b"\\x41\\",
        b"x" * 65_535,
        b"'\"%s",
    ]
    store = open_store()
    store.append(0, hostile)
    assert read_all(open_store()) == hostile


def test_ledgers_of_one_database_are_strangers(open_store, postgres_url, tmp_path):
    """Wrong if one tenant could meet another's records, or wait for its writer."""
    one = open_store()
    other = PostgresLedgerStore(postgres_url, "bailiwick/other", tmp_path / "other", SystemDisk())
    with one.exclusive(), other.exclusive():
        one.append(0, RECORDS[:3])
        other.append(0, [b"its own"])
    assert read_all(one) == RECORDS[:3]
    other.cut(0)
    assert (one.count(), other.count()) == (3, 0)
    other.close()


def test_a_commit_is_flushed_although_the_server_would_not_by_default(open_store, admin):
    """Wrong if a setting of the database could make an acknowledged record vanish in a power cut."""
    admin.execute("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        store = open_store()
        store.append(0, RECORDS[:1])
        assert store._open["write"].execute("SHOW synchronous_commit").fetchone() == ("on",)
    finally:
        admin.execute("ALTER DATABASE postgres RESET synchronous_commit")


def test_a_database_that_is_not_there_is_unavailable_and_its_password_is_not_shown(open_store, tmp_path):
    """Wrong if an operator's terminal or log showed the password."""
    store = open_store(f"postgresql://me:hunter2@/x?host={tmp_path}")
    for ask in (store.exists, store.count, store.exclusive().__enter__):
        with pytest.raises(Unavailable) as refused:
            ask()
        assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"
    with pytest.raises(Unavailable) as refused:
        store.append(0, RECORDS[:1])
    assert not isinstance(refused.value, LedgerPoisoned)


def test_a_statement_that_the_server_gave_up_left_nothing(open_store, admin, ledger):
    """Wrong if a statement that timed out were called unknown, or had stored something."""
    store = open_store()
    store.append(0, RECORDS[:1])
    store._open["write"].execute("SET statement_timeout = 50")
    admin.execute("BEGIN")
    admin.execute("LOCK TABLE bailiwick_records IN SHARE MODE")
    with pytest.raises(Unavailable) as refused:
        store.append(1, RECORDS[1:2])
    admin.execute("ROLLBACK")
    assert not isinstance(refused.value, LedgerPoisoned)
    assert store.count() == 1
    store.append(1, RECORDS[1:2])
