"""A ledger's records as rows of a Postgres table, a statement for each group: for nodes on several machines.

Bytes are ``bytea``, with their SHA-256 beside them: no type of the database ever reads into a record. An advisory lock
keeps other writers out, and the primary key stops whoever does not ask for the lock. Side files stay on this machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

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
from bailiwick.adapters.ledgerstore_postgres_pruned import PRUNED_TABLES, delete_below, keep_pruned
from bailiwick.adapters.ledgerstore_pruning import read_state
from bailiwick.adapters.ledgerstore_side import SideFiles
from bailiwick.errors import BailiwickError, LedgerBroken, Unavailable, UsageRefused, Verdict
from bailiwick.model import Pruned, Quarantined
from bailiwick.ports import Disk

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS_MAX = 10
"""Longest wait for a connection, in seconds."""
LOCK_MS_MAX = 10_000
"""Longest wait for another writer, in milliseconds."""
STATEMENT_MS_MAX = 30_000
"""Longest statement, in milliseconds; then the server gives it up."""

T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS bailiwick_records (
    ledger text NOT NULL,
    id bigint NOT NULL CHECK (id >= 0),
    ends bigint NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    bytes bytea NOT NULL,
    PRIMARY KEY (ledger, id)
);
CREATE TABLE IF NOT EXISTS bailiwick_quarantine (
    ledger text NOT NULL,
    name text NOT NULL,
    id bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (ledger, name)
);
CREATE TABLE IF NOT EXISTS bailiwick_moved (ledger text PRIMARY KEY, note text NOT NULL);
"""
_ARE_THERE = "SELECT to_regclass('bailiwick_records') IS NOT NULL AND to_regclass('bailiwick_moved') IS NOT NULL"
_MAKING = int.from_bytes(hashlib.sha256(b"bailiwick tables").digest()[:8], "big", signed=True)
_LAST = "SELECT id, ends FROM bailiwick_records WHERE ledger = %s ORDER BY id DESC LIMIT 1"
_INSERT = """
INSERT INTO bailiwick_records (ledger, id, ends, digest, bytes)
SELECT %b, * FROM unnest(%b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[])
"""
_DAMAGED = {"XX000", "XX001", "XX002"}
"""States of SQL for a server that met damage: internal error, data corrupted, index corrupted."""
_GIVEN_UP = {"57014", "55P03", "40001", "40P01", "25006", "42501", "53300"}
"""States of a statement that left nothing: cancelled, lock, serialisation, deadlock, read-only, permission, crowded."""


