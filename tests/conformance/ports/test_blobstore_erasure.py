"""Erasing: what was kept for one subject is gone from every store and every file, and nothing else is touched."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bailiwick.adapters.blobstore_memory import MemoryBlobStore
from bailiwick.adapters.blobstore_sqlite import BLOBS_PER_MOVE, SqliteBlobStore
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_files import FileKeyStore
from bailiwick.adapters.keystore_memory import MemoryKeyStore
from bailiwick.canonical import digest
from bailiwick.errors import NotFound, Unavailable, UsageRefused
from bailiwick.ports import BlobStore
from bailiwick.testing import MemoryEntropy

A, B = "observation/0123456789abcdef0123456789abcdef", "observation/fedcba9876543210fedcba9876543210"


def opened(tenants: Path) -> SqliteBlobStore:
    """Open the blobs of a home, with its keys beside them, as any process would."""
    return SqliteBlobStore(tenants, FileKeyStore(tenants / "keys", SystemDisk()), SystemEntropy())


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    """Give each store in turn, empty."""
    made: BlobStore = MemoryBlobStore() if request.param == "memory" else opened(tmp_path)
    yield made
    made.close()


def code_of(ask) -> str:
    with pytest.raises((NotFound, Unavailable, UsageRefused)) as caught:
        ask()
    return caught.value.code


# --- every store ------------------------------------------------------------------------------------------------------


def test_what_was_erased_is_gone_and_said_to_be(store: BlobStore):
    """Wrong if erased data could be read, or an erasure looked like a loss."""
    mine, other, shared = store.put_many("local", [b"mine", b"other", b"a pack"], [A, B, None])
    assert store.kept_for("local", A) == [mine]
    assert store.erase("local", A) == 1
    for subject in (None, A):
        assert code_of(lambda subject=subject: store.get("local", mine, subject)) == "blob-erased"
    assert not store.has("local", mine)
    assert (store.get("local", other, B), store.get("local", shared, A), store.get("local", shared)) == (
        b"other",
        b"a pack",
        b"a pack",
    )
    assert store.kept_for("local", A) == []


def test_two_subjects_with_the_same_bytes_keep_each_its_own(store: BlobStore):
    """Wrong if erasing one person took another's evidence, or left one's own behind in another's name."""
    (same, again) = store.put_many("local", [b"same", b"same"], [A, B])
    assert same == again
    assert store.erase("local", A) == 1
    assert code_of(lambda: store.get("local", same, A)) == "blob-erased"
    assert store.get("local", same, B) == b"same"
    assert store.has("local", same)


def test_erasing_again_or_nobody_does_nothing(store: BlobStore):
    """Wrong if an interrupted erasure could not be asked for again."""
    store.put_many("local", [b"x"], [A])
    assert [store.erase("local", A), store.erase("local", A), store.erase("local", B), store.erase("nobody", A)] == [
        1,
        0,
        0,
        0,
    ]


def test_a_subject_that_comes_back_gets_another_key(store: BlobStore):
    """Wrong if what is decided anew after an erasure could not be kept, or brought the old back."""
    old, _ = store.put_many("local", [b"old", b"old too"], [A, A])
    store.erase("local", A)
    (new,) = store.put_many("local", [b"new"], [A])
    assert store.get("local", new, A) == b"new"
    assert code_of(lambda: store.get("local", old, A)) == "blob-erased"
    store.put_many("local", [b"old"], [A])
    assert store.get("local", old, A) == b"old"


def test_another_tenant_is_not_erased(store: BlobStore):
    """Wrong if one tenant could erase what another keeps."""
    (kept,) = store.put_many("other", [b"x"], [A])
    assert store.erase("local", A) == 0
    assert store.get("other", kept, A) == b"x"


def test_another_subject_does_not_read_it(store: BlobStore):
    """Wrong if evidence could be read as that of somebody else."""
    (kept,) = store.put_many("local", [b"x"], [A])
    assert code_of(lambda: store.get("local", kept, B)) == "blob-not-found"


