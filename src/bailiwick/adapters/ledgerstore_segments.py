"""Reading a ledger's segment files from one end to the other: for verification, which needs no index of their lines.

It holds no lock and keeps nothing open, so it can be sent to other processes: see ``ports.Segments``.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from bailiwick.errors import LedgerBroken, Unavailable, Verdict
from bailiwick.ports import Disk

_READ_BYTES = 1 << 18
"""Read at once, in bytes: it stays in the processor's cache."""
_LINE_BYTES_MAX = 1 << 20
"""Longest line that is looked for, in bytes; no record is as long."""
_SEGMENT_NAME = re.compile(r"([0-9]{12})\.jsonl\Z")


@dataclass(frozen=True, slots=True)
class FileSegments:
    """See ``ports.Segments``."""

    folder: Path
    disk: Disk

    def spans(self) -> list[tuple[int, int]]:
        """Give first and stop of each full segment."""
        firsts = self._firsts()
        return list(pairwise(firsts))

    def scan(self, start: int, stop: int) -> Iterator[list[bytes]]:
        """Give records ``start`` to ``stop`` in order, some hundreds at a time."""
        firsts = self._firsts()
        while start < stop:
            at = bisect_right(firsts, start) - 1
            following = firsts[at + 1] if at + 1 < len(firsts) else None
            until = stop if following is None else min(stop, following)
            yield from self._scan_one(firsts[at], following, start, until)
            start = until

    def digest(self, first: int) -> str:
        """Give ``sha256:`` and the SHA-256 of a full segment's file."""
        path = self._path(first)
        hashed, position = hashlib.sha256(), 0
        while data := self._read(path, position):
            hashed.update(data)
            position += len(data)
        return f"sha256:{hashed.hexdigest()}"

    def slice(self, first: int, start: int, stop: int) -> bytes:
        """Give the bytes ``start`` to ``stop`` of a full segment's file, or fewer where it ends before."""
        path = self._path(first)
        try:
            return self.disk.read(path, start, stop - start)
        except OSError as error:
            raise _unreadable(path, error) from error

    def _scan_one(self, first: int, following: int | None, start: int, stop: int) -> Iterator[list[bytes]]:
        """Give records of one segment; at its end, say whether it held as many as belong there."""
        path = self._path(first)
        index, position = self._pass_over(path, first, start)
        rest = b""
        while index < stop or following == stop:
            data = self._read(path, position)
            if not data:
                break
            position += len(data)
            data, newline, after = (rest + data).rpartition(b"\n")
            rest = after
            if len(rest) > _LINE_BYTES_MAX:
                break
            if not newline:
                continue
            lines = data.split(b"\n")
            wanted = lines[max(start - index, 0) : max(stop - index, 0)]
            index += len(lines)
            if wanted:
                yield wanted
        if index < stop or (following == stop and (index > stop or rest)):
            belong = "more" if following is None else str(following - first)
            verdict = Verdict.CORRUPT if index >= stop or rest else Verdict.TRUNCATED
            raise LedgerBroken(
                verdict,
                f"{path.name} holds {index - first} whole lines, and {belong} records belong there",
                hint="restore that file from a copy",
                index=min(index, stop),
            )

    def _pass_over(self, path: Path, first: int, start: int) -> tuple[int, int]:
        """Give how many records end before a place in the file that is not after record ``start``, and the place."""
        index, position = first, 0
        while index < start and (data := self._read(path, position)):
            count = data.count(b"\n")
            if index + count >= start:
                break  # it may begin in these bytes
            index, position = index + count, position + len(data)
        return index, position

    def _read(self, path: Path, position: int) -> bytes:
        try:
            return self.disk.read(path, position, _READ_BYTES)
        except OSError as error:
            raise _unreadable(path, error) from error

    def _firsts(self) -> list[int]:
        try:
            names = self.disk.names(self.folder / "seg")
        except OSError as error:
            raise _unreadable(self.folder, error) from error
        return sorted(int(match[1]) for name in names if (match := _SEGMENT_NAME.match(name)))

    def _path(self, first: int) -> Path:
        return _path_of(self.folder, first)


@lru_cache(maxsize=1_024)
def _path_of(folder: Path, first: int) -> Path:
    return folder / "seg" / f"{first:012d}.jsonl"


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}",
        hint="check the disk, and who owns the folder; then try again",
        code="ledger-unreadable",
    )
