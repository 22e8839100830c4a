"""The files of an exported ledger, read from a folder that somebody else gave us."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bailiwick.errors import Unavailable


class Folder:
    """The files of a bundle by their path within it; whatever is not a plain file is kept apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.odd: list[str] = []
        self.files = dict(self._walk(path, ""))

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            for entry in entries:
                name = prefix + entry.name
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(seen.st_mode) and name.count("/") < 32:
                    yield from self._walk(Path(entry.path), name + "/")
                elif stat.S_ISREG(seen.st_mode):
                    yield name, seen.st_size
                else:
                    self.odd.append(name)
        except OSError as error:
            raise _unreadable(folder, error) from error

    def read(self, name: str, size_max: int) -> bytes:
        """Read a whole file of at most ``size_max`` bytes, and one byte more where it is longer."""
        return read_file(self.path, name, size_max)


def read_file(folder: Path, name: str, size_max: int) -> bytes:
    """Read a whole file of a folder, at most ``size_max`` bytes of it, and one byte more where it is longer.

    Raises:
        Unavailable: it cannot be read, or is no plain file.
    """
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            return file.read(size_max + 1)
    except OSError as error:
        raise _unreadable(folder / name, error) from error


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}", hint="check who owns it", code="bundle-unreadable"
    )
