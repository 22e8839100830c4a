"""Blobs in one SQLite file a tenant, each encrypted under its subject's own key: one flush for a whole batch.

A subject's key lies in the file too, sealed under the tenant's key of that purpose in the ``KeyStore``. Erasing a
subject overwrites its key in place and empties the log, so that no byte of it is left in these files.

WAL with ``synchronous=FULL``: what ``put_many`` acknowledged survives a power cut. Several threads and processes may
use one home; each waits for the others up to ``BUSY_SECONDS_MAX``.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bailiwick.adapters.blobstore_checks import (
    BLOB_BYTES_MAX,
    TENANTS_OWN,
    check_blobs,
    checked_blob,
    corrupt_blob,
    erased_blob,
)
from bailiwick.adapters.keystore_envelope import (
    KEY_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    EnvelopeBroken,
    open_bytes,
    seal_bytes,
)
from bailiwick.adapters.sqlitefiles import error_kind, make_tables, switch_to_log, version_of
from bailiwick.canonical import digest as digest_of
from bailiwick.errors import NotFound, Unavailable, UsageRefused
from bailiwick.model import check_digest, check_subject, check_tenant
from bailiwick.ports import Entropy, KeyStore

VERSION = 2
"""Version of the file's tables, kept in SQLite's ``user_version``. Version 1 held blobs in the clear, for nobody."""

KEY_NAME = "blobs"
"""Name of the tenant's key that seals those of its subjects."""

BLOBS_PER_MOVE = 256
"""Blobs of version 1 that are encrypted in one transaction."""

BUSY_SECONDS_MAX = 10.0
"""Longest wait for another process that writes, in seconds."""

