"""What a witness remembers, as a folder: one file for each ledger, named by the SHA-256 of its origin.

Written beside, synced, then renamed, under a lock among all processes. What cannot be read is never taken for nothing:
a witness that forgot would cosign a second past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.errors import Unavailable
from bailiwick.ports import Disk

NOTE_BYTES_MAX = 65_536
"""Largest checkpoint that is kept, in bytes, with all its lines."""


class FolderWitnessMemory:
    """See ``ports.WitnessMemory``. Several processes may hold the same folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    @contextmanager
    def exclusive(self, origin: str) -> Iterator[None]:
        """Hold the memory of one ledger alone, among all threads and processes."""
        path = self._path(origin)
        try:
            self._disk.make_folder(self._folder)
            lock = self._disk.lock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise self._unavailable(error) from error
        with lock:
            yield

    def read(self, origin: str) -> bytes:
        """Give the checkpoint that is kept for a ledger; empty where there is none."""
        try:
            return self._disk.read(self._path(origin), 0, NOTE_BYTES_MAX)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._unavailable(error) from error

    def write(self, origin: str, note: bytes) -> None:
        """Keep a checkpoint in place of the one before; durable on return."""
        assert len(note) <= NOTE_BYTES_MAX, len(note)
        try:
            replace_file(self._disk, self._path(origin), note)
        except OSError as error:
            raise self._unavailable(error) from error

    def _path(self, origin: str) -> Path:
        return self._folder / hashlib.sha256(origin.encode()).hexdigest()

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"the witness's memory {self._folder} cannot be used: {error.strerror or error}",
            hint="check the folder and its disk; nothing is cosigned meanwhile",
            code="witness-memory",
        )
