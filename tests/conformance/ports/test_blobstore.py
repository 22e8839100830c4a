"""Every blob store: what was put comes back whole, for the tenant that put it, and nobody else."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.adapters.blobstore_memory import MemoryBlobStore
from bailiwick.adapters.blobstore_sqlite import SqliteBlobStore
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_files import FileKeyStore
from bailiwick.canonical import digest
from bailiwick.errors import BailiwickError, InputRefused, NotFound, Unavailable
from bailiwick.ports import BlobStore

BYTES_MAX = 10_000
NOBODY = digest(b"nobody put this")
A, B = "observation/0123456789abcdef0123456789abcdef", "observation/fedcba9876543210fedcba9876543210"


def opened(folder: Path, **limits: object) -> SqliteBlobStore:
    """Open the blobs of a home, with its keys beside them, as any process would."""
    keys = FileKeyStore(folder.with_name(folder.name + "-keys"), SystemDisk())
    return SqliteBlobStore(folder, keys, SystemEntropy(), **limits)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    """Give each store in turn, empty."""
    made: BlobStore
    if request.param == "memory":
        made = MemoryBlobStore(blob_bytes_max=BYTES_MAX)
    else:
        made = opened(tmp_path, blob_bytes_max=BYTES_MAX)
    yield made
    made.close()


# --- every store ----------------------------------------------------------------------------------------------------


def test_blobs_come_back_by_digest_in_the_order_they_were_put(store: BlobStore):
    """Evidence would be lost, or stand under another's digest."""
    blobs = [b"one", b"", b"\x00\xff" * 500, b"one"]
    digests = store.put_many("local", blobs)
    assert digests == [digest(blob) for blob in blobs]
    assert [store.get("local", each) for each in digests] == blobs
    assert all(store.has("local", each) for each in digests)


def test_putting_nothing_gives_nothing(store: BlobStore):
    """A batch of refused inputs would fail."""
    assert store.put_many("local", []) == []


def test_putting_again_changes_nothing(store: BlobStore):
    """Deciding the same thing again would fail or double what is stored."""
    first = store.put_many("local", [b"same"])
    assert store.put_many("local", [b"same", b"new"])[0] == first[0]
    assert store.get("local", first[0]) == b"same"


def test_a_blob_that_nobody_put_is_not_found(store: BlobStore):
    """Something would be read as evidence that never was."""
    assert not store.has("local", NOBODY)
    with pytest.raises(NotFound) as caught:
        store.get("local", NOBODY)
    assert caught.value.code == "blob-not-found"


def test_tenants_do_not_see_each_other(store: BlobStore):
    """Who knows a digest could read another tenant's data."""
    (kept,) = store.put_many("local", [b"mine"])
    assert not store.has("other", kept)
    with pytest.raises(NotFound):
        store.get("other", kept)


@pytest.mark.parametrize("tenant", ["", "..", "../local", "a/b", "Local", "a\x00", "x" * 64])
def test_what_cannot_be_a_tenant_is_refused(store: BlobStore, tenant: str):
    """A name could lead out of the home."""
    for ask in (
        lambda: store.put_many(tenant, [b"x"]),
        lambda: store.get(tenant, NOBODY),
        lambda: store.has(tenant, NOBODY),
    ):
        with pytest.raises(BailiwickError) as caught:
            ask()
        assert caught.value.code == "tenant-name"


@pytest.mark.parametrize("wrong", ["", NOBODY[:-1], NOBODY.upper(), NOBODY + "0", "md5:" + NOBODY[7:], NOBODY + "\n"])
def test_what_is_no_digest_is_refused(store: BlobStore, wrong: str):
    """A digest from outside would reach the storage unchecked."""
    for ask in (store.get, store.has):
        with pytest.raises(BailiwickError) as caught:
            ask("local", wrong)
        assert caught.value.code == "digest"


def test_a_blob_may_be_as_large_as_the_limit_and_no_larger(store: BlobStore):
    """One input could fill the disk, or the limit would be off by one."""
    (kept,) = store.put_many("local", [b"x" * BYTES_MAX])
    assert len(store.get("local", kept)) == BYTES_MAX
    with pytest.raises(InputRefused) as caught:
        store.put_many("local", [b"fine", b"x" * (BYTES_MAX + 1)])
    assert caught.value.code == "blob-too-large"
    assert not store.has("local", digest(b"fine"))


