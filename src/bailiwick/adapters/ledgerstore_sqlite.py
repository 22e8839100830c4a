"""A ledger's records as rows of one SQLite file, a transaction for each group: one file to copy, nothing to run.

    LOCK  ledger.db (with -wal and -shm while it is open)  head  tree/0 …

WAL with ``synchronous=FULL``: an acknowledged group survives a power cut. Beside its bytes each row keeps their
SHA-256, so that what SQLite gives back is known to be what it was given; SQLite itself checks no page.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bailiwick.adapters.ledgerstore_checks import (
    COPY_HINT,
    LEAVES_PER_ROW,
    busy,
    carried_records,
    leaf_rows,
    leaves_in,
    moved,
    poisoned,
    pruned_records,
    quarantined,
    raced,
    rows_of,
)
from bailiwick.adapters.ledgerstore_pruning import read_state, state_bytes
from bailiwick.adapters.ledgerstore_side import SideFiles
from bailiwick.adapters.sqlitefiles import error_kind, make_tables, switch_to_log, version_of
from bailiwick.errors import BailiwickError, LedgerBroken, Unavailable, Verdict
from bailiwick.model import Pruned, Quarantined
from bailiwick.ports import Disk

VERSION = 1
"""Version of the file's tables, kept in SQLite's ``user_version``."""
PRUNED_VERSION = 2
"""Version of a file from which records were pruned: a program that knows nothing of that does not read it."""
BUSY_SECONDS_MAX = 10.0
"""Longest wait for another connection that writes, in seconds."""

_FILE = "ledger.db"
# A plain SQLITE_ERROR too: the queries are always the same, so a table or a format that they do not find is the file's.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
_TABLES = (
    """CREATE TABLE records (
        id INTEGER PRIMARY KEY CHECK (id >= 0),
        ends INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        bytes BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE quarantine (name TEXT PRIMARY KEY, id INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT",
    "CREATE TABLE moved (id INTEGER PRIMARY KEY CHECK (id = 0), note TEXT NOT NULL) STRICT",
)
_PRUNED_TABLES = (
    "CREATE TABLE IF NOT EXISTS pruned (id INTEGER PRIMARY KEY CHECK (id = 0), state BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS leaves (id INTEGER PRIMARY KEY CHECK (id >= 0), digests BLOB NOT NULL) STRICT",
)
_INSERT = "INSERT INTO records (id, ends, digest, bytes) VALUES (?, ?, ?, ?)"


class SqliteLedgerStore:
    """See ``ports.LedgerStore``. Nothing is made on disk before something is written or locked."""

    def __init__(self, folder: Path, disk: Disk, *, busy_seconds: float = BUSY_SECONDS_MAX) -> None:
        self._path = folder / _FILE
        self._side = SideFiles(folder, disk)
        self._busy_seconds = busy_seconds
        self._count = 0
        self._bytes = 0
        self._is_above = False
        self._start()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store alone, among all threads and processes."""
        with self._side.lock():
            if note := self.retired():
                raise moved(note)
            yield

    def exists(self) -> bool:
        """Say whether there are records."""
        return self._find("SELECT 1 FROM records LIMIT 1") is not None

    def count(self) -> int:
        """Count the records that are stored now, by whomever."""
        last = self._find("SELECT id, ends FROM records ORDER BY id DESC LIMIT 1")
        self._count, self._bytes = (0, 0) if last is None else (last[0] + 1, last[1])
        if self._count and not self._is_above:
            # Carried records alone say nothing of those that follow; once there are any, there always are.
            pruned = self.pruned()
            minimum = pruned.minimum if pruned else 0
            self._is_above = self._count > minimum
            self._count = max(self._count, minimum)
        return self._count

    def tail(self) -> bytes:
        """Give nothing: a transaction is there whole, or not at all."""
        return b""

    def size(self) -> int:
        """Give the size of all records in bytes, but for those that were pruned and those that were carried on."""
        pruned = self.pruned()
        return self._bytes if pruned is None else self.size_from(min(pruned.minimum, self._count))

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        return self._bytes - self._begin_of(start)

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included, each checked against its digest."""
        assert 0 <= start <= stop <= self._count, (start, stop, self._count)
        with self._database("read") as database:
            rows = database.execute(
                "SELECT id, digest, bytes FROM records WHERE id >= ? AND id < ? ORDER BY id", (start, stop)
            ).fetchall()
        return pruned_records(rows, start, stop, self.pruned() if len(rows) < stop - start else None)

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``; durable on return, in one transaction."""
        assert start == self._count, (start, self._count)
        rows = rows_of(start, self._bytes, records)
        with self._database("write") as database:
            self._begin(database, start)
            with self._no_doubt("write"):
                database.executemany(_INSERT, rows)
                database.execute("COMMIT")
        if rows:
            self._count, self._bytes = rows[-1][0] + 1, rows[-1][1]

    def sync(self, start: int = 0) -> None:
        """Make durable what others appended: whoever did may have died before the flush of its log."""
        del start
        if self._path.exists():
            with self._database("write") as database, self._no_doubt("flush"):
                database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def cut(self, start: int) -> Quarantined:
        """Move everything from record ``start`` on into another table, in one transaction."""
        begin = self._begin_of(start)
        with self._database("write") as database:
            self._begin(database, self._count)
            with self._no_doubt("cut"):
                found = database.execute("SELECT bytes FROM records WHERE id >= ? ORDER BY id", (start,)).fetchall()
                data = b"".join(raw for (raw,) in found)
                kept = quarantined(start, data)
                database.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?)", (kept.name, start, data))
                database.execute("DELETE FROM records WHERE id >= ?", (start,))
                database.execute("COMMIT")
        self._count, self._bytes, self._is_above = start, begin, False
        return kept

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` moved aside from record ``start`` on, by name."""
        if not self._path.exists():
            return []
        with self._database("read") as database:
            found = database.execute(
                "SELECT id, bytes FROM quarantine WHERE id >= ? ORDER BY name", (start,)
            ).fetchall()
        return [quarantined(index, data) for index, data in found]

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        return self._side.read(name, offset, size)

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written."""
        self._side.write(name, offset, data)

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more; an empty note takes that back."""
        with self._database("write") as database:
            if note:
                database.execute("INSERT OR REPLACE INTO moved VALUES (0, ?)", (note,))
            else:
                database.execute("DELETE FROM moved")

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        found = self._find("SELECT note FROM moved")
        return "" if found is None else str(found[0])

    def close(self) -> None:
        """Close the file and the side files; a later call opens them again."""
        self._adopt()
        for use in ("write", "read"):
            with self._mutexes[use]:
                self._drop(use)
        self._side.close()

    # --- pruning ----------------------------------------------------------------------------------------------------

    def pruned(self) -> Pruned | None:
        """Say where the records begin; None where none was ever deleted."""
        if "read" not in self._open and not self._path.exists():
            return None
        with self._database("read") as database:
            if version_of(database) < PRUNED_VERSION:
                return None
            row = database.execute("SELECT state FROM pruned").fetchone()
        return read_state(b"" if row is None else bytes(row[0]), f"what {self._path} says was pruned")

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give the leaf digests ``start`` to ``stop`` of pruned records."""
        if start >= stop:
            return []
        query = "SELECT id, digests FROM leaves WHERE id >= ? AND id < ? ORDER BY id"
        with self._database("read") as database:
            rows = database.execute(query, (start - start % LEAVES_PER_ROW, stop)).fetchall()
        return leaves_in(rows, start, stop)

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop``."""
        pruned = self.pruned()
        until = min(stop, pruned.minimum if pruned else 0)
        query = "SELECT id, digest, bytes FROM records WHERE id >= ? AND id < ? ORDER BY id"
        with self._database("read") as database:
            return carried_records(database.execute(query, (start, until)).fetchall())

    def prune(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Delete every record below the minimum but those that are carried on, in one transaction."""
        assert 0 < pruned.minimum < self._count, (pruned.minimum, self._count)
        before = self.pruned()
        with self._pruning(self._count) as database:
            _keep_pruned(database, pruned, leaf_rows(leaves, before.minimum if before else 0))
            start = 0
            for index, _ in carried:
                database.execute("DELETE FROM records WHERE id >= ? AND id < ?", (start, index))
                start = index + 1
            database.execute("DELETE FROM records WHERE id >= ? AND id < ?", (start, pruned.minimum))
        self.tidy()

    def begin(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Start an empty store where the records of another begin, in one transaction."""
        assert self._count == 0, self._count
        with self._pruning(0) as database:
            _keep_pruned(database, pruned, leaf_rows(leaves, 0))
            end = 0
            for index, raw in carried:
                row = rows_of(index, end, [raw])[0]
                database.execute(_INSERT, row)
                end = row[1]
        self.count()

    def tidy(self) -> None:
        """Overwrite what the write-ahead log still holds of pruned records; a reader may put that off."""
        with self._database("write") as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def _pruning(self, count: int) -> Iterator[sqlite3.Connection]:
        """Give one transaction in which what is deleted is overwritten too; whatever fails takes all of it back."""
        with self._database("write") as database:
            database.execute("PRAGMA secure_delete=ON").fetchone()
            self._begin(database, count)
            try:
                for table in _PRUNED_TABLES:
                    database.execute(table)
                yield database
                database.execute(f"PRAGMA user_version={PRUNED_VERSION}")
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    # --- queries ----------------------------------------------------------------------------------------------------

    def _find(self, query: str) -> tuple[int, int] | None:
        """Give the first row of an answer, and none where there is no file: looking makes nothing."""
        if "read" not in self._open and not self._path.exists():
            return None
        with self._database("read") as database:
            row: tuple[int, int] | None = database.execute(query).fetchone()
            return row

    def _begin_of(self, index: int) -> int:
        """Give where a record begins, in bytes from the first."""
        if index == self._count:
            return self._bytes
        with self._database("read") as database:
            row = database.execute("SELECT ends - length(bytes) FROM records WHERE id = ?", (index,)).fetchone()
        if row is None:
            message = f"record {index} is missing in {self._path}"
            raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT, index=index)
        return int(row[0])

    def _begin(self, database: sqlite3.Connection, start: int) -> None:
        """Begin to write where the end is the known one; nothing was written where this raises."""
        database.execute("BEGIN IMMEDIATE")
        count = int(database.execute("SELECT coalesce(max(id) + 1, 0) FROM records").fetchone()[0])
        if count not in (0, start) and version_of(database) == PRUNED_VERSION:
            state = database.execute("SELECT state FROM pruned").fetchone()
            count = count if state is None else max(count, read_state(bytes(state[0]), str(self._path)).minimum)
        if count != start:
            database.execute("ROLLBACK")
            raise raced(start, f"there are {count} records in {self._path}")

    # --- connections ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._process = os.getpid()
        self._open: dict[str, sqlite3.Connection] = {}
        self._mutexes = {"write": threading.Lock(), "read": threading.Lock()}

    def _adopt(self) -> None:
        """In a fork, leave the parent's connections alone: closing one here could let go of the parent's locks."""
        if os.getpid() != self._process:
            self._inherited = self._open
            self._start()

    @contextmanager
    def _database(self, use: str) -> Iterator[sqlite3.Connection]:
        """Give a connection to itself for one use: readers do not wait for a writer's flush. A failure closes it."""
        self._adopt()
        with self._mutexes[use]:
            try:
                yield self._open.get(use) or self._connect(use)
            except sqlite3.Error as error:
                self._drop(use)
                raise self._refusal(error) from error
            except BailiwickError:
                raise
            except BaseException:
                self._drop(use)
                raise

    def _no_doubt(self, verb: str) -> AbstractContextManager[None]:
        return _Doubt(self, verb)

    def _drop(self, use: str) -> None:
        database = self._open.pop(use, None)
        if database is not None:
            database.close()

    def _refusal(self, error: sqlite3.Error) -> BailiwickError:
        code = error_kind(error)
        if code in _DAMAGED:
            return LedgerBroken(Verdict.CORRUPT, f"{self._path} is damaged: {error}", hint=COPY_HINT)
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return busy(f"{self._path} was held by another connection", self._busy_seconds)
        return Unavailable(
            f"{self._path} cannot be used: {error}",
            hint="check the disk, and who owns the folder; then try again",
            code="ledger-unreadable",
        )

    def _connect(self, use: str) -> sqlite3.Connection:
        self._make_file()
        database = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(database)
            if use == "read":
                database.execute("PRAGMA query_only=ON")
        except BaseException:
            database.close()
            raise
        self._open[use] = database
        return database

    def _make_file(self) -> None:
        """Make the file for its owner alone, before SQLite would make it for everybody; its log inherits that."""
        disk, folder = self._side.disk, self._side.folder
        try:
            if not self._path.exists():
                disk.make_folder(folder)
                disk.create(self._path, 0o600)
                disk.sync_folder(folder)
        except FileExistsError:
            pass  # another process was first
        except OSError as error:
            raise Unavailable(
                f"{self._path} cannot be made: {error.strerror or error}",
                hint="check the free space and the permissions of the home",
                code="ledger-unreadable",
            ) from error

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Switch to the log, flush every commit, and make the tables where there are none."""
        switch_to_log(database, self._busy_seconds)
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA cell_size_check=ON")
        make_tables(database, _TABLES, VERSION)
        if (version := version_of(database)) not in (VERSION, PRUNED_VERSION):
            raise Unavailable(
                f"{self._path} has version {version}; this program reads versions {VERSION} and {PRUNED_VERSION}",
                hint="use the version of bailiwick that wrote it",
                code="ledger-store-version",
            )


def _keep_pruned(database: sqlite3.Connection, pruned: Pruned, rows: Iterable[tuple[int, bytes]]) -> None:
    database.executemany("INSERT OR REPLACE INTO leaves VALUES (?, ?)", rows)
    database.execute("INSERT OR REPLACE INTO pruned VALUES (0, ?)", (state_bytes(pruned),))


class _Doubt:
    """From here to the commit, a failure leaves it unknown what is stored."""

    __slots__ = ("_store", "_verb")

    def __init__(self, store: SqliteLedgerStore, verb: str) -> None:
        self._store = store
        self._verb = verb

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            self._store._drop("write")
            raise poisoned(f"could not {self._verb} {self._store._path}", error) from error
