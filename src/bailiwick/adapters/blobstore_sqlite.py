"""Blobs in one SQLite file a tenant: one flush for a whole batch, and one file to copy, erase or encrypt.

WAL with ``synchronous=FULL``: what ``put_many`` acknowledged survives a power cut. Several threads and processes may
use one home; each waits for the others up to ``BUSY_SECONDS_MAX``.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bailiwick.adapters.blobstore_checks import BLOB_BYTES_MAX, check_blob_size, checked_blob
from bailiwick.canonical import digest as digest_of
from bailiwick.errors import Unavailable
from bailiwick.model import check_digest, check_tenant

VERSION = 1
"""Version of the file's tables, kept in SQLite's ``user_version``."""

BUSY_SECONDS_MAX = 10.0
"""Longest wait for another process that writes, in seconds."""

RETRY_SECONDS = 0.01
_FILE = "blobs.db"
_TABLES = """
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    bytes BLOB NOT NULL
) STRICT
"""


class SqliteBlobStore:
    """Keeps blobs in ``<tenants>/<tenant>/blobs.db``. A fork opens its own connections."""

    def __init__(
        self, tenants: Path, *, busy_seconds: float = BUSY_SECONDS_MAX, blob_bytes_max: int = BLOB_BYTES_MAX
    ) -> None:
        self._tenants = tenants
        self._busy_seconds = busy_seconds
        self._blob_bytes_max = blob_bytes_max
        self._start()

    def put_many(self, tenant: str, blobs: Iterable[bytes]) -> list[str]:
        """Keep blobs durably in one transaction, and give their digests in order.

        Raises:
            InputRefused: a blob is too large (``blob-too-large``).
            Unavailable: another process holds the file for long (``blob-store-busy``), or the disk fails
                (``blob-store-failed``); none of the blobs counts as kept, and trying again is safe.
        """
        check_tenant(tenant)
        listed = list(blobs)
        for blob in listed:
            check_blob_size(blob, self._blob_bytes_max)
        digests = [digest_of(blob) for blob in listed]
        rows = [(_key(digest), blob) for digest, blob in zip(digests, listed, strict=True)]
        if rows:
            with self._database(tenant, "write") as database:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?, ?)", rows)
                database.execute("COMMIT")
        return digests

    def get(self, tenant: str, digest: str) -> bytes:
        """Give a blob back, checked against its digest.

        Raises:
            NotFound: no such blob for this tenant.
            Unavailable: its bytes changed (``blob-corrupt``), or the file cannot be read (``blob-store-failed``).
        """
        return checked_blob(tenant, digest, self._find(tenant, digest, "bytes"))

    def has(self, tenant: str, digest: str) -> bool:
        """Say whether the tenant has such a blob."""
        return self._find(tenant, digest, "x''") is not None

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        self._adopt()
        with self._locks["write"], self._locks["read"]:
            for database in self._open.values():
                database.close()
            self._open.clear()

    def _find(self, tenant: str, digest: str, column: str) -> bytes | None:
        key = _key(check_digest(digest))
        if not self._path(tenant).exists():
            return None  # looking must not make a tenant
        with self._database(tenant, "read") as database:
            row = database.execute(f"SELECT {column} FROM blobs WHERE digest = ?", (key,)).fetchone()  # noqa: S608 - ours
        return None if row is None else bytes(row[0])

    # --- connections ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._process = os.getpid()
        self._open: dict[tuple[str, str], sqlite3.Connection] = {}
        self._locks = {"write": threading.Lock(), "read": threading.Lock()}
        self._doubtful: set[str] = set()

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
        if _is_busy(error):
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
            self._prepare(database, path)
            if use == "write" and tenant in self._doubtful:
                _settle(database)
                self._doubtful.discard(tenant)
        except BaseException:
            database.close()
            raise
        self._open[tenant, use] = database
        return database

    def _prepare(self, database: sqlite3.Connection, path: Path) -> None:
        """Switch to the log, flush every commit, and make the tables where there are none."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                database.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                # SQLite does not wait by itself while another process makes the same switch.
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)
        database.execute("PRAGMA synchronous=FULL")
        if _version(database) == 0:
            database.execute("BEGIN IMMEDIATE")
            if _version(database) == 0:
                database.execute(_TABLES)
                database.execute(f"PRAGMA user_version={VERSION}")
            database.execute("COMMIT")
        if (version := _version(database)) != VERSION:
            raise Unavailable(
                f"{path} has version {version}; this program reads version {VERSION}",
                hint="use the version of bailiwick that wrote it",
                code="blob-store-version",
            )


def _key(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))


def _is_busy(error: sqlite3.Error) -> bool:
    """Say whether another connection is in the way; the low byte of SQLite's code is the kind of error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


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