_FILE = "blobs.db"
_ENVELOPE_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_TABLES = (
    f"""
    CREATE TABLE subjects (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        key BLOB NOT NULL CHECK (length(key) = {_ENVELOPE_BYTES}),
        erased INTEGER NOT NULL DEFAULT 0 CHECK (erased IN (0, 1))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX living ON subjects (name) WHERE erased = 0",
    """
    CREATE TABLE sealed (
        id INTEGER PRIMARY KEY,
        subject INTEGER NOT NULL REFERENCES subjects (id),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        bytes BLOB NOT NULL,
        UNIQUE (digest, subject)
    ) STRICT
    """,
    "CREATE INDEX of_subject ON sealed (subject)",
)
_SAFE = (
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten with zeros
)


class SqliteBlobStore:
    """Keeps blobs in ``<tenants>/<tenant>/blobs.db``. A fork opens its own connections."""

    def __init__(
        self,
        tenants: Path,
        keys: KeyStore,
        entropy: Entropy,
        *,
        busy_seconds: float = BUSY_SECONDS_MAX,
        blob_bytes_max: int = BLOB_BYTES_MAX,
    ) -> None:
        self._tenants = tenants
        self._keys = keys
        self._entropy = entropy
        self._busy_seconds = busy_seconds
        self._blob_bytes_max = blob_bytes_max
        self._start()

    def put_many(self, tenant: str, blobs: Iterable[bytes], subjects: Sequence[str | None] | None = None) -> list[str]:
        """Keep blobs durably in one transaction, and give their digests in order.

        Raises:
            InputRefused: a blob is too large (``blob-too-large``).
            Unavailable: another process holds the file for long (``blob-store-busy``), or the disk fails
                (``blob-store-failed``); none of the blobs counts as kept, and trying again is safe.
        """
        check_tenant(tenant)
        listed, owners = check_blobs(blobs, subjects, self._blob_bytes_max)
        digests = [digest_of(blob) for blob in listed]
        if listed:
            with self._database(tenant, "write") as database:
                database.execute("BEGIN IMMEDIATE")
                self._insert(database, tenant, zip(owners, map(_key, digests), listed, strict=True))
                database.execute("COMMIT")
        return digests

    def get(self, tenant: str, digest: str, subject: str | None = None) -> bytes:
        """Give a blob back, deciphered and checked against its digest.

        Raises:
            NotFound: no such blob for this tenant (``blob-not-found``), or it was erased (``blob-erased``).
            Unavailable: its bytes changed (``blob-corrupt``), or the file cannot be read (``blob-store-failed``).
        """
        rows = self._rows(tenant, digest, "sealed.bytes")
        if subject is not None:
            mine = (check_subject(subject), TENANTS_OWN, _unnamed(_key(digest)))
            rows = sorted((row for row in rows if row[1] in mine), key=lambda row: mine.index(row[1]))
        living = [row for row in rows if not row[3]]
        if rows and not living:
            raise erased_blob(tenant, digest)
        return checked_blob(tenant, digest, self._open_blob(tenant, digest, *living[0][:3]) if living else None)

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob, not erased."""
        return any(not erased for *_, erased in self._rows(tenant, digest, "x''"))

    def kept_for(self, tenant: str, subject: str) -> list[str]:
        """List the digests of what is kept for a subject, sorted."""
        check_subject(subject)
        rows = self._read(
            tenant,
            "SELECT sealed.digest FROM sealed JOIN subjects ON subjects.id = sealed.subject"
            " WHERE subjects.name = ? AND erased = 0",
            (subject,),
        )
        return sorted("sha256:" + key.hex() for (key,) in rows)

    def erase(self, tenant: str, subject: str, digests: Sequence[str] = ()) -> int:
        """Overwrite the key of a subject, and those of blobs that an earlier version kept for nobody.

        Raises:
            Unavailable: another process reads or writes for long (``blob-store-busy``), or the disk fails: the key may
                be left in the log; asking again overwrites it there as well.
        """
        names = [check_subject(subject), *(_unnamed(_key(check_digest(digest))) for digest in digests)]
        if not self._path(tenant).exists():
            return 0
        with self._database(tenant, "write") as database:
            database.execute("BEGIN IMMEDIATE")
            count = sum(_destroy(database, name) for name in names)
            database.execute("COMMIT")
            _settle(database)
        return count

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        self._adopt()
        with self._locks["write"], self._locks["read"]:
            for database in self._open.values():
                database.close()
            self._open.clear()

    def _rows(self, tenant: str, digest: str, column: str) -> list[tuple[bytes, str, bytes, int]]:
        return self._read(
            tenant,
            f"SELECT {column}, name, key, erased FROM sealed JOIN subjects ON subjects.id = sealed.subject"  # noqa: S608 - ours
            " WHERE sealed.digest = ?",
            (_key(check_digest(digest)),),
        )

    def _read(self, tenant: str, question: str, values: tuple[object, ...]) -> list[Any]:
        if (tenant, "read") not in self._open and not self._path(tenant).exists():
            return []  # looking must not make a tenant
        with self._database(tenant, "read") as database:
            return database.execute(question, values).fetchall()

    # --- keys -------------------------------------------------------------------------------------------------------

    def _insert(self, database: sqlite3.Connection, tenant: str, rows: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Encrypt and insert blobs, each given as its owner, its key in the table, and its bytes."""
        owners: dict[str, tuple[int, bytes]] = {}
        sealed = []
        for owner, key, blob in rows:
            if owner not in owners:
                owners[owner] = self._subject(database, tenant, owner)
            number, secret = owners[owner]
            sealed.append((number, key, seal_bytes(secret, self._entropy.take(NONCE_BYTES), blob, _blob_context(key))))
        database.executemany("INSERT OR IGNORE INTO sealed (subject, digest, bytes) VALUES (?, ?, ?)", sealed)

    def _subject(self, database: sqlite3.Connection, tenant: str, name: str) -> tuple[int, bytes]:
        """Give the number and the key of a subject; both are made where it has none, or had one that was destroyed."""
        found = database.execute("SELECT id, key FROM subjects WHERE name = ? AND erased = 0", (name,)).fetchall()
        if found:
            return found[0][0], self._open_key(tenant, name, found[0][1])
        secret = self._entropy.take(KEY_BYTES)
        around = self._key_around(database, tenant)
        sealed = seal_bytes(around, self._entropy.take(NONCE_BYTES), secret, _key_context(tenant, name))
        number = database.execute("INSERT INTO subjects (name, key) VALUES (?, ?)", (name, sealed)).lastrowid
        assert number is not None
        return number, secret

    def _key_around(self, database: sqlite3.Connection, tenant: str) -> bytes:
        """Give the tenant's key; it is made for the first subject of all, and never again."""
        if tenant not in self._masters and not database.execute("SELECT 1 FROM subjects LIMIT 1").fetchall():
            try:
                self._keys.put(tenant, KEY_NAME, self._entropy.take(KEY_BYTES))
            except UsageRefused as error:
                if error.code != "key-exists":  # it was made before the file, or another process was faster
                    raise
        return self._master(tenant)

    def _master(self, tenant: str) -> bytes:
        if tenant not in self._masters:
            try:
                self._masters[tenant] = self._keys.get(tenant, KEY_NAME)
            except NotFound as error:
                if error.code != "key-missing":
                    raise
                raise Unavailable(
                    f"tenant {tenant}'s key {KEY_NAME} is gone, and its blobs cannot be read without it",
                    hint="restore the folder of keys from a copy",
                    code="blob-key",
                ) from error
        return self._masters[tenant]

    def _open_key(self, tenant: str, name: str, sealed: bytes) -> bytes:
        try:
            return open_bytes(self._master(tenant), sealed, _key_context(tenant, name))
        except EnvelopeBroken as error:
            raise Unavailable(
                f"a key in {self._path(tenant)} does not open with tenant {tenant}'s key {KEY_NAME}",
                hint="the file or the key was changed, or belongs elsewhere: restore both from one copy",
                code="blob-key",
            ) from error

    def _open_blob(self, tenant: str, digest: str, sealed: bytes, name: str, key: bytes) -> bytes | None:
        secret = self._open_key(tenant, name, key)
        try:
            return open_bytes(secret, sealed, _blob_context(_key(digest)))
        except EnvelopeBroken as error:
            raise corrupt_blob(tenant, digest) from error

    # --- connections ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._process = os.getpid()
        self._open: dict[tuple[str, str], sqlite3.Connection] = {}
        self._locks = {"write": threading.Lock(), "read": threading.Lock()}
        self._doubtful: set[str] = set()
        self._masters: dict[str, bytes] = {}

    def _adopt(self) -> None:
        """In a fork, leave the parent's connections alone: closing one here could remove the parent's log."""
        if os.getpid() != self._process:
            self._inherited = self._open
            self._start()

    def _path(self, tenant: str) -> Path:
        return self._tenants / check_tenant(tenant) / _FILE

    @contextmanager
    def _database(self, tenant: str, use: str) -> Iterator[sqlite3.Connection]:
        """Give a connection to itself for one use; readers do not wait for a writer's flush.

        After a failure the connection is closed, and the next writer first moves the log into the main file: a log
        whose flush failed is only in memory, although it reads well.
        """
        self._adopt()
        with self._locks[use]:
            try:
                database = self._open.get((tenant, use)) or self._connect(tenant, use)
                yield database
            except BaseException as error:
                failed = self._open.pop((tenant, use), None)
                if failed is not None:
                    failed.close()
                if isinstance(error, sqlite3.Error):
                    raise self._unavailable(tenant, error) from error
                raise

    def _unavailable(self, tenant: str, error: sqlite3.Error) -> Unavailable:
        path = self._path(tenant)
        if error_kind(error) == sqlite3.SQLITE_BUSY:
            return Unavailable(
                f"{path} was held by another process for more than {self._busy_seconds:g} seconds",
                hint="try again; if it persists, look for a process that hangs",
                code="blob-store-busy",
            )
        self._doubtful.add(tenant)
        return Unavailable(
            f"{path} failed: {error}",
            hint="check the free space, the permissions and the health of the disk, then try again",
            code="blob-store-failed",
        )

    def _connect(self, tenant: str, use: str) -> sqlite3.Connection:
        path = self._path(tenant)
        try:
            _make(path)
        except OSError as error:
            raise Unavailable(
                f"{path} cannot be made: {error.strerror}",
                hint="check the free space and the permissions of the home",
                code="blob-store-failed",
            ) from error
        database = sqlite3.connect(path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(database, tenant)
            if use == "write" and tenant in self._doubtful:
                _settle(database)
                self._doubtful.discard(tenant)
        except BaseException:
            database.close()
            raise
        self._open[tenant, use] = database
        return database

    def _prepare(self, database: sqlite3.Connection, tenant: str) -> None:
        """Switch to the log, flush every commit, and make the tables where there are none."""
        switch_to_log(database, self._busy_seconds)
        for pragma in _SAFE:
            database.execute(pragma)
        make_tables(database, _TABLES, VERSION)
        if (version := version_of(database)) != VERSION:
            raise Unavailable(
                f"{self._path(tenant)} has version {version}; this program reads version {VERSION}",
                hint="use the version of bailiwick that wrote it",
                code="blob-store-version",
            )
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'blobs'").fetchall():
            self._move_old(database, tenant)

    def _move_old(self, database: sqlite3.Connection, tenant: str) -> None:
        """Encrypt what version 1 kept in the clear, each blob under a key of its own, and leave no trace of it.

        Killed half-way, the next opening goes on. Cost: about 0.2 ms a blob, once.
        """
        while True:
            database.execute("BEGIN IMMEDIATE")
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'blobs'").fetchall():
                database.execute("COMMIT")  # another process finished
                return
            rows = database.execute("SELECT id, digest, bytes FROM blobs ORDER BY id LIMIT ?", (BLOBS_PER_MOVE,))
            moved = rows.fetchall()
            self._insert(database, tenant, ((_unnamed(key), key, blob) for _, key, blob in moved))
            database.execute("DELETE FROM blobs WHERE id <= ?", (moved[-1][0] if moved else -1,))
            if not moved:
                database.execute("DROP TABLE blobs")
            database.execute("COMMIT")
            if not moved:
                break
        database.execute("VACUUM")
        _settle(database)


def _destroy(database: sqlite3.Connection, name: str) -> int:
    """Overwrite the living key of a subject in place, and empty its blobs; say how many it had."""
    found = database.execute("SELECT id FROM subjects WHERE name = ? AND erased = 0", (name,)).fetchall()
    if not found:
        return 0
    number = found[0]
    (count,) = database.execute("SELECT count(*) FROM sealed WHERE subject = ?", number).fetchall()[0]
    database.execute(f"UPDATE subjects SET key = zeroblob({_ENVELOPE_BYTES}), erased = 1 WHERE id = ?", number)  # noqa: S608 - ours
    database.execute("UPDATE sealed SET bytes = x'' WHERE subject = ?", number)
    return int(count)


def _unnamed(key: bytes) -> str:
    """Name the owner of a blob that an earlier version kept for nobody; no subject has such a name."""
    return f"blob:{key.hex()}"


def _key_context(tenant: str, name: str) -> bytes:
    return f"bailiwick-subject-key/1\n{tenant}\n{name}".encode()


def _blob_context(key: bytes) -> bytes:
    return b"bailiwick-blob/1\n" + key


def _key(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))


def _settle(database: sqlite3.Connection) -> None:
    """Move the whole log into the main file, and flush that."""
    busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        error = sqlite3.OperationalError("another process reads the log")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error


def _make(path: Path) -> None:
    """Make the file for its owner alone, before SQLite would make it for everybody; its log inherits that."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for folder in (path.parent, path.parent.parent):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
