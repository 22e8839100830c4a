"""The disk of the machine: POSIX files, ``fdatasync``, and ``flock`` for locks.

Files that are written are kept open until ``release``; reads open and close their own, so that no reader can meet a
descriptor that was closed and given to another file meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path


class SystemDisk:
    """See ``ports.Disk``."""

    def __init__(self) -> None:
        self._handles: dict[Path, int] = {}
        self._locks: dict[Path, _Lock] = {}
        self._mutex = threading.Lock()
        self._process = os.getpid()

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, durably."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            self.sync_folder(path.parent)

    def names(self, folder: Path) -> list[str]:
        """List what is in a folder, sorted."""
        return sorted(path.name for path in folder.iterdir())

    def size(self, path: Path) -> int:
        """Give the size of a file in bytes."""
        handle = self._handles.get(path)
        return path.stat().st_size if handle is None else os.fstat(handle).st_size

    def mode(self, path: Path) -> int:
        """Give the permission bits of a file."""
        return path.stat().st_mode & 0o7777

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """Read from an offset: up to ``size`` bytes, or to the end."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            wanted = max(os.fstat(handle).st_size - offset, 0) if size is None else size
            return _read_all(handle, offset, wanted)
        finally:
            os.close(handle)

    def create(self, path: Path, mode: int = 0o600) -> None:
        """Make an empty file; ``FileExistsError`` where there is one."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """Write all the bytes at an offset of a file that exists."""
        handle = self._handle(path)
        written = os.pwrite(handle, data, offset)
        while written < len(data):
            more = os.pwrite(handle, data[written:], offset + written)
            if more == 0:
                raise OSError(errno.EIO, "nothing was written", str(path))
            written += more

    def sync(self, path: Path) -> None:
        """Make what was written to a file durable, its size with it."""
        try:
            os.fdatasync(self._handle(path))
        except OSError:
            # After a failed flush the kernel may call the lost pages clean: no second flush of this handle is believed.
            self.release(path)
            raise

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in one step."""
        self.release(old)
        self.release(new)
        old.replace(new)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        os.ftruncate(self._handle(path), size)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self.release(path)
        path.unlink()

    def lock(self, path: Path) -> AbstractContextManager[None]:
        """Hold the lock of a file among all threads and processes; the file is made where it is missing."""
        if os.getpid() != self._process:
            raise OSError(errno.EDEADLK, "locks are not shared with a forked process; open the disk anew", str(path))
        with self._mutex:
            lock = self._locks.get(path)
            if lock is None:
                lock = self._locks[path] = _Lock(path)
        return lock

    def release(self, path: Path) -> None:
        """Close what is kept open for a file."""
        with self._mutex:
            handle = self._handles.pop(path, None)
        if handle is not None:
            os.close(handle)

    def close(self) -> None:
        """Close everything that is kept open, locks too."""
        with self._mutex:
            handles = [*self._handles.values(), *(lock.handle for lock in self._locks.values())]
            self._handles.clear()
            self._locks.clear()
        for handle in handles:
            os.close(handle)

    def _handle(self, path: Path) -> int:
        handle = self._handles.get(path)
        if handle is None:
            with self._mutex:
                handle = self._handles.get(path)
                if handle is None:
                    handle = self._handles[path] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return handle


class _Lock:
    """One lock file, open. ``flock`` is per open file, so threads of this process need the mutex beside it."""

    __slots__ = ("_mutex", "handle")

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._mutex = threading.Lock()

    def __enter__(self) -> None:
        self._mutex.acquire()
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX)
        except BaseException:
            self._mutex.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            fcntl.flock(self.handle, fcntl.LOCK_UN)
        finally:
            self._mutex.release()


def _read_all(handle: int, offset: int, wanted: int) -> bytes:
    """Read until ``wanted`` bytes are there or the file ends; one call may give less."""
    data = os.pread(handle, wanted, offset)
    if len(data) in {wanted, 0}:
        return data
    parts = [data]
    got = len(data)
    while got < wanted and (data := os.pread(handle, wanted - got, offset + got)):
        parts.append(data)
        got += len(data)
    return b"".join(parts)