@pytest.mark.parametrize(
    "name", ["", "jane@example.org", "Jane/Doe", "observation", "observation/", "../x", "blob:" + "0" * 64]
)
def test_what_is_no_subject_is_refused_and_not_repeated(store: BlobStore, name: str):
    """Wrong if a name could be kept as a subject."""
    for ask in (
        lambda: store.put_many("local", [b"x"], [name]),
        lambda: store.erase("local", name),
        lambda: store.kept_for("local", name),
    ):
        with pytest.raises(UsageRefused) as caught:
            ask()
        assert caught.value.code == "subject-name"
        assert not name or name not in caught.value.message


# --- the file ---------------------------------------------------------------------------------------------------------


def every_byte(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def envelopes(folder: Path) -> dict[str, bytes]:
    """Give the sealed key of every subject, as the file holds it."""
    with sqlite3.connect(folder / "blobs.db") as database:
        found = dict(database.execute("SELECT name, key FROM subjects WHERE erased = 0").fetchall())
    database.close()
    return found


def test_nothing_lies_on_disk_in_the_clear(tmp_path: Path):
    """Wrong if who reads the file read what was observed."""
    store = opened(tmp_path)
    store.put_many("local", [b"Jane Doe lost a finger", b"a pack"], [A, None])
    assert b"Jane" not in every_byte(tmp_path / "local")
    assert b"a pack" not in every_byte(tmp_path / "local")
    store.close()
    assert b"Jane" not in every_byte(tmp_path / "local")


def test_no_byte_of_a_destroyed_key_is_left_in_any_file(tmp_path: Path):
    """Wrong if whoever holds the tenant's key could dig the subject's out of the file or its log."""
    source = random.Random(7)
    store = opened(tmp_path)
    subjects = [f"observation/{source.randbytes(16).hex()}" for _ in range(400)]
    for start in range(0, 400, 50):
        some = subjects[start : start + 50]
        blobs = [source.randbytes(source.randrange(10, 9_000)) for _ in some for _ in range(2)]
        store.put_many("local", blobs, [each for each in some for _ in range(2)])
    sealed = envelopes(tmp_path / "local")
    gone = source.sample(subjects, 150)
    for number, subject in enumerate(gone):
        assert sealed[subject] in every_byte(tmp_path / "local")
        assert store.erase("local", subject) == 2
        if number % 50 == 0:
            left = every_byte(tmp_path / "local")
            assert not [each for each in gone[: number + 1] if sealed[each][:12] in left or sealed[each][12:44] in left]
    assert (tmp_path / "local" / "blobs.db-wal").stat().st_size == 0
    left = every_byte(tmp_path / "local")
    assert not [
        each for each in gone if sealed[each][:12] in left or sealed[each][12:44] in left or sealed[each][44:] in left
    ]
    kept = set(subjects) - set(gone)
    assert all(len(store.kept_for("local", each)) == 2 for each in kept)
    assert all(store.get("local", each, subject) for subject in kept for each in store.kept_for("local", subject))
    store.close()


def test_a_reader_that_holds_the_log_is_told_and_the_next_call_finishes(tmp_path: Path):
    """Wrong if an erasure counted as done while the key still lay in the log."""
    store = SqliteBlobStore(tmp_path, MemoryKeyStore(), MemoryEntropy(), busy_seconds=0.05)
    (kept,) = store.put_many("local", [b"x"], [A])
    key = envelopes(tmp_path / "local")[A]
    reader = sqlite3.connect(tmp_path / "local" / "blobs.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sealed").fetchall()
    assert code_of(lambda: store.erase("local", A)) == "blob-store-busy"
    assert code_of(lambda: store.get("local", kept, A)) == "blob-erased"
    assert key in every_byte(tmp_path / "local")
    reader.execute("COMMIT")
    reader.close()
    assert store.erase("local", A) == 0
    assert key not in every_byte(tmp_path / "local")
    store.close()


def test_a_changed_key_or_blob_or_tenants_key_is_told(tmp_path: Path):
    """Wrong if changed bytes were given out, or a lost key replaced by a new one that opens nothing."""
    keys = MemoryKeyStore()
    store = SqliteBlobStore(tmp_path, keys, MemoryEntropy())
    kept, other = store.put_many("local", [b"one", b"two"], [A, B])
    with sqlite3.connect(tmp_path / "local" / "blobs.db") as database:
        database.execute("UPDATE subjects SET key = (SELECT key FROM subjects WHERE name = ?) WHERE name = ?", (B, A))
    database.close()
    assert code_of(lambda: store.get("local", kept, A)) == "blob-key"
    assert store.get("local", other, B) == b"two"
    store.close()
    without = SqliteBlobStore(tmp_path, MemoryKeyStore(), MemoryEntropy(seed=1))
    assert code_of(lambda: without.get("local", other, B)) == "blob-key"
    assert code_of(lambda: without.put_many("local", [b"new"], ["observation/1"])) == "blob-key"
    without.close()


def test_a_copy_without_the_tenants_key_tells_nothing(tmp_path: Path):
    """Wrong if the file of blobs alone, from a backup say, could be read."""
    store = opened(tmp_path)
    store.put_many("local", [b"Jane Doe"], [A])
    store.close()
    stolen = SqliteBlobStore(tmp_path, MemoryKeyStore(), MemoryEntropy())
    assert code_of(lambda: stolen.get("local", digest(b"Jane Doe"))) == "blob-key"
    stolen.close()


def test_erasing_and_keeping_at_once_leaves_no_half(tmp_path: Path):
    """Wrong if a decision about somebody who is being erased were kept under a dead key."""
    stores, failures = [opened(tmp_path), opened(tmp_path)], []
    stores[0].put_many("local", [b"first"], [A])

    def keep() -> None:
        try:
            for turn in range(60):
                (kept,) = stores[0].put_many("local", [b"turn %d" % turn], [A])
                try:
                    assert stores[0].get("local", kept, A) == b"turn %d" % turn
                except NotFound as error:
                    failures.extend([] if error.code == "blob-erased" else [error])
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=keep)
    thread.start()
    while thread.is_alive():
        stores[1].erase("local", A)
    stores[1].erase("local", A)
    assert failures == []
    assert stores[0].kept_for("local", A) == []
    for each in stores:
        each.close()


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from tests.conformance.ports.test_blobstore_erasure import A, opened
store = opened(Path(sys.argv[1]))
seen = 0
def watch(statement):
    global seen
    seen += 1
    if seen == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
