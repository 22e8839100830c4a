"""A ledger's records as rows of one SQLite file, a transaction for each group: one file to copy, nothing to run.

    LOCK  ledger.db (with -wal and -shm while it is open)  head  tree/0 …

WAL with ``synchronous=FULL``: an acknowledged group survives a power cut. Beside its bytes each row keeps their
SHA-256, so that what SQLite gives back is known to be what it was given; SQLite itself checks no page.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bailiwick.adapters.ledgerstore_checks import (
    COPY_HINT,
    busy,
    checked_records,
    moved,
    poisoned,
    quarantined,
    raced,
    rows_of,
)
from bailiwick.adapters.ledgerstore_side import SideFiles
from bailiwick.errors import BailiwickError, LedgerBroken, Unavailable, Verdict
from bailiwick.model import Quarantined
from bailiwick.ports import Disk

VERSION = 1
"""Version of the file's tables, kept in SQLite's ``user_version``."""
BUSY_SECONDS_MAX = 10.0
"""Longest wait for another connection that writes, in seconds."""

_FILE = "ledger.db"
_RETRY_SECONDS = 0.01
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


class SqliteLedgerStore:
    """See ``ports.LedgerStore``. Nothing is made on disk before something is written or locked."""

    def __init__(self, folder: Path, disk: Disk, *, busy_seconds: float = BUSY_SECONDS_MAX) -> None:
        self._path = folder / _FILE
        self._side = SideFiles(folder, disk)
        self._busy_seconds = busy_seconds
        self._count = 0
        self._bytes = 0
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
        return self._count

    def tail(self) -> bytes:
        """Give nothing: a transaction is there whole, or not at all."""
        return b""

    def size(self) -> int:
        """Give the size of all records in bytes."""
        return self._bytes

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        return self._bytes - self._end_of(start)

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included, each checked against its digest."""
        assert 0 <= start <= stop <= self._count, (start, stop, self._count)
        with self._database("read") as database:
            rows = database.execute(
                "SELECT id, digest, bytes FROM records WHERE id >= ? AND id < ? ORDER BY id", (start, stop)
            ).fetchall()
        return checked_records(rows, start, stop)

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``; durable on return, in one transaction."""
        assert start == self._count, (start, self._count)
        rows = rows_of(start, self._bytes, records)
        with self._database("write") as database:
            self._begin(database, start)
            with self._no_doubt("write"):
                database.executemany("INSERT INTO records (id, ends, digest, bytes) VALUES (?, ?, ?, ?)", rows)
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
        begin = self._end_of(start)
        with self._database("write") as database:
            self._begin(database, self._count)
            with self._no_doubt("cut"):
                found = database.execute("SELECT bytes FROM records WHERE id >= ? ORDER BY id", (start,)).fetchall()
                data = b"".join(raw for (raw,) in found)
                kept = quarantined(start, data)
                database.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?)", (kept.name, start, data))
                database.execute("DELETE FROM records WHERE id >= ?", (start,))
                database.execute("COMMIT")
        self._count, self._bytes = start, begin
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

    # --- queries ----------------------------------------------------------------------------------------------------

    def _find(self, query: str) -> tuple[int, int] | None:
        """Give the first row of an answer, and none where there is no file: looking makes nothing."""
        if "read" not in self._open and not self._path.exists():
            return None
        with self._database("read") as database:
            row: tuple[int, int] | None = database.execute(query).fetchone()
            return row

    def _end_of(self, index: int) -> int:
        """Give where the record before ``index`` ends, in bytes from the first."""
        if index == 0 or self._count == 0:
            return 0
        with self._database("read") as database:
            row = database.execute("SELECT ends FROM records WHERE id = ?", (index - 1,)).fetchone()
        if row is None:
            message = f"record {index - 1} is missing in {self._path}"
            raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT, index=index - 1)
        return int(row[0])

    def _begin(self, database: sqlite3.Connection, start: int) -> None:
        """Begin to write where the end is the known one; nothing was written where this raises."""
        database.execute("BEGIN IMMEDIATE")
        count = int(database.execute("SELECT coalesce(max(id) + 1, 0) FROM records").fetchone()[0])
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
        code = _code(error)
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
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                database.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                # SQLite does not wait by itself while another process makes the same switch.
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA cell_size_check=ON")
        if _version(database) == 0:
            database.execute("BEGIN IMMEDIATE")
            if _version(database) == 0:
                for table in _TABLES:
                    database.execute(table)
                database.execute(f"PRAGMA user_version={VERSION}")
            database.execute("COMMIT")
        if (version := _version(database)) != VERSION:
            raise Unavailable(
                f"{self._path} has version {version}; this program reads version {VERSION}",
                hint="use the version of bailiwick that wrote it",
                code="ledger-store-version",
            )


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


def _code(error: sqlite3.Error) -> int:
    """Give the kind of an error: the low byte of SQLite's code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])
