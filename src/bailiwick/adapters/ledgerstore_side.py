"""What a ledger store keeps on this machine beside records that are kept elsewhere: a lock, and its side files.

Side files can be rebuilt from the records, so they stay local: each node writes its own, and none of them travels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bailiwick.adapters.ledgerstore_checks import busy
from bailiwick.errors import Unavailable
from bailiwick.ports import Disk

LOCK_WAIT_MS = 30_000
"""Longest wait for another thread or process that holds the ledger, in milliseconds; a group takes a few."""


class SideFiles:
    """One folder with a lock and side files. Nothing is made on disk before something is written or locked."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.folder = folder
        self.disk = disk
        self._paths: set[Path] = set()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other threads and processes of this machine out.

        Raises:
            Unavailable: the lock cannot be had.
        """
        path = self.folder / "LOCK"
        try:
            try:
                holding = self.disk.lock(path, LOCK_WAIT_MS)
                holding.__enter__()
            except FileNotFoundError:
                self.disk.make_folder(self.folder)
                holding = self.disk.lock(path, LOCK_WAIT_MS)
                holding.__enter__()
        except TimeoutError as error:
            raise busy(f"{path} is held by another process", LOCK_WAIT_MS / 1000) from error
        except OSError as error:
            raise unreadable("locked", path, error) from error
        try:
            yield
        finally:
            holding.__exit__(None, None, None)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Read from a side file; fewer bytes, or none, where it is short or missing."""
        path = self.folder / name
        try:
            return self.disk.read(path, offset, size)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise unreadable("read", path, error) from error

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write to a side file, made when first written."""
        path = self.folder / name
        try:
            if path not in self._paths:
                self._make(path)
            self.disk.write(path, offset, data)
        except OSError as error:
            raise unreadable("written", path, error) from error

    def close(self) -> None:
        """Let go of files."""
        for path in self._paths:
            self.disk.release(path)
        self._paths.clear()

    def _make(self, path: Path) -> None:
        try:
            self.disk.size(path)
        except FileNotFoundError:
            self.disk.make_folder(path.parent)
            self.disk.create(path)
        self._paths.add(path)


def unreadable(verb: str, path: Path, error: OSError) -> Unavailable:
    """Say that a file on this machine cannot be used."""
    return Unavailable(
        f"{path} cannot be {verb}: {error.strerror or error}",
        hint="check the disk, and who owns the folder; then try again",
        code="ledger-unreadable",
    )
