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

from bailiwick.ports import Hold

_EPOCH_BYTES = 16


class SystemDisk:
    """See ``ports.Disk``."""

    def __init__(self) -> None:
        self._handles: dict[Path, int] = {}
        self._locks: dict[Path, _Lock] = {}
        self._mutex = threading.Lock()
        self._process = os.getpid()

    def __reduce__(self) -> tuple[type[SystemDisk], tuple[()]]:
        """Open the disk anew in another process: neither files nor locks are shared with it."""
        return SystemDisk, ()

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

    def lock(self, path: Path, wait_ms: int | None = None) -> AbstractContextManager[Hold]:
        """Hold the lock of a file among all threads and processes; the file is made where it is missing."""
        if os.getpid() != self._process:
            raise OSError(errno.EDEADLK, "locks are not shared with a forked process; open the disk anew", str(path))
        lock = self._locks.get(path)
        if lock is None:
            with self._mutex:
                lock = self._locks.get(path)
                if lock is None:
                    lock = self._locks[path] = _Lock(path)
        return lock if wait_ms is None else _Wait(lock, wait_ms / 1000)

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
    """One lock file, open. ``flock`` is per open file, so threads of this process need the mutex beside it.

    The file holds the epoch: a number that each new holder makes larger, so that one who lost the lock can know.
    """

    __slots__ = ("_epoch", "_mutex", "_path", "handle", "turn")

    def __init__(self, path: Path) -> None:
        self.handle = _open_lock(path)
        self._path = path
        self._epoch = b""
        self._mutex = threading.Lock()
        self.turn = 0
        """How often the lock was taken, counted by two where another process, or another open file, had it since."""

    def __enter__(self) -> _Lock:
        return self.take(None)

    def __exit__(self, *_: object) -> None:
        try:
            fcntl.flock(self.handle, fcntl.LOCK_UN)
        finally:
            self._mutex.release()

    def take(self, seconds: float | None) -> _Lock:
        """Take the lock, or raise ``TimeoutError``; an epoch of one's own begins where somebody else had it since."""
        if not self._mutex.acquire(timeout=-1 if seconds is None else seconds):
            raise _timeout(self._path)
        try:
            self._take_file(seconds)
            while os.fstat(self.handle).st_nlink == 0:
                # Somebody removed the file, and others may have made it anew: the lock of that one is the lock.
                os.close(self.handle)
                self.handle = _open_lock(self._path)
                self._take_file(seconds)
            self.turn += 1
            found = os.pread(self.handle, _EPOCH_BYTES, 0)
            if found != self._epoch or not found:
                self._begin_epoch(found)
        except BaseException:
            self._mutex.release()
            raise
        return self

    def is_held(self) -> bool:
        """Say whether the file is still there, with the epoch that this holder began."""
        return os.pread(self.handle, _EPOCH_BYTES, 0) == self._epoch and os.fstat(self.handle).st_nlink > 0

    def _begin_epoch(self, found: bytes) -> None:
        """Begin an epoch of one's own after that of somebody else, which was found in the file."""
        self.turn += 1
        number = int(found) if found.isdigit() else 0
        self._epoch = b"%0*d" % (_EPOCH_BYTES, (number + 1) % 10**_EPOCH_BYTES)
        with suppress(OSError):
            # On a full disk the lock is still good to read under; ``is_held`` says no, so that nobody writes under it.
            os.pwrite(self.handle, self._epoch, 0)

    def _take_file(self, seconds: float | None) -> None:
        if seconds is None:
            fcntl.flock(self.handle, fcntl.LOCK_EX)
            return
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait_for_file(seconds)

    def _wait_for_file(self, seconds: float) -> None:
        """Wait in the queue of the system, in a thread, for as long as may be: ``flock`` itself knows no time limit."""
        waiting = _Waiting(self._path)
        thread = threading.Thread(target=waiting.run, name="lock-wait", daemon=True)
        thread.start()
        thread.join(seconds)
        handle = waiting.give_up()
        if handle is None:
            raise _timeout(self._path)
        os.close(self.handle)
        self.handle = handle


class _Wait:
    """A lock of which each taking is bounded in time."""

    __slots__ = ("_lock", "_seconds")

    def __init__(self, lock: _Lock, seconds: float) -> None:
        self._lock = lock
        self._seconds = seconds

    def __enter__(self) -> _Lock:
        return self._lock.take(self._seconds)

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)


class _Waiting:
    """One wait for a lock, with an open file of its own: what is given up cannot unlock what is taken later."""

    def __init__(self, path: Path) -> None:
        self._handle = _open_lock(path)
        self._is_taken = False
        self._is_given_up = False
        self._mutex = threading.Lock()

    def run(self) -> None:
        """Wait until the lock is had; let go of it at once where nobody waits for it any more."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        with self._mutex:
            if self._is_given_up:
                os.close(self._handle)
            self._is_taken = not self._is_given_up

    def give_up(self) -> int | None:
        """Wait no longer, and give the handle that has the lock, or None where it was not had."""
        with self._mutex:
            if self._is_taken:
                return self._handle
            self._is_given_up = True
            return None


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _timeout(path: Path) -> OSError:
    return OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), str(path))


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