def test_a_group_that_breaks_off_keeps_nothing(store: BlobStore):
    """Half of a decision would be stored."""

    def blobs():
        yield b"first"
        raise InterruptedError

    with pytest.raises(InterruptedError):
        store.put_many("local", blobs())
    assert not store.has("local", digest(b"first"))
    store.put_many("local", [b"first"])


def test_many_threads_put_and_get_at_once(store: BlobStore):
    """Decisions made at once would lose one another's evidence."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                blobs = [f"{number}-{turn}-{each}".encode() for each in range(3)] + [b"shared"]
                assert [store.get("local", each) for each in store.put_many("local", blobs)] == blobs
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@settings(max_examples=25)
@given(blobs=st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_survive(tmp_path_factory: pytest.TempPathFactory, blobs: list[bytes]):
    """Some byte would be taken for a sign of the storage."""
    store = opened(tmp_path_factory.mktemp("blobs"))
    assert [store.get("local", each) for each in store.put_many("local", blobs)] == blobs
    store.close()


# --- the store in memory --------------------------------------------------------------------------------------------


def test_a_blob_that_changed_in_memory_is_not_given_out():
    """Tests of what reads blobs could not meet a corrupt one."""
    store = MemoryBlobStore()
    (kept,) = store.put_many("local", [b"evidence"])
    store.corrupt("local", kept)
    with pytest.raises(Unavailable) as caught:
        store.get("local", kept)
    assert caught.value.code == "blob-corrupt"


# --- the file -------------------------------------------------------------------------------------------------------


def test_blobs_outlive_the_store(tmp_path: Path):
    """A restart would lose everything."""
    first = opened(tmp_path)
    (kept,) = first.put_many("local", [b"evidence"])
    first.close()
    again = opened(tmp_path)
    assert again.get("local", kept) == b"evidence"
    again.close()


def test_a_closed_store_opens_again_when_asked(tmp_path: Path):
    """A node that rests its stores would have to be restarted."""
    store = opened(tmp_path)
    (kept,) = store.put_many("local", [b"evidence"])
    store.close()
    assert store.get("local", kept) == b"evidence"
    store.close()


def test_the_files_are_for_their_owner_alone(tmp_path: Path):
    """Anybody on the machine could read what was observed."""
    store = opened(tmp_path)
    store.put_many("local", [b"evidence"])
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "local").iterdir()}
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"blobs.db", "blobs.db-wal", "blobs.db-shm"}
    store.close()


def test_every_commit_is_flushed(tmp_path: Path):
    """A power cut would take back what was acknowledged."""
    store = opened(tmp_path)
    with store._database("local", "write") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_looking_for_a_blob_makes_no_tenant(tmp_path: Path):
    """Asking for names at random would fill the home with folders."""
    store = opened(tmp_path)
    assert not store.has("nobody", NOBODY)
    assert list(tmp_path.iterdir()) == []
    store.close()


def test_a_blob_that_changed_on_disk_is_not_given_out(tmp_path: Path):
    """Replay would judge by something that nobody observed."""
    store = opened(tmp_path)
    (kept,) = store.put_many("local", [b"evidence"])
    with sqlite3.connect(tmp_path / "local" / "blobs.db") as database:
        database.execute("UPDATE sealed SET bytes = zeroblob(length(bytes))")
    database.close()
    with pytest.raises(Unavailable) as caught:
        store.get("local", kept)
    assert caught.value.code == "blob-corrupt"
    assert store.has("local", kept)
    store.close()


@pytest.mark.parametrize("damage", [b"not a database at all" * 500, b"SQLite format 3\x00" + b"\xff" * 5_000])
def test_a_damaged_file_is_told_and_stays_as_it_is(tmp_path: Path, damage: bytes):
    """A damaged store would be taken for an empty one, and what could be rescued would be overwritten."""
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "blobs.db").write_bytes(damage)
    store = opened(tmp_path)
    for ask in (lambda: store.get("local", NOBODY), lambda: store.put_many("local", [b"x"])):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == "blob-store-failed"
    assert (tmp_path / "local" / "blobs.db").read_bytes() == damage
    store.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path):
    """An older program would damage what a newer one wrote."""
    first = opened(tmp_path)
    first.put_many("local", [b"x"])
    first.close()
    with sqlite3.connect(tmp_path / "local" / "blobs.db") as database:
        database.execute("PRAGMA user_version=3")
    database.close()
    store = opened(tmp_path)
    with pytest.raises(Unavailable) as caught:
        store.put_many("local", [b"y"])
    assert caught.value.code == "blob-store-version"
    store.close()


def test_waiting_for_another_writer_ends(tmp_path: Path):
    """A process that hangs with the file would hang every other one."""
    store = opened(tmp_path, busy_seconds=0.05)
    store.put_many("local", [b"before"])
    other = sqlite3.connect(tmp_path / "local" / "blobs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        store.put_many("local", [b"now"])
    assert caught.value.code == "blob-store-busy"
    assert store.get("local", digest(b"before")) == b"before"
    other.execute("COMMIT")
    other.close()
    store.put_many("local", [b"now"])
    store.close()


WRITER = """
import sys
from pathlib import Path
from tests.conformance.ports.test_blobstore import opened
store = opened(Path(sys.argv[1]))
for turn in range(25):
    store.put_many("local", [f"{sys.argv[2]}-{turn}-{each}".encode() for each in range(4)])
    print(turn, flush=True)