with store._database("local", "write") as database:
    database.set_trace_callback(watch)
store.erase("local", A)
os._exit(7)
"""


@pytest.mark.parametrize("after", range(1, 9))
def test_killed_at_any_step_the_next_call_finishes(tmp_path: Path, after: int):
    """Wrong if a crash left a subject half erased for good."""
    store = opened(tmp_path)
    mine, other = store.put_many("local", [b"mine", b"other"], [A, B])
    store.close()
    key = envelopes(tmp_path / "local")[A]
    ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(after)], check=False, capture_output=True)
    assert ran.returncode in (-9, 7), ran.stderr
    assert ran.returncode == -9 or after > 6
    again = opened(tmp_path)
    again.erase("local", A)
    assert code_of(lambda: again.get("local", mine, A)) == "blob-erased"
    assert again.get("local", other, B) == b"other"
    assert key not in every_byte(tmp_path / "local")
    again.close()


# --- what an earlier version kept -------------------------------------------------------------------------------------


def write_old(folder: Path, blobs: list[bytes]) -> None:
    """Write a file as version 1 did."""
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "blobs.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(
        "CREATE TABLE blobs (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),"
        " bytes BLOB NOT NULL) STRICT"
    )
    rows = [(bytes.fromhex(digest(blob)[7:]), blob) for blob in blobs]
    database.executemany("INSERT INTO blobs (digest, bytes) VALUES (?, ?)", rows)
    database.execute("PRAGMA user_version=1")
    database.close()


def old_blobs(count: int) -> list[bytes]:
    return [b"Jane Doe, row %d " % number + b"x" * (number % 700) for number in range(count)]


def test_an_old_file_is_encrypted_when_it_is_opened_and_keeps_everything(tmp_path: Path):
    """Wrong if an upgrade lost evidence, or left it lying in the clear."""
    blobs = old_blobs(2 * BLOBS_PER_MOVE + 7)
    write_old(tmp_path / "local", blobs)
    store = opened(tmp_path)
    assert [store.get("local", digest(blob), A) for blob in blobs] == blobs
    assert b"Jane" not in every_byte(tmp_path / "local")
    (kept,) = store.put_many("local", [blobs[0]])
    assert store.get("local", kept) == blobs[0]
    store.close()


def test_what_an_old_file_kept_for_nobody_is_erased_by_its_digest(tmp_path: Path):
    """Wrong if people decided about before the upgrade could not be erased."""
    blobs = old_blobs(20)
    write_old(tmp_path / "local", blobs)
    store = opened(tmp_path)
    gone = [digest(blobs[3]), digest(blobs[4])]
    store.has("local", gone[0])
    keys = envelopes(tmp_path / "local")
    assert store.erase("local", A, gone) == 2
    assert [code_of(lambda each=each: store.get("local", each, A)) for each in gone] == ["blob-erased"] * 2
    assert store.get("local", digest(blobs[5]), A) == blobs[5]
    left = every_byte(tmp_path / "local")
    assert not [each for each in gone if keys[f"blob:{each[7:]}"] in left]
    store.close()


MOVING = """
import os, signal, sqlite3, sys
from pathlib import Path
from bailiwick.adapters import blobstore_sqlite
from tests.conformance.ports.test_blobstore_erasure import opened
calls = 0
insert = blobstore_sqlite.SqliteBlobStore._insert
def counted(self, *arguments):
    global calls
    calls += 1
    if calls == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    insert(self, *arguments)
