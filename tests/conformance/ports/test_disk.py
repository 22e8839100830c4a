"""Every disk behaves like the machine's, errors included, so that what holds on one holds on the other."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.testing import SimulatedDisk


@pytest.fixture(params=["system", "memory", "simulated"])
def disk(request):
    """Each disk in turn."""
    disk = {"system": SystemDisk, "memory": MemoryDisk, "simulated": SimulatedDisk}[request.param]()
    yield disk
    disk.close()


@pytest.fixture
def folder(disk, tmp_path):
    """A folder on it."""
    path = tmp_path / "folder"
    disk.make_folder(path)
    return path


@pytest.fixture
def file(disk, folder):
    """A file with ten bytes."""
    path = folder / "file"
    disk.create(path)
    disk.write(path, 0, b"0123456789")
    return path


def test_a_folder_is_made_with_those_above_it_and_again_for_nothing(disk, folder):
    """Otherwise a home could not be made where nothing is yet, or not be opened twice."""
    deep = folder / "a" / "b"
    for _ in range(2):
        disk.make_folder(deep)
    assert disk.names(folder) == ["a"]
    assert disk.names(deep) == []


def test_names_are_sorted_and_a_missing_folder_is_an_error(disk, folder):
    """Otherwise segments would be read in another order, or a lost folder would look empty."""
    for name in ("b", "c", "a"):
        disk.create(folder / name)
    assert disk.names(folder) == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError):
        disk.names(folder / "missing")


def test_a_file_is_created_once(disk, file):
    """Otherwise two processes could both believe that they made a segment."""
    with pytest.raises(FileExistsError):
        disk.create(file)
    with pytest.raises(FileNotFoundError):
        disk.create(file.parent / "missing" / "file")


def test_a_file_is_its_owners_alone_unless_said_otherwise(disk, folder):
    """Otherwise records and keys would be readable for everybody on the machine."""
    disk.create(folder / "one")
    disk.create(folder / "other", 0o640)
    assert disk.mode(folder / "one") == 0o600
    assert disk.mode(folder / "other") == 0o640


def test_what_is_written_is_read_at_its_offset(disk, file):
    """Otherwise nothing else could be built on it."""
    disk.write(file, 4, b"ab")
    disk.write(file, 12, b"z")
    disk.sync(file)
    assert disk.size(file) == 13
    assert disk.read(file) == b"0123ab6789\x00\x00z"
    assert disk.read(file, 4, 2) == b"ab"
    assert disk.read(file, 12, 99) == b"z"
    assert disk.read(file, 50) == b""


def test_a_large_write_is_whole(disk, file):
    """Otherwise a short write would pass for a whole one."""
    data = os.urandom(3 << 20)
    disk.write(file, 10, data)
    assert disk.read(file, 10) == data


@pytest.mark.parametrize("operation", ["size", "mode", "read", "sync", "unlink"])
def test_what_is_missing_is_file_not_found(disk, folder, operation):
    """Otherwise a lost file could not be told from a broken disk."""
    with pytest.raises(FileNotFoundError):
        getattr(disk, operation)(folder / "missing")


def test_writing_to_a_missing_file_does_not_make_it(disk, folder):
    """Otherwise a segment could come to be without its name being durable."""
    with pytest.raises(FileNotFoundError):
        disk.write(folder / "missing", 0, b"x")
    with pytest.raises(FileNotFoundError):
        disk.truncate(folder / "missing", 0)
    assert disk.names(folder) == []


def test_renaming_replaces_in_one_step(disk, file):
    """Otherwise a reader could find neither the old nor the new."""
    new = file.parent / "new"
    disk.create(new)
    disk.write(new, 0, b"old contents")
    disk.rename(file, new)
    disk.sync_folder(file.parent)
    assert disk.names(file.parent) == ["new"]
    assert disk.read(new) == b"0123456789"
    disk.write(new, 0, b"x")
    assert disk.read(new) == b"x123456789"
    with pytest.raises(FileNotFoundError):
        disk.rename(file, new)


def test_truncating_cuts_and_lengthens_with_zeros(disk, file):
    """Otherwise a torn tail could not be taken off."""
    disk.truncate(file, 3)
    assert disk.read(file) == b"012"
    disk.truncate(file, 5)
    assert disk.read(file) == b"012\x00\x00"


def test_a_removed_file_is_gone_and_its_name_free(disk, file):
    """Otherwise writing on would go to a file that nobody can find."""
    disk.unlink(file)
    assert disk.names(file.parent) == []
    disk.create(file)
    disk.write(file, 0, b"new")
    assert disk.read(file) == b"new"


def test_a_released_file_can_be_used_again(disk, file):
    """Otherwise letting go of a segment would lose it for this process."""
    disk.release(file)
    disk.release(file)
    disk.write(file, 0, b"9")
    assert disk.read(file) == b"9123456789"


def test_a_lock_is_held_by_one_thread(disk, folder):
    """Otherwise two threads would append at the same place."""
    held, seen = threading.Event(), []

    def other():
        held.set()
        with disk.lock(folder / "LOCK"):
            seen.append("other")

    thread = threading.Thread(target=other)
    with disk.lock(folder / "LOCK"):
        thread.start()
        assert held.wait(20)
        seen.append("first")
    thread.join(20)
    assert seen == ["first", "other"]
    assert "LOCK" in disk.names(folder)


def test_a_lock_is_let_go_when_the_block_fails(disk, folder):
    """Otherwise one error would lock a ledger for ever."""
    with pytest.raises(KeyError), disk.lock(folder / "LOCK"):
        raise KeyError
    with disk.lock(folder / "LOCK") as hold:
        assert hold.is_held()


def test_whoever_waits_for_a_lock_is_told_in_time_that_it_cannot_be_had(disk, folder):
    """Otherwise a process that was stopped while it held the lock would stop every other one for ever."""
    results = []

    def wait():
        try:
            with disk.lock(folder / "LOCK", 10):
                results.append("taken")
        except TimeoutError:
            results.append("told")

    with disk.lock(folder / "LOCK"):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(20)
    assert results == ["told"]
    with disk.lock(folder / "LOCK", 10) as hold:
        assert hold.is_held()


def test_a_lock_whose_file_was_removed_is_not_held(disk, folder):
    """Otherwise two could hold what each takes for the one lock, and write over each other."""
    with disk.lock(folder / "LOCK", 1_000) as hold:
        assert hold.is_held()
        disk.unlink(folder / "LOCK")
        with disk.lock(folder / "OTHER", 1_000) as other:
            assert other.is_held()
        assert not hold.is_held()


def test_a_lock_that_another_system_disk_took_over_is_not_held(tmp_path):
    """Otherwise who lost a lock without being told would go on writing where the next holder writes."""
    one, other = SystemDisk(), SystemDisk()
    with one.lock(tmp_path / "LOCK", 1_000) as hold:
        fcntl.flock(one._locks[tmp_path / "LOCK"].handle, fcntl.LOCK_UN)
        with other.lock(tmp_path / "LOCK", 1_000) as taken:
            assert taken.is_held()
            assert not hold.is_held()
    with one.lock(tmp_path / "LOCK", 1_000) as hold:
        assert hold.is_held()
    one.close()
    other.close()


def test_a_lock_that_was_given_up_on_can_be_had_later(tmp_path):
    """Otherwise one long wait would leave a thread behind that holds, or lets go of, somebody else's lock."""
    one, other = SystemDisk(), SystemDisk()
    path = tmp_path / "LOCK"
    with one.lock(path):
        for _ in range(3):
            with pytest.raises(TimeoutError), other.lock(path, 5):
                pass
    with other.lock(path, 5_000) as hold:
        for thread in [thread for thread in threading.enumerate() if thread.name == "lock-wait"]:
            thread.join(0.05)
        assert hold.is_held()
    one.close()
    other.close()


