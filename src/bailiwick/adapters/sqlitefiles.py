"""What every SQLite file of a home needs: its log switched on among processes, tables made once, errors read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

RETRY_SECONDS = 0.01
"""How soon the switch to the log is tried again, in seconds."""


def switch_to_log(database: sqlite3.Connection, busy_seconds: float) -> None:
    """Let a file be written through a log beside it, waiting for others that make the same switch.

    Raises:
        sqlite3.Error: somebody held the file for longer than ``busy_seconds``, or it is none of SQLite's.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself while another process makes the same switch.
            if error_kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)


def make_tables(database: sqlite3.Connection, tables: Sequence[str], version: int) -> None:
    """Make the tables of a version in one transaction, unless the file has them, or those of a later version."""
    if version_of(database) >= version:
        return
    database.execute("BEGIN IMMEDIATE")
    if version_of(database) < version:
        for table in tables:
            database.execute(table)
        database.execute(f"PRAGMA user_version={version}")
    database.execute("COMMIT")


def version_of(database: sqlite3.Connection) -> int:
    """Give the version of a file's tables, as they were made; 0 where none were."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def error_kind(error: sqlite3.Error) -> int:
    """Give the kind of an error, such as ``sqlite3.SQLITE_BUSY``: the low byte of its code. 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
