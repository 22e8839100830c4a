"""Files that packs pin by digest and do not hold: found in a folder of whoever installs, by what they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bailiwick.canonical import digest
from bailiwick.errors import InputRefused, NotFound, Unavailable

FILE_BYTES_MAX = 8 << 20
"""Largest file that can be attached, in bytes; a larger one is passed over."""
FOLDER_BYTES_MAX = 64 << 20
"""Most bytes of a folder that are read."""
ENTRIES_MAX = 5_000
"""Most entries of all folders that are looked at."""


def attached_files(folder: Path) -> dict[str, bytes]:
    """Give the plain files of a folder and those below it, by digest; their names mean nothing.

    Links are not followed, hidden files and files that are too large are left out.

    Raises:
        NotFound: there is no such folder (code ``folder-not-found``).
        InputRefused: it holds too much (code ``folder-too-large``).
        Unavailable: a file cannot be read.
    """
    if not folder.is_dir():
        raise NotFound(
            f"{folder} is no folder", hint="give the folder that the attached files lie in", code="folder-not-found"
        )
    found: dict[str, bytes] = {}
    size = 0
    try:
        for path, length in _plain(folder):
            size += length
            if size > FOLDER_BYTES_MAX:
                raise _too_large(folder)
            raw = path.read_bytes()
            found[digest(raw)] = raw
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be read: {error.strerror or error}", hint="check who may read it, then try again"
        ) from error
    return found


def _plain(folder: Path) -> Iterator[tuple[Path, int]]:
    waiting = [folder]
    looked_at = 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                looked_at += 1
                if looked_at > ENTRIES_MAX:
                    raise _too_large(folder)
                status = entry.stat(follow_symlinks=False)
                if entry.name.startswith("."):
                    continue
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(Path(entry.path))
                elif stat.S_ISREG(status.st_mode) and status.st_size <= FILE_BYTES_MAX:
                    yield Path(entry.path), status.st_size


def _too_large(folder: Path) -> InputRefused:
    return InputRefused(
        f"{folder} holds more than {ENTRIES_MAX} entries or {FOLDER_BYTES_MAX} bytes",
        hint="put the attached files into a folder of their own",
        code="folder-too-large",
    )