def test_two_system_disks_exclude_each_other(tmp_path):
    """Otherwise two parts of one process, each with its own disk, would share a lock."""
    one, other = SystemDisk(), SystemDisk()
    order = []

    def wait_for_lock():
        with other.lock(tmp_path / "LOCK"):
            order.append("other")

    thread = threading.Thread(target=wait_for_lock)
    with one.lock(tmp_path / "LOCK"):
        thread.start()
        thread.join(0.05)
        order.append("one")
    thread.join(20)
    assert order == ["one", "other"]
    one.close()
    other.close()


def test_a_process_that_dies_lets_go_of_its_lock(tmp_path):
    """Otherwise a killed process would stop every other one."""
    program = (
        "import os, sys; from pathlib import Path; from bailiwick.adapters.disk_system import SystemDisk\n"
        "with SystemDisk().lock(Path(sys.argv[1])): os._exit(9)"
    )
    lock = tmp_path / "LOCK"
    assert subprocess.run([sys.executable, "-c", program, lock], check=False).returncode == 9
    disk = SystemDisk()
    with disk.lock(lock, 1_000) as hold:
        assert hold.is_held()
    disk.close()


def test_a_forked_process_cannot_use_the_parents_locks(tmp_path):
    """Otherwise parent and child would both hold what each takes for its own."""
    program = (
        "import os, sys; from pathlib import Path; from bailiwick.adapters.disk_system import SystemDisk\n"
        "disk = SystemDisk()\n"
        "if child := os.fork(): sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "try:\n"
        "    with disk.lock(Path(sys.argv[1])): os._exit(1)\n"
        "except OSError: os._exit(7)"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", program, tmp_path / "LOCK"], check=False)
    assert ran.returncode == 7


def test_a_failed_flush_is_never_tried_again_on_the_same_handle(tmp_path, monkeypatch):
    """Otherwise the second flush of a handle could succeed over pages that the kernel gave up."""
    disk, path = SystemDisk(), tmp_path / "file"
    disk.create(path)
    disk.write(path, 0, b"x")
    handle = disk._handles[path]

    def fail(number):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)
    monkeypatch.undo()
    disk.write(path, 0, b"y")
    disk.sync(path)
    assert Path(path).read_bytes() == b"y"
    disk.close()


def test_short_writes_are_finished(tmp_path, monkeypatch):
    """Otherwise the rest of a group would be missing without an error."""
    disk, path = SystemDisk(), tmp_path / "file"
    disk.create(path)
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, offset: whole(handle, data[:3], offset))
    disk.write(path, 0, b"0123456789")
    assert path.read_bytes() == b"0123456789"
    monkeypatch.setattr(os, "pwrite", lambda handle, data, offset: 3 if offset == 0 else 0)
    with pytest.raises(OSError, match="nothing was written"):
        disk.write(path, 0, b"0123456789")
    disk.close()
