"""The effect queue in one SQLite file a tenant, beside the ledger that it is folded from.

It holds nothing that the ledger does not say, so it is written without waiting for the disk, and a file that is
damaged or of another version is thrown away and folded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from bailiwick.adapters.foldfiles import FoldFiles, cursor_of, keep_cursor
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, EffectState, QueuedEffect

VERSION = 3
BUSY_SECONDS_MAX = 10.0
KEYS_PER_QUESTION = 500
"""Keys that one question asks for, in number: SQLite bounds the parameters of a statement."""
_DAMAGED = "effect-queue-damaged"
_TABLES = (
    """CREATE TABLE IF NOT EXISTS effects (
        key TEXT PRIMARY KEY, state TEXT NOT NULL, record INTEGER NOT NULL, position INTEGER NOT NULL,
        due TEXT, body BLOB NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS by_state ON effects (state, record, position)",
)
_FORGET = "DELETE FROM effects WHERE key = ?"
_KEEP = "INSERT OR REPLACE INTO effects (key, state, record, position, due, body) VALUES (?, ?, ?, ?, ?, ?)"


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

    def find(self, tenant: str, keys: Iterable[str]) -> dict[str, QueuedEffect]:
        """Give the effects of some keys that are known."""
        found: dict[str, QueuedEffect] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_PER_QUESTION):
            some = wanted[start : start + KEYS_PER_QUESTION]
            marks = ", ".join("?" * len(some))
            found |= {each.key: each for each in self._select(tenant, f"WHERE key IN ({marks})", some)}
        return found

    def keep(self, tenant: str, base: Cursor, cursor: Cursor, effects: Mapping[str, QueuedEffect | None]) -> bool:
        """Take in what was folded, in one transaction; False where the queue does not stand at ``base``."""
        with self._files.changing(tenant) as database:
            if cursor_of(database) != base:
                return False
            database.executemany(_FORGET, [[key] for key, each in effects.items() if each is None])
            database.executemany(_KEEP, [_row(each) for each in effects.values() if each is not None])
            keep_cursor(database, cursor)
            return True

    def waiting(self, tenant: str, limit: int, at: str | None = None) -> list[QueuedEffect]:
        """Give up to ``limit`` effects that wait to be delivered, oldest first; with ``at``, those due by then."""
        if at is None:
            return self._select(tenant, "WHERE state = 'waiting' ORDER BY record, position LIMIT ?", [limit])
        tail = "WHERE state = 'waiting' AND (due IS NULL OR due <= ?) ORDER BY record, position LIMIT ?"
        return self._select(tenant, tail, [at, limit])

    def expired(self, tenant: str, at: str) -> list[QueuedEffect]:
        """Give the effects whose approval did not come before ``at``, oldest first."""
        return self._select(tenant, "WHERE state = 'needs-approval' AND due < ? ORDER BY record, position", [at])

    def listed(self, tenant: str, state: EffectState | None = None) -> list[QueuedEffect]:
        """Give every effect, or those in one state, oldest first."""
        if state is None:
            return self._select(tenant, "ORDER BY record, position", [])
        return self._select(tenant, "WHERE state = ? ORDER BY record, position", [state.value])

    def counts(self, tenant: str) -> dict[EffectState, int]:
        """Count the effects of each state that there is."""
        with self._files.of(tenant) as database:
            rows = database.execute("SELECT state, COUNT(*) FROM effects GROUP BY state")
            return {EffectState(state): count for state, count in rows}

    def clear(self, tenant: str) -> None:
        """Forget everything of the tenant."""
        with self._files.changing(tenant) as database:
            database.execute("DELETE FROM effects")
            database.execute("DELETE FROM state")

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _select(self, tenant: str, tail: str, values: Iterable[str | int]) -> list[QueuedEffect]:
        with self._files.of(tenant) as database:
            rows = database.execute(f"SELECT body FROM effects {tail}", tuple(values))  # noqa: S608 - tails are ours
            return [_effect(msgspec.json.decode(body)) for (body,) in rows]


def _row(effect: QueuedEffect) -> tuple[str | int | bytes | None, ...]:
    due = effect.expires_at if effect.state is EffectState.APPROVAL else effect.retry_at
    return effect.key, effect.state.value, effect.record, effect.position, due, msgspec.json.encode(_body(effect))


def _body(effect: QueuedEffect) -> dict[str, Any]:
    """Write an effect down, what is as it was at first left out."""
    plain = {each.name: getattr(effect, each.name) for each in fields(effect)}
    told = {name: value for name, value in plain.items() if value is not None}
    return told if effect.again is None else {**told, "again": _body(effect.again)}


def _effect(body: dict[str, Any]) -> QueuedEffect:
    again = body.pop("again", None)
    effect = QueuedEffect(**{**body, "state": EffectState(body["state"])})
    return effect if again is None else replace(effect, again=_effect(again))


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
