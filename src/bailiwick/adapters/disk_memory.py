"""A disk in memory: for tests and simulations. What is written is there at once, for whoever holds the same object."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bailiwick.ports import Hold


class MemoryDisk:
    """See ``ports.Disk``. ``sync`` has nothing to do here; a wrapper can forget what was not synced."""

    def __init__(self) -> None:
        self._files: dict[Path, bytearray] = {}
        self._modes: dict[Path, int] = {}
        self._folders: set[Path] = {Path("/")}
        self._locks: dict[Path, threading.Lock] = {}
        self._mutex = threading.Lock()

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it."""
        for path in [folder, *folder.parents]:
            if path in self._files:
                raise _error(errno.ENOTDIR, path)
        self._folders.update([folder, *folder.parents])

    def names(self, folder: Path) -> list[str]:
        """List what is in a folder, sorted."""
        self._check_folder(folder)
        with self._mutex:
            return sorted(path.name for path in [*self._files, *self._folders] if path.parent == folder != path)

    def size(self, path: Path) -> int:
        """Give the size of a file in bytes."""
        return len(self._file(path))

    def mode(self, path: Path) -> int:
        """Give the permission bits of a file."""
        self._file(path)
        return self._modes[path]

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """Read from an offset: up to ``size`` bytes, or to the end."""
        data = self._file(path)
        return bytes(data[offset : len(data) if size is None else offset + size])

    def create(self, path: Path, mode: int = 0o600) -> None:
        """Make an empty file; ``FileExistsError`` where there is one."""
        self._check_folder(path.parent)
        with self._mutex:
            if path in self._files:
                raise _error(errno.EEXIST, path)
            self._files[path] = bytearray()
            self._modes[path] = mode

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """Write all the bytes at an offset of a file that exists; a gap before it reads as zeros."""
        with self._mutex:
            file = self._file(path)
            file.extend(bytes(max(offset - len(file), 0)))
            file[offset : offset + len(data)] = data

    def sync(self, path: Path) -> None:
        """Check that the file is there."""
        self._file(path)

    def sync_folder(self, folder: Path) -> None:
        """Check that the folder is there."""
        self._check_folder(folder)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in one step."""
        self._check_folder(new.parent)
        with self._mutex:
            self._file(old)
            self._files[new] = self._files.pop(old)
            self._modes[new] = self._modes.pop(old)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to ``size`` bytes, or lengthen it with zeros."""
        with self._mutex:
            file = self._file(path)
            file.extend(bytes(max(size - len(file), 0)))
            del file[size:]

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        with self._mutex:
            self._file(path)
            del self._files[path]
            del self._modes[path]
            self._locks.pop(path, None)

    @contextmanager
    def lock(self, path: Path, wait_ms: int | None = None) -> Iterator[Hold]:
        """Hold the lock of a file among all threads; the file is made where it is missing."""
        self._check_folder(path.parent)
        with self._mutex:
            lock = self._locks.setdefault(path, threading.Lock())
            if path not in self._files:
                self._files[path] = bytearray()
                self._modes[path] = 0o600
        if not lock.acquire(timeout=-1 if wait_ms is None else wait_ms / 1000):
            raise _error(errno.ETIMEDOUT, path)
        try:
            yield _Hold(self._locks, path, lock)
        finally:
            lock.release()

    def release(self, path: Path) -> None:
        """Do nothing: no file is kept open."""

    def close(self) -> None:
        """Do nothing: the files live as long as the object."""

    def _file(self, path: Path) -> bytearray:
        file = self._files.get(path)
        if file is None:
            raise _error(errno.EISDIR if path in self._folders else errno.ENOENT, path)
        return file

    def _check_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            raise _error(errno.ENOTDIR if folder in self._files else errno.ENOENT, folder)


class _Hold:
    """See ``ports.Hold``. A lock whose file was removed is nobody's any more."""

    __slots__ = ("_lock", "_locks", "_path")

    def __init__(self, locks: dict[Path, threading.Lock], path: Path, lock: threading.Lock) -> None:
        self._locks = locks
        self._path = path
        self._lock = lock

    def is_held(self) -> bool:
        """Say whether the file still has this lock."""
        return self._locks.get(self._path) is self._lock


def _error(number: int, path: Path) -> OSError:
    """Build the error that the system would give; Python picks the subclass, such as ``FileNotFoundError``."""
    return OSError(number, os.strerror(number), str(path))
