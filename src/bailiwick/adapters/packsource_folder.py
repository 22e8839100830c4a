"""Packs in a folder: each in a folder of its own name, recognised by its ``pack.yaml``.

Only plain files count. A symbolic link, a pipe or a device within a pack is refused, because what it leads to is not
the pack's. Hidden files (``.git``, ``.DS_Store``) are no part of a pack.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from bailiwick.adapters.packsource_checks import (
    FILE_BYTES_MAX,
    check_name,
    check_path,
    check_sizes,
    is_name,
    not_found,
    refused,
)
from bailiwick.errors import Unavailable

MANIFEST = "pack.yaml"
ENTRIES_MAX = 2_000
"""Most entries of all folders of one pack that are looked at, hidden ones too."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class FolderPackSource:
    """See ``ports.PackSource``."""

    def __init__(self, root: Path) -> None:
        """Look for packs in the folders directly under ``root``; it need not exist."""
        self._root = Path(root)

    def names(self) -> list[str]:
        """List the packs there are, sorted."""
        if not self._root.is_dir():
            return []
        return sorted(entry.name for entry in self._root.iterdir() if is_name(entry.name) and self._is_pack(entry))

    def files(self, name: str) -> Mapping[str, bytes]:
        """Give every file of one pack by its path within the pack.

        Raises:
            NotFound: no such pack.
            PackRefused: too many or too large files, a link, a path that is not plain.
            Unavailable: a file cannot be read now.
        """
        folder = self._root / check_name(name)
        if not self._is_pack(folder):
            raise not_found(name)
        try:
            found = dict(sorted(self._walk(name, folder)))
            check_sizes(name, ((path, size) for path, (_, size) in found.items()))
            files = {path: self._read(name, path, file) for path, (file, _) in found.items()}
        except OSError as error:
            raise Unavailable(
                f"pack {name} cannot be read: {error.strerror or error}",
                hint="check that the folder and its files can be read, then try again",
            ) from error
        check_sizes(name, ((path, len(raw)) for path, raw in files.items()))
        return files

    def _is_pack(self, folder: Path) -> bool:
        return folder.is_dir() and not folder.is_symlink() and (folder / MANIFEST).is_file()

    def _walk(self, name: str, folder: Path) -> Iterator[tuple[str, tuple[Path, int]]]:
        """Find plain files with their sizes, without recursion and without following a link."""
        waiting = [(folder, "")]
        looked_at = 0
        while waiting:
            where, prefix = waiting.pop()
            with os.scandir(where) as entries:
                for entry in entries:
                    looked_at += 1
                    path = prefix + entry.name
                    if looked_at > ENTRIES_MAX:
                        raise refused(name, path, "files", f"more than {ENTRIES_MAX} entries in its folders")
                    if entry.name.startswith("."):
                        continue
                    check_path(name, path)
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append((Path(entry.path), path + "/"))
                    elif stat.S_ISREG(status.st_mode):
                        yield path, (Path(entry.path), status.st_size)
                    else:
                        raise refused(name, path, "kind", "a link, a pipe or a device is no file of a pack")

    def _read(self, name: str, path: str, file: Path) -> bytes:
        """Read a file that is still plain, and no more of it than a file of a pack may have."""
        descriptor = os.open(file, _FLAGS)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise refused(name, path, "kind", "it is no plain file any more")
            return stream.read(FILE_BYTES_MAX + 1)