blobstore_sqlite.SqliteBlobStore._insert = counted
opened(Path(sys.argv[1])).has("local", "sha256:" + "0" * 64)
"""


def test_killed_while_an_old_file_is_encrypted_nothing_is_lost(tmp_path: Path):
    """Wrong if an upgrade that breaks off cost evidence."""
    blobs = old_blobs(BLOBS_PER_MOVE + 50)
    write_old(tmp_path / "local", blobs)
    ran = subprocess.run([sys.executable, "-c", MOVING, str(tmp_path)], check=False, capture_output=True)
    assert ran.returncode == -9, ran.stderr
    store = opened(tmp_path)
    assert [store.get("local", digest(blob)) for blob in blobs] == blobs
    assert b"Jane" not in every_byte(tmp_path / "local")
    store.close()


OPENING = """
import sys
from pathlib import Path
from bailiwick.canonical import digest
from tests.conformance.ports.test_blobstore_erasure import old_blobs, opened
store = opened(Path(sys.argv[1]))
blobs = old_blobs(600)
assert [store.get("local", digest(blob)) for blob in blobs] == blobs
store.put_many("local", [sys.argv[2].encode()])
store.close()
"""


def test_two_processes_open_an_old_file_at_once(tmp_path: Path):
    """Wrong if an upgrade under two processes lost or doubled anything."""
    write_old(tmp_path / "local", old_blobs(600))
    running = [
        subprocess.Popen([sys.executable, "-c", OPENING, str(tmp_path), name], stderr=subprocess.PIPE) for name in "ab"
    ]
    for each in running:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
    store = opened(tmp_path)
    assert all(store.has("local", digest(name)) for name in (b"a", b"b"))
    store.close()
