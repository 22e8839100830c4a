"""Every store of cursors: what was kept last comes back whole, one reader and tenant apart from another."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.cursorstore_memory import MemoryCursorStore
from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.errors import Unavailable, UsageRefused
from bailiwick.ports import CursorStore
from bailiwick.testing import FaultyDisk, fail

TENANTS = Path("/tenants")


@pytest.fixture(params=["memory", "files", "files-in-memory"])
def store(request, tmp_path):
    """Give each store in turn."""
    if request.param == "memory":
        yield MemoryCursorStore()
        return
    disk = SystemDisk() if request.param == "files" else MemoryDisk()
    yield FileCursorStore(tmp_path, disk)
    disk.close()


def test_what_was_kept_last_comes_back(store: CursorStore):
    """Wrong if a reader goes on from somewhere else than it had come."""
    assert store.get("local", "sink-siem") is None
    for state in (b"one\n", b"", b"three" * 1_000):
        store.put("local", "sink-siem", state)
        assert store.get("local", "sink-siem") == state


def test_readers_and_tenants_are_apart(store: CursorStore):
    """Wrong if one sink's progress makes another one leave records out."""
    store.put("local", "sink-siem", b"1")
    store.put("local", "sink-archive", b"2")
    store.put("other", "sink-siem", b"3")
    assert store.get("local", "sink-siem") == b"1"
    assert (store.get("local", "sink-archive"), store.get("other", "sink-siem")) == (b"2", b"3")


@pytest.mark.parametrize("reader", ["../siem", "", "Siem", "a/b", "a\n", "a" * 100])
def test_a_name_that_is_a_path_is_refused(store: CursorStore, reader: str):
    """Wrong if the name of a sink writes a file anywhere."""
    with pytest.raises(UsageRefused):
        store.put("local", reader, b"1")
    with pytest.raises(UsageRefused):
        store.get("local", reader)


def test_one_at_a_time_moves_a_reader_on(store: CursorStore):
    """Wrong if two pumps of one sink deliver the same records in turn for ever, or lose a cursor."""
    store.put("local", "sink-siem", b"0")

    def count_up():
        for _ in range(20):
            with store.exclusive("local", "sink-siem"):
                store.put("local", "sink-siem", b"%d" % (int(store.get("local", "sink-siem")) + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("local", "sink-siem") == b"80"


@pytest.mark.parametrize("after", range(1, 7))
def test_after_any_fault_the_old_state_is_whole_or_the_new_one(after: int):
    """Wrong if a full disk makes a sink start over, or leaves half a state."""
    disk = MemoryDisk()
    FileCursorStore(TENANTS, disk).put("local", "sink-siem", b"old")
    failing = FileCursorStore(TENANTS, FaultyDisk(disk, after=after, fault=fail(errno.ENOSPC)))
    with pytest.raises(Unavailable) as caught:
        failing.put("local", "sink-siem", b"new")
    assert caught.value.code == "cursor-unwritable"
    assert FileCursorStore(TENANTS, disk).get("local", "sink-siem") in (b"old", b"new")
    failing.put("local", "sink-siem", b"new")
    assert FileCursorStore(TENANTS, disk).get("local", "sink-siem") == b"new"
