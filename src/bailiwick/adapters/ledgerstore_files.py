"""A ledger's records as lines of append-only files, a segment each 65,536 records or 64 MiB.

    LOCK  seg/000000000000.jsonl …  head  tree/0 …  quarantine/

A segment is named by the index of its first record and ends at the first group of records that fills it. Only the
newest is ever written; opening reads that one alone. A record is a line, so it never holds a newline byte.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.ledgerstore_checks import record_pruned
from bailiwick.adapters.ledgerstore_exclusive import Exclusive
from bailiwick.adapters.ledgerstore_pruning import PrunedFiles
from bailiwick.adapters.ledgerstore_quarantine import Quarantine
from bailiwick.adapters.ledgerstore_segment import Segment, lock_lost, poisoned, unreadable
from bailiwick.adapters.ledgerstore_segments import FileSegments
from bailiwick.errors import LedgerBroken, Unavailable, Verdict
from bailiwick.model import Pruned, Quarantined
from bailiwick.ports import Disk, Hold

SEGMENT_RECORDS = 65_536
"""Records after which a segment is full."""
SEGMENT_BYTES = 64 << 20
"""Bytes after which a segment is full."""
TAIL_BYTES_MAX = 16 << 20
"""Longest unfinished line that is looked at, in bytes; more than any group of records can leave behind."""

_READ_BYTES = 8 << 20
_LINE_BYTES = 1 << 16
_SEALED_KEPT = 64
"""Full segments whose line ends are remembered, in number; each takes half a megabyte."""
_MOVED = "MOVED"
_SEGMENT_NAME = re.compile(r"([0-9]{12})\.jsonl\Z")


class FileLedgerStore:
    """See ``ports.LedgerStore``. Nothing is made on disk before something is written or locked."""

    def __init__(
        self, folder: Path, disk: Disk, *, segment_records: int = SEGMENT_RECORDS, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._lock_path = folder / "LOCK"
        self._disk = disk
        self._segment_records = segment_records
        self._segment_bytes = segment_bytes
        self._firsts: tuple[int, ...] = ()
        self._active = Segment(0, self._path(0))
        self._side_paths: set[Path] = set()
        self._sealed: OrderedDict[int, Segment] = OrderedDict()
        self._sealed_mutex = threading.Lock()
        self._hold: Hold | None = None
        self._turn = -1
        self._is_undisturbed = False
        self._pruning = PrunedFiles(folder, disk)
        self._quarantine = Quarantine(folder / "quarantine", disk)
        self._pruned: Pruned | None = None

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the store alone, among all threads and processes."""
        return Exclusive(self, self._disk, self._lock_path)

    def exists(self) -> bool:
        """Say whether there is a segment."""
        try:
            return bool(self._firsts) or any(map(_SEGMENT_NAME.match, self._disk.names(self._folder / "seg")))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unreadable("read", self._folder, error) from error

    def count(self) -> int:
        """Count the whole records that are stored now, by whomever."""
        try:
            if not self._firsts and not self._find_segments():
                return 0
            while True:
                try:
                    self._look(self._active)
                except FileNotFoundError:
                    # Another process pruned: the segment that was the newest here is another file by now.
                    self._disk.release(self._active.path)
                    self._find_segments()
                    continue
                stop = self._active.stop
                if self._is_undisturbed and self._hold is not None:
                    return stop
                if stop == self._active.first or not self._exists(self._path(stop)):
                    return stop
                self._start(stop)
        except OSError as error:
            raise unreadable("read", self._active.path, error) from error

    def tail(self) -> bytes:
        """Give the bytes after the last whole record."""
        return self._active.tail

    def size(self) -> int:
        """Give the size of everything in bytes."""
        return self.size_from(self._firsts[0]) if self._firsts else 0

    def size_from(self, start: int) -> int:
        """Give the size of record ``start`` and all that follows it, in bytes."""
        active = self._active
        if start >= active.first:
            return active.end + len(active.tail) - active.offset(start)
        segment = self._sealed_segment(start)
        later = [first for first in self._firsts if segment.first < first < active.first]
        try:
            sizes = sum(self._disk.size(self._path(first)) for first in later)
        except OSError as error:
            raise unreadable("read", self._folder, error) from error
        return segment.end - segment.offset(start) + sizes + active.end + len(active.tail)

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give records ``start`` to ``stop``, the latter not included."""
        try:
            return self._read(start, stop)
        except Unavailable as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
        # Another process pruned: look for the segments anew, once.
        try:
            self._find_segments()
        except OSError as error:
            raise unreadable("read", self._folder, error) from error
        return self._read(start, stop)

    def _read(self, start: int, stop: int) -> list[bytes]:
        pruned, active = self._pruned, self._active
        if pruned is not None and start < pruned.minimum:
            return self._read_carried(pruned, start, stop)
        assert 0 <= start <= stop <= active.stop, (start, stop, active.stop)
        if stop == start + 1 and start in self._firsts and start != active.first:
            return [self._read_first(start)]
        records: list[bytes] = []
        while start < stop:
            segment = active if start >= active.first else self._sealed_segment(start)
            until = min(stop, segment.stop)
            records += self._read_lines(segment, start, until)
            start = until
        return records

    def segments(self) -> FileSegments:
        """Give a way to read the segments' files from end to end."""
        return FileSegments(self._folder, self._disk)

    def append(self, start: int, records: Sequence[bytes]) -> None:
        """Append records, the first at index ``start``; durable on return, in one flush."""
        if not self._firsts or self._is_full(self._active):
            self._create(start)
        active = self._active
        assert start == active.stop, (start, active.stop)
        assert not active.tail, active.tail[:40]
        data = b"\n".join(records) + b"\n"
        try:
            if not self._is_held():
                raise lock_lost(self._lock_path)
            if not active.end:
                # Whoever made the segment may have died before its name was durable.
                self._disk.sync_folder(active.path.parent)
            self._disk.write(active.path, active.end, data)
            self._disk.sync(active.path)
            is_held = self._is_held()
        except OSError as error:
            self._undo(active, error)
            raise poisoned("write", active.path, error) from error
        if not is_held:
            # Somebody else may have written there too: nothing is taken off again, and nothing is promised.
            raise poisoned("keep alone", self._lock_path, OSError("another process took the lock meanwhile"))
        active.grow([len(record) + 1 for record in records])

    def sync(self, start: int = 0) -> None:
        """Make durable what others appended, by writing the same bytes again.

        After a flush that failed, the system may call pages clean that never reached the disk: they can be read, the
        next flush succeeds, and a power cut takes them. Pages that are written anew are not clean.
        """
        firsts = self._firsts
        try:
            for first in firsts[max(bisect_right(firsts, start) - 1, 0) :]:
                segment = self._active if first == self._active.first else self._sealed_segment(first)
                begin = segment.offset(max(start, first))
                data = self._disk.read(segment.path, begin, segment.end - begin)
                self._disk.write(segment.path, begin, data)
                self._disk.sync(segment.path)
        except OSError as error:
            raise poisoned("flush", self._active.path, error) from error

    def cut(self, start: int) -> Quarantined:
        """Move everything from record ``start`` on out of the way, durably, keeping its bytes aside."""
        active = self._active
        if start < active.first:
            raise LedgerBroken(
                Verdict.CORRUPT,
                f"record {start} is damaged, in a segment that was full and flushed long ago",
                hint="restore the ledger's folder from a copy",
                index=start,
            )
        try:
            kept = self._quarantine.keep(start, self._disk.read(active.path, active.offset(start)))
            self._disk.truncate(active.path, active.offset(start))
            self._disk.sync(active.path)
        except OSError as error:
            raise poisoned("cut", active.path, error) from error
        active.shrink(start)
        return kept

    def kept_aside(self, start: int) -> list[Quarantined]:
        """Give what ``cut`` moved aside from record ``start`` on; a copy that was interrupted is not one."""
        try:
            return self._quarantine.kept(start)
        except OSError as error:
            raise unreadable("read", self._folder, error) from error

    def read_side(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        try:
            return self._disk.read(self._folder / name, offset, size)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise unreadable("read", self._folder / name, error) from error

    def write_side(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written."""
        path = self._folder / name
        self._side_paths.add(path)
        try:
            if not self._exists(path):
                self._disk.make_folder(path.parent)
                self._disk.create(path)
            self._disk.write(path, offset, data)
        except OSError as error:
            raise unreadable("written", path, error) from error

    def retire(self, note: str) -> None:
        """Give nobody the store alone any more: the file MOVED says why. An empty note takes that back."""
        path = self._folder / _MOVED
        try:
            if not self._exists(path):
                self._disk.make_folder(self._folder)
                self._disk.create(path)
            if note:
                self._disk.write(path, 0, note.encode())
                self._disk.sync(path)
            else:
                self._disk.unlink(path)
            self._disk.sync_folder(self._folder)
        except OSError as error:
            raise unreadable("written", path, error) from error
        finally:
            self._disk.release(path)
            self._turn = -1

    def retired(self) -> str:
        """Give the note of a store that is retired; empty where it is in use."""
        path = self._folder / _MOVED
        try:
            return self._disk.read(path).decode(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise unreadable("read", path, error) from error

    def close(self) -> None:
        """Let go of files."""
        for path in (self._active.path, *self._side_paths):
            self._disk.release(path)
        self._side_paths.clear()

    # --- pruning ----------------------------------------------------------------------------------------------------

    def pruned(self) -> Pruned | None:
        """Say where the records begin; None where none was ever deleted."""
        try:
            return self._pruning.state()
        except OSError as error:
            raise unreadable("read", self._folder, error) from error

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Give the leaf digests ``start`` to ``stop`` of pruned records."""
        try:
            return self._pruning.leaves(start, stop)
        except OSError as error:
            raise unreadable("read", self._folder, error) from error

    def carried(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Give index and bytes of the records that were carried on, from ``start`` to ``stop``."""
        try:
            return self._pruning.carried(start, stop)
        except OSError as error:
            raise unreadable("read", self._folder, error) from error

    def prune(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Delete every record below the minimum, at once or not at all, and keep what is given."""
        assert 0 < pruned.minimum < self._active.stop, (pruned.minimum, self._active.stop)
        try:
            if not self._is_held():
                raise lock_lost(self._lock_path)
            self._pruning.write(pruned, leaves, carried)
        except OSError as error:
            raise unreadable("pruned", self._folder, error) from error
        self.tidy()

    def begin(self, pruned: Pruned, leaves: Iterable[bytes], carried: Iterable[tuple[int, bytes]]) -> None:
        """Start an empty store where the records of another begin; interrupted, it is empty still, or begun."""
        try:
            self._pruning.write(pruned, leaves, carried)
            self._create(pruned.minimum)
            self._find_segments()
        except OSError as error:
            raise unreadable("written", self._folder, error) from error

    def tidy(self) -> None:
        """Delete what lies below the minimum: whole segments, and the older part of the one that it is within."""
        try:
            self._find_segments()
            if not (minimum := self._pruning.minimum()):
                return
            names = map(_SEGMENT_NAME.match, self._disk.names(self._folder / "seg"))
            if any(int(match[1]) < minimum for match in names if match):
                # Whoever put the state in place may have died before its name was durable.
                self._pruning.settle()
            straddling = self._active if minimum >= self._active.first else self._sealed_segment(minimum)
            if straddling is self._active and straddling.first < minimum < straddling.stop:
                # A segment ends where the next begins: others go on there, and this one can be written anew.
                self._create(self._active.stop)
            if straddling.first < minimum:
                lines = self._disk.read(straddling.path, straddling.offset(minimum))
                replace_file(self._disk, self._path(minimum), lines)
            self._delete_below(minimum)
            self._find_segments()
        except OSError as error:
            raise unreadable("pruned", self._folder, error) from error

    def _delete_below(self, minimum: int) -> None:
        folder = self._folder / "seg"
        for name in self._disk.names(folder):
            match = _SEGMENT_NAME.match(name)
            if match and int(match[1]) < minimum:
                self._disk.unlink(folder / name)
        self._disk.sync_folder(folder)
        self._pruning.forget(minimum)

    def _read_carried(self, pruned: Pruned, start: int, stop: int) -> list[bytes]:
        until = min(stop, pruned.minimum)
        found = self.carried(start, until)
        if len(found) != until - start:
            missing = next((at for at, (index, _) in enumerate(found, start) if index != at), start + len(found))
            raise record_pruned(missing, pruned)
        return [*(raw for _, raw in found), *(self._read(until, stop) if until < stop else ())]

    # --- segments ---------------------------------------------------------------------------------------------------

    def _is_held(self) -> bool:
        return self._hold is None or self._hold.is_held()

    def _path(self, first: int) -> Path:
        return self._folder / "seg" / f"{first:012d}.jsonl"

    def _exists(self, path: Path) -> bool:
        try:
            self._disk.size(path)
        except FileNotFoundError:
            return False
        return True

    def _is_full(self, segment: Segment) -> bool:
        return segment.stop - segment.first >= self._segment_records or segment.end >= self._segment_bytes

    def _find_segments(self) -> bool:
        try:
            names = self._disk.names(self._folder / "seg")
        except FileNotFoundError:
            return False
        firsts = tuple(int(match[1]) for name in names if (match := _SEGMENT_NAME.match(name)))
        if not firsts:
            return False
        self._pruned = self._pruning.state()
        minimum = self._pruned.minimum if self._pruned else 0
        firsts = firsts[max(bisect_right(firsts, minimum) - 1, 0) :]
        if firsts[0] > minimum:
            raise LedgerBroken(
                Verdict.TRUNCATED,
                f"the first segment is missing: the oldest there is starts at record {firsts[0]}",
                hint="restore the ledger's folder from a copy",
                index=0,
            )
        active = Segment(firsts[-1], self._path(firsts[-1]))
        self._look(active)
        with self._sealed_mutex:
            self._sealed.clear()
        # Readers in other threads take ``_active`` before ``_firsts``, so it is set after.
        self._firsts = firsts
        self._active = active
        return True

    def _start(self, first: int) -> None:
        """Go on to a segment that exists. Readers take ``_active`` before ``_firsts``, so it is set after."""
        self._disk.release(self._active.path)
        if first not in self._firsts:
            self._firsts = (*self._firsts, first)
        self._active = Segment(first, self._path(first))

    def _create(self, first: int) -> None:
        path = self._path(first)
        try:
            self._disk.make_folder(path.parent)
            self._disk.create(path)
        except OSError as error:
            raise poisoned("create", path, error) from error
        self._start(first)

    def _look(self, segment: Segment) -> None:
        """Take in what others wrote to the newest segment, or cut from it, since the last look."""
        size = self._disk.size(segment.path)
        if size == segment.end + len(segment.tail) and not segment.tail:
            return
        if size < segment.end:
            segment.shrink(segment.first)
        segment.tail = b""
        while (position := segment.end + len(segment.tail)) < size:
            data = self._disk.read(segment.path, position, min(_READ_BYTES, size - position))
            if not data or len(segment.tail) > TAIL_BYTES_MAX:
                break
            segment.take(segment.tail + data)

    def _sealed_segment(self, index: int) -> Segment:
        """Find where the lines of a full segment begin; the last few are remembered."""
        position = bisect_right(self._firsts, index)
        first, stop = self._firsts[position - 1], self._firsts[position]
        with self._sealed_mutex:
            segment = self._sealed.get(first)
            if segment is not None:
                self._sealed.move_to_end(first)
                return segment
        segment = Segment(first, self._path(first))
        try:
            self._look(segment)
        except OSError as error:
            raise unreadable("read", segment.path, error) from error
        if segment.stop != stop or segment.tail:
            raise LedgerBroken(
                Verdict.CORRUPT if segment.stop >= stop or segment.tail else Verdict.TRUNCATED,
                f"{segment.path.name} holds {segment.stop - first} lines, and {stop - first} records belong there",
                hint="restore that file from a copy",
                index=first,
            )
        with self._sealed_mutex:
            self._sealed[first] = segment
            while len(self._sealed) > _SEALED_KEPT:
                self._sealed.popitem(last=False)
        return segment

    def _read_first(self, first: int) -> bytes:
        """Give the first record of a full segment without looking for the others: opening asks for record 0."""
        path = self._path(first)
        try:
            line, newline, _ = self._disk.read(path, 0, _LINE_BYTES).partition(b"\n")
        except OSError as error:
            raise unreadable("read", path, error) from error
        if not newline:
            message = f"the first record of {path.name} does not end"
            raise LedgerBroken(Verdict.CORRUPT, message, hint="restore that file from a copy", index=first)
        return line

    def _read_lines(self, segment: Segment, start: int, stop: int) -> list[bytes]:
        begin, end = segment.offset(start), segment.offset(stop)
        try:
            data = self._disk.read(segment.path, begin, end - begin)
        except OSError as error:
            raise unreadable("read", segment.path, error) from error
        lines = data.split(b"\n")
        if len(data) != end - begin or lines.pop() or len(lines) != stop - start:
            raise LedgerBroken(
                Verdict.CORRUPT,
                f"{segment.path.name} changed under the reader, between records {start} and {stop}",
                hint="restore that file from a copy",
                index=start,
            )
        return lines

    def _undo(self, segment: Segment, error: OSError) -> None:
        """Take an unacknowledged group off again, so that nobody builds on bytes that may never reach the disk."""
        self._disk.release(segment.path)
        try:
            self._disk.truncate(segment.path, segment.end)
            self._disk.sync(segment.path)
        except OSError as second:
            error.add_note(f"and its bytes could not be taken off again: {second}")