class PostgresLedgerStore:
    """See ``ports.LedgerStore``. Several ledgers share the tables, each under its origin.

    One connection writes and holds the lock, another reads; each is made when first needed, and again when it was lost.
    """

    def __init__(self, url: str, ledger: str, folder: Path, disk: Disk) -> None:
        """Keep a ledger in a database.

        Args:
            url: ``postgresql://…``, or the words that libpq takes. It may hold a password, so it is never shown.
            ledger: The origin.
            folder: Where the side files are.
            disk: Reaches them.
        """
        self._url = url
        self._ledger = ledger
        self._side = SideFiles(folder, disk)
        key = hashlib.sha256(b"bailiwick ledger\n" + ledger.encode()).digest()
        self._lock_key = int.from_bytes(key[:8], "big", signed=True)
        self._count = 0
        self._bytes = 0
        self._is_above = False
        self._is_held = False
        self._open: dict[str, psycopg.Connection[Any]] = {}
        self._mutexes = {"write": Lock(), "read": Lock()}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store alone, among all threads, processes and machines. A lost connection lets go of it."""
        with self._side.lock():
            self._hold()
            try:
                yield
            finally:
                self._is_held = False
                self._let_go()

    def exists(self) -> bool:
        """Say whether there are records."""
        return self._ask(lambda it: it.execute(_LAST, (self._ledger,)).fetchone(), None) is not None

    def count(self) -> int:
        """Count the records that are stored now, by whomever; while the store is held, they are known."""
        if not self._is_held:
            self._take_last(self._ask(lambda it: it.execute(_LAST, (self._ledger,)).fetchone(), None))
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
        query = "SELECT id, digest, bytes FROM bailiwick_records WHERE ledger = %s AND id >= %s AND id < %s ORDER BY id"
        rows = self._rows(query, (self._ledger, start, stop))
        pruned = self.pruned() if len(rows) < stop - start else None
        return pruned_records([(index, digest, raw) for index, digest, raw in rows], start, stop, pruned)

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``; durable on return, in one statement."""
        assert start == self._count, (start, self._count)
        rows = rows_of(start, self._bytes, records)
        if not rows:
            return
        indexes, ends, digests, raws = map(list, zip(*rows, strict=True))
        self._change(_INSERT, (self._ledger, indexes, ends, digests, raws), start)
        self._count, self._bytes = rows[-1][0] + 1, rows[-1][1]

    def sync(self, start: int = 0) -> None:
        """Do nothing: what another connection can see has been flushed by the server."""
        del start

    def cut(self, start: int) -> Quarantined:
        """Move everything from record ``start`` on into another table, in one statement."""
        begin = self._begin_of(start)
        query = "SELECT bytes FROM bailiwick_records WHERE ledger = %s AND id >= %s ORDER BY id"
        found = self._rows(query, (self._ledger, start))
        data = b"".join(bytes(raw) for (raw,) in found)
        kept = quarantined(start, data)
        move = """
            WITH gone AS (DELETE FROM bailiwick_records WHERE ledger = %b AND id >= %b)
            INSERT INTO bailiwick_quarantine VALUES (%b, %b, %b, %b) ON CONFLICT DO NOTHING
        """
        self._change(move, (self._ledger, start, self._ledger, kept.name, start, data), start)
        self._count, self._bytes, self._is_above = start, begin, False
        return kept

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` moved aside from record ``start`` on, by name."""
        query = "SELECT id, bytes FROM bailiwick_quarantine WHERE ledger = %s AND id >= %s ORDER BY name"
        found = self._rows(query, (self._ledger, start))
        return [quarantined(index, bytes(data)) for index, data in found]

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        return self._side.read(name, offset, size)

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written."""
        self._side.write(name, offset, data)

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more; an empty note takes that back."""
        if note:
            query = (
                "INSERT INTO bailiwick_moved VALUES (%s, %s) ON CONFLICT (ledger) DO UPDATE SET note = excluded.note"
            )
            self._change(query, (self._ledger, note), None)
        else:
            self._change("DELETE FROM bailiwick_moved WHERE ledger = %s", (self._ledger,), None)

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        query = "SELECT note FROM bailiwick_moved WHERE ledger = %s"
        found = self._ask(lambda it: it.execute(query, (self._ledger,)).fetchone(), None)
        return "" if found is None else str(found[0])

    def close(self) -> None:
        """Close the connections and the side files; a later call opens them again."""
        for use, mutex in self._mutexes.items():
            with mutex:
                self._drop(use)
        self._side.close()

    # --- pruning ----------------------------------------------------------------------------------------------------

    def pruned(self) -> Pruned | None:
        """Say where the records begin; None where none was ever deleted."""
        found = self._rows("SELECT state FROM bailiwick_pruned WHERE ledger = %s", (self._ledger,))
        return read_state(bytes(found[0][0]), "what the database says was pruned") if found else None

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give the leaf digests ``start`` to ``stop`` of pruned records."""
        if start >= stop:
            return []
        query = "SELECT id, digests FROM bailiwick_leaves WHERE ledger = %s AND id >= %s AND id < %s ORDER BY id"
        rows = self._rows(query, (self._ledger, start - start % LEAVES_PER_ROW, stop))
        return leaves_in([(index, bytes(part)) for index, part in rows], start, stop)

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop``."""
        pruned = self.pruned()
        until = min(stop, pruned.minimum if pruned else 0)
        query = "SELECT id, digest, bytes FROM bailiwick_records WHERE ledger = %s AND id >= %s AND id < %s ORDER BY id"
        return carried_records((row[0], row[1], row[2]) for row in self._rows(query, (self._ledger, start, until)))

    def prune(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Delete every record below the minimum but those that are carried on, in one transaction."""
        assert 0 < pruned.minimum < self._count, (pruned.minimum, self._count)
        before = self.pruned()
        with self._pruning() as connection:
            keep_pruned(connection, self._ledger, pruned, leaf_rows(leaves, before.minimum if before else 0))
            delete_below(connection, self._ledger, pruned.minimum, (index for index, _ in carried))

    def begin(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Start an empty store where the records of another begin, in one transaction."""
        assert self._count == 0, self._count
        with self._pruning() as connection:
            keep_pruned(connection, self._ledger, pruned, leaf_rows(leaves, 0))
            end = 0
            for index, raw in carried:
                (_, end, digest, _), *_ = rows_of(index, end, [raw])
                connection.execute(_INSERT, (self._ledger, [index], [end], [digest], [raw]))
        self._take_last(self._ask(lambda it: it.execute(_LAST, (self._ledger,)).fetchone(), None))

    def tidy(self) -> None:
        """Do nothing: a transaction leaves nothing behind; when its space is used again is the server's business."""

    @contextmanager
    def _pruning(self) -> Iterator[psycopg.Connection[Any]]:
        """Give one transaction; whatever fails takes all of it back, unless the server confirmed it and was not heard.

        Raises:
            Unavailable: the server failed or refused.
        """
        with self._mutexes["write"]:
            connection = self._first("write")
            try:
                _make_tables(connection, PRUNED_TABLES)
                with connection.transaction():
                    yield connection
            except _driver().Error as error:
                if self._is_lost("write"):
                    self._drop("write")
                raise self._refusal(error) from error

    # --- the lock ---------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Take the advisory lock, and see within the same exchange where the end is and whether it is here."""
        with self._mutexes["write"]:
            try:
                last, note = self._locked_last()
            except _driver().OperationalError as error:
                if not self._is_lost("write"):
                    raise self._refusal(error) from error
                self._drop("write")
                last, note = self._again(self._locked_last)
            except _driver().Error as error:
                self._drop("write")
                raise self._refusal(error) from error
        try:
            if note is not None:
                raise moved(str(note[0]))
            self._take_last(last)
        except BaseException:
            self._let_go()
            raise
        self._is_held = True

    def _locked_last(self) -> tuple[Any, Any]:
        connection = self._connection("write")
        with connection.pipeline():
            connection.execute("SELECT pg_advisory_lock(%s)", (self._lock_key,))
            last = connection.execute(_LAST, (self._ledger,))
            note = connection.execute("SELECT note FROM bailiwick_moved WHERE ledger = %s", (self._ledger,))
        return last.fetchone(), note.fetchone()

    def _let_go(self) -> None:
        """Let go of the lock; where that fails, the connection is closed, which does the same."""
        with self._mutexes["write"]:
            connection = self._open.get("write")
            if connection is None:
                return
            try:
                connection.execute("SELECT pg_advisory_unlock(%s)", (self._lock_key,))
            except _driver().Error:
                self._drop("write")

    def _take_last(self, last: tuple[int, int] | None) -> None:
        self._count, self._bytes = (0, 0) if last is None else (last[0] + 1, last[1])
        if self._count and not self._is_above:
            # Carried records alone say nothing of those that follow; once there are any, there always are.
            pruned = self.pruned()
            minimum = pruned.minimum if pruned else 0
            self._is_above = self._count > minimum
            self._count = max(self._count, minimum)

    # --- queries ----------------------------------------------------------------------------------------------------

    def _ask(self, query: Callable[[psycopg.Connection[Any]], T], nothing: T) -> T:
        """Ask on the reader's connection, once more where that was lost; ``nothing`` where there are no tables yet."""
        errors = _driver().errors
        with self._mutexes["read"]:
            try:
                return query(self._connection("read"))
            except errors.UndefinedTable:
                return nothing
            except _driver().Error as error:
                is_lost = self._is_lost("read")
                self._drop("read")
                if not is_lost:
                    raise self._refusal(error) from error
            try:
                return self._again(lambda: query(self._connection("read")))
            except errors.UndefinedTable:
                return nothing

    def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """Ask for rows, bytes as bytes."""
        nothing: list[tuple[Any, ...]] = []
        return self._ask(lambda it: it.execute(query, values, binary=True).fetchall(), nothing)

    def _change(self, query: str, values: tuple[object, ...], start: int | None) -> None:
        """Run one statement that is its own transaction.

        Raises:
            LedgerRaced, Unavailable: the server says that it left nothing.
            LedgerPoisoned: the connection was lost, or the server failed, so that nobody knows.
        """
        errors = _driver().errors
        with self._mutexes["write"]:
            connection = self._first("write")
            try:
                connection.execute(query, values)
            except errors.UniqueViolation as error:
                raise raced(start or 0, "the database holds one of that index") from error
            except _driver().Error as error:
                if error.sqlstate in _GIVEN_UP and not self._is_lost("write"):
                    raise self._refusal(error) from error
                self._drop("write")
                raise poisoned("the database did not confirm the newest records", _first_line(error)) from error

    def _begin_of(self, index: int) -> int:
        """Give where a record begins, in bytes from the first."""
        if index == self._count:
            return self._bytes
        query = "SELECT ends - octet_length(bytes) FROM bailiwick_records WHERE ledger = %s AND id = %s"
        row = self._ask(lambda it: it.execute(query, (self._ledger, index)).fetchone(), None)
        if row is None:
            message = f"record {index} is missing in the database"
            raise LedgerBroken(Verdict.TRUNCATED, message, hint=COPY_HINT, index=index)
        return int(row[0])

    # --- connections ------------------------------------------------------------------------------------------------

    def _connection(self, use: str) -> psycopg.Connection[Any]:
        connection = self._open.get(use)
        if connection is None:
            connection = self._open[use] = self._connect(use)
        return connection

    def _first(self, use: str) -> psycopg.Connection[Any]:
        """Give a connection, before anything was asked of it: what fails here left nothing."""
        return self._again(lambda: self._connection(use))

    def _again(self, ask: Callable[[], T]) -> T:
        """Ask, and turn what the driver raises into ours."""
        driver = _driver()
        try:
            return ask()
        except driver.errors.UndefinedTable:
            raise
        except driver.Error as error:
            raise self._refusal(error) from error

    def _is_lost(self, use: str) -> bool:
        connection = self._open.get(use)
        return connection is None or connection.closed or connection.broken

    def _drop(self, use: str) -> None:
        connection = self._open.pop(use, None)
        if connection is not None:
            connection.close()

    def _connect(self, use: str) -> psycopg.Connection[Any]:
        driver = _driver()
        connection: psycopg.Connection[Any] = driver.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS_MAX, application_name="bailiwick ledger"
        )
        try:
            connection.execute(f"SET statement_timeout = {STATEMENT_MS_MAX}")
            connection.execute(f"SET lock_timeout = {LOCK_MS_MAX}")
            if use == "write":
                _make_durable(connection)
                row = connection.execute(_ARE_THERE).fetchone()
                if row is None or not row[0]:
                    _make_tables(connection, _TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def _refusal(self, error: psycopg.Error) -> BailiwickError:
        if error.sqlstate in _DAMAGED:
            return LedgerBroken(Verdict.CORRUPT, f"the database is damaged: {_first_line(error)}", hint=COPY_HINT)
        if error.sqlstate == "55P03":
            return busy("another writer held this ledger in the database", LOCK_MS_MAX / 1000)
        return Unavailable(
            f"the database of the ledger cannot be used: {_first_line(error)}",
            hint="see that it runs, and that BAILIWICK_LEDGER_URL names it; then try again",
            code="ledger-unreadable",
        )


def _make_durable(connection: psycopg.Connection[Any]) -> None:
    """See that a commit is flushed before it is confirmed, whatever the server's defaults are.

    Raises:
        Unavailable: the server never flushes (code ``ledger-store-unsafe``).
    """
    if _shown(connection, "fsync") != "on":
        raise Unavailable(
            "the database runs with fsync off: what it confirms may be lost",
            hint="set fsync = on in postgresql.conf",
            code="ledger-store-unsafe",
        )
    if _shown(connection, "synchronous_commit") == "off":
        connection.execute("SET synchronous_commit = on")


def _make_tables(connection: psycopg.Connection[Any], tables: LiteralString) -> None:
    """Make the tables that there are not, one connection at a time."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
        connection.execute(tables)


def _shown(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _first_line(error: BaseException) -> str:
    """Give the first line of what a server said; the rest may repeat whole statements."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _driver() -> Any:
    """Load the driver.

    Raises:
        UsageRefused: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise UsageRefused(
            "the ledger's store is Postgres, and psycopg is not installed",
            hint="pip install 'bailiwick[cluster]'",
            code="extra-missing",
        ) from error
    return psycopg