store.close()
"""


def start(tmp_path: Path, name: str) -> subprocess.Popen[str]:
    """Start another process that puts 25 groups of 4 blobs and prints the number of each once it is kept."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True)


def test_several_processes_start_and_write_at_once(tmp_path: Path):
    """Two terminals on one home would fail, or lose what the other stored."""
    writers = [start(tmp_path, name) for name in "abc"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    store = opened(tmp_path)
    for name in "abc":
        assert all(
            store.has("local", digest(f"{name}-{turn}-{each}".encode())) for turn in range(25) for each in (0, 3)
        )
    store.close()


@pytest.mark.parametrize("after", [0, 3, 11])
def test_what_was_acknowledged_survives_a_kill_and_groups_are_whole(tmp_path: Path, after: int):
    """A killed process would take acknowledged evidence with it, or leave half a group."""
    writer = start(tmp_path, "a")
    assert writer.stdout is not None
    acknowledged = [int(line) for _, line in zip(range(after + 1), writer.stdout, strict=False)]
    writer.kill()
    acknowledged += [int(line) for line in writer.stdout]
    writer.wait()
    writer.stdout.close()
    store = opened(tmp_path)
    for turn in range(25):
        kept = [store.has("local", digest(f"a-{turn}-{each}".encode())) for each in range(4)]
        assert len(set(kept)) == 1
        assert kept[0] or turn not in acknowledged
    store.put_many("local", [b"and it goes on"])
    store.close()


FORKER = """
import os, sys
from pathlib import Path
from tests.conformance.ports.test_blobstore import opened
store = opened(Path(sys.argv[1]))
(kept,) = store.put_many("local", [b"parent"])
child = os.fork()
if child == 0:
    same = store.get("local", kept) == b"parent"
    store.put_many("local", [b"child"])
    store.close()
    os._exit(0 if same else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
store.put_many("local", [b"parent again"])
store.close()
again = opened(Path(sys.argv[1]))
from bailiwick.canonical import digest
assert all(again.has("local", digest(each)) for each in (b"parent", b"child", b"parent again"))
"""


def test_a_fork_has_connections_of_its_own(tmp_path: Path):
    """A worker would corrupt its parent's store, or close the log under it."""
    ran = subprocess.run(
        [sys.executable, "-c", FORKER, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.conformance.ports.test_blobstore import opened
from bailiwick.canonical import digest
from bailiwick.errors import Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = opened(Path(sys.argv[1]))
assert store.get("local", *store.put_many("local", [b"before"])) == b"before"  # a reader keeps the log in use
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
try:
    store.put_many("local", [b"x" * 300_000])
except Unavailable as error:
    assert error.code == "blob-store-failed", error.code
else:
    raise SystemExit("a full disk was not noticed")
assert not store.has("local", digest(b"x" * 300_000))
assert store.get("local", digest(b"before")) == b"before"
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
store.put_many("local", [b"after"])
assert (Path(sys.argv[1]) / "local" / "blobs.db-wal").stat().st_size < 50_000, "the log was not settled first"
store.put_many("local", [b"x" * 300_000])
store.close()
again = opened(Path(sys.argv[1]))
assert again.get("local", digest(b"x" * 300_000)) == b"x" * 300_000
assert again.get("local", digest(b"after")) == b"after"
"""


def test_a_disk_that_fills_up_keeps_nothing_by_halves_and_recovers(tmp_path: Path):
    """After a failed write a blob would count as kept that is only in memory, or nothing could be kept any more."""
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
