"""SQLite files of what is folded from a ledger, one a tenant: opened once, shared by threads, thrown away when damaged.

They hold nothing that the ledger does not say, and how far they have come, so a file that is damaged or of another
version costs time only. ``effectqueue_sqlite`` and ``ledgerindex_sqlite`` say what is in theirs.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bailiwick.adapters.sqlitefiles import error_kind, make_tables, switch_to_log, version_of
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, check_tenant

_STATE = "CREATE TABLE IF NOT EXISTS state (cursor INTEGER NOT NULL, leaf TEXT NOT NULL)"
_OUT_OF_REACH = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM,
    }
)  # fmt: skip

Refusal = Callable[[Path, Exception, bool], Unavailable]
"""Says for people that a file cannot be used now, or, where the last is True, that it was damaged and thrown away."""


class FoldFiles:
    """The files ``<tenants>/<tenant>/<name>`` of one kind; safe to use from several threads and processes."""

    def __init__(
        self,
        tenants: Path,
        name: str,
        *,
        tables: Sequence[str],
        version: int,
        pragmas: Sequence[str],
        refusal: Refusal,
        busy_seconds: float,
    ) -> None:
        """Know the files; none is opened yet.

        Args:
            tenants: Folder of the folders of tenants.
            name: Name of the file in each.
            tables: SQL that makes its tables, beside that of the cursor.
            version: Version of the tables, kept in SQLite's ``user_version``.
            pragmas: What each connection is told first, such as ``synchronous=OFF``.
            refusal: See ``Refusal``.
            busy_seconds: Longest wait for another process that writes.
        """
        self._tenants = tenants
        self._name = name
        self._tables = tables
        self._version = version
        self._pragmas = pragmas
        self._refusal = refusal
        self._busy_seconds = busy_seconds
        self._open: dict[str, sqlite3.Connection] = {}
        self._lock = threading.RLock()

    @contextmanager
    def of(self, tenant: str) -> Iterator[sqlite3.Connection]:
        """Give the tenant's connection, to one thread at a time; a failure closes it.

        Raises:
            Unavailable: the file cannot be used now, or was damaged and has been thrown away; see ``refusal``.
        """
        path = self._tenants / check_tenant(tenant) / self._name
        with self._lock:
            try:
                if tenant not in self._open:
                    self._open[tenant] = self._connect(path)
                yield self._open[tenant]
            except (sqlite3.Error, OSError) as error:
                failed = self._open.pop(tenant, None)
                if failed is not None:
                    failed.close()
                is_damaged = not isinstance(error, OSError) and not _is_out_of_reach(error)
                if is_damaged:
                    _throw_away(path)
                raise self._refusal(path, error, is_damaged) from error

    @contextmanager
    def changing(self, tenant: str) -> Iterator[sqlite3.Connection]:
        """Give the tenant's connection within a transaction, which an error takes back."""
        with self.of(tenant) as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        with self._lock:
            for database in self._open.values():
                database.close()
            self._open.clear()

    def _connect(self, path: Path) -> sqlite3.Connection:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        database = sqlite3.connect(path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            switch_to_log(database, self._busy_seconds)
            for pragma in self._pragmas:
                database.execute(f"PRAGMA {pragma}")
            if (version := version_of(database)) not in (0, self._version):
                raise sqlite3.DatabaseError(f"version {version}")
            make_tables(database, [_STATE, *self._tables], self._version)
            cursor_of(database)
        except sqlite3.Error:
            database.close()
            raise
        return database


def cursor_of(database: sqlite3.Connection) -> Cursor:
    """Say how far the ledger has been folded into a file."""
    row = database.execute("SELECT cursor, leaf FROM state").fetchone()
    return Cursor(count=row[0], leaf=row[1]) if row else Cursor(count=0, leaf="")


def keep_cursor(database: sqlite3.Connection, cursor: Cursor) -> None:
    """Keep how far the ledger has been folded, within the transaction that folds it."""
    database.execute("DELETE FROM state")
    database.execute("INSERT INTO state VALUES (?, ?)", (cursor.count, cursor.leaf))


def _is_out_of_reach(error: sqlite3.Error) -> bool:
    """Say whether the file may be well and cannot be used now."""
    return error_kind(error) in _OUT_OF_REACH


def _throw_away(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
