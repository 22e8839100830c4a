"""The other ways to make the same bytes durable: a plain file, SQLite, Postgres. Each keeps rows and nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

POSTGRES_USER = "postgres"


class Peer(Protocol):
    """Makes groups of records durable, one flush each."""

    name: str

    def append(self, records: Sequence[bytes]) -> None:
        """Make the records durable together."""
        ...


class PlainFile:
    """One ``write`` and one ``fdatasync`` a group: the least that durability costs."""

    name = "write + fdatasync"

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, records: Sequence[bytes]) -> None:
        """Write and flush."""
        os.write(self._handle, b"\n".join(records) + b"\n")
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


class Sqlite:
    """SQLite in WAL mode with every commit flushed: rows only, no chain, no tree."""

    name = "SQLite WAL FULL"

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, raw BLOB NOT NULL)")

    def append(self, records: Sequence[bytes]) -> None:
        """Insert in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO records (raw) VALUES (?)", [(raw,) for raw in records])
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


class Postgres:
    """Postgres over a local socket, COPY in one transaction, every commit flushed: rows only."""

    name = "Postgres COPY"

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection: Any = psycopg.connect(url)
        self._connection.execute("CREATE TABLE IF NOT EXISTS bailiwick_bench (id bigserial PRIMARY KEY, raw bytea)")
        self._connection.execute("TRUNCATE bailiwick_bench")
        self._connection.commit()

    def append(self, records: Sequence[bytes]) -> None:
        """Copy in one transaction."""
        command = "COPY bailiwick_bench (raw) FROM STDIN (FORMAT BINARY)"
        with self._connection.cursor() as cursor, cursor.copy(command) as copy:
            copy.set_types(["bytea"])
            for raw in records:
                copy.write_row((raw,))
        self._connection.commit()

    def close(self) -> None:
        """Drop the table and let go of the connection."""
        self._connection.execute("DROP TABLE bailiwick_bench")
        self._connection.commit()
        self._connection.close()


@contextmanager
def postgres_url() -> Iterator[str | None]:
    """Give the server of ``BAILIWICK_POSTGRES``, else one of our own in a temporary folder, else None."""
    given = os.environ.get("BAILIWICK_POSTGRES")
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if given or programs is None:
        yield given
        return
    # The server refuses to run as root; whoever is not root is good enough.
    owner: dict[str, Any] = {"user": POSTGRES_USER, "group": POSTGRES_USER} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    if owner:
        entry = pwd.getpwnam(POSTGRES_USER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)

    def run(program: str, *words: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *words]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd="/", timeout=60, **owner)

    try:
        run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale")
        run("pg_ctl", "-w", "-o", f"-k {folder} -c listen_addresses='' -c fsync=on", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
