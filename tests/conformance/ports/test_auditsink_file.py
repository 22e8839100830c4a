"""The file sink: no line torn or twice, whatever a kill left; rotated by size; nobody else's file touched."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from bailiwick.adapters.auditsink_file import FileAuditSink
from bailiwick.errors import SinkUnavailable
from bailiwick.testing import FaultyDisk, MemoryDisk, fail

FOLDER = Path("/archive")
FILE = FOLDER / "events.jsonl"


def indexes(disk: MemoryDisk, path: Path = FILE) -> list[int]:
    """Give the index of each line of a file, every one of which must be whole."""
    data = disk.read(path)
    assert not data or data.endswith(b"\n")
    return [json.loads(line)["unmapped"]["index"] for line in data.splitlines()]


def everything(disk: MemoryDisk) -> list[int]:
    """Give the index of each line of all files, oldest first."""
    names = sorted((name for name in disk.names(FOLDER) if name != FILE.name), key=lambda name: -int(name[13:]))
    return [index for name in [*names, FILE.name] for index in indexes(disk, FOLDER / name)]


def test_a_batch_that_comes_again_changes_nothing(make_events):
    """Wrong if a kill between the file and the cursor leaves every line of a batch twice."""
    disk, events = MemoryDisk(), make_events(6)
    FileAuditSink(FOLDER, disk).deliver(events[:3])
    again = FileAuditSink(FOLDER, disk)
    again.deliver(events[:3])
    again.deliver(events[2:5])
    FileAuditSink(FOLDER, disk).deliver(events)
    assert indexes(disk) == [1, 2, 3, 4, 5, 6]


def test_a_torn_line_is_cut_off_at_every_byte(make_events):
    """Wrong if a write that was interrupted leaves half a line in the middle of the file."""
    disk, events = MemoryDisk(), make_events(3)
    sink = FileAuditSink(FOLDER, disk)
    sink.deliver(events[:1])
    size = disk.size(FILE)
    sink.deliver(events)
    whole = disk.read(FILE)
    for end in range(size, len(whole), 7):
        disk.truncate(FILE, end)
        FileAuditSink(FOLDER, disk).deliver(events)
        assert disk.read(FILE) == whole


def test_a_torn_end_that_is_longer_than_what_comes_next_leaves_no_rest(make_events):
    """Wrong if the rest of an unfinished write stays behind the next line, and is read as a part of it."""
    disk = MemoryDisk()
    large = make_events(1, text="x" * 5_000)
    FileAuditSink(FOLDER, disk).deliver(large)
    disk.truncate(FILE, disk.size(FILE) - 100)
    FileAuditSink(FOLDER, disk).deliver(make_events(1))
    assert indexes(disk) == [2]


def test_a_hole_that_a_power_cut_left_is_cut_off(make_events):
    """Wrong if zeros in the middle of an unfinished batch stay, because a later line looks well."""
    disk, events = MemoryDisk(), make_events(4)
    sink = FileAuditSink(FOLDER, disk)
    sink.deliver(events[:1])
    size = disk.size(FILE)
    sink.deliver(events)
    whole = disk.read(FILE)
    disk.write(FILE, size + 100, bytes(300))
    FileAuditSink(FOLDER, disk).deliver(events)
    assert disk.read(FILE) == whole


@pytest.mark.parametrize("after", range(1, 12))
def test_after_any_fault_each_line_is_there_once(make_events, after: int):
    """Wrong if a full disk tears a line, leaves one out or doubles it, in a file or at its rotation."""
    disk, events = MemoryDisk(), make_events(12)
    size = len(events[0].body) * 3
    failing = FileAuditSink(
        FOLDER, FaultyDisk(disk, after=after, fault=fail(errno.ENOSPC)), file_bytes_max=size, files_max=20
    )
    codes: list[str] = []
    for start in range(0, 12, 2):
        try:
            failing.deliver(events[start : start + 2])
        except SinkUnavailable as error:
            codes.append(error.code)
            FileAuditSink(FOLDER, disk, file_bytes_max=size, files_max=20).deliver(events[start : start + 2])
    assert codes == ["sink-unwritable"]
    assert everything(disk) == list(range(1, 13))


def test_files_are_rotated_and_the_oldest_goes(make_events):
    """Wrong if the archive fills the disk, or throws away what is newer than it keeps."""
    disk, events = MemoryDisk(), make_events(20)
    sink = FileAuditSink(FOLDER, disk, file_bytes_max=len(events[0].body) * 3, files_max=3)
    for event in events:
        sink.deliver([event])
    assert disk.names(FOLDER) == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    kept = everything(disk)
    assert kept == list(range(21 - len(kept), 21))
    assert len(kept) >= 5


def test_a_rotation_that_was_interrupted_loses_no_file(make_events):
    """Wrong if a kill between two renames makes the next rotation push a file out before its time."""
    disk, events = MemoryDisk(), make_events(4)
    sink = FileAuditSink(FOLDER, disk, file_bytes_max=len(events[0].body), files_max=4)
    for event in events[:3]:
        sink.deliver([event])
    disk.rename(FOLDER / "events.jsonl.2", FOLDER / "events.jsonl.3")
    disk.rename(FOLDER / "events.jsonl.1", FOLDER / "events.jsonl.2")
    FileAuditSink(FOLDER, disk, file_bytes_max=len(events[0].body), files_max=4).deliver(events[3:])
    assert everything(disk) == [1, 2, 3, 4]


def test_after_a_rotation_a_batch_that_comes_again_is_known(make_events):
    """Wrong if a kill right after a rotation leaves a batch in two files."""
    disk, events = MemoryDisk(), make_events(2)
    FileAuditSink(FOLDER, disk).deliver(events)
    disk.rename(FILE, FOLDER / "events.jsonl.1")
    FileAuditSink(FOLDER, disk).deliver(events)
    assert everything(disk) == [1, 2]


def test_another_ledger_is_written_after_the_first(make_events):
    """Wrong if records of another past are taken for records that are there already."""
    disk, events = MemoryDisk(), make_events(2)
    FileAuditSink(FOLDER, disk).deliver(events)
    body = events[1].body.replace(events[1].leaf.encode(), b"0" * 64)
    other = type(events[1])(
        tenant="local", origin=events[1].origin, leaf="0" * 64, record=events[1].record, severity=1, body=body
    )
    FileAuditSink(FOLDER, disk).deliver([other])
    assert indexes(disk) == [1, 2, 2]


@pytest.mark.parametrize("content", [b"root:x:0:0\n", b'{"user":"somebody"}\n', b"no line end"])
def test_a_file_of_somebody_else_is_left_alone(make_events, content: bytes):
    """Wrong if a wrong folder in the settings makes the sink cut a file that it never wrote."""
    disk = MemoryDisk()
    disk.make_folder(FOLDER)
    disk.create(FILE)
    disk.write(FILE, 0, content)
    with pytest.raises(SinkUnavailable) as caught:
        FileAuditSink(FOLDER, disk).deliver(make_events(1))
    assert caught.value.code == "sink-file"
    assert disk.read(FILE) == content


def test_nothing_is_confirmed_before_it_is_flushed(make_events):
    """Wrong if a power cut takes lines whose cursor has moved on."""
    steps: list[str] = []
    disk = FaultyDisk(MemoryDisk(), after=1, fault=lambda operation, _: steps.append(operation), stays=True)
    FileAuditSink(FOLDER, disk).deliver(make_events(2))
    assert steps == ["create", "sync_folder", "write", "sync"]
