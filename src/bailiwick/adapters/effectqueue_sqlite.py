"""The effect queue in one SQLite file a tenant, beside the ledger that it is folded from.

It holds nothing that the ledger does not say, so it is written without waiting for the disk, and a file that is
damaged or of another version is thrown away and folded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bailiwick.adapters.foldfiles import FoldFiles, cursor_of, keep_cursor
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, QueuedEffect

VERSION = 2
BUSY_SECONDS_MAX = 10.0
_DAMAGED = "effect-queue-damaged"
_TABLES = (
    """CREATE TABLE IF NOT EXISTS effects (
        key TEXT PRIMARY KEY, type TEXT NOT NULL, record INTEGER NOT NULL, position INTEGER NOT NULL, result INTEGER,
        again_record INTEGER, again_position INTEGER
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS waiting ON effects (record, position) WHERE result IS NULL",
)
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
        self._files = FoldFiles(
            tenants,
            "effects.db",
            tables=_TABLES,
            version=VERSION,
            pragmas=["synchronous=OFF"],
            refusal=_refusal,
            busy_seconds=BUSY_SECONDS_MAX,
        )

    def cursor(self, tenant: str) -> Cursor:
        """Say how far the ledger has been folded; nothing where the file was damaged: whoever folds begins here."""
        try:
            with self._files.of(tenant) as database:
                return cursor_of(database)
        except Unavailable as error:
            if error.code != _DAMAGED:
                raise
        with self._files.of(tenant) as database:
            return cursor_of(database)

    def fold(
        self,
        tenant: str,
        cursor: Cursor,
        asked: Sequence[QueuedEffect],
        done: Mapping[str, int],
        ended: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Take in what the records up to ``cursor`` say, in one transaction; an older cursor changes nothing."""
        with self._files.changing(tenant) as database:
            if cursor_of(database).count >= cursor.count:
                return
            database.executemany(_ASK, [(effect.key, effect.type, effect.record, effect.position) for effect in asked])
            database.executemany(_FINISH, [(result, key) for key, result in done.items()])
            for each in ended.items():
                if not database.execute(_END, each).rowcount:
                    database.execute(_ASK_AGAIN, each)
            keep_cursor(database, cursor)

    def waiting(self, tenant: str, limit: int) -> list[QueuedEffect]:
        """Give up to ``limit`` effects without a result, oldest first."""
        return self._select(tenant, "WHERE result IS NULL ORDER BY record, position LIMIT ?", (limit,))

    def listed(self, tenant: str) -> list[QueuedEffect]:
        """Give every effect, oldest first."""
        return self._select(tenant, "ORDER BY record, position", ())

    def clear(self, tenant: str) -> None:
        """Forget everything of the tenant."""
        with self._files.changing(tenant) as database:
            database.execute("DELETE FROM effects")
            database.execute("DELETE FROM state")

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _select(self, tenant: str, tail: str, values: tuple[int, ...]) -> list[QueuedEffect]:
        with self._files.of(tenant) as database:
            rows = database.execute(
                f"SELECT key, type, record, position, result FROM effects {tail}",  # noqa: S608 - tails are ours, above
                values,
            )
            return [
                QueuedEffect(key=key, type=kind, record=record, position=position, result=result)
                for key, kind, record, position, result in rows
            ]


def _refusal(path: Path, error: Exception, is_damaged: bool) -> Unavailable:
    if is_damaged:
        return Unavailable(
            f"the effect queue {path} was damaged ({error}) and has been thrown away",
            hint="try again: it is folded anew from the ledger",
            code="effect-queue-damaged",
        )
    return Unavailable(
        f"the effect queue {path} cannot be used: {error}",
        hint="another process may hold it for long, or the disk is full; try again",
        code="effect-queue-busy",
    )
