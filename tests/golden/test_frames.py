"""The same records in the frames of the other stores, read by the words of `docs/formats/ledger.md` alone.

SQLite and Postgres are read with SQL, S3 with its own calls: an operator who has lost every program of ours can still
take a ledger out of each of them.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.ledgerstore_postgres import PostgresLedgerStore
from bailiwick.adapters.ledgerstore_s3 import Bucket, S3LedgerStore
from bailiwick.adapters.ledgerstore_sqlite import SqliteLedgerStore
from bailiwick.ledger import move_ledger

FOLDER = Path(__file__).parent / "home" / "ledger"
ORIGIN = "bailiwick/0123456789abcdef"
TABLES = "SELECT id, ends, digest, bytes FROM {table} {where} ORDER BY id"


@pytest.fixture
def lines() -> list[bytes]:
    """Give the stored bytes of all records of the golden ledger."""
    return [line for path in sorted((FOLDER / "seg").iterdir()) for line in path.read_bytes().splitlines()]


@pytest.fixture
def move(tmp_path):
    """Move a copy of the golden ledger to another store, and give its folder."""

    def moved(target) -> None:
        shutil.copytree(FOLDER, tmp_path / "copy")
        source = FileLedgerStore(tmp_path / "copy", SystemDisk(), segment_records=8)
        with closing(source), closing(target):
            move_ledger(source, target, note="it was moved", settle=lambda: None)

    return moved


def check_rows(rows: list[tuple], lines: list[bytes]) -> None:
    """Check rows of index, end, digest and bytes, as the page describes them."""
    assert [bytes(row[3]) for row in rows] == lines
    ends = 0
    for index, (number, end, digest, data) in enumerate(rows):
        ends += len(bytes(data))
        assert (number, end) == (index, ends)
        assert bytes(digest) == hashlib.sha256(bytes(data)).digest()


def test_a_ledger_in_sqlite_is_rows_without_gaps(move, lines, tmp_path):
    """Wrong if the table were another than the page says."""
    move(SqliteLedgerStore(tmp_path / "sqlite", SystemDisk()))
    with closing(sqlite3.connect(tmp_path / "sqlite/ledger.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        check_rows(database.execute(TABLES.format(table="records", where="")).fetchall(), lines)


def test_a_ledger_in_postgres_is_the_same_rows_under_its_origin(move, lines, tmp_path, postgres_url):
    """Wrong if the table were another than the page says, or held another ledger's rows as this one's."""
    import psycopg

    name = f"frames_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}")
    url = postgres_url.replace("/postgres?", f"/{name}?")
    assert name in url
    move(PostgresLedgerStore(url, ORIGIN, tmp_path / "side", SystemDisk()))
    where = f"WHERE ledger = '{ORIGIN}'"
    with psycopg.connect(url) as database:
        check_rows(database.execute(TABLES.format(table="bailiwick_records", where=where)).fetchall(), lines)


def test_a_ledger_in_a_bucket_is_objects_that_name_their_first_record(move, lines, tmp_path, s3_bucket):
    """Wrong if an object were another than the page says, or a gap between two could go unseen."""
    import boto3

    move(S3LedgerStore(Bucket(name=s3_bucket), ORIGIN, tmp_path / "side", SystemDisk()))
    with closing(boto3.client("s3")) as client:
        listed = client.list_objects_v2(Bucket=s3_bucket, Prefix=f"{ORIGIN}/records/")["Contents"]
        objects = {each["Key"]: client.get_object(Bucket=s3_bucket, Key=each["Key"])["Body"].read() for each in listed}
    found: list[bytes] = []
    for key in sorted(objects):
        head, _, body = objects[key].partition(b"\n")
        form, index, count, digest, _token = head.decode().split(" ")
        assert (form, key) == ("bailiwick-batch/1", f"{ORIGIN}/records/{int(index):012d}")
        assert int(index) == len(found)
        assert digest == hashlib.sha256(body).hexdigest()
        assert body.count(b"\n") == int(count)
        found += body.splitlines()
    assert found == lines
