"""Reading a ledger's segment files from one end to the other: for verification, which needs no index of their lines.

It holds no lock and keeps nothing open, so it can be sent to other processes: see ``ports.Segments``.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bailiwick.errors import LedgerBroken, Unavailable, Verdict
from bailiwick.ports import Disk

_BATCH_BYTES = 1 << 19
"""About as much is given at once, in bytes."""
_DIGEST_BYTES = 1 << 18
"""Read at once while hashing, in bytes: it stays in the processor's cache."""
_SEGMENT_NAME = re.compile(r"([0-9]{12})\.jsonl\Z")


@dataclass(frozen=True, slots=True)
class FileSegments:
    """See ``ports.Segments``."""

    folder: Path
    disk: Disk

    def spans(self) -> list[tuple[int, int]]:
        """Give first and stop of each full segment."""
        firsts = self._firsts()
        return list(zip(firsts, firsts[1:], strict=False))

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
        try:
            while data := self.disk.read(path, position, _DIGEST_BYTES):
                hashed.update(data)
                position += len(data)
        except OSError as error:
            raise _unreadable(path, error) from error
        return f"sha256:{hashed.hexdigest()}"

    def _scan_one(self, first: int, following: int | None, start: int, stop: int) -> Iterator[list[bytes]]:
        path = self._path(first)
        try:
            data = self.disk.read(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        _check_lines(path, data, first, stop if following is None else following, is_full=following is not None)
        index, position = first, 0
        while index < stop:
            end = data.find(b"\n", position + _BATCH_BYTES)
            end = data.rindex(b"\n") if end < 0 else end
            lines = data[position:end].split(b"\n")
            wanted = lines[max(start - index, 0) : stop - index]
            if wanted:
                yield wanted
            index, position = index + len(lines), end + 1

    def _firsts(self) -> list[int]:
        try:
            names = self.disk.names(self.folder / "seg")
        except OSError as error:
            raise _unreadable(self.folder, error) from error
        return sorted(int(match[1]) for name in names if (match := _SEGMENT_NAME.match(name)))

    def _path(self, first: int) -> Path:
        return self.folder / "seg" / f"{first:012d}.jsonl"


def _check_lines(path: Path, data: bytes, first: int, stop: int, *, is_full: bool) -> None:
    """Refuse a segment that does not hold as many lines as belong there."""
    lines, has_rest = data.count(b"\n"), not data.endswith(b"\n")
    if lines < stop - first or (is_full and (lines > stop - first or has_rest)):
        raise LedgerBroken(
            Verdict.CORRUPT if lines >= stop - first or has_rest else Verdict.TRUNCATED,
            f"{path.name} holds {lines} lines, and {stop - first} records belong there",
            hint="restore that file from a copy",
            index=first,
        )


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}",
        hint="check the disk, and who owns the folder; then try again",
        code="ledger-unreadable",
    )
