"""A disk on which the n-th operation goes wrong: an error of the system, a torn write, or the end of the process.

    disk = FaultyDisk(SystemDisk(), after=17, fault=fail(errno.EIO))

Operations that change something are counted from 1: create, write, sync, sync_folder, rename, truncate and unlink.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bailiwick.ports import Disk, Hold

Fault = Callable[[str, Path], None]
"""Does the harm, given the operation's name and its path, before the operation itself happens."""


def fail(number: int) -> Fault:
    """Give a fault that raises ``OSError`` with an ``errno`` number, such as ``errno.ENOSPC``."""

    def raise_error(operation: str, path: Path) -> None:
        """Fail before the operation."""
        raise OSError(number, f"{os.strerror(number)} (injected at {operation})", str(path))

    return raise_error


def kill(operation: str, path: Path) -> None:
    """End this process as ``kill -9`` does: nothing is flushed, closed or cleaned up."""
    del operation, path
    os.kill(os.getpid(), signal.SIGKILL)


class FaultyDisk:
    """Any disk, with one fault before its n-th change. ``count`` is the number of changes asked for so far.

    ``stays`` makes every later change fail as well, as a full disk or a broken one does.
    """

    def __init__(self, disk: Disk, *, after: int, fault: Fault, stays: bool = False) -> None:
        self._disk = disk
        self._after = after
        self._fault = fault
        self._stays = stays
        self.count = 0

    def _change(self, operation: str, path: Path) -> None:
        self.count += 1
        if self.count == self._after or (self._stays and self.count > self._after):
            self._fault(operation, path)

    def make_folder(self, folder: Path) -> None:
        """See ``ports.Disk``; not counted."""
        self._disk.make_folder(folder)

    def names(self, folder: Path) -> list[str]:
        """See ``ports.Disk``."""
        return self._disk.names(folder)

    def size(self, path: Path) -> int:
        """See ``ports.Disk``."""
        return self._disk.size(path)

    def mode(self, path: Path) -> int:
        """See ``ports.Disk``."""
        return self._disk.mode(path)

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """See ``ports.Disk``."""
        return self._disk.read(path, offset, size)

    def create(self, path: Path, mode: int = 0o600) -> None:
        """See ``ports.Disk``; counted."""
        self._change("create", path)
        self._disk.create(path, mode)

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """See ``ports.Disk``; counted. When it is this write's turn, its first half is written before the fault."""
        if self.count + 1 == self._after and len(data) > 1:
            self._disk.write(path, offset, data[: len(data) // 2])
        self._change("write", path)
        self._disk.write(path, offset, data)

    def sync(self, path: Path) -> None:
        """See ``ports.Disk``; counted."""
        self._change("sync", path)
        self._disk.sync(path)

    def sync_folder(self, folder: Path) -> None:
        """See ``ports.Disk``; counted."""
        self._change("sync_folder", folder)
        self._disk.sync_folder(folder)

    def rename(self, old: Path, new: Path) -> None:
        """See ``ports.Disk``; counted."""
        self._change("rename", old)
        self._disk.rename(old, new)

    def truncate(self, path: Path, size: int) -> None:
        """See ``ports.Disk``; counted."""
        self._change("truncate", path)
        self._disk.truncate(path, size)

    def unlink(self, path: Path) -> None:
        """See ``ports.Disk``; counted."""
        self._change("unlink", path)
        self._disk.unlink(path)

    def lock(self, path: Path, wait_ms: int | None = None) -> AbstractContextManager[Hold]:
        """See ``ports.Disk``."""
        return self._disk.lock(path, wait_ms)

    def release(self, path: Path) -> None:
        """See ``ports.Disk``."""
        self._disk.release(path)

    def close(self) -> None:
        """See ``ports.Disk``."""
        self._disk.close()
