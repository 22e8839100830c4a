"""One segment's file of a ledger in files: where its lines end; and the words for what can go wrong with it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from bailiwick.errors import LedgerPoisoned, Unavailable

LOCK_WAIT_MS = 30_000
"""Longest wait for whoever holds the ledger, in milliseconds; a group takes a few."""


class Segment:
    """What is known of one segment's file: where each whole line ends, and the unfinished one."""

    __slots__ = ("ends", "first", "path", "tail")

    def __init__(self, first: int, path: Path) -> None:
        self.first = first
        self.path = path
        self.ends = array("Q")
        self.tail = b""

    @property
    def stop(self) -> int:
        """The index after the last whole record."""
        return self.first + len(self.ends)

    @property
    def end(self) -> int:
        """Where the last whole line ends, in bytes from the start of the file."""
        return self.ends[-1] if self.ends else 0

    def offset(self, index: int) -> int:
        """Where a record begins, in bytes from the start of the file."""
        return self.ends[index - self.first - 1] if index > self.first else 0

    def grow(self, sizes: Sequence[int]) -> None:
        """Take in lines by their sizes, newline included."""
        if len(sizes) == 1:
            self.ends.append(self.end + sizes[0])
            return
        ends = list(accumulate(sizes, initial=self.end))
        self.ends.extend(ends[1:])

    def take(self, data: bytes) -> None:
        """Take in bytes that follow the last whole line; what is unfinished stays as the tail."""
        *lines, self.tail = data.split(b"\n")
        self.grow([len(line) + 1 for line in lines])

    def shrink(self, stop: int) -> None:
        """Forget the lines from an index on."""
        del self.ends[stop - self.first :]
        self.tail = b""


def locked(path: Path) -> Unavailable:
    """Say that another process holds the ledger."""
    return Unavailable(
        f"another process holds {path} for more than {LOCK_WAIT_MS / 1000:g} seconds",
        hint=f"fuser {path} names it; end it or let it go on, and try again",
        code="ledger-locked",
    )


def lock_lost(path: Path) -> Unavailable:
    """Say that another process took the lock meanwhile."""
    return Unavailable(
        f"another process took {path} meanwhile; nothing was written",
        hint="do not remove or restore that file while anything runs; try again",
        code="ledger-lock-lost",
    )


def unreadable(verb: str, path: Path, error: OSError) -> Unavailable:
    """Say that a file cannot be used now."""
    return Unavailable(
        f"{path} cannot be {verb}: {error.strerror or error}",
        hint="check the disk, and who owns the folder; then try again",
        code="ledger-unreadable",
    )


def poisoned(verb: str, path: Path, error: OSError) -> LedgerPoisoned:
    """Say that nobody knows which records are kept."""
    return LedgerPoisoned(
        f"could not {verb} {path}: {error.strerror or error}; whether the newest records are kept is unknown",
        hint="see to the disk and its free space, then start again; nothing that was acknowledged is lost",
    )
