"""The effect queue in one SQLite file a tenant, beside the ledger that it is folded from.

It holds nothing that the ledger does not say, so it is written without waiting for the disk, and a file that is
damaged or of another version is thrown away and folded again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, QueuedEffect, check_tenant

VERSION = 2
BUSY_SECONDS_MAX = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS state (cursor INTEGER NOT NULL, leaf TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS effects (
    key TEXT PRIMARY KEY, type TEXT NOT NULL, record INTEGER NOT NULL, position INTEGER NOT NULL, result INTEGER,
    again_record INTEGER, again_position INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON effects (record, position) WHERE result IS NULL;
"""


_ASK = """
INSERT INTO effects (key, type, record, position) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (key) DO UPDATE SET again_record = ?3, again_position = ?4
"""
_FINISH = "UPDATE effects SET result = ? WHERE key = ? AND result IS NULL"
_END = "DELETE FROM effects WHERE key = ? AND record <= ? AND result IS NULL AND again_record IS NULL"
_ASK_AGAIN = """
UPDATE effects SET record = again_record, position = again_position, again_record = NULL, again_position = NULL
WHERE key = ? AND record <= ? AND result IS NULL AND again_record IS NOT NULL
"""


class SqliteEffectQueue:
    """Keeps the fold in ``<tenants>/<tenant>/effects.db``; safe to use from several threads and processes."""

    def __init__(self, tenants: Path) -> None:
        self._tenants = tenants
        self._open: dict[str, sqlite3.Connection] = {}
        self._lock = threading.RLock()

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded."""
        with self._lock:
            row = self._of(tenant).execute("SELECT cursor, leaf FROM state").fetchone()
            return Cursor(count=row[0], leaf=row[1]) if row else Cursor(count=0, leaf="")

    def fold(
        self,
        tenant: str,
        cursor: Cursor,
        asked: Sequence[QueuedEffect],
        done: Mapping[str, int],
        ended: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Take in what the records up to ``cursor`` say, in one transaction; an older cursor changes nothing."""
        with self._lock:
            database = self._of(tenant)
            try:
                with database:
                    database.execute("BEGIN IMMEDIATE")
                    if self.cursor(tenant).count >= cursor.count:
                        return
                    database.executemany(
                        _ASK, [(effect.key, effect.type, effect.record, effect.position) for effect in asked]
                    )
                    database.executemany(_FINISH, [(result, key) for key, result in done.items()])
                    for each in ended.items():
                        if not database.execute(_END, each).rowcount:
                            database.execute(_ASK_AGAIN, each)
                    database.execute("DELETE FROM state")
                    database.execute("INSERT INTO state VALUES (?, ?)", (cursor.count, cursor.leaf))
            except sqlite3.OperationalError as error:
                raise Unavailable(
                    f"the effect queue of tenant {tenant} cannot be written: {error}",
                    hint="another process may hold it for long, or the disk is full; try again",
                    code="effect-queue-busy",
                ) from error

    def waiting(self, tenant: str, limit: int) -> list[QueuedEffect]:
        """Give up to ``limit`` effects without a result, oldest first."""
        return self._select(tenant, "WHERE result IS NULL ORDER BY record, position LIMIT ?", (limit,))

    def listed(self, tenant: str) -> list[QueuedEffect]:
        """Give every effect, oldest first."""
        return self._select(tenant, "ORDER BY record, position", ())

    def clear(self, tenant: str) -> None:
        """Forget everything of the tenant."""
        with self._lock, self._of(tenant) as database:
            database.execute("DELETE FROM effects")
            database.execute("DELETE FROM state")

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for database in self._open.values():
                database.close()
            self._open.clear()

    def _select(self, tenant: str, tail: str, values: tuple[int, ...]) -> list[QueuedEffect]:
        with self._lock:
            rows = self._of(tenant).execute(
                f"SELECT key, type, record, position, result FROM effects {tail}",  # noqa: S608 - tails are ours, above
                values,
            )
            return [
                QueuedEffect(key=key, type=kind, record=record, position=position, result=result)
                for key, kind, record, position, result in rows
            ]

    def _of(self, tenant: str) -> sqlite3.Connection:
        database = self._open.get(tenant)
        if database is None:
            path = self._tenants / check_tenant(tenant) / "effects.db"
            path.parent.mkdir(parents=True, exist_ok=True)
            database = self._open[tenant] = _opened(path)
        return database


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file; one that SQLite cannot read, or of another version, starts anew."""
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise Unavailable(
                f"the effect queue {path} cannot be opened: {error}",
                hint="check the permissions and the free space of the home",
                code="effect-queue-busy",
            ) from error
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"version {version}")
        database.executescript(_TABLES)
        database.execute(f"PRAGMA user_version={VERSION}")
        database.execute("SELECT cursor, leaf FROM state").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database
