"""What a Postgres table keeps of pruned records: their leaf digests a row each entry bundle, and where records begin.

Every function runs within the caller's transaction, and raises what the driver raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bailiwick.adapters.ledgerstore_pruning import state_bytes
from bailiwick.model import Pruned

if TYPE_CHECKING:
    import psycopg

PRUNED_TABLES = """
CREATE TABLE IF NOT EXISTS bailiwick_pruned (ledger text PRIMARY KEY, state bytea NOT NULL);
CREATE TABLE IF NOT EXISTS bailiwick_leaves (
    ledger text NOT NULL,
    id bigint NOT NULL CHECK (id >= 0),
    digests bytea NOT NULL,
    PRIMARY KEY (ledger, id)
);
"""
"""Made at the first pruning of a database, beside those of the records."""

_KEEP_LEAVES = """
INSERT INTO bailiwick_leaves VALUES (%s, %s, %s) ON CONFLICT (ledger, id) DO UPDATE SET digests = excluded.digests
"""
_KEEP_STATE = """
INSERT INTO bailiwick_pruned VALUES (%s, %s) ON CONFLICT (ledger) DO UPDATE SET state = excluded.state
"""
_DELETE = "DELETE FROM bailiwick_records WHERE ledger = %s AND id >= %s AND id < %s"


def keep_pruned(
    connection: psycopg.Connection[Any], ledger: str, pruned: Pruned, rows: Iterable[tuple[int, bytes]]
) -> None:
    """Keep where the records of a ledger begin, and rows of leaf digests: the first index of each, and 256 of them."""
    for index, part in rows:
        connection.execute(_KEEP_LEAVES, (ledger, index, part))
    connection.execute(_KEEP_STATE, (ledger, state_bytes(pruned)))


def delete_below(connection: psycopg.Connection[Any], ledger: str, minimum: int, kept: Iterable[int]) -> None:
    """Delete the records below the minimum, but for those whose index is given, in order."""
    start = 0
    for index in kept:
        if start < index:
            connection.execute(_DELETE, (ledger, start, index))
        start = index + 1
    connection.execute(_DELETE, (ledger, start, minimum))
