"""Files that packs rest on and do not hold, found in a folder by their digest, whatever they are called there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Set
from pathlib import Path

from bailiwick.canonical import digest
from bailiwick.errors import NotFound, Unavailable, UsageRefused

ENTRIES_MAX = 2_000
"""Most entries of a folder and all below it that are looked at, in number."""
FILE_BYTES_MAX = 8 << 20
"""Largest file that is read to see whether it is wanted, in bytes: as large as an attachment may be."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def find_attachments(folder: Path, wanted: Set[str]) -> dict[str, bytes]:
    """Give those files of a folder that have a wanted digest (``sha256:…``), by digest.

    Links are not followed and only plain files are read; larger ones are passed over, for none can be an attachment.

    Raises:
        NotFound: there is no such folder (code ``attach-not-found``).
        UsageRefused: the folder holds more than ``ENTRIES_MAX`` entries (code ``attach-too-many``).
        Unavailable: a file cannot be read now.
    """
    if not folder.is_dir():
        raise NotFound(
            f"{folder} is not a folder",
            hint="name the folder that holds the files: --attach FOLDER",
            code="attach-not-found",
        )
    found: dict[str, bytes] = {}
    try:
        for path in _files(folder):
            if found.keys() == wanted:
                break
            content = _read(path)
            if content is not None and (name := digest(content)) in wanted:
                found[name] = content
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be read: {error.strerror or error}",
            hint="check that the folder and its files can be read, then try again",
        ) from error
    return found


def _files(folder: Path) -> Iterator[Path]:
    """List plain files, folder by folder, in order of their names."""
    waiting, looked = [folder], 0
    while waiting:
        for entry in sorted(os.scandir(waiting.pop(0)), key=lambda each: each.name):
            looked += 1
            if looked > ENTRIES_MAX:
                raise UsageRefused(
                    f"{folder} holds more than {ENTRIES_MAX} entries",
                    hint="name a folder that holds the attachments and little else",
                    code="attach-too-many",
                )
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _read(path: Path) -> bytes | None:
    """Read a plain file; None where it is too large to be wanted, or no plain file any more."""
    opened = os.open(path, _FLAGS)
    with os.fdopen(opened, "rb") as stream:
        state = os.fstat(stream.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_size > FILE_BYTES_MAX:
            return None
        content = stream.read(FILE_BYTES_MAX + 1)
    return content if len(content) <= FILE_BYTES_MAX else None
