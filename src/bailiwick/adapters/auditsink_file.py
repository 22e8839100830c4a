"""A sink that appends events to a file, one line of JSON each, rotated by size: for whatever reads files.

``events.jsonl`` is the newest; ``events.jsonl.1`` the one before it, and so on up to the number that is kept, after
which the oldest goes. A line is there whole or not at all, and none twice: what a kill left unfinished is cut off, and
what had arrived already is known by its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bailiwick.errors import SinkUnavailable
from bailiwick.model import AuditEvent
from bailiwick.ports import Disk

NAME = "events.jsonl"
BEGINNING = b'{"activity_id":'
"""How every event begins: what begins otherwise is not ours, and is not touched."""
TAIL_BYTES_MAX = 8 << 20
"""How much of the end is looked at, in bytes: more than one delivery can have left unfinished."""


class _Last(NamedTuple):
    """The newest event of the files: its key and its leaf."""

    key: str
    leaf: str


class _Unmapped(msgspec.Struct):
    leaf: str


class _Metadata(msgspec.Struct):
    uid: str


class _Line(msgspec.Struct):
    """The parts of a line that tell which event it is."""

    metadata: _Metadata
    unmapped: _Unmapped


_decode = msgspec.json.Decoder(_Line).decode


class FileAuditSink:
    """See ``ports.AuditSink``. Durable on return. The folder belongs to this sink alone."""

    records_max = 1_000
    bytes_max = 2 << 20

    def __init__(self, folder: Path, disk: Disk, *, file_bytes_max: int = 100 << 20, files_max: int = 10) -> None:
        """Append to ``folder/events.jsonl``.

        Args:
            folder: Made where it is missing.
            disk: Where it is.
            file_bytes_max: Size above which no further delivery goes to the same file, in bytes.
            files_max: How many files are kept, the newest included.
        """
        self._path = folder / NAME
        self._disk = disk
        self._file_bytes_max = file_bytes_max
        self._files_max = files_max
        self._size = -1
        self._last: _Last | None = None

    def deliver(self, events: Sequence[AuditEvent]) -> str:
        """Append events that are not there yet, in one write and one flush.

        Raises:
            SinkUnavailable: the folder cannot be written (``sink-unwritable``), or the file holds something else.
        """
        try:
            self._look()
            fresh = self._fresh(events)
            if fresh:
                self._append(b"".join(event.body + b"\n" for event in fresh))
                self._last = _Last(fresh[-1].key, fresh[-1].leaf)
        except OSError as error:
            self._size = -1
            raise SinkUnavailable(
                f"{self._path} cannot be written: {error.strerror}",
                hint="free some space or mend the permissions",
                code="sink-unwritable",
            ) from error
        return ""

    def close(self) -> None:
        """Close the file."""
        self._disk.release(self._path)

    def _look(self) -> None:
        """See where the file ends; where that is not where this process left it, read the end of it."""
        try:
            size = self._disk.size(self._path)
        except FileNotFoundError:
            size = 0
            self._disk.make_folder(self._path.parent)
            with suppress(FileExistsError):
                self._disk.create(self._path)
            self._disk.sync_folder(self._path.parent)
            self._size = -1
        if size == self._size:
            return
        self._last, whole = _last_of(self._path, self._disk)
        if whole < size:
            self._disk.truncate(self._path, whole)
            self._disk.sync(self._path)
        if self._last is None:
            with suppress(FileNotFoundError):
                self._last = _last_of(self._older(1), self._disk)[0]
        self._size = whole

    def _fresh(self, events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """Leave out what is there already: everything up to the newest line, where that is one of these events."""
        for position, event in enumerate(events, start=1):
            if self._last == (event.key, event.leaf):
                return events[position:]
        return events

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._file_bytes_max:
            self._rotate()
        self._disk.write(self._path, self._size, data)
        self._disk.sync(self._path)
        self._size += len(data)

    def _rotate(self) -> None:
        """Move each file on by one number, up to the first that is free, and begin a new one."""
        names = set(self._disk.names(self._path.parent))
        taken = 1
        while taken < self._files_max - 1 and self._older(taken).name in names:
            taken += 1
        for number in range(taken, 1, -1):
            self._disk.rename(self._older(number - 1), self._older(number))
        self._disk.release(self._path)
        if self._files_max > 1:
            self._disk.rename(self._path, self._older(1))
        else:
            self._disk.unlink(self._path)
        self._disk.create(self._path)
        self._disk.sync_folder(self._path.parent)
        self._size = 0

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{NAME}.{number}")


def _last_of(path: Path, disk: Disk) -> tuple[_Last | None, int]:
    """Give the newest event of a file, and the size up to which the file is whole.

    Raises:
        SinkUnavailable: its end is not what this sink writes, and no unfinished delivery either (``sink-file``).
    """
    size = disk.size(path)
    start = max(0, size - TAIL_BYTES_MAX)
    tail = disk.read(path, start, TAIL_BYTES_MAX)
    position = tail.find(b"\n") + 1 if start else 0
    last, whole = None, position
    while (end := tail.find(b"\n", position)) >= 0:
        line = _read(tail[position:end])
        if line is None:
            break
        last = _Last(line.metadata.uid, line.unmapped.leaf)
        whole = position = end + 1
    if size - start - whole > FileAuditSink.bytes_max * 2 or (last is None and not _may_be_ours(tail)):
        raise SinkUnavailable(
            f"{path} holds something else than events",
            hint="give the sink a folder of its own",
            code="sink-file",
        )
    return last, start + whole


def _may_be_ours(head: bytes) -> bool:
    """Say whether a file without a whole event can be the beginning of one, or what a power cut made of it."""
    return BEGINNING.startswith(head[: len(BEGINNING)]) or not head[: len(BEGINNING)].strip(b"\0")


def _read(line: bytes) -> Any:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None
